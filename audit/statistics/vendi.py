"""Vendi score: how many different pictures a set is worth, from the eigenvalues of its similarities.

Source: Friedman & Dieng 2022 (arXiv 2210.02410), Eq. 3, with the cosine kernel: exp(−Σ λ log λ), λ the eigenvalues of
K/n. It lies between 1 (all alike) and n (all orthogonal), grows with n, and has no value of its own that is good. So it
is held against what as many real pictures score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audit.statistics.cmmd import normalised
from audit.statistics.resample import FEWEST_GROUPS, checked, grouped, jackknifed, no_interval
from audit.types import Interval

DRAWS = 200
Floats = NDArray[np.float64]


def vendi(features: Floats) -> float:
    """The score of rows (n, d), n ≥ 1, under the cosine kernel; by the smaller of K (n, n) and its dual (d, d)."""
    rows = normalised(checked(features, "Vendi score"))
    if not len(rows):
        raise ValueError("Vendi score: no rows")
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    values = np.clip(np.linalg.eigvalsh(gram / len(rows)), 0, None)
    shares = values[values > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def vendi_null(reference: Floats, n: int, *, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Scores of `draws` random sets of n different reference rows; (draws,)."""
    rows = checked(reference, "Vendi score, reference")
    if not 1 <= n <= len(rows):
        raise ValueError(f"Vendi score: {n} rows cannot be drawn from {len(rows)}")
    rng = np.random.default_rng(seed)
    return np.array([vendi(rows[rng.choice(len(rows), n, replace=False)]) for _ in range(draws)])


def vendi_interval(features: Floats, clusters: Sequence[str], reference: Floats, *, seed: int = 0) -> Interval:
    """The score over the mean score of as many reference rows: 1 is as varied as they are. The note has both, and the
    band in which 95 % of such reference sets lie.

    The interval is a delete-a-group jackknife over whole prompts: how the ratio would scatter were others drawn.
    """
    rows = checked(features, "Vendi score")
    if len(rows) < 2:
        return Interval(value=None, note=f"a Vendi score needs at least two pictures, got {len(rows)}")
    if 2 * len(rows) > len(reference):
        few = f"{len(rows)} pictures are more than half of the {len(reference)} of the reference"
        return Interval(value=None, note=f"Vendi {vendi(rows):.2f}; no null: {few}")
    null = vendi_null(reference, len(rows), seed=seed)
    typical = float(null.mean())
    low, high = np.quantile(null, [0.025, 0.975])
    raw = vendi(rows)
    note = f"Vendi {raw:.2f}; {len(rows)} reference pictures: {typical:.2f}, 95 % within {low:.2f} to {high:.2f}"
    group = grouped(clusters, seed=seed)
    count = int(group.max()) + 1
    if count < FEWEST_GROUPS:
        return no_interval(raw / typical, count, note)
    left_out = np.array([vendi(rows[group != g]) for g in range(count)]) / typical
    return jackknifed(raw / typical, left_out, note=note)
