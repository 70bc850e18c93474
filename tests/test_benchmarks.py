"""The clockwork of the benchmarks, and that no committed result lacks its commit and machine."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from benchmarks.measure import RESULTS, figure, interleaved, stamp


def test_every_arm_runs_once_to_warm_up_and_then_in_turn():
    order: list[str] = []
    times = interleaved({name: lambda name=name: order.append(name) for name in "abc"}, repeats=3)
    assert order[:3] == ["a", "b", "c"]
    assert order[3:] == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert set(Counter(order).values()) == {4}
    assert set(times) == {"a", "b", "c"}


def test_waiting_costs_wall_time_and_working_costs_both():
    def work() -> None:
        begun = time.process_time()
        while time.process_time() - begun < 0.05:
            pass

    times = interleaved({"wait": lambda: time.sleep(0.05), "work": work}, repeats=3)
    assert times["wait"]["wall"] >= 0.05
    assert times["wait"]["cpu"] < 0.02
    assert times["work"]["cpu"] >= 0.05


def test_a_figure_says_how_many_times_faster_with_its_goal(capsys):
    times = {"slow": {"wall": 3.0, "cpu": 2.0}, "fast": {"wall": 1.5, "cpu": 0.5}}
    made = figure("packing", times, slow="slow", fast="fast", goal=1.3, unit="times faster")
    assert (made["ratio"], made["ratio_cpu"], made["goal"]) == (2.0, 4.0, 1.3)
    assert "packing: 2.00x wall, 4.00x cpu (goal 1.3x)" in capsys.readouterr().out


def test_a_stamp_names_commit_and_machine():
    assert set(stamp()) == {"commit", "machine"}
    assert all(stamp().values())


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_committed_results_name_their_commit_and_machine(path):
    result = json.loads(path.read_text())
    assert result["commit"]
    assert result["machine"]
    for each in result.get("figures", []):
        assert {"name", "ratio", "goal", "unit", "arms"} <= set(each)
