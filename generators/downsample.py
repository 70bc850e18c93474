"""The declared downsampler: what super-resolution was trained to undo, and what its pictures are held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generators.api import Pixels
from generators.studio.drawing import halved


def block_mean(image: Pixels, times: int) -> Pixels:
    """The picture (H, W, 3) `times` smaller each side: the mean of blocks of sRGB values, halved again and again.

    Each halving rounds to whole grey levels; `exact_block_mean` does not round.

    Raises:
        ValueError: `times` is no power of two, or does not divide both sides.
    """
    height, width = image.shape[:2]
    if times < 1 or times & (times - 1) or height % times or width % times:
        raise ValueError(f"{height} x {width} cannot be halved to a {times}th: that takes a power of two dividing both")
    while times > 1:
        image, times = halved(image), times // 2
    return image


def exact_block_mean(image: NDArray[np.generic], times: int) -> NDArray[np.float64]:
    """The same unrounded, for any `times` that divides both sides: the linear operator behind it; (h, w, 3)."""
    height, width, channels = image.shape
    blocks = image.astype(np.float64).reshape(height // times, times, width // times, times, channels)
    mean: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return mean


def finer(image: NDArray[np.generic], times: int) -> NDArray[np.float64]:
    """What of the picture its small one does not tell: its part in the null space of the downsampler; (H, W, 3).

    Grey levels; the mean of each block is 0. The operator is an orthogonal projection.
    """
    coarse = exact_block_mean(image, times).repeat(times, axis=0).repeat(times, axis=1)
    beyond: NDArray[np.float64] = image.astype(np.float64) - coarse
    return beyond
