"""One light for all shadows on a table, and by how much each object's own shadow turns away from it.

Analysis by synthesis: each object is put back as a solid of its shape, place and height; a light is looked for whose
shadows of all solids together agree best with the shadows that were seen; then each solid alone is lit from every side.
A shadow, what throws it and the light lie on one line (Kee, O'Brien & Farid 2013, "Exposing photo manipulation with
inconsistent shadows"): here for whole outlines, and on the table, so that angles are angles between lights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from audit.features.ground import Points
from audit.features.objects import BACKGROUND
from audit.features.standing import Cells, Solid, Standing, climbed

AROUND = 24  # directions that are tried first
STRETCHES = (0.8, 1.05, 1.35)  # and lengths of a shadow, in heights of what throws it
NEARNESS = 0.4  # and one over the light's distance along the table, in heights of the camera
SHORTEST, LONGEST, NEAREST = 0.5, 2.2, 1.0
UNITS = np.array([1.0, 0.025, 0.025])  # of a light's azimuth, length and nearness
PULL = 0.3
TOLL = 0.1  # cells of agreement that a degree of turning must gain
LEAST_CELLS, LEAST_FIT = 5.0, 0.3
"""A shadow is used with this many cells in sight, of which this much more is dark than light."""
MISSED_CELLS, MISSED_FIT = 8.0, -0.3
"""Or where it should be: so many cells in sight, this much more of them light than dark."""
SURE_CELLS, SURE_FIT, DOUBT = 10.0, 0.6, 0.6
"""It is well seen with so many cells, of which so much more is dark; of a badly seen one's turn this share counts."""


@dataclass(frozen=True)
class Light:
    """Where light comes from, seen from a place on the table.

    Attributes:
        azimuth: degrees, the way shadows point there, counter-clockwise from the camera's right.
        length: of a shadow, in heights of a small thing that throws it: the cotangent of the light's elevation.
        nearness: 1 over the light's distance along the table, in heights of the camera; 0 is the sun.
    """

    azimuth: float
    length: float
    nearness: float

    def thrown(self, corners: Points, place: Points) -> Points:
        """Shadows on the table (n, 2) of corners (n, 3), the light being seen from `place` (2,)."""
        way = np.radians(self.azimuth)
        along = np.array([np.cos(way), np.sin(way)])
        lift = np.minimum(corners[:, 2:] * self.length * self.nearness, 0.9)  # a corner's height over the light's
        flat: Points = place + (corners[:, :2] - place + corners[:, 2:] * self.length * along) / (1 - lift)
        return flat

    def turned(self, degrees: float) -> Light:
        """The light carried around the place it is seen from."""
        return Light(self.azimuth + degrees, self.length, self.nearness)


@dataclass(frozen=True)
class Shadow:
    """An object's shadow beside the one that the light of all others would throw.

    Attributes:
        azimuth: degrees, the way it points on the table, counter-clockwise from the camera's right.
        turn: degrees from the way the light of all others would throw it to the way it points, -180..180.
        cells: cells of it in sight; fit: share of them that is dark minus share that is light, -1..1.
        due, due_fit: the same of the shadow that the light of all others would throw.
        gain: cells by which it agrees better, turned, than as it is due.
        tip: x, y in pixels of the picture where the shadow of the object's top falls.
    """

    solid: Solid
    azimuth: float
    turn: float
    cells: float
    fit: float
    due: float
    due_fit: float
    gain: float
    tip: tuple[float, float]

    @property
    def counted(self) -> float:
        """Degrees of its turn that count, 0..180: all of them where it is well seen."""
        return abs(self.turn) * (1.0 if self.cells >= SURE_CELLS and self.fit >= SURE_FIT else DOUBT)

    @property
    def usable(self) -> bool:
        """Whether enough is seen to say which way it points, or that it does not lie where it should."""
        found = self.cells >= LEAST_CELLS and self.fit >= LEAST_FIT
        return found or (self.due >= MISSED_CELLS and self.due_fit <= MISSED_FIT)


class Lit:
    """A table's objects as solids under its camera, with what is seen of shadows: dark = 1, light = -1, unknown = 0."""

    def __init__(self, standing: Standing) -> None:
        table = standing.table
        self.standing, self.camera, self.solids = standing, standing.camera, standing.solids
        self.seen: Cells = np.where(table.kinds == BACKGROUND, 2 * table.shadow - 1, 0).astype(np.float32)
        self.middle: Points = np.mean([solid.foot for solid in self.solids], axis=0) if self.solids else np.zeros(2)

    def thrown(self, solid: Solid, light: Light, place: Points) -> Cells:
        """The cells that a solid's shadow covers, the light being seen from a place."""
        flat = light.thrown(solid.corners, place)
        return self.standing.cover(np.concatenate([flat, np.zeros((len(flat), 1))], axis=1))

    @cached_property
    def light(self) -> Light:
        """The light whose shadows agree best with what is seen, seen from the middle of all objects."""
        first = [(turn * 360.0 / AROUND, length, NEARNESS) for turn in range(AROUND) for length in STRETCHES]
        return self._climbed(
            max(first, key=lambda at: self._value(self.solids, *at)), self.solids, (6.0, 3.0, 1.5, 0.75)
        )

    @property
    def told(self) -> bool:
        """Whether the shadows of that light are there to be seen."""
        cover = np.maximum.reduce([self.thrown(solid, self.light, self.middle) for solid in self.solids])
        cells, fit = _agreement(cover, self.seen)
        return cells >= LEAST_CELLS and fit >= LEAST_FIT

    def light_of(self, others: Sequence[Solid]) -> Light:
        """The light of some of the solids, near that of all."""
        start = (self.light.azimuth, self.light.length, self.light.nearness)
        return self._climbed(start, others, (4.0, 2.0, 1.0), PULL)

    def _climbed(
        self, start: tuple[float, float, float], some: Sequence[Solid], steps: Sequence[float], pull: float = 0.0
    ) -> Light:
        """The best light near `start`; every degree (or `UNITS` of the others) away from it costs `pull` cells."""
        first = np.array(start)

        def value(at: Points) -> float:
            return self._value(some, *at.tolist()) - pull * float(np.abs((at - first) / UNITS).sum())

        return Light(*climbed(value, first, [step * UNITS for step in steps]).tolist())

    def _value(self, some: Sequence[Solid], azimuth: float, length: float, nearness: float) -> float:
        """Cells of some solids' shadows that are dark, minus those that are light."""
        if not (SHORTEST <= length <= LONGEST and 0 <= nearness <= NEAREST):
            return -np.inf
        covers = [self.thrown(solid, Light(azimuth, length, nearness), self.middle) for solid in some]
        return float((np.maximum.reduce(covers) * self.seen).sum())

    def seen_from(self, light: Light, place: Points) -> Light:
        """A light that is seen from the middle, as it is seen from another place on the table."""
        if light.nearness == 0:
            return light
        way = np.radians(light.azimuth)
        lamp = self.middle - np.array([np.cos(way), np.sin(way)]) / light.nearness
        x, y = place - lamp
        far = float(np.hypot(x, y))
        return Light(float(np.degrees(np.arctan2(y, x))), light.length * light.nearness * far, 1 / far)

    def shadows(self) -> list[Shadow]:
        """Every object's shadow against the light of all others; looked for in what these leave unexplained."""
        if len(self.solids) < 2:
            return []
        told = []
        for solid in self.solids:
            others = [each for each in self.solids if each is not solid]
            light = self.light_of(others)
            taken = np.maximum.reduce([self.thrown(each, light, self.middle) for each in others])
            left = np.where(self.seen > 0, self.seen * (1 - taken), self.seen)
            mine = self.seen_from(light, solid.foot)
            told.append(self._told(solid, mine, self._turn(solid, mine, left), left))
        return told

    def _turn(self, solid: Solid, light: Light, left: Cells) -> float:
        """The turn that agrees best; each degree must gain `TOLL` cells, so that what is hidden turns nothing."""

        def value(turn: float) -> float:
            return float((self.thrown(solid, light.turned(turn), solid.foot) * left).sum()) - TOLL * abs(turn)

        best = max(np.arange(-170.0, 181.0, 10.0).tolist(), key=value)
        top = value(best)
        for step in (5.0, 2.5, 1.2, 0.6):
            for turn in (best - step, best + step):
                if abs(turn) <= 180 and (here := value(turn)) > top:
                    best, top = turn, here
        return float(best)

    def _told(self, solid: Solid, light: Light, turn: float, left: Cells) -> Shadow:
        own = self.thrown(solid, light.turned(turn), solid.foot)
        due = self.thrown(solid, light, solid.foot)
        (cells, fit), (due_cells, due_fit) = (_agreement(cover, left) for cover in (own, due))
        gain = float(((own - due) * left).sum())
        top = np.array([[*solid.foot, solid.corners[:, 2].max()]])
        place = light.turned(turn).thrown(top, solid.foot)[0]
        [tip] = self.camera.pixels([(*place, 0.0)])
        at = (round(float(tip[0]), 1), round(float(tip[1]), 1))
        return Shadow(solid, (light.azimuth + turn) % 360, turn, cells, fit, due_cells, due_fit, gain, at)


def _agreement(cover: Cells, left: Cells) -> tuple[float, float]:
    """Cells of a cover that are known, and how much more of them is dark than light."""
    known = float((cover * (left != 0)).sum())
    return known, float((cover * left).sum()) / known if known > 0 else 0.0
