import numpy as np
import pytest

from audit.statistics.resample import grouped, jackknife_variance


def test_groups_keep_prompts_whole_and_are_about_equal():
    names = [f"p{i % 37}" for i in range(150)]
    group = grouped(names, groups=8, seed=1)
    assert all(len({g for g, n in zip(group, names, strict=True) if n == name}) == 1 for name in set(names))
    sizes = np.bincount(group)
    assert len(sizes) == 8
    assert sizes.max() - sizes.min() <= 5
    assert (grouped(names, groups=8, seed=1) == group).all()


def test_jackknife_of_a_mean_is_its_squared_standard_error():
    rows = np.random.default_rng(0).normal(size=50)
    left_out = (rows.sum() - rows) / 49
    assert jackknife_variance(left_out) == pytest.approx(rows.var(ddof=1) / 50)
