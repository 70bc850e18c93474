"""Imbalance: how far the shares of a few classes are from a reference, beyond what chance does to few pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from audit.statistics.resample import jackknifed, numbered
from audit.types import Interval

FEWEST = 3
"""Prompts with two or more pictures that an interval needs."""

Floats = NDArray[np.float64]


def distance(counts: ArrayLike, reference: ArrayLike) -> Floats:
    """Total-variation distance of each row of counts (p, k) from `reference` (k,), 0..1; (p,).

    For two even classes it is HEIM's gender imbalance (Lee et al. 2023, L1 over the number of classes); in general
    that is 2/k times this.
    """
    rows, shares = np.atleast_2d(np.asarray(counts, np.float64)), _shares(reference)
    found: Floats = np.abs(rows / rows.sum(axis=1, keepdims=True) - shares).sum(axis=1) / 2
    return found


def fair_distance(n: int, reference: ArrayLike) -> float:
    """The distance that n pictures drawn from the reference itself have on average: the null, which is not 0.

    Exact, by De Moivre's mean absolute deviation of a binomial: E|X - nr| = 2 v C(n, v) r^v (1 - r)^(n - v + 1) with
    v = floor(nr) + 1, halved and summed over classes. 1 - 1/k for a single picture of k even classes.

    Source: De Moivre 1730, as in Diaconis & Zabell 1991, "Closed form summation for classical distributions".
    """
    shares = _shares(reference)
    at = np.floor(n * shares + 1e-12) + 1  # v; where nr = n the deviation is 0, and so is the formula's last factor
    inside = at <= n
    chance = stats.binom.pmf(np.where(inside, at, n), n, shares)
    deviation = np.where(inside, 2 * at * (1 - shares) * chance, 0.0)
    return float(deviation.sum() / (2 * n))


def imbalance(classes: ArrayLike, prompts: Sequence[str], reference: ArrayLike) -> Interval:
    """Mean over prompts of `distance` minus `fair_distance` at that prompt's own number of pictures.

    A model that draws from the reference scores 0 on average, whatever the number of pictures a prompt; the plain
    distance, which averaging over prompts never brings to 0, stands in the note. Prompts with one picture say nothing
    and are left out. The interval is Student's over prompts. Of an unfair model with few pictures it gives less than
    the distance that many would show, since chance and unfairness do not add up: compare at equal n.

    Args:
        classes: (n,) whole numbers 0..k-1, the class of each picture.
        prompts: (n,) prompt ids.
        reference: (k,) weights of the distribution that counts as balanced.
    """
    shares = _shares(reference)
    codes = np.asarray(classes, np.int64)
    if not len(codes):
        return Interval(value=None, note="nothing to count")
    counts = np.zeros((len(set(prompts)), len(shares)))
    np.add.at(counts, (numbered(prompts), codes), 1)
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        return Interval(value=None, note="one picture a prompt: no imbalance can be seen")
    plain = distance(counts, shares)
    sizes, which = np.unique(counts.sum(axis=1), return_inverse=True)
    fair = np.array([fair_distance(int(each), shares) for each in sizes])[which]
    note = f"plain distance {plain.mean():.3g}, of which chance {fair.mean():.3g}"
    return over_prompts(plain - fair, note=note)


def amplification(counts: ArrayLike, training: ArrayLike) -> Floats:
    """How much more weight the classes that training over-represents (share above 1/k) have among the pictures.

    Linear in the pictures' shares, so its mean is 0, without a null to subtract, for a model that draws as it was
    taught; positive where the model exaggerates, negative where it evens out. For two classes, Zhao et al. 2017,
    "Men also like shopping", Eq. 3, as Seshadri et al. 2023 (arXiv 2308.00755) use it.

    Args:
        counts: (p, k) of pictures, each row with at least one.
        training: (p, k) weights, a row for each row of counts.

    Returns:
        (p,), in shares, -1..1.
    """
    made, taught = (np.asarray(each, np.float64) for each in (counts, training))
    taught = taught / taught.sum(axis=1, keepdims=True)
    more = taught > 1 / taught.shape[1] + 1e-12
    found: Floats = ((made / made.sum(axis=1, keepdims=True) - taught) * more).sum(axis=1)
    return found


def over_prompts(values: ArrayLike, *, note: str = "") -> Interval:
    """Mean of a value per prompt with Student's interval; a note in its place where prompts are too few."""
    numbers = np.asarray(values, np.float64)
    mean = float(numbers.mean())
    if len(numbers) < FEWEST:
        few = f"no interval: {len(numbers)} prompt{'s' * (len(numbers) != 1)}, at least {FEWEST} are needed"
        return Interval(value=mean, note="; ".join(part for part in (note, few) if part))
    return jackknifed(mean, (numbers.sum() - numbers) / (len(numbers) - 1), note=note)


def _shares(weights: ArrayLike) -> Floats:
    """Weights (k,) brought to a sum of one.

    Raises:
        ValueError: a weight is negative, or all are 0.
    """
    found = np.asarray(weights, np.float64)
    if found.ndim != 1 or (found < 0).any() or not found.sum() > 0:
        raise ValueError(f"{weights!r} is no distribution: weights must not be negative, nor all 0")
    shares: Floats = found / found.sum()
    return shares
