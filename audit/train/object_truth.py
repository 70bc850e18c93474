"""What is where in a tabletop scene, from its geometry alone: which pixels show which object, or its mirror image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from audit.features.objects import BACKGROUND, MIRROR, OBJECT, REFLECTION
from generators.studio.palette import COLOURS
from generators.studio.render import project
from generators.studio.scene import Attributes, Camera, Floats, Part, Scene
from generators.studio.tabletop_text import SHAPES

LEAST_AREA, LEAST_SHARE = 12.0, 0.25
"""A thing counts as seen with this many pixels (at 128 a side) and this share of its outline in sight."""


@dataclass(frozen=True)
class Thing:
    """One object or reflection. points (3, 2): middle, foot and top, x, y in pixels. area: its seen pixels."""

    reflected: bool
    shape: int
    colour: int
    points: NDArray[np.float64]
    area: float
    seen: bool


@dataclass(frozen=True)
class Truth:
    """The truth about a scene.

    Attributes:
        kinds: (size, size) uint8.
        owners: (size, size) int16, index into things; -1 = none.
        shadow: (size, size) float32, the share of a pixel of the table in shadow; -1 where that is not known.
    """

    kinds: NDArray[np.uint8]
    owners: NDArray[np.int16]
    things: tuple[Thing, ...]
    shadow: NDArray[np.float32]


def truth(drawn: Attributes, scene: Scene, size: int) -> Truth:
    """The truth about a scene that was built of these attributes, at size x size pixels."""
    kinds = np.full((size, size), BACKGROUND, np.uint8)
    owners = np.full((size, size), -1, np.int16)
    things: list[Thing] = []
    by_name = {part.name: part for part in scene.parts}
    middles = np.stack([scene.points[name][:, :3] for name in ("objects", "contacts", "tops")], axis=1)
    whole: list[float] = []

    def put(part: Part, index: int, reflected: bool, where: NDArray[np.bool_] | None) -> None:
        colour = _colour(drawn, index, reflected)
        points = project(
            scene.camera, _across(part_mirror, middles[index]) if reflected else middles[index], _far(size)
        )
        mesh = replace(part.mesh, vertices=_across(part_mirror, part.mesh.vertices)) if reflected else part.mesh
        mask = _mask(scene.camera, mesh.vertices, mesh.faces, size)
        whole.append(float(mask.sum()))
        shown = mask if where is None else mask & where
        kinds[shown] = REFLECTION if reflected else OBJECT
        owners[shown] = len(things)
        shape = SHAPES.index(drawn["objects"][index]["shape"])
        things.append(Thing(reflected, shape, colour, points[:, :2].astype(np.float64), 0.0, False))

    if "mirror" in by_name:
        glass = _mask(scene.camera, by_name["mirror"].mesh.vertices, by_name["mirror"].mesh.faces, size)
        kinds[glass] = MIRROR
        inner = scene
        while inner.swap is not None:
            inner = inner.swap
        part_mirror = next(part for part in inner.parts if part.name == "mirror").mesh.vertices
        for part, index in _far_first(inner.parts, scene.camera, part_mirror):
            put(part, index, True, glass)
        frame = _mask(scene.camera, by_name["frame"].mesh.vertices, by_name["frame"].mesh.faces, size)
        kinds[frame], owners[frame] = BACKGROUND, -1
    for part, index in _far_first(scene.parts, scene.camera, None):
        put(part, index, False, None)
    scale = (128 / size) ** 2
    areas = [float((owners == index).sum()) for index in range(len(things))]
    told = tuple(
        replace(thing, area=area, seen=area * scale >= LEAST_AREA and area >= LEAST_SHARE * max(full, 1.0))
        for thing, area, full in zip(things, areas, whole, strict=True)
    )
    return Truth(kinds, owners, told, shadow_on(scene, kinds, size))


def shadow_on(scene: Scene, kinds: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Share of each pixel of the table in shadow, from the light that the table is drawn with; -1 where not known.

    A mirror throws light back and casts shadows of its own: nothing is known of a table with one.
    """
    unknown = np.full((size, size), -1, np.float32)
    if any(part.name == "mirror" for part in scene.parts):
        return unknown
    lit = scene.swap if scene.swap is not None and "table" in scene.swapped else scene
    light = np.asarray(lit.lights[0].position)
    covered = np.zeros((size, size), np.float32)
    for part in scene.parts:
        if part.name.startswith("object"):
            away = part.mesh.vertices - light
            thrown = light + away * (light[2] / -away[:, 2])[:, None]
            covered = np.maximum(covered, _cover(scene.camera, thrown.astype(np.float32), part.mesh.faces, size))
    table = next(part for part in scene.parts if part.name == "table").mesh
    back = table.vertices[:, 1].max()
    edge = project(scene.camera, np.array([(-2, back, 0), (2, back, 0)], np.float32), _far(size))[:, 1].mean()
    known = (kinds == BACKGROUND) & (np.arange(size)[:, None] > edge)
    return np.where(known, covered, unknown)


def _colour(drawn: Attributes, index: int, reflected: bool) -> int:
    if reflected and drawn["reflection_error"] == "colour" and drawn["reflection_object"] == index:
        return list(COLOURS).index(drawn["reflection_colour"])
    return list(COLOURS).index(drawn["objects"][index]["colour"])


def _far_first(parts: tuple[Part, ...], camera: Camera, mirror: Floats | None) -> list[tuple[Part, int]]:
    """Objects with their indices, the farthest (of their mirror images) first."""
    objects = [part for part in parts if part.name.startswith("object")]

    def distance(part: Part) -> float:
        vertices = part.mesh.vertices if mirror is None else _across(mirror, part.mesh.vertices)
        return float(np.linalg.norm(vertices[:, :2].mean(axis=0) - np.asarray(camera.origin)[:2]))

    return [(part, int(part.name.removeprefix("object"))) for part in sorted(objects, key=distance, reverse=True)]


def _across(mirror: Floats, points: Floats) -> Floats:
    """Points (n, 3) as the plane through the mirror's corners (4, 3) shows them."""
    corners = np.asarray(mirror, np.float64)
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    normal /= np.linalg.norm(normal)
    image: Floats = (points - 2 * ((points - corners[0]) @ normal)[:, None] * normal).astype(np.float32)
    return image


def _mask(camera: Camera, vertices: Floats, faces: NDArray[np.uint32], size: int) -> NDArray[np.bool_]:
    """Pixels that a mesh covers, whatever stands before it."""
    return _cover(camera, vertices, faces, size) > 0.5


def _cover(camera: Camera, vertices: Floats, faces: NDArray[np.uint32], size: int) -> Floats:
    """Share of each pixel that a mesh covers, whatever stands before it."""
    fine = project(camera, vertices, _far(4 * size))[:, :2]
    drawn = np.zeros((4 * size, 4 * size), np.uint8)
    for triangle in np.rint(fine[faces.astype(int)] - 0.5).astype(np.int32):
        cv2.fillConvexPoly(drawn, triangle, 1)
    shares: Floats = cv2.resize(drawn.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return shares


def _far(size: int) -> Floats:
    return np.zeros((size, size), np.float32)
