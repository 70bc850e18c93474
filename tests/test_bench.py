"""What `make bench` relies on: that wrong arms end it, that goals are held against what was measured, and exactness."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from contextlib import redirect_stderr

import numpy as np
import pytest

from audit import images
from audit.store import RunFolder
from benchmarks import bench
from benchmarks.measure import RESULTS
from benchmarks.speed import distances, made, neighbours, runs
from benchmarks.speed.figures import WrongError, agree, at_most, faster, line, must, relu_rows

TIMES = {"peer": {"wall": 6.0, "cpu": 3.0}, "ours": {"wall": 1.0, "cpu": 1.0}}


def test_a_goal_is_held_against_the_clock_it_names():
    by_processor = faster("x", TIMES, slow="peer", fast="ours", goal=5)
    on_the_wall = faster("x", TIMES, slow="peer", fast="ours", goal=5, clock="wall")
    assert (by_processor["ratio"], by_processor["met"], by_processor["ratio_wall"]) == (3.0, False, 6.0)
    assert (on_the_wall["ratio"], on_the_wall["met"], on_the_wall["ratio_cpu"]) == (6.0, True, 3.0)
    assert line(by_processor) == "MISSED x: 3.00x (goal 5x)"


@pytest.mark.parametrize(("value", "met", "ratio"), [(2.0, True, 1.5), (3.0, True, 1.0), (4.0, False, 0.75)])
def test_a_limit_is_met_up_to_its_goal(value, met, ratio):
    found = at_most("x", value, 3.0, "s", arms={})
    assert (found["met"], found["ratio"], found["value"]) == (met, ratio, value)


@pytest.mark.parametrize("found", [1.0 + 2e-9, float("nan"), float("inf")])
def test_what_differs_or_is_no_number_is_wrong(found):
    assert agree("x", 1.0 + 1e-10, 1.0, 1e-9) < 1e-9
    with pytest.raises(WrongError, match="x: "):
        agree("x", found, 1.0, 1e-9)
    with pytest.raises(WrongError, match="nothing holds"):
        must("nothing holds", False)


def test_a_wrong_part_is_counted_and_the_others_go_on(monkeypatch, capsys):
    def measured(part, quick):
        if part == "features":
            raise WrongError("features differ")
        return {"figures": [faster(part, TIMES, slow="peer", fast="ours", goal=99)]}

    monkeypatch.setattr(bench, "told", measured)
    assert bench.run(["features", "pictures"], quick=True) == 1
    assert bench.run(["pictures"], quick=True) == 0, "a missed goal is no mistake"
    printed = capsys.readouterr().out
    assert "WRONG  features differ" in printed
    assert "MISSED pictures" in printed


def test_an_unknown_part_is_refused_by_name():
    command = [sys.executable, bench.__file__, "speeed"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "no part named 'speeed'" in found.stderr


@pytest.mark.parametrize("part", bench.PARTS)
def test_every_part_has_a_committed_result_whose_goals_are_told_met_or_missed(part):
    page = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    told = json.loads((RESULTS / f"speed-{part}.json").read_text(encoding="utf-8"))
    assert told["figures"]
    for each in told["figures"]:
        measured = each.get("value", each["ratio"])
        assert each["met"] == (measured <= each["goal"] if "value" in each else measured >= each["goal"]), each["name"]
        [row] = [row for row in page.splitlines() if row.startswith(f"| {each['name']} |")]
        assert row.endswith("| met |" if each["met"] else "| missed |")


def test_distances_equal_fifty_digits():
    distances.against_high_precision()


def test_the_oracle_knows_the_closed_form():
    """Rows of the columns of ±1: covariances are diagonal, and so the distance is (a − b)² a dimension."""
    signs = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    scale = np.sqrt(3 / 4)  # so that each column's unbiased variance is 1
    found = distances.exact(signs * scale * 2 + [5, 0], signs * scale * 3)
    assert found == pytest.approx(25 + 2 * (3 - 2) ** 2, rel=1e-14)


def test_a_distance_that_is_off_is_caught(monkeypatch):
    right = distances.frechet
    monkeypatch.setattr(distances, "frechet", lambda rows, moments: right(rows, moments) * (1 + 1e-8))
    with pytest.raises(WrongError, match="50 digits"):
        distances.against_high_precision()


def test_neighbours_count_ties():
    neighbours.ties_are_inside()


@pytest.mark.slow
def test_memory_of_neighbours_is_measured_in_a_process_of_its_own():
    found = neighbours.memory(1500)
    assert found["arms"]["rows"] == 1500
    assert 0 <= found["value"] < 200


def test_a_timed_generator_sleeps_as_long_as_it_says_and_colours_by_seed(tmp_path):
    begun = time.monotonic()
    with redirect_stderr(io.StringIO()):
        made.walked(tmp_path / "run", made.TimedGenerator(seconds=0.01, side=8), 30)
    assert time.monotonic() - begun >= 0.3
    found = RunFolder(tmp_path / "run")
    assert len({*found.artifacts()["digest"]}) == 30
    assert set(found.scores("made.dark")["value"]) == {0.0, 1.0}


def test_decodes_are_counted_where_the_store_and_the_scorer_read(tmp_path):
    with redirect_stderr(io.StringIO()), runs.decodes() as seen:
        made.walked(tmp_path / "run", made.TimedGenerator(seconds=0, side=8), 3)
        assert seen == [], "fresh pictures are scored from memory"
        folder = RunFolder(tmp_path / "run")
        folder.image(folder.jobs()["key"][0])
        assert len(seen) == 1
        images.decode(images.encode_webp(np.zeros((4, 4, 3), np.uint8)))
        assert len(seen) == 2


def test_rows_of_features_are_seeded_and_not_negative():
    assert np.array_equal(relu_rows(20, 16, 1), relu_rows(20, 16, 1))
    assert relu_rows(20, 16, 1).min() == 0
