"""Knee: the dose from which on a paired effect leaves its plateau, with an interval over prompts.

A continuous line of two pieces, flat before the knee and straight behind it (Hudson 1966; Muggeo 2003, with the first
slope held at 0), is fitted to the mean change against the lowest dose. Where the knee may lie is searched on a grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from audit.statistics.means import paired_interval
from audit.statistics.resample import numbered
from audit.types import Interval

FEWEST_DOSES = 4
FEWEST_PROMPTS = 5
RESAMPLES = 1000
GRID = 1000
Floats = NDArray[np.float64]


def knee(doses: Floats, effect: Floats) -> tuple[float, float]:
    """Knee and slope behind it of the least-squares fit effect ≈ base + slope · max(dose − knee, 0), slope > 0.

    Args:
        doses: (k,), rising. effect: (k,).
    """
    places, slopes = _fitted(doses, effect[None])
    return float(places[0]), float(slopes[0])


def knee_interval(doses: ArrayLike, values: ArrayLike, clusters: Sequence[str], *, seed: int = 0) -> Interval:
    """The dose of the knee with a 95 % interval from 1000 resamples of whole prompts.

    Expanded percentiles (Hesterberg 2015, section 4.3): the plain ones are too narrow for few prompts, by the factor
    between Student's and the normal quantile and by that between n and n − 1.

    There is none where the highest dose does not differ from the lowest (its paired interval holds 0), with fewer than
    4 doses, or with fewer than 5 prompts. Whether the curve rises or falls behind the knee stands in the note.

    Args:
        doses: (k,), such as guidance 1, 2, 4, 8.
        values: (n, k): each row one prompt and seed at every dose.
        clusters: the prompt of each row.
    """
    axis, table = np.asarray(doses, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if table.shape != (len(clusters), len(axis)):
        raise ValueError(f"{table.shape} values do not go with {len(clusters)} prompt ids at {len(axis)} doses")
    if (np.diff(axis) <= 0).any():
        raise ValueError(f"doses must rise, got {axis.tolist()}")
    if len(axis) < FEWEST_DOSES:
        return Interval(value=None, note=f"no knee: {len(axis)} doses, at least {FEWEST_DOSES} are needed")
    codes = numbered(clusters)
    prompts = int(codes.max()) + 1 if len(codes) else 0
    if prompts < FEWEST_PROMPTS:
        return Interval(value=None, note=f"no knee: {prompts} prompts, at least {FEWEST_PROMPTS} are needed")
    ends = paired_interval(table[:, 0], table[:, -1], clusters, seed=seed)
    if ends.low is None or ends.high is None or ends.low <= 0 <= ends.high:
        return Interval(value=None, note=f"no knee: the highest dose, {axis[-1]:g}, does not differ from the lowest")
    sign = 1.0 if ends.low > 0 else -1.0
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.stack([np.bincount(codes, weights=column) for column in sign * (table - table[:, :1]).T], axis=1)
    drawn = np.random.default_rng(seed).integers(prompts, size=(RESAMPLES, prompts))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)[:, None]
    value, slope = knee(axis, sums.sum(axis=0) / sizes.sum())
    tail = float(stats.norm.cdf(-np.sqrt(prompts / (prompts - 1)) * stats.t.ppf(0.975, prompts - 1)))
    low, high = np.quantile(_fitted(axis, means)[0], [tail, 1 - tail])
    told = f"{'rises' if sign > 0 else 'falls'} by {slope:.3g} per unit behind it"
    return Interval(value=value, low=float(low), high=float(high), note=told)


def _fitted(doses: Floats, effects: Floats) -> tuple[Floats, Floats]:
    """Knee and slope of each of the curves (r, k); (r,), (r,).

    The best knee is where the centred curve goes most along the centred, normed max(dose − knee, 0).
    """
    places = np.linspace(doses[0], doses[-2], GRID)
    rows = np.maximum(doses[None] - places[:, None], 0.0)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1)
    along = effects @ rows.T / norms
    best = along.argmax(axis=1)
    return places[best], along[np.arange(len(along)), best] / norms[best]
