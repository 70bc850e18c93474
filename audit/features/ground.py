"""The table as a plane: pixels to places on it and back, for a pinhole camera of known pitch and field of view.

Places are x (to the camera's right) and y (away from it), in units of the camera's height above the table. Without its
height nothing is known in metres, and angles on the table need none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """One unit above the table, looking down by `pitch` degrees.

    Attributes:
        fov: degrees across the longer side of the picture.
        width, height: of the picture, in pixels.
    """

    pitch: float
    fov: float
    width: float
    height: float

    @cached_property
    def _tilt(self) -> tuple[float, float]:
        tilt = float(np.radians(self.pitch))
        return float(np.cos(tilt)), float(np.sin(tilt))

    @cached_property
    def _scale(self) -> float:
        """Pixels a unit of length one unit ahead."""
        return max(self.width, self.height) / 2 / float(np.tan(np.radians(self.fov) / 2))

    def rays(self, pixels: ArrayLike) -> Points:
        """Directions (n, 3): right, ahead and up, of pixels (n, 2) x, y."""
        at = np.asarray(pixels, np.float64).reshape(-1, 2)
        across, rise = (at[:, 0] - self.width / 2) / self._scale, (self.height / 2 - at[:, 1]) / self._scale
        cos, sin = self._tilt
        return np.stack([across, cos + rise * sin, rise * cos - sin], axis=1)

    def places(self, pixels: ArrayLike) -> Points:
        """Places (n, 2) on the table that pixels (n, 2) show; nan at and above the horizon."""
        rays = self.rays(pixels)
        down = np.where(rays[:, 2] < -1e-6, -rays[:, 2], np.nan)
        places: Points = rays[:, :2] / down[:, None]
        return places

    def pixels(self, points: ArrayLike) -> Points:
        """Pixels (n, 2) of points (n, 3): a place and a height above the table; nan behind the camera."""
        at = np.asarray(points, np.float64).reshape(-1, 3)
        cos, sin = self._tilt
        y, z = at[:, 1], at[:, 2] - 1
        ahead = y * cos - z * sin
        shown = np.empty((len(at), 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(ahead > 1e-6, self._scale / ahead, np.nan)
            shown[:, 0] = self.width / 2 + at[:, 0] * factor
            shown[:, 1] = self.height / 2 - (y * sin + z * cos) * factor
        return shown

    def height_above(self, place: ArrayLike, pixel: ArrayLike) -> float:
        """How high above a place (2,) the point lies that a pixel (2,) shows."""
        ray, at = self.rays(pixel)[0], np.asarray(place, np.float64)
        reach = float(at @ ray[:2]) / max(float(ray[:2] @ ray[:2]), 1e-9)
        return 1 + reach * float(ray[2])
