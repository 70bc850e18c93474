"""Power, detectable effects and needed numbers agree with statsmodels and with one another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import normal_power

from audit.statistics.intraclass import intraclass
from audit.statistics.multiplicity import adjusted
from audit.statistics.power import chance_of, detectable, needed


def test_the_detectable_effect_is_found_with_the_power_asked_for() -> None:
    error = 0.3
    effect = detectable(error, power=0.8)
    assert normal_power(effect / error, 1, 0.05, sigma=1.0) == pytest.approx(0.8, abs=1e-3)
    assert detectable(error, freedom=5) > effect


def test_power_agrees_with_statsmodels() -> None:
    assert chance_of(0.5, 0.2, alpha=0.05) == pytest.approx(normal_power(2.5, 1, 0.05, alternative="larger"))
    assert chance_of(0.0, 0.2, alpha=0.05) == pytest.approx(0.05)
    assert (chance_of(0.1, 0.0), chance_of(0.0, 0.0)) == (1.0, 0.0)


def test_the_needed_number_gives_the_power_it_promises() -> None:
    n = needed(100, 0.2, 0.25, power=0.9)
    assert n is not None
    assert chance_of(0.25, 0.2 * math.sqrt(100 / n)) == pytest.approx(0.9, abs=0.005)
    assert needed(100, 0.2, 0.0) is None


def test_holm_by_hand() -> None:
    assert adjusted([0.01, 0.04, 0.03], "holm") == pytest.approx([0.03, 0.06, 0.06])


def test_benjamini_hochberg_agrees_with_scipy() -> None:
    p = np.random.default_rng(1).uniform(size=20) ** 2
    assert adjusted(list(p), "benjamini-hochberg") == pytest.approx(list(stats.false_discovery_control(p)))


def test_a_test_that_could_not_be_made_counts_for_nothing() -> None:
    assert adjusted([None, 0.02], "holm") == [None, 0.02]
    assert adjusted([None], "holm") == [None]


def test_intraclass_correlation_of_the_books_example() -> None:
    """Shrout & Fleiss 1979, Table 2: six targets, four judges, ICC(1) = .17."""
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    names = [f"target {row}" for row in range(6) for _ in range(4)]
    assert intraclass(np.ravel(table), names) == pytest.approx(0.17, abs=0.005)


def test_pictures_that_are_all_alike_within_their_prompt() -> None:
    assert intraclass([1, 1, 2, 2, 5, 5], list("aabbcc")) == pytest.approx(1.0)
    assert intraclass([1, 2], list("ab")) is None
    assert intraclass([1, 1, 1, 1], list("aabb")) is None
