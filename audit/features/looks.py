"""How a rendered face is likely to be perceived, by a linear reader of mouth and face taught on studio portraits.

The face is laid on a template by its mesh; a patch of it in CIELAB is weighted, and the word with the largest sum is
taken. What the reader knows are the studio's own drawn cues (lips, beard, lids, wrinkles). It says which words an
onlooker who knows those cues would use, and nothing of anybody. Taught by `python -m audit.train.looks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from audit.features.faces import Face
from audit.features.monk import lab, linear
from audit.weights import require
from generators.api import Pixels
from generators.studio.portraits_table import AGES, PRESENTATIONS

WEIGHTS = "face-looks"
WORDS: Mapping[str, tuple[str, ...]] = {"presentation": PRESENTATIONS, "age": AGES}
SIDE = 64
CORNERS = (33, 263, 152)  # mesh points: outer corners of the eyes, chin
PLACES = ((20, 26), (44, 26), (32, 60))  # where they lie on the template, x, y
PATCHES: Mapping[str, tuple[slice, slice]] = {
    "presentation": (slice(44, 56), slice(20, 44)),
    "age": (slice(12, 58), slice(12, 52)),
}
"""Rows and columns of the template that are read, even about its middle: the mouth; the face from brows to chin."""

Floats = NDArray[np.float64]


def patch(image: Pixels, found: Face, kind: str) -> Floats:
    """The face's patch for that kind as a flat vector of CIELAB values."""
    corners = found.mesh[list(CORNERS)].astype(np.float32)
    turn = cv2.getAffineTransform(corners, np.array(PLACES, np.float32))
    laid = cv2.warpAffine(image, turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return lab(linear(laid[PATCHES[kind]] / 255)).ravel()


def evidence_for(image: Pixels, found: Face, kind: str) -> dict[str, float]:
    """Word -> its sum; about 1 where the reader is sure of it, about 0 where it is sure of another.

    Args:
        kind: "presentation" or "age".

    Raises:
        MissingWeightsError: the reader's weights are not here.
    """
    weight, bias = _reader()[kind]
    return dict(zip(WORDS[kind], (patch(image, found, kind) @ weight + bias).tolist(), strict=True))


@cache
def _reader() -> dict[str, tuple[Floats, Floats]]:
    """Kind -> weights (features, words), bias (words,)."""
    from safetensors.numpy import load_file

    stored = load_file(require(WEIGHTS))
    return {
        kind: (stored[f"{kind}.weight"].astype(np.float64), stored[f"{kind}.bias"].astype(np.float64)) for kind in WORDS
    }
