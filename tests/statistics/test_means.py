import numpy as np
import pytest
from scipy import stats

from audit.statistics.means import mean_interval, paired_interval


def prompts(count, each):
    return [f"p{i}" for i in range(count) for _ in range(each)]


def test_without_repeats_it_agrees_with_scipys_bca():
    """Same method, other resamples: bounds agree to the Monte Carlo error of 2000 of them, ~4 % of the width."""
    values = np.random.default_rng(0).gamma(1.5, size=80)
    ours = mean_interval(values, prompts(80, 1), seed=1)
    theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=9999, rng=2).confidence_interval
    width = theirs.high - theirs.low
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.06 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.06 * width)


def test_pictures_of_one_prompt_do_not_count_as_many():
    values = np.repeat(np.random.default_rng(1).normal(size=40), 8)
    wide = mean_interval(values, prompts(40, 8))
    naive = mean_interval(values, prompts(320, 1))
    assert wide.high - wide.low > 2 * (naive.high - naive.low)  # √8 = 2.8 at full correlation


def test_order_of_rows_does_not_matter_and_the_seed_is_kept():
    rng = np.random.default_rng(2)
    values, names = rng.normal(size=60), np.array(prompts(20, 3))
    order = rng.permutation(60)
    first, again = mean_interval(values, names), mean_interval(values[order], names[order])
    assert (again.low, again.high) == pytest.approx((first.low, first.high), rel=1e-12)


@pytest.mark.parametrize(("count", "least"), [(40, 0.89), (6, 0.89)])
def test_coverage_of_skewed_clustered_scores(count, least):
    """Nominal 95 %. 200 repeats scatter by 1.5 points; BCa on 40 skewed clusters is known to fall short by 1–3."""
    rng = np.random.default_rng(3)
    covered = []
    for i in range(200):
        values = np.repeat(rng.gamma(2.0, size=count), 3) + rng.normal(size=3 * count)
        found = mean_interval(values, prompts(count, 3), seed=i)
        covered.append(found.low <= 2.0 <= found.high)
    print(f"mean coverage, {count} prompts: {np.mean(covered):.1%}")
    assert np.mean(covered) >= least


def test_pairs_cancel_what_prompts_share():
    rng = np.random.default_rng(4)
    before = np.repeat(rng.normal(size=50) * 10, 2)
    found = paired_interval(before, before + 0.3 + rng.normal(size=100) * 0.1, prompts(50, 2))
    assert found.low < 0.3 < found.high
    assert found.high - found.low < 0.1


def test_says_what_it_cannot_say():
    assert mean_interval([], []).value is None
    lone = mean_interval([1.0, 2.0], ["a", "a"])
    assert (lone.value, lone.low, lone.note) == (1.5, None, "no interval: one prompt")
    assert "few prompts (3)" in mean_interval([1.0, 2.0, 4.0], ["a", "b", "c"]).note
    flat = mean_interval([1.0] * 20, prompts(20, 1))
    assert (flat.low, flat.high) == (1.0, 1.0)
    with pytest.raises(ValueError, match="value 1 is not finite"):
        mean_interval([1.0, float("nan")], ["a", "b"])
    with pytest.raises(ValueError, match="do not pair"):
        paired_interval([1.0], [1.0, 2.0], ["a"])
