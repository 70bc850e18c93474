"""Maximum mean discrepancy: how far apart two sets of rows lie in the eyes of a kernel, unbiased, on all rows at once.

U-statistic of Gretton et al. 2012, Eq. 3: pairs of a row with itself are left out, so that the expectation is the true
MMD². It is negative about half of the time when both sides are alike, and a negative value is reported as it is. The
V-statistic, which keeps those pairs, is never negative and larger by about (1 − mean k) / n for each side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audit.statistics.resample import (
    FEWEST_GROUPS,
    GROUPS,
    checked,
    grouped,
    jackknife_variance,
    jackknifed,
    no_interval,
)
from audit.types import Interval

TILE = 1024
Floats = NDArray[np.float64]


class Kernel(Protocol):
    """A kernel of rows (n, d) and (m, d): its values (n, m), and those of each row with itself, (n,)."""

    def __call__(self, one: Floats, two: Floats) -> Floats:
        """k of every pair."""

    def alone(self, rows: Floats) -> Floats:
        """k(x, x)."""


@dataclass(frozen=True)
class Cubic:
    """(x·y/d + 1)³: the kernel of KID (Bińkowski et al. 2018)."""

    def __call__(self, one: Floats, two: Floats) -> Floats:
        """k of every pair."""
        inner = one @ two.T
        inner /= one.shape[1]
        inner += 1
        cube = inner * inner
        cube *= inner
        return cube

    def alone(self, rows: Floats) -> Floats:
        """k(x, x)."""
        return np.asarray((np.square(rows).sum(axis=1) / rows.shape[1] + 1) ** 3)


@dataclass(frozen=True)
class Gaussian:
    """exp(−‖x − y‖² / 2σ²): the kernel of CMMD (Jayasumana et al. 2024, σ = 10)."""

    sigma: float = 10.0

    def __call__(self, one: Floats, two: Floats) -> Floats:
        """k of every pair."""
        squared = np.square(one).sum(axis=1)[:, None] + np.square(two).sum(axis=1)[None] - 2 * (one @ two.T)
        return np.asarray(np.exp(-np.maximum(squared, 0) / (2 * self.sigma**2)))

    def alone(self, rows: Floats) -> Floats:
        """k(x, x) = 1."""
        return np.ones(len(rows))


def mmd(features: Floats, reference: Floats, kernel: Kernel) -> float:
    """Unbiased MMD² of rows (n, d) and (m, d); needs two rows on each side."""
    one, two = paired(features, reference)
    return Sums(one, two, *_whole(one, two), kernel).value()


def biased_mmd(features: Floats, reference: Floats, kernel: Kernel) -> float:
    """The V-statistic of the same, as many programs print it; never negative, larger the fewer the rows."""
    one, two = paired(features, reference)
    sums = Sums(one, two, *_whole(one, two), kernel)
    n, m = len(one), len(two)
    within = float(sums.within.sum() + kernel.alone(one).sum()) / n**2
    other = float(sums.other.sum() + kernel.alone(two).sum()) / m**2
    return within + other - 2 * float(sums.across.sum()) / (n * m)


def mmd_interval(
    features: Floats,
    clusters: Sequence[str],
    reference: Floats,
    kernel: Kernel,
    *,
    scale: float = 1.0,
    groups: int = GROUPS,
    seed: int = 0,
) -> Interval:
    """`scale` times MMD² with a 95 % interval for its true value between the two populations.

    Variance = block jackknife over whole prompts on our side + block jackknife over rows on the reference's side; the
    replicates are exact and cost nothing, since a U-statistic without a group is a difference of block sums.
    Rows of one prompt are more alike than rows of different prompts, and so many replicates of few prompts raise the
    value: compare at equal numbers of replicates.
    """
    if len(features) < 2:
        return Interval(value=None, note=f"a kernel distance needs at least two pictures, got {len(features)}")
    one, two = paired(features, reference)
    group = grouped(clusters, groups=groups, seed=seed)
    count = int(group.max()) + 1
    other = grouped([str(i) for i in range(len(two))], groups=groups, seed=seed)
    others = int(other.max()) + 1
    sums = Sums(one, two, group, other, kernel)
    value = scale * sums.value()
    if count < FEWEST_GROUPS or others < FEWEST_GROUPS:
        return no_interval(value, min(count, others))
    ours = [scale * sums.value(without=g) for g in range(count)]
    theirs = scale * np.array([sums.value(without_reference=g) for g in range(others)])
    return jackknifed(value, ours, further=jackknife_variance(theirs))


class Sums:
    """Kernel sums between groups of rows; from them the statistic without any one group.

    within, other: (G, G) and (H, H), each sum over pairs of *different* rows; across: (G, H).
    """

    def __init__(
        self, one: Floats, two: Floats, group: NDArray[np.int64], other: NDArray[np.int64], kernel: Kernel
    ) -> None:
        self.counts = np.bincount(group), np.bincount(other)
        parts = [one[group == g] for g in range(len(self.counts[0]))]
        others = [two[other == g] for g in range(len(self.counts[1]))]
        self.within = _between(parts, kernel)
        self.other = _between(others, kernel)
        self.across = np.array([[_sum(a, b, kernel) for b in others] for a in parts])

    def value(self, *, without: int | None = None, without_reference: int | None = None) -> float:
        """MMD² of all rows but those of one group."""
        mine, n = _left(self.within, self.counts[0], without)
        theirs, m = _left(self.other, self.counts[1], without_reference)
        across = self.across
        if without is not None:
            across = np.delete(across, without, axis=0)
        if without_reference is not None:
            across = np.delete(across, without_reference, axis=1)
        return float(mine / (n * (n - 1)) + theirs / (m * (m - 1)) - 2 * across.sum() / (n * m))


def paired(features: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Both sides, checked: finite, of equal width, two rows each."""
    one, two = checked(features, "kernel distance"), checked(reference, "kernel distance, reference")
    if one.shape[1] != two.shape[1]:
        raise ValueError(f"kernel distance: {one.shape[1]} dimensions against a reference of {two.shape[1]}")
    if len(one) < 2 or len(two) < 2:
        raise ValueError(f"a kernel distance needs two rows on each side, got {len(one)} and {len(two)}")
    return one, two


def _whole(one: Floats, two: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.zeros(len(one), dtype=np.int64), np.zeros(len(two), dtype=np.int64)


def _left(sums: Floats, counts: NDArray[np.int64], without: int | None) -> tuple[float, int]:
    """Sum over all pairs, and number of rows, with one group left out."""
    if without is None:
        return float(sums.sum()), int(counts.sum())
    kept = np.arange(len(counts)) != without
    return float(sums[np.ix_(kept, kept)].sum()), int(counts[kept].sum())


def _between(parts: list[Floats], kernel: Kernel) -> Floats:
    sums = np.zeros((len(parts), len(parts)))
    for i, a in enumerate(parts):
        sums[i, i] = _sum_within(a, kernel) - float(kernel.alone(a).sum())
        for j in range(i):
            sums[i, j] = sums[j, i] = _sum(a, parts[j], kernel)
    return sums


def _sum(one: Floats, two: Floats, kernel: Kernel) -> float:
    """Σ over all pairs, TILE × TILE at a time."""
    return sum(
        float(kernel(one[i : i + TILE], two[j : j + TILE]).sum())
        for i in range(0, len(one), TILE)
        for j in range(0, len(two), TILE)
    )


def _sum_within(rows: Floats, kernel: Kernel) -> float:
    """Σ over all pairs of one set, which is symmetric: tiles above the diagonal count twice."""
    tiles = [rows[start : start + TILE] for start in range(0, len(rows), TILE)]
    diagonal = sum(float(kernel(tile, tile).sum()) for tile in tiles)
    return diagonal + 2 * sum(_sum(tile, tiles[j], kernel) for i, tile in enumerate(tiles) for j in range(i))
