"""How small a difference a comparison could have seen, and how many pictures a verdict needs."""

from __future__ import annotations

import math

from scipy import stats

ALPHA = 0.05
POWER = 0.80


def detectable(error: float, *, freedom: float = math.inf, alpha: float = ALPHA, power: float = POWER) -> float:
    """Minimum detectable effect: the true difference that a two-sided test at `alpha` finds with this power.

    Args:
        error: standard error of the difference.
        freedom: degrees of freedom behind it.

    Source: Cohen 1988, §2; with Student's quantiles as in Bloom 1995.
    """
    return error * float(stats.t.ppf(1 - alpha / 2, freedom) + stats.t.ppf(power, freedom))


def chance_of(effect: float, error: float, *, alpha: float = ALPHA) -> float:
    """Power of a one-sided test at `alpha` when the true difference is `effect` and its standard error `error`."""
    if error == 0:
        return float(effect > 0)
    return float(stats.norm.sf(stats.norm.isf(alpha) - effect / error))


def needed(n: int, error: float, gap: float, *, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """How many pictures would shrink `error`, found with `n`, enough to tell a `gap` from nothing, one-sidedly.

    The error falls with the root of the number; replicates of a prompt help less than new prompts, so read it as
    pictures of as many more prompts. None where the gap is nothing.

    Source: Julious 2004, Eq. 22, for non-inferiority.
    """
    if gap <= 0:
        return None
    quantiles = float(stats.norm.isf(alpha) + stats.norm.ppf(power))
    return max(1, math.ceil(n * (quantiles * error / gap) ** 2))
