"""Precision, recall, density, coverage: which pictures lie inside the balls around the nearest neighbours.

Source: precision and recall, Kynkäänniemi et al. 2019, Eq. 1–2; density and coverage, Naeem et al. 2020. A ball around
a row reaches to its k-th nearest other row of the same set, its surface included (Kynkäänniemi's ≤); a distance that
equals a radius up to rounding counts as inside. How distances are found: `near`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audit.statistics.means import mean_interval
from audit.statistics.near import Look, Tile, radii, tiles
from audit.statistics.rates import rate_interval
from audit.statistics.resample import FEWEST_GROUPS, checked, grouped, jackknifed, left_out_of_mean, no_interval
from audit.types import Interval

K = 5
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


def prdc(features: Floats, reference: Reference) -> Prdc:
    """All four for rows (n, d) in one pass over the distances, of which one tile is in memory at a time."""
    rows = checked(features, "precision and recall")
    own = radii(rows, reference.k)
    inside_of = np.zeros(len(rows), dtype=np.int64)
    recalled = np.zeros(len(reference.rows), dtype=bool)
    covered = np.zeros(len(reference.rows), dtype=bool)
    look = Look.at(rows, reference.rows)
    ours = look(rows)
    for there in tiles(len(reference.rows)):
        theirs = look(reference.rows[there])
        for here in tiles(len(rows)):
            tile = Tile(ours[here], theirs)
            inside = tile.within(reference.radii[None, there])
            inside_of[here] += inside.sum(axis=1)
            covered[there] |= inside.any(axis=0)
            recalled[there] |= tile.within(own[here, None]).any(axis=0)
    depth = inside_of / reference.k
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
