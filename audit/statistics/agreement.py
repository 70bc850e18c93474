"""How well lines and points lie where they were wanted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 2  # pixels at 128 a side that a line may lie beside the wanted one
REACH = 0.2  # of the body's longer side, within which a point counts as found


def edge_f1(found: NDArray[np.bool_], wanted: NDArray[np.bool_], tolerance: int = TOLERANCE) -> float:
    """Harmonic mean of the shares of found pixels near a wanted one, and of wanted pixels near a found one; 0..1.

    Source: boundary F-measure of Martin et al. 2004, with nearness by dilation instead of their one-to-one matching.
    """
    if not found.any() or not wanted.any():
        return float(not found.any() and not wanted.any())
    precision = float(near(wanted, tolerance)[found].mean())
    recall = float(near(found, tolerance)[wanted].mean())
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def near(lines: NDArray[np.bool_], tolerance: int) -> NDArray[np.bool_]:
    """(H, W), true within so many pixels of a line, counted as a square."""
    side = 2 * tolerance + 1
    grown: NDArray[np.uint8] = cv2.dilate(lines.astype(np.uint8), np.ones((side, side), np.uint8))
    return grown.astype(bool)


def pck(found: NDArray[np.floating], wanted: NDArray[np.floating], reach: float = REACH) -> float:
    """Share of points (n, 2) that lie within `reach` of where they were wanted, in units of the body's longer side.

    Source: percentage of correct keypoints, Yang & Ramanan 2013.
    """
    size = float((wanted.max(axis=0) - wanted.min(axis=0)).max())
    return float((np.linalg.norm(found - wanted, axis=1) <= reach * size).mean())
