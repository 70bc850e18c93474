"""Slips that the faults brought to light, one each, so that they are named where they come back."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from audit.api import View
from audit.generate import generate, out_of_memory
from audit.scorers import scored
from audit.store import RunFolder, StoreError
from audit.tables import read_table
from audit.types import Score
from generators.api import Pixels, Refusal, Request
from tests.fakes import FakeGenerator, suite
from tests.soak.alone import sitting
from tests.soak.faults import Hungry
from tests.test_score import view
from tests.test_store import planned


def test_a_vector_with_nan_is_its_pictures_failure_and_reaches_no_set_statistic() -> None:
    def scorer(views: Sequence[View]) -> list[Score]:
        return [Score.features((1.0, float("nan") if each.prompt.text == "b" else 2.0)) for each in views]

    good, bad = scored(scorer, [view("a"), view("b")])
    assert good.status == "ok"
    assert bad.status == "failed"
    assert "must be finite" in bad.reason


@pytest.mark.parametrize(
    ("error", "smaller"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("the prompt is too long"), False),
    ],
)
def test_only_want_of_memory_makes_batches_smaller(error: Exception, smaller: bool) -> None:
    assert out_of_memory(error) == smaller


def test_what_fitted_is_remembered_from_shard_to_shard_and_a_single_picture_that_does_not_fit_has_failed() -> None:
    [shard] = planned(suite(*"abcdefgh"), batch=16)
    generator = Hungry(fits=3, error=MemoryError(), late=True)
    sizes = []
    for _ in range(2):
        made = generate(generator, shard.jobs, 16, RunFolder("unused").input)
        assert all(each.stored.artifact.status == "ok" for each in made)
        sizes.append([len(call) for call in generator.calls])
        generator.calls.clear()
    assert sizes == [[16, 8, 4, *[2] * 8], [2] * 8]

    starved = Hungry(fits=0, error=RuntimeError("CUDA out of memory"), late=False)
    [first, *_] = generate(starved, shard.jobs[:2], 2, RunFolder("unused").input)
    assert first.stored.artifact.error == "RuntimeError: CUDA out of memory"


def test_a_picture_that_rotted_is_noticed_though_every_score_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sitting(tmp_path).folder
    path = folder.image_file(1)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"WEBP") + 40] ^= 1
    path.write_bytes(raw)
    generator = FakeGenerator()
    sitting(tmp_path, generator)
    assert f"{path} cannot be read; its pictures are made again" in capsys.readouterr().err.replace("\n", "")
    assert generator.made == 4


def test_a_file_whose_columns_have_other_names_or_types_is_damaged(tmp_path: Path) -> None:
    """Their names and types lie outside the pages, where no checksum guards them."""
    folder = sitting(tmp_path).folder
    path, good, told = folder.score_file("fake.red", 0), folder.score_file("fake.red", 0).read_bytes(), set()
    before = folder.read_scores(path)
    footer, dice = int.from_bytes(good[-8:-4], "little"), random.Random(5)
    for _ in range(300):
        raw = bytearray(good)
        raw[len(raw) - 8 - dice.randrange(footer)] ^= 1 << dice.randrange(8)
        path.write_bytes(raw)
        try:
            assert folder.read_scores(path) == before
        except StoreError as error:
            told.add(str(error).partition(" (")[0])
    assert told == {f"{path} is damaged"}
    path.write_bytes(good)
    with pytest.raises(KeyError, match="column nothing is missing"):
        read_table(path, ["nothing"])


class Quits(FakeGenerator):
    """Calls sys.exit() like a script."""

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        for index, request in enumerate(requests):
            if request.text == "b":
                raise SystemExit("enough")
            yield index, np.zeros((4, 4, 3), np.uint8)


def test_a_generator_that_calls_exit_loses_a_picture_and_not_the_run(tmp_path: Path) -> None:
    rows = sitting(tmp_path, Quits()).folder.artifacts()
    assert list(rows["status"][:4]) == ["ok", "failed", "ok", "ok"]
    assert rows["error"][1] == "SystemExit: enough"
