"""The clockwork of the benchmarks, and that no committed result lacks its commit and machine."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from benchmarks.measure import RESULTS, differing, figure, interleaved, machine, settle, stamp, write

VALIDITY = RESULTS.parent / "validity"


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


def test_where_there_is_no_git_the_commit_is_told_by_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("COMMIT", "abc1234")
    assert stamp()["commit"] == "abc1234"
    monkeypatch.delenv("COMMIT")
    assert stamp()["commit"] == "unknown"


def test_the_machine_is_the_accelerator_only_where_it_was_used(monkeypatch):
    monkeypatch.setattr("benchmarks.measure.about_machine", lambda: {"gpu": "a fast card", "cpu": "a processor"})
    assert machine("cuda:0") == "a fast card"
    assert machine("cpu").startswith("a processor, ")


def test_a_result_is_written_where_it_is_wanted(tmp_path):
    write("made up", {"figures": []}, out=tmp_path / "new" / "result.json")
    assert json.loads((tmp_path / "new" / "result.json").read_text()).keys() == {"figures", "commit", "machine"}


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_committed_results_name_their_commit_and_machine(path):
    result = json.loads(path.read_text())
    assert result["commit"]
    assert result["machine"]
    for each in result.get("figures", []):
        assert {"name", "ratio", "goal", "unit", "arms"} <= set(each)


def test_every_interval_holds_its_truth_as_often_as_it_says_or_tells_why_not():
    told = json.loads((VALIDITY / "coverage.json").read_text(encoding="utf-8"))
    assert told["commit"]
    assert len(told["coverage"]) > 15
    for each in told["coverage"]:
        assert each["n"] >= 500
        assert each["seed"]
        assert each["met"] == (0.93 <= each["coverage"] <= 0.97)
        assert each["met"] or each["note"], each["interval"]


def test_the_gate_cries_wolf_seldom_and_sees_harm_of_its_margin():
    told = json.loads((VALIDITY / "gate.json").read_text(encoding="utf-8"))
    assert {each["defect"] for each in told["gates"]} == {"extra_finger", "misspelt", "light_bias"}
    for each in told["gates"]:
        assert each["false_alarm"]["n"] == each["power"]["n"] == 200
        assert each["false_alarm"]["value"] <= 0.05, each["metric"]
        assert each["power"]["value"] >= 0.8, each["metric"]
    assert told["family"]["false_alarm"]["value"] <= 0.05


def test_a_rerun_is_held_against_what_is_committed(tmp_path, capsys):
    path = tmp_path / "result.json"
    settle(path, {"rows": [{"coverage": 0.95, "name": "x"}]}, check=False, within=0.01)
    settle(path, {"rows": [{"coverage": 0.955, "name": "x"}]}, check=True, within=0.01)
    assert "as committed" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        settle(path, {"rows": [{"coverage": 0.97, "name": "x"}]}, check=True, within=0.01)
    assert "rows[0].coverage: 0.95 committed, 0.97 found" in capsys.readouterr().out


def test_what_is_missing_differs():
    assert differing({"a": 1}, {}, 0.1) == ["a: 1 committed, None found"]
    assert differing([1, 2], [1], 0.1) == [": [1, 2] committed, [1] found"]
