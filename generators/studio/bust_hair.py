"""Hair as a shell of columns that run from the crown down to a hairline drawn as height over azimuth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generators.studio.bust_mesh import CENTRE_Z, HALF_HEIGHT, HeadShape, head_surface
from generators.studio.bust_shapes import Array, ease, ellipsoid, grid
from generators.studio.scene import Colour, Mesh

FALL_Z = -0.15  # below this height hair stops following the skull and hangs
COLUMNS, ROWS = 97, 34

HAT_RIM = 0.56
"""Where a hat begins: above it hair is pressed flat against the skull."""


@dataclass(frozen=True)
class Cut:
    """edge: degrees from the front -> height where the hair ends; the other fields shape the shell.

    thick: how far hair stands off the skull; lumps: height of curls; hang: degrees from the front where long hair
    begins; top: extra height on the crown.
    """

    edge: tuple[tuple[float, float], ...]
    thick: float = 0.09
    lumps: float = 0.0
    hang: float = 0.0
    top: float = 0.0


SHORT = (
    (0, 0.66),
    (28, 0.68),
    (45, 0.55),
    (58, 0.4),
    (68, 0.05),
    (76, -0.1),
    (88, -0.02),
    (100, 0.05),
    (120, -0.35),
    (180, -0.6),
)
RECEDING = (
    (0, 0.84),
    (18, 0.92),
    (34, 1.0),
    (50, 0.85),
    (62, 0.45),
    (70, 0.05),
    (78, -0.08),
    (88, 0.0),
    (100, 0.05),
    (120, -0.35),
    (180, -0.6),
)
PULLED = ((0, 0.7), (30, 0.68), (50, 0.52), (66, 0.25), (76, 0.0), (90, 0.12), (110, -0.3), (180, -0.5))
CUTS: dict[str, Cut] = {
    "short": Cut(SHORT, 0.11, 0.0, 0.0, 0.06),
    "receding": Cut(RECEDING, 0.06),
    "bob": Cut(
        ((0, 0.5), (30, 0.47), (45, 0.36), (54, 0.1), (60, -0.6), (66, -0.95), (180, -1.0)), 0.14, 0.0, 58.0, 0.03
    ),
    "long": Cut(
        ((0, 0.68), (22, 0.66), (42, 0.5), (54, 0.2), (61, -0.6), (67, -1.75), (90, -2.0), (180, -2.0)), 0.13, 0.0, 58.0
    ),
    "bun": Cut(PULLED, 0.05),
    "curly": Cut(((0, 0.6), (30, 0.56), (48, 0.4), (60, 0.1), (72, -0.3), (100, -0.45), (180, -0.6)), 0.36, 0.06),
    "wig": Cut(((0, 0.62), (30, 0.58), (46, 0.42), (56, 0.1), (62, -0.6), (68, -1.1), (180, -1.2)), 0.17, 0.035, 58.0),
    "fringe": Cut(((0, 0.5), (60, 0.42), (68, 0.05), (88, 0.0), (120, -0.4), (180, -0.6)), 0.05),
}


def hair(style: str, shape: HeadShape, colour: Colour, *, part: float, hat: bool) -> tuple[Mesh, ...]:
    """The meshes of a hair style of CUTS, or "bald" / "horseshoe" (none, or a rim around a bald head).

    Args:
        part: degrees by which the parting is off the middle.
        hat: presses the hair flat above HAT_RIM and hides a bun's knot.
    """
    if style == "bald":
        return ()
    if style == "horseshoe":
        return (_shell(CUTS["fringe"], shape, colour, part=0.0, hat=hat, rim_only=True),)
    shell = _shell(CUTS[style], shape, colour, part=part, hat=hat, rim_only=False)
    if style == "bun" and not hat:
        return shell, _knot(colour)
    return (shell,)


def _shell(cut: Cut, shape: HeadShape, colour: Colour, *, part: float, hat: bool, rim_only: bool) -> Mesh:
    azimuth = np.linspace(-np.pi, np.pi, COLUMNS)[None, :]
    s = np.linspace(0, 1, ROWS)[:, None]
    degrees = np.abs(np.degrees(azimuth))
    # The parting shifts only the front of the hairline: ears stay where they are.
    shifted = np.abs(np.degrees(azimuth) - part * ease(degrees, 55, 10))
    knots, heights = zip(*cut.edge, strict=True)
    edge = np.interp(shifted, knots, heights)
    start = np.radians(62) * ease(degrees, 45, 75) + np.radians(75) * ease(degrees, 75, 45) if rim_only else 0.0
    skull = np.arccos(np.clip((np.maximum(edge, FALL_Z) - CENTRE_Z) / HALF_HEIGHT, -1, 1))
    skull = np.maximum(skull, start) - start
    drop = np.maximum(FALL_Z - edge, 0.0)
    along = s * (skull + drop)
    polar = start + np.minimum(along, skull)
    fall = np.maximum(along - skull, 0.0)
    points = head_surface(shape, polar, azimuth)
    lift = _thickness(cut, s, points, degrees)
    if rim_only:
        lift = lift * ease(degrees, 62, 85)
    if hat:
        lift = np.where(
            points[..., 2] > HAT_RIM, np.minimum(lift, 0.03), lift * ease(HAT_RIM - points[..., 2], -0.3, 0.25)
        )
    if cut.lumps:
        lift = lift + cut.lumps * _curls(azimuth, along) * ease(lift, 0.02, 0.1)
    outward = points - np.array([0.0, 0.1, 0.0])
    outward[..., 2] *= 0.8
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    points = points + (0.012 + lift)[..., None] * outward
    points[..., 2] -= fall
    # Hanging hair widens a little and then lies in front of the shoulders.
    points[..., 0] *= 1 + 0.1 * ease(fall, 0.0, 0.7) - 0.12 * ease(fall, 0.9, 1.6)
    points[..., 1] -= 0.62 * ease(fall, 0.75, 1.35) * ease(degrees, 120, 75)
    return grid(points, colours=_strands(colour, azimuth, along))


def _thickness(cut: Cut, s: Array, points: Array, degrees: Array) -> Array:
    """Full on top, thin along the hairline, and thin where hanging hair borders the face."""
    rounded = np.sqrt(np.clip(1 - s**8, 0, 1)) * 0.9 + 0.1
    frame = ease(degrees, cut.hang, cut.hang + 26) if cut.hang else np.ones_like(degrees)
    below = ease(points[..., 2], 0.75, 0.2)
    lift: Array = cut.thick * rounded * (1 - below * (1 - (0.25 + 0.75 * frame)))
    return lift + cut.top * ease(points[..., 2], 0.6, 1.1)


def _curls(azimuth: Array, along: Array) -> Array:
    curls: Array = np.sin(13 * azimuth + 3 * np.sin(5 * along)) * np.sin(11 * along + 2 * np.sin(4 * azimuth))
    return curls


def _strands(colour: Colour, azimuth: Array, along: Array) -> Array:
    """The colour with lighter and darker strands (..., 3)."""
    wave = np.sin(23 * azimuth + 1.3 * np.sin(3 * along)) + 0.7 * np.sin(41 * azimuth + 0.8) + 0.4 * np.sin(9 * along)
    shade = 1 + 0.13 * np.broadcast_to(wave, np.broadcast_shapes(azimuth.shape, along.shape))
    strands: Array = np.clip(np.asarray(colour) * shade[..., None] + 0.012 * (shade[..., None] - 1), 0, 1)
    return strands


def _knot(colour: Colour) -> Mesh:
    knot = ellipsoid((0.0, 0.12, 1.25), (0.36, 0.36, 0.27), around=36, rings=20)
    points = knot.vertices.reshape(20, 37, 3).astype(np.float64)
    turn = np.linspace(0, 2 * np.pi, 37)[None, :]
    down = np.linspace(0, np.pi, 20)[:, None]
    return grid(points, colours=_strands(colour, turn + 1.2 * down, 3 * down + 0 * turn))
