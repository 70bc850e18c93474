"""Head, neck, shoulders, beard and glasses as meshes. Units: the head is about 2.2 high; the face looks towards -y.

The head is an ellipsoid whose width and depth vary with height (jaw, chin, skull) with soft bumps on top (nose, lips,
brow, cheeks). Landmarks sit at fixed heights, so hair, hats and the painted face need no fitting.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from generators.studio.bust_shapes import Array, curve, ease, ellipsoid, grid, lathe, merged, tube
from generators.studio.scene import Mesh

CENTRE_Z, HALF_HEIGHT = 0.07, 1.1
EYE_X, EYE_Z, NOSE_Z, MOUTH_Z, CHIN_Z = 0.3, 0.05, -0.33, -0.6, -0.93
FACE_WIDTH, FACE_LOW, FACE_HIGH = 1.0, -1.1, 1.2
"""The painted face covers x from -FACE_WIDTH to FACE_WIDTH and z from FACE_LOW to FACE_HIGH, seen from the front."""
TORSO = (36, 49)  # rows, columns of the torso's grid
BODY_WIDTH, BODY_LOW, BODY_HIGH = 1.8, -3.0, -1.0

_C = (-1.0, -0.93, -0.8, -0.57, -0.3, 0.0, 0.2, 0.5, 0.75, 1.0)
_WIDTH = (0.8, 0.76, 0.7, 0.7, 0.73, 0.765, 0.785, 0.81, 0.79, 0.77)
_JAW = (1.0, 1.0, 0.9, 0.55, 0.15, 0.0, 0.0, 0.0, 0.0, 0.0)
_FRONT = (2.3, 1.9, 1.42, 1.07, 0.89, 0.83, 0.87, 0.92, 0.89, 0.85)
_BACK = (0.4, 0.42, 0.5, 0.75, 0.93, 1.02, 1.04, 1.03, 0.96, 0.9)


@dataclass(frozen=True)
class HeadShape:
    """What makes one head differ from another. width, jaw and nose are relative, 0 is the average."""

    width: float = 0.0
    jaw: float = 0.0
    nose: float = 0.0
    brow: float = 0.0
    sag: float = 0.0


def head_surface(shape: HeadShape, polar: ArrayLike, azimuth: ArrayLike) -> Array:
    """Skull and face (..., 3) without bumps; polar from the crown (0) to under the chin (pi), azimuth 0 = front."""
    polar, azimuth = np.broadcast_arrays(np.asarray(polar, dtype=np.float64), np.asarray(azimuth, dtype=np.float64))
    c, s = np.cos(polar), np.sin(polar)
    jaw = curve(c, _C, _JAW)
    half = curve(c, _C, _WIDTH) * (1 + 0.08 * shape.width) * (1 + 0.12 * jaw * shape.jaw)
    square = 1 - 0.12 * jaw * max(0.0, 1 + shape.jaw)
    across = np.sign(np.sin(azimuth)) * np.abs(np.sin(azimuth)) ** square
    along = np.cos(azimuth)
    deep = np.where(along > 0, curve(c, _C, _FRONT), curve(c, _C, _BACK))
    points: Array = np.stack([half * s * across, -deep * s * along, CENTRE_Z + HALF_HEIGHT * c], axis=-1)
    return points


def bumps(shape: HeadShape, x: ArrayLike, z: ArrayLike) -> Array:
    """How far the face comes forward at (x, z) beyond `head_surface`: nose, lips, brow, cheeks, chin, eye sockets."""
    x, z = np.abs(np.asarray(x, dtype=np.float64)), np.asarray(z, dtype=np.float64)

    def bump(height: float, at: tuple[float, float], wide: float, high: float) -> Array:
        swell: Array = height * np.exp(-(((x - at[0]) / wide) ** 2) - ((z - at[1]) / high) ** 2)
        return swell

    wide = 1 + 0.25 * shape.nose
    ridge = curve(z, (-0.46, -0.4, -0.34, -0.24, -0.08, 0.08, 0.24), (0.0, 0.08, 0.2, 0.18, 0.1, 0.04, 0.0))
    spread = curve(z, (-0.4, -0.3, -0.1, 0.1), (0.12, 0.11, 0.075, 0.07)) * wide
    total: Array = (
        ridge * np.exp(-((x / spread) ** 2))
        + bump(0.07, (0.12 * wide, -0.345), 0.06, 0.055)
        + bump(-0.075, (EYE_X, 0.07), 0.19, 0.13)
        + bump(0.04, (EYE_X, EYE_Z), 0.13, 0.08)
        + bump(0.03 + 0.025 * shape.brow, (0.26, 0.25), 0.2, 0.07)
        + bump(0.035 - 0.03 * shape.sag, (0.42, -0.22), 0.17, 0.15)
        + bump(0.025 * shape.sag, (0.42, -0.62), 0.14, 0.16)
        + bump(0.035, (0.0, -0.53), 0.17, 0.05)
        + bump(0.045, (0.0, -0.65), 0.15, 0.05)
        + bump(-0.03, (0.0, MOUTH_Z), 0.2, 0.025)
        + bump(0.05 + 0.02 * shape.jaw, (0.0, -0.88), 0.14, 0.09)
    )
    return total


def on_face(shape: HeadShape, x: ArrayLike, z: ArrayLike, lift: float = 0.0) -> Array:
    """The point (..., 3) of the face's front at (x, z), brought forward by lift."""
    x, z = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(z, dtype=np.float64))
    polar = np.arccos(np.clip((z - CENTRE_Z) / HALF_HEIGHT, -1, 1))
    angles = np.linspace(0, np.pi / 2, 64)
    section = head_surface(shape, polar[..., None], angles)
    reach = np.stack(
        [np.interp(abs(a), row[:, 0], row[:, 1]) for a, row in zip(x.ravel(), section.reshape(-1, 64, 3), strict=True)]
    ).reshape(x.shape)
    points: Array = np.stack([x, reach - bumps(shape, x, z) - lift, z], axis=-1)
    return points


def head(shape: HeadShape) -> Mesh:
    """The head with its face; uv is the view from the front, so paint on the front also colours the back."""
    polar = np.linspace(0, np.pi, 64)[:, None]
    u = np.linspace(-1, 1, 73)
    azimuth = np.pi * (0.4 * u + 0.6 * u**3)[None, :]
    points = head_surface(shape, polar, azimuth)
    front = ease(-points[..., 1], 0.1, 0.45)
    points[..., 1] -= front * bumps(shape, points[..., 0], points[..., 2])
    uv = np.stack(
        [points[..., 0] / (2 * FACE_WIDTH) + 0.5, (points[..., 2] - FACE_LOW) / (FACE_HIGH - FACE_LOW)], axis=-1
    )
    return grid(points, uv=uv)


def ears(shape: HeadShape) -> Mesh:
    """Both ears, a flattened ellipsoid each."""
    x = 0.78 * (1 + 0.08 * shape.width)
    return merged(*(ellipsoid((side * x, 0.06, -0.1), (0.085, 0.13, 0.23)) for side in (-1, 1)))


@cache
def neck(thick: float) -> Mesh:
    """A neck of this radius from under the jaw into the shoulders."""
    return lathe([(thick, -0.5), (thick * 0.98, -1.0), (thick * 1.04, -1.25), (thick, -1.6)], middle=0.14)


@cache
def torso(broad: float) -> Mesh:
    """Shoulders and chest with a front-view uv over BODY_WIDTH and BODY_LOW..BODY_HIGH; broad scales the shoulders."""
    z = np.linspace(-1.14, -3.0, TORSO[0])[:, None]
    heights = (-3.0, -2.2, -1.9, -1.72, -1.58, -1.46, -1.36, -1.25, -1.14)
    half = curve(z, heights, (1.48, 1.52, 1.45, 1.3, 1.05, 0.76, 0.55, 0.46, 0.42))
    half = np.where(half > 0.5, 0.5 + (half - 0.5) * broad, half)
    deep = curve(z, heights, (0.78, 0.72, 0.66, 0.6, 0.54, 0.5, 0.46, 0.42, 0.4))
    azimuth = np.linspace(-np.pi, np.pi, TORSO[1])[None, :]
    x = half * np.sign(np.sin(azimuth)) * np.abs(np.sin(azimuth)) ** 0.85
    points = np.stack(np.broadcast_arrays(x, 0.14 - deep * np.cos(azimuth), z), axis=-1)
    uv = np.stack(
        [points[..., 0] / (2 * BODY_WIDTH) + 0.5, (points[..., 2] - BODY_LOW) / (BODY_HIGH - BODY_LOW)], axis=-1
    )
    return grid(points, uv=uv)


def on_chest(x: ArrayLike, z: ArrayLike, lift: float = 0.0) -> Array:
    """Points (..., 3) on the chest's front at (x, z), |x| below about 1, brought forward by lift."""
    x, z = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(z, dtype=np.float64))
    vertices = torso(1.0).vertices.reshape(*TORSO, 3).astype(np.float64)
    rows = np.interp(z, vertices[::-1, 0, 2], np.arange(TORSO[0] - 1, -1, -1.0))
    low = np.clip(rows.astype(int), 0, TORSO[0] - 2)
    part = rows - low
    front = slice(TORSO[1] // 4, TORSO[1] - TORSO[1] // 4)
    near = np.empty(x.shape)
    for spot in np.ndindex(x.shape):
        here, there = vertices[low[spot], front], vertices[low[spot] + 1, front]
        section = here + part[spot] * (there - here)
        near[spot] = np.interp(x[spot], section[:, 0], section[:, 1])
    points: Array = np.stack([x, near - lift, z], axis=-1)
    return points


def beard(shape: HeadShape, length: float) -> Mesh:
    """A full beard from ear to ear under the mouth; length in 0..1."""
    azimuth = np.radians(np.linspace(-102, 102, 61))[None, :]
    s = np.linspace(0, 1, 20)[:, None]
    degrees = np.abs(np.degrees(azimuth))
    top = curve(degrees, (0, 10, 17, 24, 36, 55, 75, 102), (-0.76, -0.76, -0.7, -0.58, -0.5, -0.38, -0.1, 0.1))
    start = np.arccos((top - CENTRE_Z) / HALF_HEIGHT)
    polar = start + s * (np.pi * 0.97 - start)
    points = head_surface(shape, polar, azimuth)
    points[..., 1] -= ease(-points[..., 1], 0.1, 0.45) * bumps(shape, points[..., 0], points[..., 2])
    thick = (0.05 + 0.07 * length) * ease(s, -0.15, 0.25) * ease(degrees, 104, 70)
    thick = thick + 0.012 * np.sin(17 * azimuth) * np.sin(9 * polar)
    outward = points - np.array([0.0, -0.1, -0.3])
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    points = points + (0.012 + thick)[..., None] * outward
    points[..., 2] -= (0.05 + 0.3 * length) * ease(s, 0.3, 1.0) * ease(degrees, 75, 20)
    return grid(points)


def moustache(shape: HeadShape, smile: float) -> Mesh:
    """Two tapering halves above the mouth."""
    return merged(*(_whisker(shape, side, smile) for side in (-1, 1)))


def _whisker(shape: HeadShape, side: int, smile: float) -> Mesh:
    t = np.linspace(0, 1, 14)
    x = side * (0.012 + 0.29 * t)
    z = -0.46 - 0.035 * t - (0.06 - 0.05 * smile) * t**2
    path = on_face(shape, x, z, 0.0)
    angle = np.linspace(0, 2 * np.pi, 9)
    radius = 0.058 * np.sqrt(np.clip(1.02 - t**2, 0, 1))[:, None]
    ring = np.stack(np.broadcast_arrays(0 * angle, 0.7 * np.cos(angle), np.sin(angle)), axis=-1)
    return grid(path[:, None] + radius[..., None] * ring)


def glasses(shape: HeadShape) -> Mesh:
    """Round-cornered rims, a bridge and the temples."""
    angle = np.linspace(0, 2 * np.pi, 33)
    front = float(on_face(shape, 0.0, EYE_Z)[1]) - 0.05
    rims, arms = [], []
    for side in (-1, 1):
        x = side * (EYE_X + 0.01) + 0.235 * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.75
        z = EYE_Z - 0.02 + 0.19 * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.75
        y = front + 0.28 * np.abs(x) ** 2
        x[-1], y[-1], z[-1] = x[0], y[0], z[0]
        rims.append(tube(np.stack([x, y, z], axis=1), 0.028))
        end = np.abs(x).max()
        arms.append(
            tube(
                [(side * end, front + 0.28 * end**2, EYE_Z), (side * 0.8, -0.3, 0.05), (side * 0.82, 0.05, 0.03)], 0.024
            )
        )
    bridge = tube([(-0.08, front, EYE_Z + 0.03), (0.0, front - 0.02, EYE_Z + 0.05), (0.08, front, EYE_Z + 0.03)], 0.028)
    return merged(*rims, bridge, *arms)
