"""Rates (shares of pictures) with Wilson intervals that know that pictures of one prompt are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from audit.statistics.resample import numbered
from audit.types import Interval


def wilson(successes: float, n: float, *, quantile: float | None = None, level: float = 0.95) -> Interval:
    """Score interval for a rate; `n` may be an effective, fractional number of independent pictures.

    Source: Wilson 1927. `quantile` replaces the normal quantile, for a Student's where the error itself is estimated.
    """
    if n <= 0:
        return Interval(value=None, note="nothing to count")
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} is no rate")
    z = float(stats.norm.ppf((1 + level) / 2)) if quantile is None else quantile
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * float(np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)))
    # At 0 of n and n of n the bound is exactly the edge, which rounding would miss.
    low = 0.0 if successes == 0 else centre - reach
    high = 1.0 if successes == n else centre + reach
    return Interval(value=rate, low=low, high=high)


def rate_interval(values: ArrayLike, clusters: Sequence[str], *, level: float = 0.95) -> Interval:
    """Share of true among `values` (n,) of 0/1, with Wilson's interval at the effective number of pictures.

    n_eff = n / design effect; design effect = variance of the rate between prompts over what independent pictures would
    show, at least 1. Student's quantile with prompts − 1 degrees of freedom, as the effect is itself estimated. Where
    nothing varies the effect cannot be estimated, and each prompt counts as one picture: the worst case.

    Source: Korn & Graubard 1998; Franco et al. 2019 for Wilson's form under clustering.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) != len(clusters):
        raise ValueError(f"{len(numbers)} values do not go with {len(clusters)} prompt ids")
    if not np.isin(numbers, (0.0, 1.0)).all():
        raise ValueError("a rate is over values that are 0 or 1")
    if not len(numbers):
        return Interval(value=None, note="nothing to count")
    rate, n, prompts = float(numbers.mean()), len(numbers), len(set(clusters))
    if prompts == n:
        return wilson(float(numbers.sum()), n, level=level)
    if prompts == 1:
        return Interval(value=rate, note="no interval: one prompt")
    quantile = float(stats.t.ppf((1 + level) / 2, prompts - 1))
    effect = design_effect(numbers, clusters)
    if rate in (0.0, 1.0):
        worst = wilson(rate * prompts, prompts, level=level)
        return Interval(value=rate, low=worst.low, high=worst.high, note="all pictures alike: each prompt counts once")
    found = wilson(rate * n / effect, n / effect, quantile=quantile, level=level)
    note = f"design effect {effect:.2f}" if effect > 1 else ""
    return Interval(value=rate, low=found.low, high=found.high, note=note)


def design_effect(values: ArrayLike, clusters: Sequence[str]) -> float:
    """How many pictures count as one, because those of a prompt are alike; at least 1.

    Variance of the rate between prompts over what independent pictures would show. Where nothing varies it cannot be
    estimated, and each prompt counts as one picture: the worst case.
    """
    numbers = np.asarray(values, dtype=np.float64)
    codes = numbered(clusters)
    n, prompts, rate = len(numbers), int(codes.max()) + 1, float(numbers.mean())
    if prompts == n:
        return 1.0
    if rate in (0.0, 1.0) or prompts == 1:
        return n / prompts
    residual = np.bincount(codes, weights=numbers - rate)
    between = prompts / (prompts - 1) * float(np.square(residual).sum()) / n**2
    return max(1.0, between / (rate * (1 - rate) / n))
