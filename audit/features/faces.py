"""A face and its skin, by MediaPipe's face mesh, whose models come in its wheel: where a face is, never whose."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from generators.api import Pixels

SIDE = 384  # pixels that a picture is brought to before it is looked at
BORDER = 0.25  # of a side, padded all around
CONFIDENCE = 0.3
FOREHEAD = (109, 10, 338, 337, 9, 108)
CHEEKS = ((117, 118, 101, 36, 205, 187, 123), (346, 347, 330, 266, 425, 411, 352))
"""Numbers of mesh points around patches that hair, eyes and lips seldom reach."""
EYES = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Face:
    """Where a face is.

    Attributes:
        mesh: (468, 2) x, y in pixels of the picture, possibly beyond its edges.
    """

    mesh: Floats

    @property
    def box(self) -> tuple[float, float, float, float]:
        """left, top, right, bottom of the mesh, in pixels."""
        low, high = self.mesh.min(axis=0), self.mesh.max(axis=0)
        return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


@cache
def _finder() -> Any:
    os.environ.setdefault("GLOG_minloglevel", "2")  # its chatter about delegates is of no use to anybody
    from mediapipe.python.solutions.face_mesh import FaceMesh

    return FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=CONFIDENCE)


def face(image: Pixels) -> Face | None:
    """The clearest face of a picture (H, W, 3) uint8, or None where none is found."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    pad = round(SIDE * BORDER)
    padded = cv2.copyMakeBorder(large, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
        found = _finder().process(padded).multi_face_landmarks
    if not found:
        return None
    rows, columns = padded.shape[:2]
    points = np.array([[each.x * columns - pad, each.y * rows - pad] for each in found[0].landmark])
    return Face(mesh=np.asarray(points / scale, np.float64))


def within(image: Pixels, found: Face, outlines: tuple[tuple[int, ...], ...]) -> Pixels:
    """Pixels (n, 3) of the picture inside the polygons of mesh points."""
    return image[_mask(image, [found.mesh[list(each)] for each in outlines])]


def skin(image: Pixels, found: Face) -> Pixels:
    """Pixels (n, 3) of forehead and cheeks; a hat, hair, or glasses may be among them."""
    return within(image, found, (FOREHEAD, *CHEEKS))


def _mask(image: Pixels, polygons: list[Floats]) -> NDArray[np.bool_]:
    drawn = np.zeros(image.shape[:2], np.uint8)
    for each in polygons:
        cv2.fillPoly(drawn, [np.rint(each).astype(np.int32)], 1)
    return drawn > 0
