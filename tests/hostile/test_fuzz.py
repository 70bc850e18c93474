"""A few hundred strange files at every door. `python -m benchmarks.fuzz` throws thousands and counts."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from benchmarks.measure import RESULTS
from tests.hostile.runs import COMMANDED, fakes
from tests.hostile.targets import LOADERS, Hang, Target, guarded

GAPS: set[str] = set()
"""Doors that let something through, each case of which has a test in `test_known_gaps`; the benchmark counts them."""


def named(target: Target) -> str:
    return target.name


def thrown(target: Target, count: int) -> set[str]:
    """Enter that many cases, the same every time; "accepted" and "refused", as they occurred."""
    ended: set[str] = set()

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.cases)
    def enter(case: object) -> None:
        with tempfile.TemporaryDirectory() as folder, guarded(Path(folder)):
            ended.add("accepted" if target.enter(case, Path(folder)) == "accepted" else "refused")

    enter()
    return ended


@pytest.mark.parametrize("target", [each for each in LOADERS if each.name not in GAPS], ids=named)
def test_a_file_of_a_stranger_is_read_or_refused_in_words(target: Target) -> None:
    assert thrown(target, 60) == {"accepted", "refused"}


@pytest.mark.parametrize("target", [each for each in COMMANDED if each.name not in GAPS], ids=named)
def test_a_command_ends_in_one_line_or_does_its_work_and_stays_in_its_folder(target: Target) -> None:
    fakes()
    assert thrown(target, 40) == {"accepted", "refused"}


def test_the_guard_sees_a_write_outside_a_program_and_a_call(tmp_path: Path) -> None:
    """Without this the tests above might watch nothing."""
    (tmp_path / "in").mkdir()
    with guarded(tmp_path / "in"):
        (tmp_path / "in" / "x").write_text("mine")

    def call() -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect_ex(str(tmp_path / "none"))

    acts: list[Callable[[], object]] = [
        lambda: (tmp_path / "x").write_text("not mine"),
        lambda: (tmp_path / "y").mkdir(),
        lambda: subprocess.run(["true"], check=True),
        call,
    ]
    for act in acts:
        with pytest.raises(AssertionError), guarded(tmp_path / "in"):
            act()


def test_the_guard_ends_what_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.hostile.targets.PATIENCE", 0.05)

    def hang() -> None:
        while True:
            pass

    with pytest.raises(Hang), guarded(tmp_path):
        hang()


def test_the_benchmark_threw_ten_thousand_and_only_doors_with_known_gaps_let_any_through() -> None:
    told = json.loads((RESULTS / "fuzz.json").read_text(encoding="utf-8"))
    assert told["total"]["cases"] == sum(each["cases"] for each in told["doors"]) == 10_000
    assert {each["door"] for each in told["doors"]} == {each.name for each in (*LOADERS, *COMMANDED)}
    assert {each["door"] for each in told["doors"] if each["bugs"]} <= GAPS
    assert all(each["accepted"] and each["refused"] for each in told["doors"])
