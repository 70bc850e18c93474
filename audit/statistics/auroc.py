"""Area under the ROC curve: the chance that a planted picture scores above a clean one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from audit.types import Interval


def auroc(planted: ArrayLike, clean: ArrayLike, *, level: float = 0.95) -> Interval:
    """AUROC of scores (n,), (m,), ties counted half, with DeLong's interval on the logit scale.

    At 0 or 1 the variance vanishes; there the interval ends where the worst of n and m pictures would move it: the
    rule of three, 3 / min(n, m).

    Source: DeLong, DeLong & Clarke-Pearson 1988; logit scale as in Pepe 2003, section 5.2.
    """
    ours, theirs = np.asarray(planted, np.float64), np.asarray(clean, np.float64)
    n, m = len(ours), len(theirs)
    if n < 2 or m < 2:
        return Interval(value=None, note=f"{n} planted and {m} clean pictures: no curve")
    together = stats.rankdata(np.concatenate([ours, theirs]))
    above = (together[:n] - stats.rankdata(ours)) / m
    below = 1 - (together[n:] - stats.rankdata(theirs)) / n
    area = float(above.mean())
    if area in (0.0, 1.0):
        reach = min(1.0, 3 / min(n, m))
        return Interval(value=area, low=max(0.0, area - reach), high=min(1.0, area + reach), note="rule of three")
    error = np.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / m)
    reach = float(stats.norm.ppf((1 + level) / 2) * error / (area * (1 - area)))
    middle = np.log(area / (1 - area))
    low, high = (float(1 / (1 + np.exp(-(middle + sign * reach)))) for sign in (-1, 1))
    return Interval(value=area, low=low, high=high)
