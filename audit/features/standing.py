"""Objects put back on the table as solids: where each stands, how tall it is and how it is turned.

Analysis by synthesis: outlines of solids in the studio's proportions are held against the cells that show objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from audit.features.ground import Camera, Points
from audit.features.objects import GRID, Found, Table
from generators.studio import solids

FOV, PITCH = 36.0, 27.5
"""Degrees: the studio's camera over tables, and the middle of how far it looks down (20 to 35). Outlines hardly show
the pitch, and 5 degrees of it change angles on the table by a sixth, those of all objects alike."""
FINE = 2  # parts of a cell that outlines are drawn in
ROUNDS = 4  # along every coordinate, before steps get smaller
TURNS = np.arange(0.0, 90.0, 15.0)
STEPS = (0.1, 0.05, 0.025, 0.0125)  # of its height that an object is moved and grown by, of 80 degrees it is turned
_SOLIDS = {
    "cube": solids.box(1, 1, 1),
    "ball": solids.ball(0.5, 12, 8),
    "cylinder": solids.cylinder(0.7 / 1.6, 1, 16),
    "cone": solids.cone(0.85 / 1.8, 1, 16),
    "pyramid": solids.pyramid(1.6 / 1.5, 1),
    "ring": solids.ring(0.8 / 0.54, 0.5, 16, 6),
}
"""The studio's solids at height 1."""
FACES = {name: solid.faces.astype(np.int64) for name, solid in _SOLIDS.items()}
"""Triangles of each solid as rows of its corners."""
TURNING = ("cube", "pyramid")
Cells = NDArray[np.float32]


@dataclass(frozen=True)
class Solid:
    """An object as it stands on the table: corners (n, 3) of its solid and the foot (2,) it stands on."""

    found: Found
    corners: Points
    foot: Points


class Standing:
    """A table's objects as solids under its camera."""

    def __init__(self, table: Table, width: float, height: float, fov: float = FOV) -> None:
        self.table = table
        self.camera = Camera(PITCH, fov, width, height)

    @cached_property
    def solids(self) -> list[Solid]:
        """Every object that can stand where it was found."""
        fits = [(each, self._fitted(each)) for each in self.table.objects]
        return [Solid(each, self._corners(each, at), at[:2]) for each, at in fits if at is not None]

    def cells_of(self, points: Points) -> Points:
        """Where points (n, 3) are seen, x, y in cells of the finder's maps; nan behind the camera."""
        at: Points = (self.camera.pixels(points) + self.table.shift) / (2 * self.table.scale)
        return at

    def cover(self, points: Points) -> Cells:
        """Share (64, 64) of each cell inside the outline around points (n, 3)."""
        shown = self.cells_of(points)
        shown = shown[np.isfinite(shown).all(axis=1)]
        drawn = np.zeros((GRID * FINE, GRID * FINE), np.uint8)
        if len(shown) >= 3:
            fine = shown * FINE * 8 - 4
            outline = cv2.convexHull(np.clip(np.rint(fine), -(2**15), 2**15).astype(np.int32))
            cv2.fillConvexPoly(drawn, outline, 255, cv2.LINE_8, 3)
        shares: Cells = cv2.resize(drawn, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        return shares

    def _corners(self, found: Found, at: Points) -> Points:
        """Of a solid at x, y, of a height, turned by so many degrees."""
        corners: Points = solids.rotated(_SOLIDS[found.shape].vertices, at[3]) * at[2] + [at[0], at[1], 0.0]
        return corners

    def _own(self, found: Found) -> Cells:
        """1 where only this object is seen, -1 where none is, 0 where another one may hide it."""
        others = [each.cells for each in self.table.objects if each is not found]
        hidden = np.logical_or.reduce(others) if others else np.zeros((GRID, GRID), np.bool_)
        own: Cells = np.where(hidden, 0, 2 * self.table.presence - 1).astype(np.float32)
        return own

    def _fitted(self, found: Found) -> Points | None:
        """The x, y, height and turn of an object whose outline agrees best; None where it cannot stand."""
        [foot] = self.camera.places([found.foot])
        height = self.camera.height_above(foot, found.top) if np.isfinite(foot).all() else 0.0
        if height <= 0:
            return None
        own = self._own(found).ravel()

        def value(at: Points) -> float:
            if at[2] <= 0:
                return -np.inf
            return float(self.cover(self._corners(found, at)).ravel() @ own)

        turns = TURNS if found.shape in TURNING else TURNS[:1]
        start = max((np.array([*foot, height, turn]) for turn in turns), key=value)
        spread = np.array([height, height, height, 80.0 if len(turns) > 1 else 0.0])
        return climbed(value, start, [step * spread for step in STEPS])


def climbed(value: Callable[[Points], float], start: Points, steps: Sequence[Points]) -> Points:
    """From `start` (n,) upwards along each coordinate in turn, with smaller and smaller steps (n,)."""
    best, top = start, value(start)
    for step in steps:
        for _ in range(ROUNDS):
            before = top
            for axis in np.nonzero(step)[0]:
                for sign in (1.0, -1.0):
                    other = best.copy()
                    other[axis] += sign * step[axis]
                    if (here := value(other)) > top:
                        best, top = other, here
                        break
            if top <= before:
                break
    return best
