import numpy as np
import pytest
from scipy import stats

from audit.statistics.rates import rate_interval, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (57, 400)])
def test_wilson_equals_scipys(hits, n):
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    ours = wilson(hits, n)
    assert (ours.value, ours.low, ours.high) == pytest.approx((hits / n, theirs.low, theirs.high))


def test_one_picture_a_prompt_is_plain_wilson():
    values = np.arange(50) % 3 == 0
    assert rate_interval(values, [str(i) for i in range(50)]) == wilson(int(values.sum()), 50)


def test_fully_correlated_pictures_count_as_one_a_prompt():
    hit = np.arange(40) % 4 == 0
    found = rate_interval(np.repeat(hit, 8), [f"p{i}" for i in range(40) for _ in range(8)])
    assert found.note.startswith("design effect 8")
    plain = wilson(int(hit.sum()), 40)
    assert found.high - found.low == pytest.approx(plain.high - plain.low, rel=0.06)  # Student instead of normal: +3 %


def test_coverage_of_clustered_rates():
    """Nominal 95 %, 200 repeats scatter by 1.5 points; unclustered Wilson is shown to fail on the same data."""
    rng = np.random.default_rng(0)
    names = [f"p{i}" for i in range(40) for _ in range(6)]
    ours, naive = [], []
    for _ in range(200):
        chance = np.repeat(rng.beta(0.6, 1.4, size=40), 6)
        values = rng.random(240) < chance
        clustered, plain = rate_interval(values, names), wilson(int(values.sum()), 240)
        ours.append(clustered.low <= 0.3 <= clustered.high)
        naive.append(plain.low <= 0.3 <= plain.high)
    print(f"rate coverage: {np.mean(ours):.1%}, naive {np.mean(naive):.1%}")
    assert np.mean(ours) >= 0.90
    assert np.mean(naive) < 0.85


def test_says_what_it_cannot_say():
    assert rate_interval([], []).value is None
    none = rate_interval([0.0] * 40, [f"p{i % 10}" for i in range(40)])
    assert (none.low, none.high) == (0.0, wilson(0, 10).high)
    assert "counts once" in none.note
    assert rate_interval([1.0, 0.0], ["a", "a"]).low is None
    with pytest.raises(ValueError, match="0 or 1"):
        rate_interval([0.5], ["a"])
