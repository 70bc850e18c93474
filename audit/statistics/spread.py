"""How far apart several samples of one prompt lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.statistics.resample import (
    FEWEST_GROUPS,
    Floats,
    checked,
    jackknifed,
    no_interval,
    numbered,
)
from audit.types import Interval


def spread_interval(rows: Floats, prompts: Sequence[str]) -> Interval:
    """Mean over prompts of the standard deviation between a prompt's samples, with its 95 % interval.

    A prompt's deviation is the root of the mean over the d places of the unbiased variance between its rows; prompts
    with a single row say nothing and are left out. Interval: jackknife over prompts, Student's quantile.

    Args:
        rows: (n, d), each a sample.
    """
    values = checked(rows, "spread")
    if not values.size:
        return Interval(value=None, note="no features")
    codes = numbered(prompts)
    found = [spread(mine) for code in range(int(codes.max()) + 1) if len(mine := values[codes == code]) > 1]
    count = len(found)
    if not count:
        return Interval(value=None, note="no prompt has two samples; ask for replicates")
    mean = float(np.mean(found))
    if count < FEWEST_GROUPS:
        return no_interval(mean, count)
    left_out = (np.sum(found) - np.array(found)) / (count - 1)
    return jackknifed(mean, left_out)


def spread(samples: Floats) -> float:
    """Root of the mean over places of the unbiased variance between samples (n, d), n at least 2."""
    return float(np.sqrt(samples.var(axis=0, ddof=1).mean()))
