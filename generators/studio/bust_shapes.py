"""The few kinds of surface a bust is made of: grids, ellipsoids, lathes, tubes, boxes. Values in, Mesh out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from generators.studio.scene import Floats, Mesh

Array = NDArray[np.float64]


def grid(points: ArrayLike, *, uv: Array | None = None, colours: Array | None = None) -> Mesh:
    """A surface over (m, n, 3) points; uv (m, n, 2) and colours (m, n, 3) go with the vertices."""
    points = np.asarray(points, dtype=np.float64)
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns, dtype=np.uint32).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel(), index[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return Mesh(
        points.reshape(-1, 3).astype(np.float32),
        faces,
        uv=None if uv is None else uv.reshape(-1, 2).astype(np.float32),
        colours=None if colours is None else colours.reshape(-1, 3).astype(np.float32),
    )


def ellipsoid(centre: ArrayLike, radii: ArrayLike, *, around: int = 24, rings: int = 14) -> Mesh:
    """An ellipsoid with its axes along x, y, z."""
    polar = np.linspace(0, np.pi, rings)[:, None]
    azimuth = np.linspace(0, 2 * np.pi, around + 1)[None, :]
    unit = np.stack(
        np.broadcast_arrays(np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)), axis=-1
    )
    return grid(unit * np.asarray(radii) + np.asarray(centre))


def lathe(profile: ArrayLike, *, deep: float = 1.0, middle: float = 0.0, around: int = 40, lobes: float = 0.0) -> Mesh:
    """A profile (n, 2) of (radius, z) turned about the z axis.

    Args:
        deep: the y radius as a multiple of the x radius.
        middle: y of the axis.
        lobes: relative height of nine folds around the axis (a chef's hat).
    """
    profile = np.asarray(profile, dtype=np.float64)
    azimuth = np.linspace(0, 2 * np.pi, around + 1)[None, :]
    radius = profile[:, :1] * (1 + lobes * np.cos(9 * azimuth))
    z = np.broadcast_to(profile[:, 1:], radius.shape)
    return grid(np.stack([radius * np.cos(azimuth), middle + deep * radius * np.sin(azimuth), z], axis=-1))


def tube(path: ArrayLike, radius: float, *, sides: int = 8) -> Mesh:
    """A round tube along (n, 3) points; a path whose ends meet makes a ring."""
    path = np.asarray(path, dtype=np.float64)
    ahead = np.gradient(path, axis=0)
    if np.allclose(path[0], path[-1]):
        ahead[0] = ahead[-1] = path[1] - path[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    # Any direction never parallel to the path serves as a reference for the cross-sections.
    reference = np.array([0.31, 0.83, 0.47])
    side = np.cross(ahead, reference)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(ahead, side)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    return grid(path[:, None] + radius * (np.cos(angle) * side[:, None] + np.sin(angle) * other[:, None]))


def box(centre: Sequence[float], size: Sequence[float]) -> Mesh:
    """A box with sharp edges."""
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([part for a, b, c, d in quads for part in ((a, b, c), (a, c, d))], dtype=np.uint32)
    return Mesh((corners * np.asarray(size) + np.asarray(centre)).astype(np.float32), faces, smooth=False)


def panel(width: float, height: float, centre: Sequence[float]) -> Mesh:
    """An upright rectangle facing -y, its texture filling it once."""
    x, z = np.meshgrid([-width / 2, width / 2], [-height / 2, height / 2])
    points = np.stack([x, np.zeros_like(x), z], axis=-1) + np.asarray(centre)
    return grid(points, uv=np.stack([x / width + 0.5, z / height + 0.5], axis=-1))


def merged(*meshes: Mesh) -> Mesh:
    """Several meshes without uv or colours as one; sharp ones keep their edges if all of them are sharp."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + np.uint32(start) for mesh, start in zip(meshes, starts[:-1], strict=True)]),
        smooth=any(mesh.smooth for mesh in meshes),
    )


def placed(mesh: Mesh, turn: Array, pivot: ArrayLike = (0.0, 0.0, 0.0), shift: ArrayLike = (0.0, 0.0, 0.0)) -> Mesh:
    """The mesh turned by a (3, 3) matrix about a pivot, then shifted."""
    return replace(mesh, vertices=place(mesh.vertices, turn, pivot, shift))


def place(points: ArrayLike, turn: Array, pivot: ArrayLike, shift: ArrayLike = (0.0, 0.0, 0.0)) -> Floats:
    """Points (n, 3) turned by a (3, 3) matrix about a pivot, then shifted."""
    away = np.asarray(points, dtype=np.float64) - np.asarray(pivot, dtype=np.float64)
    moved: Floats = (away @ turn.T + np.asarray(pivot) + np.asarray(shift)).astype(np.float32)
    return moved


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """Turn by degrees: yaw about z (positive: to the viewer's right), pitch about x (positive: down), roll about y."""
    a, b, c = np.radians([yaw, pitch, roll])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    about_x = np.array([[1.0, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_y = np.array([[np.cos(c), 0, np.sin(c)], [0, 1.0, 0], [-np.sin(c), 0, np.cos(c)]])
    turn: Array = about_z @ about_x @ about_y
    return turn


def curve(at: ArrayLike, knots: ArrayLike, values: ArrayLike) -> Array:
    """A smooth curve through (knots, values), knots rising: cubic Hermite with Catmull-Rom slopes, flat outside."""
    x, y = np.asarray(knots, dtype=np.float64), np.asarray(values, dtype=np.float64)
    at = np.clip(np.asarray(at, dtype=np.float64), x[0], x[-1])
    slopes = np.gradient(y, x)
    index = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    step = x[index + 1] - x[index]
    t = (at - x[index]) / step
    smooth: Array = (
        (1 + 2 * t) * (1 - t) ** 2 * y[index]
        + t * (1 - t) ** 2 * step * slopes[index]
        + t**2 * (3 - 2 * t) * y[index + 1]
        + t**2 * (t - 1) * step * slopes[index + 1]
    )
    return smooth


def ease(values: ArrayLike, low: float, high: float) -> Array:
    """0 below low, 1 above high, smooth between (falling if high < low)."""
    t = np.clip((np.asarray(values, dtype=np.float64) - low) / (high - low), 0, 1)
    smooth: Array = t * t * (3 - 2 * t)
    return smooth
