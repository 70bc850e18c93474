"""Who is near whom: nearest neighbours and balls among many rows, settled in float32 where float32 can settle it.

Squared distances come tile by tile from products of matrices, which take half the time in float32. Rounding moves such
a distance by no more than a known share of the rows' squared lengths (Higham 2002, section 3.1). What lies further than
that from what it is compared with is settled; the rest, a few pairs in ten thousand, is computed again in float64. Rows
are first moved to a common origin: distances stay, lengths shrink, and the error with them.

Two float64 distances that differ by rounding alone count as equal: a row on the surface of a ball is inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TILE = 1024  # rows at a time on either side: 4 MB of distances
SPARE = 8  # nearest rows kept beyond those asked for, among which are the ones too close to call
TIE = 1e-12
PAIRS = 128  # pairs computed at a time
MANY = 32  # a product of matrices is faster than pairs where more than one in so many is to be computed
SMALLEST = 1e-30  # far above what float32 loses to underflow, at coordinates up to 1
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Look:
    """Rows as float32 sees them: moved by `origin` and divided by `unit`."""

    origin: Floats
    unit: float

    @classmethod
    def at(cls, *sets: Floats) -> Look:
        """From the middle of the first set, and so that no coordinate of any is above 1."""
        origin = sets[0].mean(axis=0)
        far = max(float(max((rows.max(axis=0) - origin).max(), (origin - rows.min(axis=0)).max())) for rows in sets)
        return cls(origin, far or 1.0)

    def __call__(self, rows: Floats) -> Seen:
        """These rows, without a second float64 copy of them."""
        low = np.empty(rows.shape, dtype=np.float32)
        for part in tiles(len(rows)):
            moved = rows[part] - self.origin
            low[part] = np.divide(moved, self.unit, out=moved)
        low_lengths = np.einsum("nd,nd->n", low, low, dtype=np.float64).astype(np.float32)
        return Seen(rows, lengths(rows), low, low_lengths, self.unit)


@dataclass(frozen=True)
class Seen:
    """Rows (n, d) with their squared lengths, exact and as float32 sees them."""

    rows: Floats
    lengths: Floats
    low: Singles
    low_lengths: Singles
    unit: float

    def __getitem__(self, part: slice) -> Seen:
        return Seen(self.rows[part], self.lengths[part], self.low[part], self.low_lengths[part], self.unit)


class Tile:
    """Squared distances between some rows and some others: `about` in float32, in units; `sums` of squared lengths."""

    def __init__(self, one: Seen, two: Seen) -> None:
        self.one, self.two = one, two
        self.sums = one.low_lengths[:, None] + two.low_lengths
        self.about: Singles = one.low @ two.low.T
        self.about *= -2
        self.about += self.sums

    def within(self, limit: Floats) -> Bools:
        """Which pairs lie at most so far apart, squared; the limit is (n, 1) or (1, m)."""
        unit = self.one.unit
        gap = self.about - (limit / unit / unit).astype(np.float32)
        found = gap <= 0
        tie = TIE * (self.one.lengths.max() + self.two.lengths.max()) / unit / unit
        error = self.sums * np.float32(rounding(self.one)) + np.float32(tie + SMALLEST)
        i, j = np.nonzero(np.abs(gap, out=gap) <= error)
        if len(i):
            found[i, j] = self._exact(i, j) <= np.broadcast_to(limit, found.shape)[i, j]
        return found

    def _exact(self, i: Ints, j: Ints) -> Floats:
        """Squared distances in float64, less what two that tie may differ by."""
        slack = TIE * (self.one.lengths[i] + self.two.lengths[j])
        if len(i) * MANY > self.about.size:
            return squared(self.one, self.two)[i, j] - slack
        return apart(self.one.rows, i, self.two.rows, j) - slack


def radii(rows: Floats, k: int) -> Floats:
    """Squared distance from each row to its k-th nearest other row; (n,)."""
    if len(rows) <= k:
        raise ValueError(f"{len(rows)} rows have no {k}-th nearest neighbour; at least {k + 1} are needed")
    seen = Look.at(rows)(rows)
    near, who = _nearest(seen, min(k + SPARE, len(rows) - 1))
    kth = np.partition(near, k - 1, axis=1)[:, k - 1 : k]
    # A row's error depends on the other's length, which is at most twice the sum of its own and the distance.
    error = 8 * rounding(seen) * (seen.low_lengths[:, None] + kth) + SMALLEST
    i, at = np.nonzero(np.abs(near - kth) <= error)
    known = np.where(near < kth, -np.inf, np.inf)
    known[i, at] = apart(rows, i, rows, who[i, at])
    found: Floats = np.partition(known, k - 1, axis=1)[:, k - 1]
    if near.shape[1] < len(rows) - 1:
        missing = np.nonzero(near.max(axis=1, keepdims=True) <= kth + error)[0]
        found[missing] = _radii_of(missing, seen, k)
    return found


def _nearest(seen: Seen, count: int) -> tuple[Singles, Ints]:
    """The nearest other rows of each, about: distances (n, count) and the rows' numbers, in no order."""
    near = np.full((len(seen.rows), count), np.inf, dtype=np.float32)
    who = np.zeros(near.shape, dtype=np.intp)

    def meet(part: slice, distances: Singles, others: slice) -> None:
        # What is no nearer than all that is known needs no sorting, and after a few tiles that is nearly everything.
        nearer = distances < near[part].max(axis=1, keepdims=True)
        if np.count_nonzero(nearer) * MANY < nearer.size:
            i, j = np.nonzero(nearer)
        else:
            least = np.argpartition(distances, min(count, distances.shape[1]) - 1, axis=1)[:, :count]
            i, j = np.repeat(np.arange(len(least)), least.shape[1]), least.ravel()
        fresh = np.bincount(i, minlength=len(distances))
        at = count + np.arange(len(i)) - np.repeat(np.cumsum(fresh) - fresh, fresh)
        both = np.full((len(distances), count + fresh.max()), np.inf, dtype=np.float32)
        names = np.zeros(both.shape, dtype=np.intp)
        both[:, :count], names[:, :count] = near[part], who[part]
        both[i, at], names[i, at] = distances[i, j], j + others.start
        kept = np.argpartition(both, count - 1, axis=1)[:, :count]
        near[part], who[part] = np.take_along_axis(both, kept, axis=1), np.take_along_axis(names, kept, axis=1)

    parts = tiles(len(seen.rows))
    for i, here in enumerate(parts):
        for there in parts[: i + 1]:  # distances are symmetric: each is computed once
            about = Tile(seen[here], seen[there]).about
            if here is there:
                np.fill_diagonal(about, np.inf)
            else:
                meet(there, about.T, here)
            meet(here, about, there)
    return near, who


def _radii_of(which: Ints, seen: Seen, k: int) -> Floats:
    """`radii` of these rows by float64 alone: where so many are about equally near that float32 cannot tell."""
    found = np.empty(len(which))
    for part in tiles(len(which)):
        numbers = which[part]
        some = Seen(seen.rows[numbers], seen.lengths[numbers], seen.low[:0], seen.low_lengths[:0], seen.unit)
        near = np.full((len(numbers), k), np.inf)
        for there in tiles(len(seen.rows)):
            far = squared(some, seen[there])
            far[numbers[:, None] == np.arange(there.start, there.stop)] = np.inf
            near = np.partition(np.concatenate([near, far], axis=1), k - 1, axis=1)[:, :k]
        found[part] = near.max(axis=1)
    return found


def rounding(seen: Seen) -> float:
    """How far float32 moves a squared distance at most, as a share of the sum of both rows' squared lengths.

    One rounding for each term of the product, in whatever order it is summed; 16 are for the rows, lengths and sums.
    """
    return float((seen.rows.shape[1] + 16) * 2.0**-24)


def squared(one: Seen, two: Seen) -> Floats:
    """Squared distances (n, m) in float64, from a product of matrices."""
    far = one.rows @ two.rows.T
    far *= -2
    far += one.lengths[:, None]
    far += two.lengths
    return np.maximum(far, 0.0, out=far)


def apart(one: Floats, i: Ints, two: Floats, j: Ints) -> Floats:
    """Squared distances of the pairs (one[i], two[j]), in float64."""
    found = np.empty(len(i))
    for part in tiles(len(i), PAIRS):
        found[part] = lengths(one[i[part]] - two[j[part]])
    return found


def lengths(rows: Floats) -> Floats:
    """Squared length of each row, without a second copy of them."""
    found: Floats = np.einsum("nd,nd->n", rows, rows)
    return found


def tiles(count: int, size: int = 0) -> list[slice]:
    """Slices of at most `size` rows, or TILE, that cover `count`."""
    step = size or TILE
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]
