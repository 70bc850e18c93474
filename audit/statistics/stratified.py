"""A detector's sensitivity and specificity from a review whose mix of flagged and other pictures is not the run's."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.statistics.rates import design_effect, wilson
from audit.types import Interval

DRAWS = 20_000
SLACK = 0.25
"""Share of the effective pictures that may be given up so that whole counts meet the rate."""


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """Pictures of which the detector said the same.

    Attributes:
        size: how many there are in the run; may be an effective, fractional number.
        judged: how many of them were reviewed, drawn at random; effective likewise.
        defects: how many of those have the defect.
    """

    size: float
    judged: float
    defects: float

    @classmethod
    def of(cls, size: float, truths: Sequence[bool], clusters: Sequence[str]) -> Stratum:
        """From the truth about each judged picture; those of one prompt are alike and count for less."""
        if not truths:
            return cls(size=size, judged=0, defects=0)
        effect = design_effect(np.array(truths, dtype=np.float64), clusters)
        return cls(size=size, judged=len(truths) / effect, defects=sum(truths) / effect)


def sensitivity_specificity(flagged: Stratum, unflagged: Stratum, *, level: float = 0.95) -> tuple[Interval, Interval]:
    """Both rates of the run's pictures, from P(defect | flagged), P(defect | not flagged) and the flag rate.

    sensitivity = f p1 / (f p1 + (1 - f) p0) and specificity = (1 - f)(1 - p0) / ((1 - f)(1 - p0) + f (1 - p1)). The
    intervals are the middle of draws in which f, p1 and p0 follow their Jeffreys posteriors: with no defect among few
    unflagged pictures, a bootstrap would call the sensitivity certain, and this does not.

    Source: Begg & Greenes 1983, Eq. 2 (verification depends on the test's result alone).
    """
    strata = {"that was flagged": flagged, "that was not flagged": unflagged}
    missing = [name for name, each in strata.items() if each.size and not each.judged]
    if missing:
        return (Interval(value=None, note=f"no picture {' or '.join(missing)} was judged"),) * 2
    total = flagged.size + unflagged.size
    if not total:
        return (Interval(value=None, note="the detector decided on no picture"),) * 2
    rng = np.random.default_rng(1983)

    def drawn(yes: float, no: float) -> NDArray[np.float64]:
        return rng.beta(yes + 0.5, no + 0.5, DRAWS)

    exact = [np.array([each]) for each in (flagged.size / total, _share(flagged), _share(unflagged))]
    draws = [
        drawn(flagged.size, unflagged.size),
        *(drawn(each.defects, each.judged - each.defects) for each in (flagged, unflagged)),
    ]
    values, spreads = _rates(*exact), _rates(*draws)
    empty = ("no picture with the defect was met", "no picture without the defect was met")
    found = [_interval(float(v[0]), s, level, why) for v, s, why in zip(values, spreads, empty, strict=True)]
    return found[0], found[1]


def effective(rate: Interval, most: int) -> tuple[int, int]:
    """Whole counts (right, wrong) that say of the rate what the interval says, and are no more certain.

    As many pictures as have a Wilson interval of that width; of the numbers down to a quarter below, that whose counts
    lie nearest to the rate, since the counts are whole and the rate is not.

    Args:
        most: pictures that the detector decided on.

    Returns:
        (0, 0) where there is no interval, or one wider than that of a single picture.
    """
    if rate.value is None or rate.low is None or rate.high is None:
        return 0, 0
    value, width = rate.value, rate.high - rate.low
    # the width falls with n, so that the greatest n is found by halving
    greatest = bisect_right(range(1, most + 1), -width, key=lambda n: -_width(value, n))
    if not greatest:
        return 0, 0
    n = min(range(greatest, int(greatest * (1 - SLACK)), -1), key=lambda n: abs(round(value * n) / n - value))
    return round(value * n), n - round(value * n)


def _width(value: float, n: int) -> float:
    found = wilson(value * n, n)
    return (found.high or 0.0) - (found.low or 0.0)


def _share(stratum: Stratum) -> float:
    return stratum.defects / stratum.judged if stratum.judged else 0.0


def _rates(
    flag: NDArray[np.float64], defect_flagged: NDArray[np.float64], defect_unflagged: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hit, miss = flag * defect_flagged, (1 - flag) * defect_unflagged
    alarm, clean = flag * (1 - defect_flagged), (1 - flag) * (1 - defect_unflagged)
    with np.errstate(invalid="ignore"):  # 0 / 0: nothing of that kind, told by a note
        return hit / (hit + miss), clean / (clean + alarm)


def _interval(value: float, draws: NDArray[np.float64], level: float, why: str) -> Interval:
    if not np.isfinite(value):
        return Interval(value=None, note=why)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))
