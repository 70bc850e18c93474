import numpy as np
import pytest
from scipy import stats

from audit.statistics.auroc import auroc


def test_it_is_mann_and_whitneys_count_of_pairs():
    rng = np.random.default_rng(0)
    planted, clean = rng.integers(0, 9, 40), rng.integers(0, 7, 60)
    u = stats.mannwhitneyu(planted, clean).statistic
    assert auroc(planted, clean).value == pytest.approx(u / (40 * 60))


def test_delongs_variance_by_hand():
    """Placements of (3, 1) above (2, 0): 1 and 1/2; of (2, 0) below: 1/2 and 1. Variance 1/8 / 2 twice."""
    found = auroc([3, 1], [2, 0])
    reach = 1.959964 * np.sqrt(0.125) / (0.75 * 0.25)
    assert found.value == 0.75
    assert found.high == pytest.approx(1 / (1 + np.exp(-(np.log(3) + reach))), rel=1e-6)


def test_perfect_separation_keeps_an_interval():
    found = auroc([2] * 30, [1] * 50)
    assert (found.value, found.low, found.high) == (1.0, 0.9, 1.0)


def test_one_picture_makes_no_curve():
    assert auroc([1.0], [0.0, 1.0]).value is None


def test_coverage():
    """True area 0.76 for a shift of one standard deviation; 300 repeats scatter by 1.3 points."""
    rng = np.random.default_rng(1)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    found = [auroc(rng.normal(1, 1, 60), rng.normal(0, 1, 80)) for _ in range(300)]
    assert 0.92 <= np.mean([each.low <= truth <= each.high for each in found]) <= 0.98
