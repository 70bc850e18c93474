"""Precision, recall, density, coverage: which pictures lie inside the balls around the nearest neighbours.

Source: precision and recall, Kynkäänniemi et al. 2019, Eq. 1–2; density and coverage, Naeem et al. 2020. A ball around
a row reaches to its k-th nearest other row of the same set, its surface included (Kynkäänniemi's ≤). Distances come
tile by tile from a matrix product, so a distance that equals a radius up to rounding counts as inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audit.statistics.means import mean_interval
from audit.statistics.rates import rate_interval
from audit.statistics.resample import FEWEST_GROUPS, checked, grouped, jackknifed, left_out_of_mean, no_interval
from audit.types import Interval

K = 5
TILE = 1024  # rows at a time, fewer where there are many others
CELLS = 2**24  # distances at a time: 128 MB
TIE = 1e-12
JACKKNIFE_GROUPS = 10
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Reference:
    """Reference rows (m, d) with the squared radius of each row's ball, (m,)."""

    rows: Floats
    radii: Floats
    k: int

    @classmethod
    def of(cls, rows: Floats, k: int = K) -> Reference:
        """Radii to the k-th nearest other row; needs more than k rows."""
        kept = checked(rows, "reference")
        return cls(kept, radii(kept, k), k)


@dataclass(frozen=True)
class Prdc:
    """The four shares; density may exceed 1.

    inside: (n,) whether each row lies in some ball of the reference (their mean is the precision).
    depth: (n,) in how many balls of the reference each row lies, over k (their mean is the density).
    """

    precision: float
    recall: float
    density: float
    coverage: float
    inside: Bools
    depth: Floats


def radii(rows: Floats, k: int = K) -> Floats:
    """Squared distance from each row to its k-th nearest other row; (n,)."""
    if len(rows) <= k:
        raise ValueError(f"{len(rows)} rows have no {k}-th nearest neighbour; at least {k + 1} are needed")
    norms = _lengths(rows)
    nearest = np.full((len(rows), k), np.inf)
    tiles = [slice(start, start + TILE) for start in range(0, len(rows), TILE)]
    for i, here in enumerate(tiles):
        for there in tiles[: i + 1]:  # distances are symmetric: each is computed once
            squared, _ = _squared(rows[here], norms[here], rows[there], norms[there])
            if here is there:
                np.fill_diagonal(squared, np.inf)
            else:
                nearest[there] = _least(nearest[there], squared.T, k)
            nearest[here] = _least(nearest[here], squared, k)
    found: Floats = nearest.max(axis=1)
    return found


def prdc(features: Floats, reference: Reference) -> Prdc:
    """All four for rows (n, d) in one pass over the distances, of which `CELLS` are in memory at a time."""
    rows = checked(features, "precision and recall")
    k = reference.k
    own = radii(rows, k)
    depth = np.empty(len(rows))
    recalled = np.zeros(len(reference.rows), dtype=bool)
    covered = np.zeros(len(reference.rows), dtype=bool)
    norms, others = _lengths(rows), _lengths(reference.rows)
    step = max(1, min(TILE, CELLS // len(others)))
    for start in range(0, len(rows), step):
        tile = slice(start, start + step)
        squared, slack = _squared(rows[tile], norms[tile], reference.rows, others)
        squared -= slack
        in_reference = squared <= reference.radii
        depth[tile] = in_reference.sum(axis=1) / k
        covered |= in_reference.any(axis=0)
        recalled |= (squared <= own[tile, None]).any(axis=0)
    return Prdc(
        precision=float((depth > 0).mean()),
        recall=float(recalled.mean()),
        density=float(depth.mean()),
        coverage=float(covered.mean()),
        inside=depth > 0,
        depth=depth,
    )


def precision_interval(features: Floats, clusters: Sequence[str], reference: Reference) -> Interval:
    """Precision with a Wilson interval corrected for prompts; the reference is held fixed."""

    def compute(rows: Floats) -> Interval:
        inside = prdc(rows, reference).inside
        return left_out_of_mean(rate_interval(inside, clusters), inside, clusters)

    return _guarded(features, reference, compute)


def density_interval(features: Floats, clusters: Sequence[str], reference: Reference) -> Interval:
    """Density with a prompt-clustered bootstrap interval; the reference is held fixed."""

    def compute(rows: Floats) -> Interval:
        depth = prdc(rows, reference).depth
        return left_out_of_mean(mean_interval(depth, clusters), depth, clusters)

    return _guarded(features, reference, compute)


def recall_interval(features: Floats, clusters: Sequence[str], reference: Reference, *, seed: int = 0) -> Interval:
    """Recall with a jackknife interval; it grows with n, so compare at equal n."""
    return _guarded(features, reference, lambda rows: _jackknife(rows, clusters, reference, _recall, seed))


def coverage_interval(features: Floats, clusters: Sequence[str], reference: Reference, *, seed: int = 0) -> Interval:
    """Coverage with a jackknife interval; it grows with n, so compare at equal n."""
    return _guarded(features, reference, lambda rows: _jackknife(rows, clusters, reference, _coverage, seed))


def _recall(found: Prdc) -> float:
    return found.recall


def _coverage(found: Prdc) -> float:
    return found.coverage


def _jackknife(
    rows: Floats, clusters: Sequence[str], reference: Reference, pick: Callable[[Prdc], float], seed: int
) -> Interval:
    """Delete-a-group jackknife over prompts, clipped to [0, 1]; a bootstrap's repeated rows would shrink the balls."""
    value = pick(prdc(rows, reference))
    group = grouped(clusters, groups=JACKKNIFE_GROUPS, seed=seed)
    count = int(group.max()) + 1
    if count < FEWEST_GROUPS or min(len(rows) - np.bincount(group)) <= reference.k:
        return no_interval(value, count)
    wide = jackknifed(value, [pick(prdc(rows[group != g], reference)) for g in range(count)])
    assert wide.low is not None
    assert wide.high is not None
    return replace(wide, low=max(wide.low, 0.0), high=min(wide.high, 1.0))


def _guarded(features: Floats, reference: Reference, compute: Callable[[Floats], Interval]) -> Interval:
    rows = checked(features, "precision and recall")
    if len(rows) <= reference.k:
        return Interval(
            value=None, note=f"{len(rows)} pictures have no {reference.k}-th neighbour; {reference.k + 1} are needed"
        )
    return compute(rows)


def _lengths(rows: Floats) -> Floats:
    """Squared length of each row, without a second copy of them."""
    lengths: Floats = np.einsum("nd,nd->n", rows, rows)
    return lengths


def _least(known: Floats, more: Floats, k: int) -> Floats:
    """The k least of each row of both."""
    return np.partition(np.concatenate([known, more], axis=1), k - 1, axis=1)[:, :k]


def _squared(one: Floats, norms: Floats, two: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Squared distances (n, m) of rows with these squared lengths, and the rounding below which two tie."""
    slack = norms[:, None] + others
    squared = one @ two.T
    squared *= -2
    squared += slack
    slack *= TIE
    return np.maximum(squared, 0.0, out=squared), slack
