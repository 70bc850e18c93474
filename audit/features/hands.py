"""Hand landmarks by MediaPipe, whose model comes in its wheel. It always says 21 points: it cannot count fingers."""

from __future__ import annotations

import os
import warnings
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from generators.api import Pixels

SIDE = 384  # pixels that a picture is enlarged to before it is looked at
BORDER = 0.25  # of a side, padded all around: hands that touch the edge are missed (measured: .99 found against .75)
POINTS = 21  # wrist, then four a finger from its base to its tip, thumb first
MOST = 4  # hands in a picture


@cache
def _finder() -> Any:
    os.environ.setdefault("GLOG_minloglevel", "2")  # its chatter about delegates is of no use to anybody
    from mediapipe.python.solutions.hands import Hands

    return Hands(static_image_mode=True, max_num_hands=MOST, min_detection_confidence=0.3)


def landmarks(image: Pixels) -> NDArray[np.float64] | None:
    """(21, 2) x, y in pixels of the picture of the likeliest hand, or None where no hand is found."""
    found = hands(image)
    return found[0] if found else None


def hands(image: Pixels) -> list[NDArray[np.float64]]:
    """(21, 2) x, y in pixels of the picture for each hand, the likeliest first; a hand found twice counts once."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    pad = round(SIDE * BORDER)
    padded = cv2.copyMakeBorder(large, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
        found = _finder().process(padded)
    if not found.multi_hand_landmarks:
        return []
    size = np.array(padded.shape[1::-1])
    points = [
        (np.array([[each.x, each.y] for each in hand.landmark]) * size - pad) / scale
        for hand in found.multi_hand_landmarks
    ]
    sure = [side.classification[0].score for side in found.multi_handedness]
    return _apart([points[each] for each in np.argsort(sure)[::-1]])


def _apart(found: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Without hands whose middle lies within half a palm of an earlier one's."""
    kept: list[NDArray[np.float64]] = []
    for points in found:
        palm = np.hypot(*(points[9] - points[0]))
        if all(np.hypot(*(points.mean(axis=0) - other.mean(axis=0))) > palm / 2 for other in kept):
            kept.append(points)
    return kept
