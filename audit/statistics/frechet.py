"""Fréchet distance between two Gaussians fitted to feature rows: ‖m₁−m₂‖² + tr S₁ + tr S₂ − 2 tr √(S₁S₂).

Source: Dowson & Landau 1982; as a metric of generators, Heusel et al. 2017. All in float64: float32 eigenvalues err by
1e-3 at 2048 dimensions. The trace of the root is computed as Σ√λ of a *symmetric* matrix, never from `sqrtm` or the
eigenvalues of the unsymmetric product:

    S₁ = RRᵀ (Cholesky; an eigenvector root where S₁ is not of full rank)   →   eigenvalues of RᵀS₂R, (d, d)
    fewer rows than dimensions, S₂ = CᵀC/(n−1)                              →   eigenvalues of (CR)(CR)ᵀ/(n−1), (n, n)

Where R is triangular, RᵀS₂R costs a quarter of two full products (LAPACK's sygst), and rows @ R half of one (trmm).

The distance is biased: two samples of n rows of one distribution lie about 2d/n + d(d+1)/(2n) apart, not 0
(isotropic, first order). So compare at equal n only, and beside it print `split_half_floor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dtrmm
from scipy.linalg.lapack import dsygst

from audit.statistics.resample import (
    FEWEST_GROUPS,
    GROUPS,
    checked,
    grouped,
    jackknifed,
    no_interval,
)
from audit.types import Interval

Floats = NDArray[np.float64]
SMALL_GROUP = 40  # groups of at most a fortieth of the rows are left out by quadrature, which is cheaper there
STEP = 0.3  # of the quadrature, in log s; its error, exp(-π²/STEP), is that of rounding
TAILS = 25.0  # how far in log s it reaches beyond the eigenvalues; what it leaves out is a part of exp(-TAILS)


@dataclass(frozen=True)
class Moments:
    """Count, mean (d,) and centred scatter (d, d) of rows, in float64; two of them merge exactly.

    Source of the merging formula: Chan, Golub & LeVeque 1983.
    """

    count: int
    mean: Floats
    scatter: Floats

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Moments:
        """Of rows (n, d), n ≥ 1; float32 rows are accumulated in float64."""
        rows = checked(np.asarray(features, dtype=np.float64), "moments")
        if not len(rows):
            raise ValueError("moments: no rows")
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    def merge(self, other: Moments) -> Moments:
        """Of the rows of both."""
        count = self.count + other.count
        step = other.mean - self.mean
        mean = self.mean + step * (other.count / count)
        between = np.outer(step, step) * (self.count * other.count / count)
        return Moments(count, mean, self.scatter + other.scatter + between)

    def without(self, other: Moments) -> Moments:
        """Of the rows of this that are not in `other`, a part of it: `merge` backwards."""
        count = self.count - other.count
        if count < 1:
            raise ValueError(f"taking {other.count} rows from {self.count} leaves none")
        mean = (self.mean * self.count - other.mean * other.count) / count
        step = other.mean - mean
        between = np.outer(step, step) * (count * other.count / self.count)
        return Moments(count, mean, self.scatter - other.scatter - between)

    @property
    def covariance(self) -> Floats:
        """Unbiased covariance (d, d); needs two rows."""
        if self.count < 2:
            raise ValueError("a covariance needs at least two rows")
        return self.scatter / (self.count - 1)

    @property
    def spread(self) -> float:
        """Trace of the covariance."""
        return float(np.trace(self.scatter)) / (self.count - 1)

    @cached_property
    def triangular(self) -> bool:
        """Whether `root` is the lower triangle that Cholesky gives."""
        return self.root.shape[0] == self.root.shape[1] and not np.triu(self.root, 1).any()

    @cached_property
    def root(self) -> Floats:
        """R (d, r) with covariance = RRᵀ; r < d only where the covariance is not of full rank.

        Cholesky is refused as soon as a pivot is lost in rounding: then the eigenvector root keeps exactly the
        directions above d·eps of the largest. Nothing is ever added to the diagonal.
        """
        covariance = self.covariance
        size = len(covariance)
        tiny = size * np.finfo(np.float64).eps * float(np.diag(covariance).max())
        if self.count > size:
            try:
                lower: Floats | None = np.linalg.cholesky(covariance).astype(np.float64, copy=False)
            except np.linalg.LinAlgError:
                lower = None
            if lower is not None and float(np.square(np.diag(lower)).min()) > tiny:
                return lower
        values, vectors = np.linalg.eigh(covariance)
        kept = values > size * np.finfo(np.float64).eps * max(float(values[-1]), 0.0)
        root: Floats = vectors[:, kept] * np.sqrt(values[kept])
        return root


def distance(one: Moments, two: Moments) -> float:
    """Fréchet distance of two sets of moments; the root of `one`, the reference, is computed once and kept."""
    covariance = two.covariance
    if one.triangular:
        # arrays in C order are their transposes to LAPACK: an upper triangle U = Rᵀ, and U S₂ Uᵀ in the upper half
        inner, _ = dsygst(covariance.T, one.root.T, itype=2, lower=0)
        values = np.linalg.eigvalsh(inner, UPLO="U")
    else:
        values = np.linalg.eigvalsh(one.root.T @ covariance @ one.root)
    shift = float(np.square(one.mean - two.mean).sum())
    return shift + one.spread + two.spread - 2 * _root_trace(values)


def frechet(features: Floats, reference: Moments) -> float:
    """Fréchet distance of rows (n, d) from the reference, by the cheaper and more accurate of the two routes."""
    rows = checked(features, "Fréchet distance")
    if len(rows) < 2:
        raise ValueError("a Fréchet distance needs at least two rows")
    if len(rows) >= rows.shape[1]:
        return distance(reference, Moments.of(rows))
    projected = _projected(rows - rows.mean(axis=0), reference)
    return _by_gram(rows, projected @ projected.T, reference)


def frechet_interval(
    features: Floats, clusters: Sequence[str], reference: Moments, *, groups: int = GROUPS, seed: int = 0
) -> Interval:
    """The distance with a 95 % interval, by a delete-a-group jackknife over whole prompts.

    The interval is for the expectation of the distance at this n, its bias included, against this very reference:
    it says how the figure would scatter were other prompts and seeds drawn, not how far the distributions truly are.
    See `jackknife_variance` for the source and for why no bootstrap.
    """
    rows = checked(features, "Fréchet distance")
    note = f"fewer pictures ({len(rows)}) than dimensions ({rows.shape[1]})" if len(rows) < rows.shape[1] else ""
    if len(rows) < 2:
        return Interval(value=None, note=f"a Fréchet distance needs at least two pictures, got {len(rows)}")
    value = frechet(rows, reference)
    group = grouped(clusters, groups=groups, seed=seed)
    count = int(group.max()) + 1
    if count < FEWEST_GROUPS:
        return no_interval(value, count, note)
    return jackknifed(value, _left_out(rows, group, count, reference), note=note)


def split_half_floor(features: Floats, seed: int, n: int | None = None) -> float:
    """Distance between two disjoint random sets of n rows of the reference (default: its halves).

    What a perfect generator would score at this n against a reference of n rows: no figure below it means anything.
    """
    rows = checked(features, "split-half floor")
    size = len(rows) // 2 if n is None else n
    if size < 2 or 2 * size > len(rows):
        raise ValueError(f"split-half floor: two sets of {size} rows cannot be taken from {len(rows)}")
    order = np.random.default_rng(seed).permutation(len(rows))
    return frechet(rows[order[:size]], Moments.of(rows[order[size : 2 * size]]))


def held_out_floor(features: Floats, n: int, seeds: Sequence[int] = range(5)) -> float:
    """What a perfect generator scores with n pictures against this whole reference.

    Mean distance of n of its N rows from the other N − n, times (1/n + 1/N) / (1/n + 1/(N − n)): the bias is a sum of a
    part per side, each in inverse proportion to its rows (first order).
    """
    rows = checked(features, "held-out floor")
    if n < 2 or len(rows) - n < 2:
        raise ValueError(f"held-out floor: {n} of {len(rows)} rows leave nothing to compare with")
    found = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(rows))
        found.append(frechet(rows[order[:n]], Moments.of(rows[order[n:]])))
    size = len(rows)
    return float(np.mean(found) * (1 / n + 1 / size) / (1 / n + 1 / (size - n)))


def _left_out(rows: Floats, group: NDArray[np.int64], count: int, reference: Moments) -> list[float]:
    """The distance with each group left out; the expensive product is shared among all of them."""
    if len(rows) >= rows.shape[1]:
        whole = Moments.of(rows)
        return [distance(reference, whole.without(Moments.of(rows[group == g]))) for g in range(count)]
    centred = rows - rows.mean(axis=0)
    projected = _projected(centred, reference)
    gram = projected @ projected.T
    if np.bincount(group).max() * SMALL_GROUP <= len(rows):
        values, vectors = np.linalg.eigh(gram)
        if values[1] > len(rows) * np.finfo(np.float64).eps * values[-1]:  # repeated rows would make F singular
            return _by_quadrature(centred, rows.mean(axis=0), values[1:], vectors[:, 1:], group, reference)
    kept = [np.flatnonzero(group != g) for g in range(count)]
    return [_by_gram(rows[k], _centred(gram[np.ix_(k, k)]), reference) for k in kept]


def _by_quadrature(
    centred: Floats, mean: Floats, values: Floats, vectors: Floats, group: NDArray[np.int64], reference: Moments
) -> list[float]:
    """The distances with each small group of rows left out, exact to rounding, from one eigendecomposition.

    With K = QΛQᵀ the centred Gram matrix of n rows, eigenvalues μ of the rows that stay, centred anew, are found in

        Σ√μ = Σ√λ − 1/π ∫₀^∞ tr F⁻¹ (s dF/ds) ds,    F(s) = Q_G diag(s² / (s² + λ)) Q_Gᵀ    (g, g)

    over the group's rows of Q. It follows from π√a = ∫ log(1 + a/s²) ds: the determinants of a matrix and of its
    principal submatrix differ by that of a block of the inverse (Jacobi), centring anew is a term of rank one, and by
    parts nothing is left that cancels. The integrand is analytic in log s, where the trapezoid rule converges
    exponentially (Trefethen & Weideman 2014).

    Args:
        centred: rows (n, d) minus their mean (d,).
        values, vectors: (n - 1,), (n, n - 1) of K, without the constant eigenvector; values above 0, rising.
        group: (n,) numbers from 0.
    """
    n = len(centred)
    low, high = np.log(values[0]) - 2 * TAILS, np.log(values[-1]) + 2 * TAILS
    squared = np.exp(np.arange(low, high, 2 * STEP))[:, None, None]
    weights = squared / (squared + values)
    changes = 2 * weights * (values / (squared + values))
    lengths = np.square(centred).sum(axis=1)
    found = []
    for g in range(int(group.max()) + 1):
        gone = np.flatnonzero(group == g)
        rows, left = vectors[gone], n - len(gone)
        slopes = np.trace(np.linalg.solve((rows * weights) @ rows.T, (rows * changes) @ rows.T), axis1=1, axis2=2)
        lost = STEP / np.pi * float(np.sqrt(squared[:, 0, 0]) @ slopes)
        root_trace = (float(np.sqrt(values).sum()) - lost) / np.sqrt(left - 1)
        step = -centred[gone].sum(axis=0) / left
        spread = (lengths.sum() - lengths[gone].sum() - left * np.square(step).sum()) / (left - 1)
        shift = np.square(reference.mean - mean - step).sum()
        found.append(float(shift + reference.spread + spread - 2 * root_trace))
    return found


def _projected(rows: Floats, reference: Moments) -> Floats:
    """Rows (n, d) @ reference.root."""
    if not reference.triangular:
        return rows @ reference.root
    product: Floats = dtrmm(1.0, reference.root.T, rows.T).T
    return product


def _by_gram(rows: Floats, gram: Floats, reference: Moments) -> float:
    """Distance from a centred Gram matrix (n, n) of rows @ reference.root."""
    values = np.linalg.eigvalsh(gram / (len(rows) - 1))
    mean = rows.mean(axis=0)
    spread = float(np.square(rows - mean).sum() / (len(rows) - 1))
    # Centring takes one rank away: the smallest eigenvalue is 0, and its rounding noise would enter under a root.
    shift = float(np.square(reference.mean - mean).sum())
    return shift + reference.spread + spread - 2 * _root_trace(values[1:])


def _centred(gram: Floats) -> Floats:
    """Gram matrix of the rows minus their mean, from the Gram matrix of the rows."""
    by_row = gram.mean(axis=1, keepdims=True)
    centred: Floats = gram - by_row - by_row.T + gram.mean()
    return centred


def _root_trace(values: NDArray[np.floating]) -> float:
    """Σ√λ; eigenvalues that rounding left below zero are zeros."""
    return float(np.sqrt(np.clip(values, 0, None)).sum())
