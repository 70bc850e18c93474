from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.memory import growth


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path: Path) -> None:
    found = growth(tmp_path, few=300, many=1000, size=256)
    assert found["pixels"] > 190
    assert found["growth"] < 70, found
