"""Maximum mean discrepancy: how far apart two sets of rows lie in the eyes of a kernel, unbiased, on all rows at once.

U-statistic of Gretton et al. 2012, Eq. 3: pairs of a row with itself are left out, so that the expectation is the true
MMD². It is negative about half of the time when both sides are alike, and a negative value is reported as it is. The
V-statistic, which keeps those pairs, is never negative and larger by about (1 − mean k) / n for each side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audit.statistics.near import lengths, tiles
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
Singles = NDArray[np.float32]


class Kernel(Protocol):
    """A kernel k of rows (n, d) and (m, d).

    Σ k over all pairs of two sets is `whole` of them and `tile` of all their parts; of one and the same set, or part,
    a row's pair with itself is left out.
    """

    def laid(self, one: Floats, two: Floats) -> tuple[Any, Any]:
        """Both sets as the sums take them; parts of them are taken as of arrays."""

    def whole(self, one: Any, two: Any) -> float:
        """What of Σ k needs no pairs."""

    def tile(self, one: Any, two: Any) -> float:
        """The rest of Σ k."""

    def alone(self, rows: Floats) -> Floats:
        """k(x, x) of each row (n,)."""


@dataclass(frozen=True)
class Cubic:
    """(x·y/d + 1)³: the kernel of KID (Bińkowski et al. 2018).

    Where a and b are the rows less a common middle, x·y/d + 1 = g + l + m, of which g = a·b/d is small and l and m are
    a number for each row. In the sum of (g + l + m)³ the terms without g, and with g alone, need no pairs and are
    float64. For those with g² and g³ products in float32 are good enough: what float32 loses is a share of them.
    """

    def laid(self, one: Floats, two: Floats) -> tuple[Moved, Moved]:
        """Moved to the middle of both, and divided so that no value is above 1."""
        middle = (one.mean(axis=0) + two.mean(axis=0)) / 2
        unit = max(float(_with_itself(rows).max()) for rows in (one, two))
        return Moved.of(one, middle, unit), Moved.of(two, middle, unit)

    def whole(self, one: Moved, two: Moved) -> float:
        """Σ (l + m)³ + 3 g (l + m)²."""
        (n, l1, l2, l3), (m, m1, m2, m3) = one.powers, two.powers
        a, b = one.weighted, two.weighted
        pairs = float(a[2] @ b[0] + 2 * (a[1] @ b[1]) + a[0] @ b[2])
        found = l3 * m + 3 * l2 * m1 + 3 * l1 * m2 + n * m3 + 3 * pairs
        if one is two:
            twice = 2 * one.lift
            own = _with_itself(one.rows) / one.unit - twice
            found -= float((twice**3 + 3 * own * twice**2).sum())
        return found * one.unit**3

    def tile(self, one: Moved, two: Moved) -> float:
        """Σ 3 g² (l + m) + g³."""
        g = one.low @ two.low.T
        if one is two:
            np.fill_diagonal(g, 0)
        squares = g * g
        rows, columns = squares.sum(axis=1).astype(np.float64), squares.sum(axis=0).astype(np.float64)
        cubes = np.einsum("nm,nm->n", squares, g).sum(dtype=np.float64)
        return (3 * float(rows @ one.lift + columns @ two.lift) + float(cubes)) * one.unit**3

    def alone(self, rows: Floats) -> Floats:
        """k(x, x)."""
        return np.asarray(_with_itself(rows) ** 3)


def _with_itself(rows: Floats) -> Floats:
    """x·x/d + 1 of each row (n,)."""
    return np.asarray(lengths(rows) / rows.shape[1] + 1)


@dataclass(frozen=True)
class Moved:
    """Rows (n, d) of which (x·y/d + 1) / unit is low·low + lift + lift.

    low: rows less `middle`, float32 (n, d); lift: float64 (n,).
    """

    rows: Floats
    middle: Floats
    low: Singles
    lift: Floats
    unit: float

    @classmethod
    def of(cls, rows: Floats, middle: Floats, unit: float) -> Moved:
        """Without a second float64 copy of the rows."""
        size = rows.shape[1]
        low = np.empty(rows.shape, dtype=np.float32)
        for part in tiles(len(rows), TILE):
            low[part] = (rows[part] - middle) / np.sqrt(size * unit)
        return cls(rows, middle, low, ((rows @ middle - middle @ middle / 2) / size + 0.5) / unit, unit)

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, part: slice | NDArray[np.bool_]) -> Moved:
        return Moved(self.rows[part], self.middle, self.low[part], self.lift[part], self.unit)

    @cached_property
    def powers(self) -> list[float]:
        """Σ lift^k for k = 0..3."""
        return [float((self.lift**k).sum()) for k in range(4)]

    @cached_property
    def weighted(self) -> Floats:
        """Σ lift^k a / √(d · unit) for k = 0..2; (3, d)."""
        powers = self.lift ** np.arange(3)[:, None]
        made = powers @ self.rows - powers.sum(axis=1)[:, None] * self.middle
        return np.asarray(made / np.sqrt(len(self.middle) * self.unit))


@dataclass(frozen=True)
class Gaussian:
    """exp(−‖x − y‖² / 2σ²): the kernel of CMMD (Jayasumana et al. 2024, σ = 10)."""

    sigma: float = 10.0

    def laid(self, one: Floats, two: Floats) -> tuple[Floats, Floats]:
        """As they are."""
        return one, two

    def whole(self, one: Floats, two: Floats) -> float:
        """Nothing."""
        return 0.0

    def tile(self, one: Floats, two: Floats) -> float:
        """Σ k."""
        squared = np.square(one).sum(axis=1)[:, None] + np.square(two).sum(axis=1)[None] - 2 * (one @ two.T)
        found = np.exp(-np.maximum(squared, 0) / (2 * self.sigma**2))
        if one is two:
            np.fill_diagonal(found, 0)
        return float(found.sum())

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
        laid = kernel.laid(one, two)
        parts = [laid[0][group == g] for g in range(len(self.counts[0]))]
        others = [laid[1][other == g] for g in range(len(self.counts[1]))]
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


def _between(parts: list[Any], kernel: Kernel) -> Floats:
    sums = np.zeros((len(parts), len(parts)))
    for i, a in enumerate(parts):
        sums[i, i] = _sum_within(a, kernel)
        for j in range(i):
            sums[i, j] = sums[j, i] = _sum(a, parts[j], kernel)
    return sums


def _sum(one: Any, two: Any, kernel: Kernel) -> float:
    """Σ over all pairs, TILE × TILE at a time."""
    parts = [(i, j) for i in tiles(len(one), TILE) for j in tiles(len(two), TILE)]
    return kernel.whole(one, two) + sum(kernel.tile(one[i], two[j]) for i, j in parts)


def _sum_within(rows: Any, kernel: Kernel) -> float:
    """Σ over all pairs of different rows of one set, which is symmetric: tiles above the diagonal count twice."""
    parts = [rows[part] for part in tiles(len(rows), TILE)]
    diagonal = sum(kernel.tile(part, part) for part in parts)
    below = sum(kernel.tile(part, parts[j]) for i, part in enumerate(parts) for j in range(i))
    return kernel.whole(rows, rows) + diagonal + 2 * below
