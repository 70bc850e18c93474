from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.soak.faults import FAULTS, UnavailableError


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_survives(name: str, tmp_path: Path) -> None:
    try:
        FAULTS[name](tmp_path / "run", random.Random(name))
    except UnavailableError as error:
        pytest.skip(str(error))
