"""Where a mirror should show each object, from where the mirror stands on the table and where the object does.

A plane mirror shows a thing as far behind its plane as the thing stands before it, on the line square to it. The plane
is upright, and its trace on the table runs along the lower edge of the glass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from audit.features.ground import Points
from audit.features.objects import BACKGROUND, MIRROR, REFLECTION, Found, Table
from audit.features.standing import Solid, Standing

LEAST_GLASS = 60  # cells of the network's picture
EDGE_SLACK = 1.6  # cells that a point of the lower edge may lie off its line
RISES = np.linspace(0.0, 0.06, 13)
"""How high the glass may begin above the table, in heights of the camera: a frame is below it."""
IN_SIGHT, LEAST_SEEN = 0.5, 10.0
"""A reflection is looked for where this share of it, and so many cells, lie on the glass with nothing before them."""
OTHER_SHAPE, OTHER_COLOUR, MISSING = 12.0, 6.0, 40.0
"""Pixels at 128 a side that another shape or colour counts for, and beyond which a reflection is not the object's."""
EMPTY = 0.5  # share of its place that shows some reflection, below which a reflection is missing
SURE = 0.65  # least probability of both colours before they are held against each other


@dataclass(frozen=True)
class Pair:
    """An object and what the mirror shows of it.

    Attributes:
        due: x, y in pixels of the picture where the middle of its reflection should be.
        shown: the reflection that was found for it; None where none was.
        error: pixels at 128 a side between due and shown; None where nothing is shown.
        colour_differs: both colours are sure and are not the same.
        unclear: nothing is shown for it, and yet the glass where it is due shows some reflection.
    """

    found: Found
    due: tuple[float, float]
    shown: Found | None
    error: float | None
    colour_differs: bool
    unclear: bool


def lower_edge(table: Table) -> Points | None:
    """Two points (2, 2) of the line along the lower edge of the glass, in pixels of the picture; None without glass."""
    glass = (table.kinds == MIRROR) | (table.kinds == REFLECTION)
    if glass.sum() < LEAST_GLASS:
        return None
    columns = np.nonzero(glass.any(axis=0))[0]
    lowest = len(glass) - 1 - glass[::-1, columns].argmax(axis=0)
    below = table.kinds[np.minimum(lowest + 1, len(glass) - 1), columns]
    free = (below == BACKGROUND) & (lowest < len(glass) - 2)  # where no object hides the edge
    at = np.stack([columns[free] + 0.5, lowest[free] + 1.0], axis=1)
    if len(at) < 4:
        return None
    best = max(
        ((a, b) for a in at[::2] for b in at[::-2] if b[0] - a[0] >= 4),
        key=lambda ends: int((np.abs(_off(at, *ends)) < EDGE_SLACK).sum()),
        default=None,
    )
    if best is None:
        return None
    on = at[np.abs(_off(at, *best)) < EDGE_SLACK]
    slope, start = np.polyfit(on[:, 0], on[:, 1], 1)
    ends = np.array([on[0, 0], on[-1, 0]])
    line = np.stack([ends, slope * ends + start], axis=1)
    edge: Points = line * 2 * table.scale - table.shift
    return edge


def pairs(table: Table, made: Standing) -> list[Pair] | None:
    """Every object whose reflection should be in sight, with what is shown; None where no mirror is found.

    How high the glass begins is not known; the height that fits the reflections best is taken. What is unclear is left
    out: reflections that overlap can be taken for one.
    """
    edge = lower_edge(table)
    if edge is None:
        return None
    trials = [_matched(table, made, edge, rise) for rise in RISES]
    return [pair for pair in min(trials, key=lambda some: _misfit(some)) if not pair.unclear]


def _misfit(some: list[Pair]) -> float:
    return sum(MISSING if pair.error is None else pair.error for pair in some) / max(len(some), 1)


def _matched(table: Table, made: Standing, edge: Points, rise: float) -> list[Pair]:
    line = made.camera.places(edge) * (1 - rise)
    hoped = _in_sight(table, made, line)
    dues = [made.camera.pixels(_across(line, _middle(solid)))[0] for solid in hoped]
    cost = np.array(
        [
            [_unlike(solid.found, due, shown, table.scale) for shown in table.reflections]
            for solid, due in zip(hoped, dues, strict=True)
        ]
    ).reshape(len(hoped), len(table.reflections))
    shown_of = dict(zip(*linear_sum_assignment(np.minimum(cost, MISSING)), strict=True))
    told = []
    for index, (solid, due) in enumerate(zip(hoped, dues, strict=True)):
        taken = shown_of.get(index)
        shown = None if taken is None or cost[index, taken] >= MISSING else table.reflections[taken]
        error = None if shown is None else _apart(due, shown, table.scale)
        sure = shown is not None and min(shown.colour_share, solid.found.colour_share) >= SURE
        differs = shown is not None and shown.colour != solid.found.colour
        at = (round(float(due[0]), 1), round(float(due[1]), 1))
        unclear = shown is None and _shown_there(table, made, line, solid) >= EMPTY
        told.append(Pair(solid.found, at, shown, error, differs and sure, unclear))
    return told


def _shown_there(table: Table, made: Standing, line: Points, solid: Solid) -> float:
    """Share of the cells where a solid's reflection is due that show some reflection."""
    cover = made.cover(_across(line, solid.corners))
    return float(cover[table.kinds == REFLECTION].sum()) / max(float(cover.sum()), 1e-9)


def _apart(due: NDArray[np.float64], shown: Found, scale: float) -> float:
    return float(np.hypot(*(np.array(shown.middle) - due))) / scale


def _unlike(found: Found, due: NDArray[np.float64], shown: Found, scale: float) -> float:
    """Pixels at 128 a side, and more where shape or colour is another."""
    other = OTHER_SHAPE * (shown.shape != found.shape) + OTHER_COLOUR * (shown.colour != found.colour)
    return _apart(due, shown, scale) + other


def _middle(solid: Solid) -> Points:
    """The middle of a solid, (1, 3), halfway up above its foot."""
    return np.array([[*solid.foot, solid.corners[:, 2].max() / 2]])


def _across(line: Points, points: Points) -> Points:
    """Points (n, 3) mirrored in the upright plane above a line (2, 2) on the table."""
    along = (line[1] - line[0]) / max(float(np.linalg.norm(line[1] - line[0])), 1e-9)
    normal = np.array([-along[1], along[0]])
    image = points.copy()
    image[:, :2] -= 2 * ((points[:, :2] - line[0]) @ normal)[:, None] * normal
    return image


def _in_sight(table: Table, made: Standing, line: Points) -> list[Solid]:
    """Those whose reflections lie on the glass for the most part, with neither objects nor reflections before them."""
    images = [_across(line, solid.corners) for solid in made.solids]
    far = [float(np.linalg.norm(image[:, :2].mean(axis=0))) for image in images]
    covers = [made.cover(image) for image in images]
    free = ((table.kinds == MIRROR) | (table.kinds == REFLECTION)).astype(np.float32)
    hoped = []
    for index in np.argsort(far):
        on = float((covers[index] * free).sum())
        if on >= LEAST_SEEN and on >= IN_SIGHT * float(covers[index].sum()):
            hoped.append(made.solids[index])
        free = free * (1 - covers[index])
    return hoped


def _off(at: Points, first: Points, last: Points) -> Points:
    """Distances of points (n, 2) from the line through two."""
    along = (last - first) / np.linalg.norm(last - first)
    off: Points = (at[:, 0] - first[0]) * along[1] - (at[:, 1] - first[1]) * along[0]
    return off
