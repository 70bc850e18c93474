"""Groups of prompts, and what leaving each out says about the error of a statistic of the whole set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from audit.types import Interval

GROUPS = 20
FEWEST_GROUPS = 5

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def numbered(clusters: Sequence[str]) -> Ints:
    """Cluster names -> 0, 1, ..., in sorted order of the names; (n,)."""
    _, codes = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    return codes.astype(np.int64)


def grouped(clusters: Sequence[str], *, groups: int = GROUPS, seed: int = 0) -> Ints:
    """Deal whole clusters into at most `groups` groups of about equal rows; (n,) group numbers.

    Rows of one cluster (pictures of one prompt) always go together, so groups are independent where rows are not.
    Clusters are shuffled by `seed`, then dealt largest first to the emptiest group.
    """
    codes = numbered(clusters)
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled = np.zeros(min(groups, len(sizes)), dtype=np.int64)
    group_of = np.empty(len(sizes), dtype=np.int64)
    for cluster in order:
        group_of[cluster] = filled.argmin()
        filled[group_of[cluster]] += sizes[cluster]
    return group_of[codes]


def jackknife_variance(replicates: Floats) -> float:
    """Variance of a statistic from its values with each group left out.

    Source: delete-a-group jackknife, Kott 2001, "The delete-a-group jackknife", J. Official Statistics 17(4); for
    groups of equal size it is Efron & Stein 1981, which is conservative: it overstates the variance of a statistic
    whose linear part vanishes (a distance between equal distributions), and never resamples a row twice. A bootstrap
    does, and a repeated row shrinks the covariance: it doubles a Fréchet distance near zero.
    """
    count = len(replicates)
    return float((count - 1) / count * np.square(replicates - replicates.mean()).sum())


@dataclass(frozen=True, kw_only=True)
class Jackknifed(Interval):
    """An interval from a jackknife over prompts, with the statistic's values without each group of them.

    Groups depend on the clusters alone, so those of two sets with the same prompts are the same groups, and the
    differences of their values are the jackknife of the difference.
    """

    left_out: tuple[float, ...] = ()


def jackknifed(
    value: float, left_out: ArrayLike, *, further: float = 0.0, level: float = 0.95, note: str = ""
) -> Jackknifed:
    """Value with Student's interval from its jackknife; `further` is variance from elsewhere, such as a reference's."""
    values = np.asarray(left_out, dtype=np.float64)
    found = t_interval(value, jackknife_variance(values) + further, len(values) - 1, level=level, note=note)
    return Jackknifed(**vars(found), left_out=tuple(values.tolist()))


def left_out_of_mean(found: Interval, values: ArrayLike, clusters: Sequence[str]) -> Jackknifed:
    """The interval of a mean of rows as it is, with the mean of the values (n,) without each group of prompts."""
    numbers, group = np.asarray(values, dtype=np.float64), grouped(clusters)
    sums, sizes = np.bincount(group, weights=numbers), np.bincount(group)
    without = (sums.sum() - sums) / (sizes.sum() - sizes) if len(sums) >= FEWEST_GROUPS else np.zeros(0)
    return Jackknifed(**vars(found), left_out=tuple(without.tolist()))


def t_interval(value: float, variance: float, freedom: int, *, level: float = 0.95, note: str = "") -> Interval:
    """Value ± Student quantile × standard error, `freedom` degrees of freedom."""
    reach = float(stats.t.ppf((1 + level) / 2, freedom)) * float(np.sqrt(variance))
    return Interval(value=value, low=value - reach, high=value + reach, note=note)


def no_interval(value: float | None, groups: int, note: str = "") -> Interval:
    """A value whose error cannot be had, because too few prompts stand behind it."""
    few = f"no interval: {groups} prompt{'s' * (groups != 1)}, at least {FEWEST_GROUPS} are needed"
    return Interval(value=value, note="; ".join(part for part in (note, few) if part))


def checked(features: Floats, name: str) -> Floats:
    """Finite (n, d) float64, or an error that names the offending row."""
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"{name}: features must be (n, d), got shape {rows.shape}")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise ValueError(f"{name}: row {bad[0]} of the features is not finite ({len(bad)} such rows)")
    return rows
