"""Simple solids as triangle meshes. Every solid stands on z = 0, centred on the z axis; `moved` puts it elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from generators.studio.scene import Floats, Mesh


def box(width: float, depth: float, height: float) -> Mesh:
    """A box with sharp edges (12 triangles)."""
    x, y = width / 2, depth / 2
    low = [(-x, -y, 0.0), (x, -y, 0.0), (x, y, 0.0), (-x, y, 0.0)]
    high = [(a, b, height) for a, b, _ in low]
    faces = [(0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7)]
    for here in range(4):
        there = (here + 1) % 4
        faces += [(here, there, there + 4), (here, there + 4, here + 4)]
    return _mesh([*low, *high], faces, smooth=False)


def pyramid(base: float, height: float) -> Mesh:
    """A pyramid on a square base (6 triangles)."""
    half = base / 2
    corners = [(-half, -half, 0.0), (half, -half, 0.0), (half, half, 0.0), (-half, half, 0.0), (0.0, 0.0, height)]
    return _mesh(corners, [(0, 2, 1), (0, 3, 2), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)], smooth=False)


def ball(radius: float, around: int = 32, rings: int = 18) -> Mesh:
    """A sphere that touches z = 0."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rings)
    profile = np.stack([radius * np.cos(angle), radius + radius * np.sin(angle)], axis=1)
    return turned(profile, around)


def cylinder(radius: float, height: float, around: int = 36) -> Mesh:
    """An upright cylinder with flat, sharp-edged ends."""
    side = turned(np.array([(radius, 0.0), (radius, height)]), around)
    return joined(side, disc(radius, 0.0, around, up=False), disc(radius, height, around, up=True))


def cone(radius: float, height: float, around: int = 36) -> Mesh:
    """An upright cone with a sharp-edged base."""
    # The tip is a tiny ring: one shared tip vertex would average away the slope of the side.
    side = turned(np.array([(radius, 0.0), (0.002 * radius, height)]), around)
    return joined(side, disc(radius, 0.0, around, up=False))


def ring(radius: float, tube: float, around: int = 40, across: int = 16) -> Mesh:
    """A torus lying flat; `radius` is measured to the middle of the tube."""
    angle = np.linspace(0, 2 * np.pi, across + 1)
    return turned(np.stack([radius + tube * np.cos(angle), tube + tube * np.sin(angle)], axis=1), around)


def disc(radius: float, height: float, around: int, *, up: bool) -> Mesh:
    """A flat disc at this height, facing up or down."""
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    rim = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(around, height)], axis=1)
    here = np.arange(around)
    there = (here + 1) % around
    order = (here, there) if up else (there, here)
    return _mesh(np.vstack([rim, [(0.0, 0.0, height)]]), np.stack([np.full(around, around), *order], axis=1))


def turned(profile: ArrayLike, around: int) -> Mesh:
    """The surface swept by a profile (n, 2) of (distance from the axis, height), listed counter-clockwise, around z."""
    outline = np.asarray(profile, dtype=np.float64)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    x = outline[:, :1] * np.cos(angle)
    y = outline[:, :1] * np.sin(angle)
    vertices = np.stack([x, y, np.broadcast_to(outline[:, 1:], x.shape)], axis=-1).reshape(-1, 3)
    row, here = np.meshgrid(np.arange(len(outline) - 1), np.arange(around), indexing="ij")
    there = (here + 1) % around
    a, b = (row * around + here).ravel(), (row * around + there).ravel()
    c, d = a + around, b + around
    return _mesh(vertices, np.concatenate([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)]))


def quad(corners: ArrayLike, uv: ArrayLike | None = None) -> Mesh:
    """Two triangles between four corners (4, 3) listed counter-clockwise as seen; uv (4, 2), else the unit square."""
    coordinates = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)] if uv is None else uv
    flat = _mesh(corners, [(0, 1, 2), (0, 2, 3)], smooth=False)
    return replace(flat, uv=np.asarray(coordinates, dtype=np.float32))


def joined(*meshes: Mesh) -> Mesh:
    """One mesh out of several; vertices stay apart, so edges between them stay sharp. uv and colours are not kept."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [mesh.faces.astype(np.int64) + offset for mesh, offset in zip(meshes, offsets, strict=True)]
    return _mesh(
        np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces), smooth=any(m.smooth for m in meshes)
    )


def moved(mesh: Mesh, offset: ArrayLike, *, turn: float = 0.0) -> Mesh:
    """The mesh turned about z by `turn` degrees, then shifted by offset (3,)."""
    return replace(mesh, vertices=(rotated(mesh.vertices, turn) + np.asarray(offset)).astype(np.float32))


def rotated(points: ArrayLike, turn: float) -> Floats:
    """Points (n, 3) turned about the z axis by `turn` degrees, counter-clockwise as seen from above."""
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    matrix = np.array([(cosine, sine, 0.0), (-sine, cosine, 0.0), (0.0, 0.0, 1.0)])
    rows: Floats = (np.asarray(points, dtype=np.float64) @ matrix).astype(np.float32)
    return rows


def _mesh(vertices: ArrayLike, faces: ArrayLike, *, smooth: bool = True) -> Mesh:
    return Mesh(np.asarray(vertices, dtype=np.float32), np.asarray(faces, dtype=np.uint32), smooth=smooth)
