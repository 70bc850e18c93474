"""How alike pictures of one prompt are, compared with pictures of different prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from audit.statistics.resample import numbered


def intraclass(values: ArrayLike, clusters: Sequence[str]) -> float | None:
    """Intraclass correlation ICC(1) of `values` (n,) within clusters; None where no cluster has two, or nothing varies.

    1: pictures of a prompt are all the same, and more of them tell nothing new; 0: they are as different as pictures of
    different prompts; below 0: more different than that.

    Source: Shrout & Fleiss 1979, Case 1, from a one-way analysis of variance; unequal clusters as in Donner 1986.
    """
    numbers = np.asarray(values, dtype=np.float64)
    codes = numbered(clusters)
    sizes = np.bincount(codes).astype(np.float64)
    n, groups = len(numbers), len(sizes)
    if groups < 2 or n == groups or not np.ptp(numbers):
        return None
    means = np.bincount(codes, weights=numbers) / sizes
    between = float((sizes * np.square(means - numbers.mean())).sum()) / (groups - 1)
    within = float(np.square(numbers - means[codes]).sum()) / (n - groups)
    size = (n - float(np.square(sizes).sum()) / n) / (groups - 1)
    return (between - within) / (between + (size - 1) * within)
