"""Where tabletop objects stand: apart from each other, hardly hidden, in the relation asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generators.studio import solids
from generators.studio.scene import Attributes, Floats, Mesh

SCALE = {"small": 0.5, "large": 0.82}
HEIGHT = {"cube": 1.5, "ball": 1.7, "cylinder": 1.6, "cone": 1.8, "pyramid": 1.5, "ring": 0.54}
"""Height at scale 1."""
FOOTPRINT = {"cube": 1.06, "ball": 0.85, "cylinder": 0.7, "cone": 0.85, "pyramid": 1.13, "ring": 1.07}
"""Radius of the circle around the base at scale 1."""
HIDDEN = 0.28  # share of its outline an object may lose to others; perspective adds a little, 0.35 is the promise


def placed(rng: np.random.Generator, groups: list[Attributes], relation: str, pitch: float) -> list[Attributes]:
    """The objects one by one with places: apart from each other, hardly hidden, in the relation asked for."""
    kinds = [
        {name: group[name] for name in ("shape", "colour", "size", "material")}
        for group in groups
        for _ in range(int(group["count"]))
    ]
    radii = np.array([FOOTPRINT[kind["shape"]] * SCALE[kind["size"]] for kind in kinds])
    turns = rng.uniform(-40, 40, size=len(kinds))
    reach = 0.35 + float(np.sqrt((radii**2).sum()))
    while True:
        places = _scattered(rng, radii, reach)
        if places is not None and _related(places, relation):
            objects = [
                {**kind, "x": round(float(x), 3), "y": round(float(y), 3), "turn": round(float(turn), 1)}
                for kind, (x, y), turn in zip(kinds, places, turns, strict=True)
            ]
            if max(hidden_shares(objects, pitch)) <= HIDDEN:
                return objects
        reach *= 1.02  # a table with room enough is always found


def _scattered(rng: np.random.Generator, radii: NDArray[np.float64], reach: float) -> NDArray[np.float64] | None:
    """Places (n, 2) whose footprints keep a gap, thrown one after another; None where the last found no room."""
    if len(radii) == 1:
        return rng.uniform(-0.1, 0.1, size=(1, 2))
    places: list[NDArray[np.float64]] = []
    for radius in radii:
        throws = rng.uniform((-reach * 1.15, -reach), (reach * 1.15, reach), size=(12, 2))
        if places:
            gaps = np.linalg.norm(throws[:, None] - np.array(places), axis=2) - radii[: len(places)]
            throws = throws[(gaps > radius + 0.12).all(axis=1)]
        if not len(throws):
            return None
        places.append(throws[0])
    return np.array(places)


def _related(places: NDArray[np.float64], relation: str) -> bool:
    if not relation:
        return True
    x, y = places[0] - places[1]
    if relation in ("left of", "right of"):
        return bool(abs(y) < 0.45 * abs(x) and (x < 0) == (relation == "left of"))
    return bool(abs(x) < 0.75 * abs(y) and (y < 0) == (relation == "in front of"))


def hidden_shares(objects: list[Attributes], pitch: float) -> list[float]:
    """Share of each object's outline that lies behind nearer objects, from a parallel view looking down by `pitch`.

    Outlines are taken as the 16-sided polygons around them.
    """
    tilt = np.radians(pitch)
    clouds = [cloud(item) for item in objects]
    flat = [np.stack([c[:, 0], c[:, 2] * np.cos(tilt) + c[:, 1] * np.sin(tilt)], axis=1) for c in clouds]
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    sides = np.stack([np.cos(angle), np.sin(angle)])
    everything = np.concatenate(flat)
    low, high = everything.min(axis=0), everything.max(axis=0)
    grid = np.stack(np.meshgrid(*(np.linspace(low[k], high[k], 56) for k in range(2))), axis=-1).reshape(-1, 2)
    inside = [((grid @ sides) <= (points @ sides).max(axis=0)).all(axis=1) for points in flat]
    shares = []
    for index, mask in enumerate(inside):
        nearer = [inside[k] for k in range(len(objects)) if objects[k]["y"] < objects[index]["y"]]
        covered = np.any(nearer, axis=0) & mask if nearer else np.zeros_like(mask)
        shares.append(float(covered.sum() / max(int(mask.sum()), 1)))
    return shares


def _solid(shape: str, scale: float) -> Mesh:
    tall = HEIGHT[shape] * scale
    if shape == "cube":
        return solids.box(tall, tall, tall)
    if shape == "ball":
        return solids.ball(tall / 2)
    if shape == "cylinder":
        return solids.cylinder(0.7 * scale, tall)
    if shape == "cone":
        return solids.cone(0.85 * scale, tall)
    if shape == "pyramid":
        return solids.pyramid(1.6 * scale, tall)
    return solids.ring(0.8 * scale, tall / 2)


def standing(item: Attributes) -> Mesh:
    """The object's mesh at its place on the table."""
    return solids.moved(_solid(item["shape"], SCALE[item["size"]]), (item["x"], item["y"], 0), turn=item["turn"])


def cloud(item: Attributes) -> Floats:
    """Points around an object, (n, 3): its vertices, thinned."""
    vertices = standing(item).vertices
    return vertices[:: max(1, len(vertices) // 60)]
