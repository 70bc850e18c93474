"""FD∞: the Fréchet distance that infinitely many pictures and references would have, by extrapolation in 1/n.

Source: Chong & Forsyth 2020 (arXiv 1911.07023): the bias of a Fréchet distance falls as 1/n, so a line through its
values at several n meets 1/n = 0 at the unbiased value. Theirs extrapolates the pictures only, with unseeded draws and
no interval. Here both sides are extrapolated, by weighted least squares in 1/n and 1/m:

    FD(n, m) ≈ FD∞ + a/n + b/m

over parts of the rows that a seed deals out once: all of them and both halves of one side, against all of the other.
Smaller parts would bend the line (the next term of the bias is in 1/n²) and take nothing off the error. Weights n² (m²
on the other side): near the null the error of a distance falls as 1/n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from audit.statistics.frechet import Moments, distance
from audit.statistics.resample import FEWEST_GROUPS, checked, grouped, jackknife_variance, jackknifed
from audit.types import Interval

GROUPS = 12
PARTS = (1, 2)
ROWS_PER_DIMENSION = 8
"""Rows needed on either side, per dimension: at half of that the bias that is left nears a standard error."""

Floats = NDArray[np.float64]
Groups = Mapping[int, Moments]
"""Moments of each group by its number, which says what part it goes into: so a group left out moves no other."""
Point = tuple[float, float, float, float]
"""1/n, 1/m, distance, weight."""


def fd_infinity(groups: Groups, references: Groups) -> float:
    """FD∞ of pictures and references, each dealt into groups whose moments are given by number.

    A single group of references stands for moments whose rows are not at hand: its side is then not extrapolated.
    """
    whole, reference = _merged(groups), _merged(references)
    points = [_point(part, reference, part.count) for part in _parts(groups)]
    sides = [0]
    if len(references) > 1:
        points += [_point(whole, part, part.count) for part in _parts(references)[1:]]
        sides = [0, 1]
    rows = np.array(points)
    design = np.column_stack([np.ones(len(rows)), rows[:, sides]])
    root = np.sqrt(rows[:, 3])
    fitted, *_ = np.linalg.lstsq(design * root[:, None], rows[:, 2] * root, rcond=None)
    return float(fitted[0])


def fd_infinity_interval(
    features: Floats, clusters: Sequence[str], reference: Floats | Moments, *, seed: int = 0
) -> Interval:
    """FD∞ with a 95 % interval: delete-a-group jackknife of the whole fit, over prompts and over reference rows.

    Args:
        reference: rows (m, d), or moments alone; then the note says that the reference's own bias stays in.
    """
    rows = checked(features, "FD∞")
    width = rows.shape[1]
    group = grouped(clusters, groups=GROUPS, seed=seed) if len(rows) else np.zeros(0, dtype=np.int64)
    count = int(group.max()) + 1 if len(rows) else 0
    if len(rows) < ROWS_PER_DIMENSION * width:
        least = ROWS_PER_DIMENSION * width
        return Interval(value=None, note=f"{len(rows)} pictures; FD∞ of {width} dimensions needs {least}")
    if count < FEWEST_GROUPS:
        return Interval(value=None, note=f"FD∞ needs at least {FEWEST_GROUPS} prompts, got {count}")
    ours = {g: Moments.of(rows[group == g]) for g in range(count)}
    theirs, note = _reference_groups(reference, width, seed)
    value = fd_infinity(ours, theirs)
    left_out = [fd_infinity(_without(ours, g), theirs) for g in range(count)]
    further = 0.0
    if len(theirs) > 1:
        further = jackknife_variance(np.array([fd_infinity(ours, _without(theirs, g)) for g in theirs]))
    return jackknifed(value, left_out, further=further, note=note)


def _reference_groups(reference: Floats | Moments, width: int, seed: int) -> tuple[Groups, str]:
    if isinstance(reference, Moments):
        return {0: reference}, "the reference's own bias stays in: its rows are not at hand"
    if len(reference) < ROWS_PER_DIMENSION * width:
        few = f"{len(reference)} rows, fewer than {ROWS_PER_DIMENSION} for each of {width} dimensions"
        return {0: Moments.of(reference)}, f"the reference's own bias stays in: {few}"
    dealt = grouped([str(i) for i in range(len(reference))], groups=GROUPS, seed=seed)
    return {g: Moments.of(reference[dealt == g]) for g in range(GROUPS)}, ""


def _parts(groups: Groups) -> list[Moments]:
    """All, then the halves."""
    dealt = [[each for g, each in groups.items() if g % parts == first] for parts in PARTS for first in range(parts)]
    return [reduce(Moments.merge, each) for each in dealt if each]


def _point(one: Moments, reference: Moments, rows: int) -> Point:
    return 1 / one.count, 1 / reference.count, distance(reference, one), float(rows) ** 2


def _merged(groups: Groups) -> Moments:
    return reduce(Moments.merge, groups.values())


def _without(groups: Groups, dropped: int) -> Groups:
    return {g: each for g, each in groups.items() if g != dropped}
