"""Where light comes from by the shading of objects, whatever their shadows say.

Every object is put back as the solid it was found as; for a light from each side its faces are shaded (Lambert 1760),
and the side is taken whose shading, scaled and lifted object by object for colour and ambient light, leaves least of
the brightness unexplained. Source: Johnson & Farid 2005, "Exposing digital forgeries by detecting inconsistencies in
lighting", here with normals of known solids in place of those along an outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from audit.features.ground import Points
from audit.features.objects import GRID, squared
from audit.features.standing import FACES, Solid, Standing
from generators.api import Pixels
from generators.studio.render import linear

FINE = 4  # parts of a cell that faces are drawn in
LUMA = np.array([0.2126, 0.7152, 0.0722])
AZIMUTHS = np.arange(0.0, 360.0, 5.0)
ELEVATIONS = (35.0, 45.0, 55.0)  # degrees above the table that are tried
LEAST_CELLS = 12
GLEAM = 0.95  # share of an object's cells beyond which brightness is a highlight
Cells = NDArray[np.float64]


@dataclass(frozen=True)
class Shading:
    """Light by shading.

    Attributes:
        azimuth: degrees, the way shadows should point, counter-clockwise from the camera's right.
        explained: share of the brightness within objects that a light from there explains, 0..1.
        margin: how much more of it than a light from the other side, the best within 60 degrees of opposite.
    """

    azimuth: float
    explained: float
    margin: float


def shading(picture: Pixels, standing: Standing) -> Shading | None:
    """The light that explains the brightness of a picture's objects best; None where too little of them is seen."""
    luma = brightness(picture)
    seen = [(normals(standing, solid), solid.found.cells) for solid in standing.solids]
    kept = []
    for facing, cells in seen:
        known = cells & np.isfinite(facing[..., 0]) & (cv2.erode(cells.astype(np.uint8), np.ones((3, 3))) > 0)
        if known.sum() >= LEAST_CELLS:
            values = luma[known]
            kept.append((facing[known], np.minimum(values, np.quantile(values, GLEAM))))
    if not kept:
        return None
    lost = np.array([[_unexplained(kept, azimuth, height) for azimuth in AZIMUTHS] for height in ELEVATIONS]).min(
        axis=0
    )
    best = int(lost.argmin())
    away = np.abs((AZIMUTHS - AZIMUTHS[best] + 180) % 360 - 180) >= 120
    return Shading(_between(lost, best), 1 - float(lost[best]), float(lost[away].min() - lost[best]))


def brightness(picture: Pixels) -> Cells:
    """Linear luminance (64, 64) of a picture (H, W, 3) as the finder's cells see it."""
    square, _, _ = squared(picture)
    values: Cells = cv2.resize(linear(square / 255) @ LUMA, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(
        np.float64
    )
    return values


def normals(standing: Standing, solid: Solid) -> Cells:
    """Mean normal (64, 64, 3) of the solid's faces that the camera sees in each cell; nan where it sees none."""
    corners, faces = solid.corners, FACES[solid.found.shape]
    triangles = corners[faces]
    across = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(across, axis=1, keepdims=True)
    facing = across / np.maximum(length, 1e-12)
    to_camera = np.array([0.0, 0.0, 1.0]) - triangles.mean(axis=1)
    shown = np.nonzero(((facing * to_camera).sum(axis=1) > 0) & (length[:, 0] > 1e-12))[0]
    far = np.linalg.norm(to_camera[shown], axis=1)
    at = standing.cells_of(corners) * FINE
    drawn = np.full((GRID * FINE, GRID * FINE), -1, np.int32)
    if not np.isfinite(at).all():
        return np.full((GRID, GRID, 3), np.nan)
    for face in shown[np.argsort(-far)]:
        cv2.fillConvexPoly(drawn, np.rint(at[faces[face]] * 8 - 4).astype(np.int32), int(face), cv2.LINE_8, 3)
    each = np.where((drawn >= 0)[..., None], facing[drawn], 0.0).reshape(GRID, FINE, GRID, FINE, 3).sum(axis=(1, 3))
    count = (drawn >= 0).reshape(GRID, FINE, GRID, FINE).sum(axis=(1, 3))
    return np.where(count[..., None] > FINE * FINE / 2, each / np.maximum(count, 1)[..., None], np.nan)


def _unexplained(kept: list[tuple[Cells, Cells]], azimuth: float, height: float) -> float:
    """Share of the variance of brightness within objects that is left, with gain >= 0 and lift of each object free.

    Objects count by their cells, however bright they are.
    """
    turn, rise = np.radians(azimuth), np.radians(height)
    light: Points = np.array([-np.cos(turn) * np.cos(rise), -np.sin(turn) * np.cos(rise), np.sin(rise)])
    left = total = 0.0
    for facing, values in kept:
        shade = np.maximum(facing @ light, 0)
        shade = shade - shade.mean()
        wanted = (values - values.mean()) / max(float(values.std()), 1e-9)
        gain = max(float(shade @ wanted), 0.0) / max(float(shade @ shade), 1e-9)
        left += float(np.square(wanted - gain * shade).sum())
        total += len(values)
    return left / total


def _between(lost: Cells, best: int) -> float:
    """The azimuth of the least of a parabola through the best and its neighbours."""
    before, here, after = (float(lost[(best + step) % len(lost)]) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = 0.0 if bend <= 0 else 0.5 * (before - after) / bend
    return float((AZIMUTHS[best] + shift * (AZIMUTHS[1] - AZIMUTHS[0])) % 360)
