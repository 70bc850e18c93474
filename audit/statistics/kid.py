"""Kernel distance: the unbiased squared maximum mean discrepancy with a cubic polynomial kernel, on all rows at once.

Source: Bińkowski et al. 2018 (kernel (x·y/d + 1)³). The usual average over random subsets of 1000 estimates the same
number with more noise. See `mmd`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audit.statistics.mmd import Cubic, mmd, mmd_interval
from audit.statistics.resample import GROUPS
from audit.types import Interval

Floats = NDArray[np.float64]


def kid(features: Floats, reference: Floats) -> float:
    """Unbiased MMD² of rows (n, d) and (m, d); needs two rows on each side."""
    return mmd(features, reference, Cubic())


def kid_interval(
    features: Floats, clusters: Sequence[str], reference: Floats, *, groups: int = GROUPS, seed: int = 0
) -> Interval:
    """The distance with a 95 % interval for the true MMD² between the two populations; see `mmd_interval`."""
    return mmd_interval(features, clusters, reference, Cubic(), groups=groups, seed=seed)
