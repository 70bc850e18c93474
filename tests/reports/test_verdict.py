"""The verdict and the comparison as sections of the report, on real small runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from audit.compare import Side
from audit.gate import gate
from audit.policy import Policy, Primary
from reports.api import Part
from reports.gating import write
from reports.load import load
from reports.sections.comparison import comparison
from reports.sections.verdict import verdict
from tests.test_gate import Tinted, run

POLICY = Policy(primary=(Primary(audit="fake.red", margin=2.0),), pairs=20)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    folder = tmp_path_factory.mktemp("runs")
    before, after = run(folder / "before", Tinted(0, 1.0)), run(folder / "after", Tinted(-6, 1.0))
    write(gate(before, after, POLICY), after.folder.path / "gate")
    return before, after


def words(part: Part | None) -> str:
    assert part is not None
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", str(part.html)))


def test_the_verdict_lies_beside_the_run_it_speaks_of(sides: tuple[Side, Side]) -> None:
    before, after = (side.folder.path for side in sides)
    told = words(verdict.write(load([before, after])))
    assert "Fail: fake.red got worse." in told
    assert "worse, and it may be more than the margin" in told
    assert "36 pairs · 12 prompts" in told
    assert verdict.write(load([before])) is None


def test_the_margin_and_the_interval_lie_where_they_should(sides: tuple[Side, Side]) -> None:
    part = verdict.write(load([sides[1].folder.path]))
    assert part is not None
    at = {name: float(place) for name, place in re.findall(r'class="(zero|limit|at)" x1="([\d.]+)"', str(part.html))}
    [reach] = re.findall(r'class="reach" x1="([\d.]+)" x2="([\d.]+)"', str(part.html))
    low, high = map(float, reach)
    assert at["zero"] < at["limit"] < low < at["at"] < high < 100


def test_breaches_and_notes_are_shown_escaped(sides: tuple[Side, Side], tmp_path: Path) -> None:
    side = run(tmp_path / "x")
    told = json.loads((sides[1].folder.path / "gate" / "verdict.json").read_text())
    told |= {"breaches": [{"kind": HOSTILE, "text": HOSTILE}], "notes": [HOSTILE], "candidate": HOSTILE}
    (side.folder.path / "gate").mkdir()
    (side.folder.path / "gate" / "verdict.json").write_text(json.dumps(told))
    part = verdict.write(load([side.folder.path]))
    assert part is not None
    assert "<script>" not in str(part.html)
    assert str(part.html).count("&lt;script&gt;") == 4


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"status": "pass"}'])
def test_a_file_that_is_no_verdict_is_left_out(tmp_path: Path, text: str) -> None:
    side = run(tmp_path / "x")
    (side.folder.path / "gate").mkdir()
    (side.folder.path / "gate" / "verdict.json").write_text(text)
    assert verdict.write(load([side.folder.path])) is None


def test_two_runs_are_compared_pair_by_pair(sides: tuple[Side, Side]) -> None:
    part = comparison.write(load([side.folder.path for side in sides]))
    told = words(part)
    assert "fake.red" in told
    assert "36 pairs · 12 prompts" in told
    assert re.search(r"−[56]\.\d+ \[−\d\.\d+, −\d\.\d+\] worse", told)
    assert "not run on both" not in told


def test_one_generator_has_nothing_to_be_compared_with(sides: tuple[Side, Side]) -> None:
    assert comparison.write(load([sides[0].folder.path])) is None


def test_a_difference_that_may_be_noise_gets_no_word(tmp_path: Path) -> None:
    one, two = run(tmp_path / "one", Tinted(0, 4.0)), run(tmp_path / "two", Tinted(0.01, 4.0))
    part = comparison.write(load([one.folder.path, two.folder.path]))
    assert part is not None
    assert re.findall(r'<td class="(\w+)"', str(part.html)) == ["open", "open"]
