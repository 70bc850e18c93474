"""Means of picture scores with intervals that know that pictures of one prompt are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from audit.statistics.resample import numbered
from audit.types import Interval

RESAMPLES = 2000
FEW = 10
_CHUNK = 4_000_000
Floats = NDArray[np.float64]


def mean_interval(values: ArrayLike, clusters: Sequence[str], *, seed: int = 0, level: float = 0.95) -> Interval:
    """Mean of `values` (n,) with a bootstrap interval that resamples whole prompts.

    Bias-corrected and accelerated (BCa) percentiles of 2000 seeded resamples, expanded for the number of prompts: plain
    ones are too narrow, by the factor between Student's and the normal quantile and by that between n and n − 1. With
    fewer than 10 prompts a Student interval from the jackknife over prompts stands in, and the note says so; with one
    prompt there is no interval, and of no values no mean.

    Source: Efron 1987 (BCa); Hesterberg 2015, §4.3 (expansion); resampling clusters: Davison & Hinkley 1997, §3.8.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) != len(clusters):
        raise ValueError(f"{numbers.shape} values do not go with {len(clusters)} prompt ids")
    if not len(numbers):
        return Interval(value=None, note="nothing to average")
    if not np.isfinite(numbers).all():
        raise ValueError(f"value {int(np.flatnonzero(~np.isfinite(numbers))[0])} is not finite")
    codes = numbered(clusters)
    sizes: Floats = np.bincount(codes).astype(np.float64)
    sums = np.asarray(np.bincount(codes, weights=numbers), dtype=np.float64)
    value = float(numbers.mean())
    if len(sizes) < 2:
        return Interval(value=value, note="no interval: one prompt")
    if len(sizes) < FEW:
        return _student(value, sums, sizes, level)
    if np.ptp(sums / sizes) == 0:
        return Interval(value=value, low=value, high=value, note="all prompts score the same")
    low, high = bootstrap(sums, sizes, seed=seed).interval(level)
    return Interval(value=value, low=low, high=high)


def paired_interval(
    before: ArrayLike, after: ArrayLike, clusters: Sequence[str], *, seed: int = 0, level: float = 0.95
) -> Interval:
    """Mean of `after − before`, pair by pair (same prompt, same seed), with the interval of `mean_interval`."""
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} scores before do not pair with {len(second)} after")
    return mean_interval(second - first, clusters, seed=seed, level=level)


@dataclass(frozen=True)
class Bootstrap:
    """Resampled means and what expanded BCa needs to read them (Efron 1987, Eq. 3.8 and 6.6).

    Attributes:
        means: (RESAMPLES,), rising.
        bias: z₀; acceleration: a.
        prompts: how many were resampled.
    """

    means: Floats
    bias: float
    acceleration: float
    prompts: int

    def interval(self, level: float) -> tuple[float, float]:
        """The two quantiles of the resampled means that bound the true mean."""
        ends = self.bias + self._expansion * stats.t.ppf([(1 - level) / 2, (1 + level) / 2], self.prompts - 1)
        low, high = np.quantile(self.means, stats.norm.cdf(self.bias + ends / (1 - self.acceleration * ends)))
        return float(low), float(high)

    def above(self, bound: float) -> float:
        """One-sided p-value of "the true mean is at most `bound`": the level at which BCa's lower end is the bound."""
        count = len(self.means)
        below = np.searchsorted(self.means, bound, "left") + np.searchsorted(self.means, bound, "right")
        pull = stats.norm.ppf(np.clip(below / (2 * count), 0.5 / count, 1 - 0.5 / count)) - self.bias
        end = pull / (1 + self.acceleration * pull) - self.bias
        return float(stats.t.cdf(end / self._expansion, self.prompts - 1))

    @property
    def _expansion(self) -> float:
        return float(np.sqrt(self.prompts / (self.prompts - 1)))


def bootstrap(sums: Floats, sizes: Floats, *, seed: int = 0) -> Bootstrap:
    """Resample whole prompts: sums (prompts,) of their values and how many values each has; at least two differ."""
    value = float(sums.sum() / sizes.sum())
    means = np.sort(_resampled(sums, sizes, np.random.default_rng(seed)))
    below = (np.count_nonzero(means < value) + 0.5 * np.count_nonzero(means == value)) / len(means)
    left_out = _left_out(sums, sizes)
    pull = left_out.mean() - left_out
    spread = np.square(pull).sum() ** 1.5
    return Bootstrap(
        means=means,
        bias=float(stats.norm.ppf(np.clip(below, 0.5 / len(means), 1 - 0.5 / len(means)))),
        acceleration=float((pull**3).sum() / (6 * spread)) if spread > 0 else 0.0,
        prompts=len(sums),
    )


def _resampled(sums: Floats, sizes: Floats, rng: np.random.Generator) -> Floats:
    """Means of RESAMPLES draws of as many prompts with replacement; (RESAMPLES,), in chunks of bounded memory."""
    count = len(sums)
    rows = max(1, _CHUNK // count)
    means = []
    for start in range(0, RESAMPLES, rows):
        drawn = rng.integers(count, size=(min(rows, RESAMPLES - start), count))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)


def _left_out(sums: Floats, sizes: Floats) -> Floats:
    """The mean without each prompt; (prompts,)."""
    without: Floats = (sums.sum() - sums) / (sizes.sum() - sizes)
    return without


def _student(value: float, sums: Floats, sizes: Floats, level: float) -> Interval:
    left_out = _left_out(sums, sizes)
    count = len(sums)
    error = np.sqrt((count - 1) / count * np.square(left_out - left_out.mean()).sum())
    reach = float(stats.t.ppf((1 + level) / 2, count - 1) * error)
    return Interval(value=value, low=value - reach, high=value + reach, note=f"few prompts ({count}): Student interval")
