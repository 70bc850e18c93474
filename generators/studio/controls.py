"""Control pictures from a scene's truth: edges from its depth, normals and object ids; skeletons from its points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from generators.api import Pixels

Point = tuple[float, float]
Points = Mapping[str, Sequence[Sequence[float]]]
"""Name -> rows of x, y in pixels and visible (0 or 1), as `scene_record` writes them."""
STEEP = 0.8  # cosine of the turn between neighbouring normals from which on it is an edge: 37 degrees
JUMP = 0.06  # relative step of depth from which on it is an edge
FINGER_HUES = (0, 36, 72, 108, 144, 18, 90)  # of 180, OpenCV's hue circle; thumb first, the last two for extra fingers
FACE_BONES = ((0, 1), (0, 2), (1, 2), (2, 3), (3, 4))  # eye-eye, eyes-nose, nose-mouth, mouth-chin
FACE_HUE = 130


def edge_map(depth: NDArray[np.floating], normals: NDArray[np.floating], ids: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where neighbouring pixels belong to different objects, jump in depth, or turn sharply.

    Args:
        depth: (H, W), distance from the camera, 0 = nothing there.
        normals: (H, W, 3), unit length.
        ids: (H, W), object numbers.

    Returns:
        (H, W), lines one pixel wide.
    """
    edges = np.zeros(ids.shape, bool)
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        other = ids[here] != ids[there]
        far, near = np.maximum(depth[here], depth[there]), np.minimum(depth[here], depth[there])
        jump = far - near > JUMP * np.maximum(far, 1e-6)
        turned = (normals[here] * normals[there]).sum(axis=-1) < STEEP
        edges[here] |= other | jump | turned
    return edges


def lines_picture(edges: NDArray[np.bool_]) -> Pixels:
    """White lines on black (H, W, 3)."""
    return np.repeat((edges * np.uint8(255))[:, :, None], 3, axis=2)


def pose_map(points: Points, size: int) -> Pixels:
    """A hand's or a face's skeleton (size, size, 3): a colour a finger, as OpenPose draws them; black where none is.

    Source: the bone layout of Simon et al. 2017 (OpenPose hands), told by finger so that hands may have 3 to 7.
    """
    picture = np.zeros((size, size, 3), np.uint8)
    width = max(1, size // 64)
    for hue, line in bones(points):
        rgb = cv2.cvtColor(np.array([[[hue, 255, 255]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0].tolist()
        path = [(round(x), round(y)) for x, y in line]
        for start, end in pairwise(path):
            cv2.line(picture, start, end, rgb, width, cv2.LINE_AA)
        for joint in path:
            cv2.circle(picture, joint, width, (255, 255, 255), -1, cv2.LINE_AA)
    return picture


def bones(points: Points) -> Iterator[tuple[int, list[Point]]]:
    """(hue, joints in order) of each bone chain; none for scenes without a body."""
    if "fingertips" in points:
        [wrist] = points["wrist"]
        for finger, tip in enumerate(points["fingertips"]):
            chain = [wrist, *points["joints"][3 * finger : 3 * finger + 3], tip]
            yield FINGER_HUES[finger], [(row[0], row[1]) for row in chain]
    if "eyes" in points:
        face = [*points["eyes"], *points["nose"], *points["mouth"], *points["chin"]]
        for one, other in FACE_BONES:
            yield FACE_HUE, [(face[one][0], face[one][1]), (face[other][0], face[other][1])]
