"""How far reviewers agree beyond chance: Cohen's kappa for two, Krippendorff's alpha for any number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from audit.statistics.rates import design_effect, wilson
from audit.types import Interval

DRAWS = 2000
FEWEST = 5
"""Pictures below which no interval is given."""


def agreement(first: Sequence[bool], second: Sequence[bool], clusters: Sequence[str]) -> Interval:
    """Share of pictures that both judged alike; Wilson's interval at the effective number of pictures.

    Args:
        first, second: (n,) answers of the two, picture by picture.
        clusters: (n,) prompt ids; pictures of one prompt are alike.
    """
    alike = np.array([a == b for a, b in zip(first, second, strict=True)], dtype=np.float64)
    if not len(alike):
        return Interval(value=None, note="no picture that both judged")
    n = len(alike) / design_effect(alike, clusters)
    return wilson(float(alike.mean()) * n, n)


def cohen(first: Sequence[bool], second: Sequence[bool], clusters: Sequence[str]) -> Interval:
    """Cohen's kappa: (agreement - chance) / (1 - chance), chance being what both would reach by their habits alone.

    The interval takes chance agreement as known, as Cohen's own standard error does, and Wilson's interval for the
    agreement, so that full agreement over ten pictures is not called certain. Its coverage is tested by simulation.

    Source: Cohen 1960, "A coefficient of agreement for nominal scales"; Wilson 1927.
    """
    observed = agreement(first, second, clusters)
    if observed.value is None:
        return observed
    a, b = float(np.mean(first)), float(np.mean(second))
    chance = a * b + (1 - a) * (1 - b)
    if chance == 1:
        return Interval(value=None, note="no kappa: both gave one and the same answer throughout")
    value, low, high = (None if p is None else (p - chance) / (1 - chance) for p in _ends(observed))
    if len(first) < FEWEST:
        return Interval(value=value, note=f"no interval: {len(first)} pictures, at least {FEWEST} are needed")
    return Interval(value=value, low=low, high=high)


def krippendorff(answers: Sequence[Sequence[bool]], *, level: float = 0.95) -> Interval:
    """Krippendorff's alpha for yes and no, any number of reviewers, not all of whom need judge every picture.

    Args:
        answers: for each picture the answers that it got; pictures with fewer than two say nothing.

    The interval is the middle of a bootstrap over pictures. Where all agree nothing varies, and there is none.

    Source: Krippendorff 2004, "Content Analysis", chapter 11: 1 - observed / expected disagreement.
    """
    # yes and no of each picture that can disagree with itself
    counts = np.array([[sum(each), len(each) - sum(each)] for each in answers if len(each) > 1], dtype=np.float64)
    if not len(counts):
        return Interval(value=None, note="no picture that two judged")
    value = _alpha(counts)
    if value is None:
        return Interval(value=None, note="no alpha: all gave one and the same answer throughout")
    if len(counts) < FEWEST or value == 1:
        why = "all agree" if value == 1 else f"{len(counts)} pictures, at least {FEWEST} are needed"
        return Interval(value=value, note=f"no interval: {why}")
    rng = np.random.default_rng(2004)
    drawn = [_alpha(counts[rng.integers(0, len(counts), len(counts))]) for _ in range(DRAWS)]
    known = [each for each in drawn if each is not None]
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=value, low=float(low), high=float(high))


def majority(answers: Sequence[bool]) -> bool | None:
    """What most said; None where as many said the other, or nobody said anything."""
    counts = Counter(answers)
    return None if counts[True] == counts[False] else counts[True] > counts[False]


def _alpha(counts: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float | None:
    judged = counts.sum(axis=1)
    total = judged.sum()
    yes, no = counts.sum(axis=0)
    if not yes or not no:
        return None
    observed = (2 * counts[:, 0] * counts[:, 1] / (judged - 1)).sum() / total
    expected = 2 * yes * no / (total * (total - 1))
    return float(1 - observed / expected)


def _ends(found: Interval) -> tuple[float | None, float | None, float | None]:
    return found.value, found.low, found.high
