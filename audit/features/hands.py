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


@cache
def _finder() -> Any:
    os.environ.setdefault("GLOG_minloglevel", "2")  # its chatter about delegates is of no use to anybody
    from mediapipe.python.solutions.hands import Hands

    return Hands(static_image_mode=True, max_num_hands=1, min_detection_confidence=0.3)


def landmarks(image: Pixels) -> NDArray[np.float64] | None:
    """(21, 2) x, y in pixels of the picture, or None where no hand is found."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    pad = round(SIDE * BORDER)
    padded = cv2.copyMakeBorder(large, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
        found = _finder().process(padded).multi_hand_landmarks
    if not found:
        return None
    rows, columns = padded.shape[:2]
    points = np.array([[each.x * columns - pad, each.y * rows - pad] for each in found[0].landmark])
    return np.asarray(points / scale, np.float64)
