"""The deviation between samples of a prompt: known answers, and an interval that covers."""

import numpy as np
import pytest

from audit.statistics.spread import spread, spread_interval


def drawn(deviations, each: int = 3, places: int = 400, seed: int = 0):
    """Samples of prompts whose true deviations are given, around means of their own."""
    rng = np.random.default_rng(seed)
    rows = [rng.normal(0, 50, places) + rng.normal(0, sd, (each, places)) for sd in deviations]
    return np.concatenate(rows), [f"p{n}" for n in range(len(deviations)) for _ in range(each)]


def test_two_samples_that_differ_by_two_everywhere_deviate_by_the_root_of_two():
    assert spread(np.array([[1.0, 5.0], [3.0, 3.0]])) == pytest.approx(np.sqrt(2))


def test_more_deviation_is_found_as_what_it_is_whatever_the_means():
    found = [spread_interval(*drawn([sd] * 8)).value for sd in (0, 1, 2, 5)]
    assert found == pytest.approx([0, 1, 2, 5], rel=0.05, abs=1e-12)


def test_prompts_with_one_sample_are_left_out():
    rows, names = drawn([2] * 6)
    alone = np.full((1, rows.shape[1]), 1e6)
    assert spread_interval(np.concatenate([rows, alone]), [*names, "alone"]) == spread_interval(rows, names)
    found = spread_interval(rows[::3], names[::3])
    assert found.value is None
    assert "two samples" in found.note


def test_few_prompts_have_a_value_and_no_interval():
    found = spread_interval(*drawn([2, 2, 2]))
    assert found.value == pytest.approx(2, rel=0.1)
    assert found.low is None
    assert "3 prompts" in found.note


def test_the_interval_covers_the_mean_of_the_prompts_it_was_drawn_from():
    rng = np.random.default_rng(1)
    trials = [spread_interval(*drawn(rng.uniform(1, 5, 12), seed=n)) for n in range(300)]
    covered = np.mean([each.low <= 3 <= each.high for each in trials])
    assert covered == pytest.approx(0.95, abs=0.04)
