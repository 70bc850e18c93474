"""What two runs share, and what is explored between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.compare import POOLED, Runs, Side, explored
from audit.store import RunFolder
from audit.types import Prompt, Suite
from tests.fakes import config, walked
from tests.test_gate import Tinted

PROMPTS = tuple(
    Prompt(id=f"p{n}", text=f"{'red' if n % 2 else 'blue'} thing {n}", tags=("all", "odd" if n % 2 else "even"))
    for n in range(24)
)


class RedderWhereAsked(Tinted):
    """Takes red from pictures of prompts that ask for red, and from no other."""

    def generate(self, requests):  # type: ignore[no-untyped-def]
        for index, made in super().generate(requests):
            harmed = made.copy()
            if "red" in requests[index].text:
                harmed[..., 0] -= 8
            yield index, harmed

    def fingerprint(self) -> str:
        return "redder"


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    suite = Suite(name="tagged", version="1", prompts=PROMPTS)
    sides = []
    for name, generator in (("a", Tinted(0, 0.5)), ("b", RedderWhereAsked(0, 0.5))):
        given = config(tmp_path / name, replicates=2, guidance=(1.0, 2.0))
        walked(given, suite, generator, audits=("fake.red", "fake.features", "fake.word"))
        sides.append(Side.of(RunFolder(tmp_path / name)))
    return Runs(*sides)


def test_slices_show_where_the_harm_is(runs: Runs) -> None:
    found = {each.tag: each for each in explored(runs, slices=[runs.shared["fake.red"]])}
    assert set(found) == {"", "odd", "even"}  # a tag that every prompt carries says nothing new
    assert found["odd"].difference.value == pytest.approx(-8)
    assert found["even"].difference.value == 0
    assert found[""].difference.value == pytest.approx(-4)
    assert found["odd"].q is not None
    assert found["odd"].q <= 0.05 < 0.9 < (found["even"].q or 0)
    assert (found["odd"].pairs, found["odd"].prompts, found["odd"].replicates) == (48, 12, 4)


def test_features_and_what_was_never_scored_are_no_comparison(runs: Runs) -> None:
    assert {each.measure.name for each in explored(runs)} == {"fake.red"}


def test_a_cell_can_be_compared_alone(runs: Runs) -> None:
    measure = runs.shared["fake.red"]
    alone, together = runs.compare(measure, cell="guidance=2"), runs.compare(measure)
    assert (alone.cell, alone.pairs) == ("guidance=2", 48)
    assert (together.cell, together.pairs) == (POOLED, 96)
    assert runs.cells == ["guidance=1", "guidance=2"]


def test_every_figure_goes_into_the_json(runs: Runs) -> None:
    told = runs.compare(runs.shared["fake.red"]).as_json()
    wanted = {"value", "low", "high", "p", "mde", "pairs", "prompts", "replicates", "skipped", "failed", "icc"}
    assert wanted <= {name for name, value in told.items() if value is not None}


def test_a_score_of_other_options_is_not_shared(tmp_path: Path, runs: Runs) -> None:
    suite = Suite(name="tagged", version="1", prompts=PROMPTS)
    given = config(tmp_path / "c", replicates=2, guidance=(1.0, 2.0), options={"fake.red": {"offset": 1.0}})
    walked(given, suite, Tinted(), audits=("fake.red",))
    assert Runs(runs.baseline, Side.of(RunFolder(tmp_path / "c"))).shared == {}
