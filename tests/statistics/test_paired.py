"""Paired differences: known answers, agreement with other implementations, and p-values that go with the interval."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from audit.statistics.frechet import Moments, frechet_interval
from audit.statistics.means import mean_interval
from audit.statistics.paired import Difference, mean_difference, rate_difference, set_difference, sign_flip
from audit.types import Interval

RNG = np.random.default_rng(5)
NAMES = [f"p{n // 4}" for n in range(160)]
BEFORE = RNG.normal(size=160)
AFTER = BEFORE + 0.2 + np.repeat(RNG.normal(0, 0.3, 40), 4) + RNG.normal(0, 0.3, 160)


def test_the_interval_is_that_of_the_differences() -> None:
    found, plain = mean_difference(BEFORE, AFTER, NAMES), mean_interval(AFTER - BEFORE, NAMES)
    assert found.value == pytest.approx(plain.value)
    assert (found.low, found.high) == (plain.low, plain.high)


@pytest.mark.parametrize("many", [True, False])
def test_one_sided_p_values_are_a_fortieth_at_the_ends_of_the_interval(many: bool) -> None:
    size = 160 if many else 20
    found = mean_difference(BEFORE[:size], AFTER[:size], NAMES[:size])
    assert found.above is not None
    assert found.low is not None
    assert found.high is not None
    assert found.above(found.low) == pytest.approx(0.025, abs=0.002)
    assert found.below(found.high) == pytest.approx(0.025, abs=0.002)
    assert found.above(found.low - 1) < 0.001 < 0.999 < found.above(found.high + 1)


def test_few_prompts_take_students_interval_of_the_prompt_means() -> None:
    found = mean_difference(BEFORE[:24], AFTER[:24], NAMES[:24])
    means = (AFTER - BEFORE)[:24].reshape(6, 4).mean(axis=1)
    low, high = stats.t.interval(0.95, 5, loc=means.mean(), scale=stats.sem(means))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert "Student" in found.note


def test_pictures_that_are_the_same_differ_by_nothing_and_surely_so() -> None:
    found = mean_difference(BEFORE, BEFORE, NAMES)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert found.above is not None
    assert found.above(-0.001) == 0.0
    assert found.below(0.001) == 0.0


def test_no_pairs_no_number() -> None:
    assert mean_difference([], [], []).value is None
    assert rate_difference([], [], []).value is None
    assert mean_difference([1.0], [2.0], ["p"]).low is None


def test_sign_flips_are_exact_for_few_prompts() -> None:
    sums = np.array([0.3, -0.1, 0.5, 0.2])
    signs = np.array(list(product((-1, 1), repeat=4)))
    by_hand = float(np.mean(np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12))
    assert sign_flip(sums).p == pytest.approx(by_hand)
    assert sign_flip(sums).more == pytest.approx(float(np.mean(signs @ sums >= sums.sum() - 1e-12)))
    assert sign_flip(np.zeros(4)) == (1.0, 1.0, 1.0)


def test_many_sign_flips_agree_with_a_t_test_and_are_seeded() -> None:
    sums = RNG.normal(0.35, 1, 60)
    by_t = float(stats.ttest_1samp(sums, 0).pvalue)
    assert sign_flip(sums).p == pytest.approx(by_t, abs=0.01)
    assert sign_flip(sums).more == sign_flip(-sums).less == pytest.approx(by_t / 2, abs=0.01)
    assert sign_flip(sums) == sign_flip(sums)


def test_a_few_prompts_that_carry_the_spread_raise_no_false_alarm() -> None:
    """Where nothing differs but prompts are very unlike, 5 % of tests at 5 % find something, not more."""
    alarms = []
    for turn in range(400):
        rng = np.random.default_rng([3, turn])
        spread = np.repeat(rng.lognormal(0, 1.5, 18), 4)
        found = mean_difference(np.zeros(72), spread * rng.normal(size=72), [f"p{n // 4}" for n in range(72)])
        alarms.append(found.more is not None and found.more <= 0.05)
    assert 0.02 < np.mean(alarms) < 0.08


def table(gained: int, lost: int, same: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    before = np.array([0.0] * gained + [1.0] * lost + [0.0] * same)
    after = np.array([1.0] * gained + [0.0] * lost + [0.0] * same)
    return before, after, [f"p{n}" for n in range(len(before))]


def test_independent_pairs_take_mcnemars_exact_p() -> None:
    found = rate_difference(*table(9, 2, 89))
    assert found.p == pytest.approx(float(mcnemar([[0, 9], [2, 0]], exact=True).pvalue))


def test_tangos_interval_is_where_his_score_test_turns() -> None:
    """The score statistic, written anew from Tango 1998, Eq. 4 and 5, has Student's quantile at both ends."""
    gained, lost, n = 9, 2, 100
    found = rate_difference(*table(gained, lost, n - gained - lost))
    reach = float(stats.t.ppf(0.975, n - 1))

    def score(d: float) -> float:
        a, b, c = 2 * n, (2 * n - gained + lost) * d - gained - lost, -lost * d * (1 - d)
        q = (np.sqrt(b * b - 4 * a * c) - b) / (2 * a)
        return float((gained - lost - n * d) / np.sqrt(n * (2 * q + d * (1 - d))))

    assert found.low is not None
    assert found.high is not None
    assert (score(found.low), score(found.high)) == pytest.approx((reach, -reach), abs=1e-5)


def test_tangos_interval_is_near_walds_where_many_pairs_differ() -> None:
    gained, lost, n = 400, 300, 2000
    found = rate_difference(*table(gained, lost, n - gained - lost))
    value = (gained - lost) / n
    error = np.sqrt((gained + lost) / n - value**2) / np.sqrt(n)
    assert (found.low, found.high) == pytest.approx((value - 1.96 * error, value + 1.96 * error), abs=2e-3)


def test_where_no_pair_differs_the_interval_still_has_a_width() -> None:
    found = rate_difference(*table(0, 0, 60))
    assert found.value == 0
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(-found.high)
    assert 0.03 < found.high < 0.1  # the rule of three says 0.05


def test_pictures_of_one_prompt_that_change_together_count_for_less() -> None:
    names = [f"p{n // 4}" for n in range(80)]
    together = np.repeat([1.0] * 5 + [0.0] * 15, 4)
    apart = np.tile([1.0, 0.0, 0.0, 0.0], 20)
    wide, narrow = (rate_difference(np.zeros(80), after, names) for after in (together, apart))
    assert wide.value == narrow.value == 0.25
    assert wide.error is not None
    assert narrow.error is not None
    assert wide.error > 1.5 * narrow.error
    assert "design effect" in wide.note


def test_a_rate_is_of_yes_and_no() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        rate_difference([0.5], [1.0], ["p"])


def distances(scale: float, rows: np.ndarray, reference: Moments) -> Interval:
    return frechet_interval(scale * rows, NAMES, reference)


def test_what_both_sets_share_cancels() -> None:
    reference = Moments.of(RNG.normal(size=(500, 8)))
    rows = np.repeat(RNG.normal(size=(40, 8)), 4, axis=0) + 0.3 * RNG.normal(size=(160, 8))
    one, two = (distances(scale, rows, reference) for scale in (1.2, 1.3))
    found = set_difference(one, two)
    assert found.value == pytest.approx(two.value - one.value)  # type: ignore[operator]
    assert found.low is not None
    assert found.high is not None
    assert two.high is not None
    assert two.low is not None
    assert found.high - found.low < 0.7 * (two.high - two.low)
    assert found.p is not None
    assert found.p < 0.05


def test_the_same_set_twice_is_the_same_distance() -> None:
    reference = Moments.of(RNG.normal(size=(500, 8)))
    one = distances(1.2, RNG.normal(size=(160, 8)), reference)
    found = set_difference(one, one)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_a_set_statistic_without_a_jackknife_says_so() -> None:
    found = set_difference(Interval(value=1.0), Interval(value=2.0, note="few prompts"))
    assert found == Difference(value=1.0, note="no interval: few prompts")
    assert set_difference(Interval(value=None, note="no features"), Interval(value=2.0)).note == "no features"
