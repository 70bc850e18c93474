"""Tabletop: one to six simple solids on a table, one key light, now and then a mirror behind them.

The physics is the point: one shadow direction for everything, and a reflection that agrees with what stands before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from generators.studio import solids
from generators.studio.palette import COLOURS
from generators.studio.scene import Attributes, Camera, Colour, Floats, Light, Material, Part, Scene
from generators.studio.tabletop_place import FOOTPRINT, HEIGHT, SCALE, cloud, placed, standing
from generators.studio.tabletop_text import MOST, RELATIONS, caption, complete, read

__all__ = ["DEFECTS", "NAME", "build", "caption", "plant", "read", "sample"]

NAME = "tabletop"
DEFECTS: Mapping[str, Literal["rate", "gain"]] = {"wrong_shadow": "rate", "wrong_reflection": "rate"}
"""wrong_shadow: the table's pixels are lit from elsewhere; wrong_reflection: the mirror shows another scene."""

AZIMUTHS = ((172.0, 224.0), (316.0, 368.0))
"""Degrees the light may come from, counter-clockwise from +x: mostly from the sides, so that shadows fall in sight."""
LEAST_ERROR = 40.0
"""A wrong shadow's light is at least this many degrees from the true one."""
MIRROR_SIZE = (3.0, 2.3)
TABLE_COLOURS = ("white", "grey", "brown", "blue", "green", "pink", "yellow", "orange", "purple", "red")
ROUGHNESS = {"matte": 0.85, "shiny": 0.12, "metal": 0.25}
_NEAR = {"white": "grey", "grey": "white", "brown": "wood", "wood": "brown"}


def sample(rng: np.random.Generator, wish: Attributes) -> Attributes:
    """Complete, honest attributes.

    `groups` says what stands there (identical objects share a group), `objects` lists them one by one with place and
    turn, in the same order. `relation` holds between two single objects, else it is "". `light` is the azimuth the
    light comes from and `light_height` its elevation, in degrees.
    """
    groups = _groups(rng, wish)
    count = sum(int(group["count"]) for group in groups)
    paired = len(groups) == 2 and count == 2
    relation = str(rng.choice(RELATIONS))
    relation = str(wish.get("relation", relation)) if paired else ""
    mirror = bool(wish.get("mirror", rng.uniform() < 0.12 and count <= 2))
    pitch = float(rng.uniform(24, 30) if mirror else rng.uniform(20, 35))
    used = {str(group["colour"]) for group in groups}
    table = str(wish.get("table", "wood" if rng.uniform() < 0.35 else _other(rng, used)))
    wall = str(wish.get("wall", _other(rng, used | {table, _NEAR.get(table, table)})))
    low, high = AZIMUTHS[int(rng.integers(2))]
    return {
        "count": count,
        "groups": groups,
        "objects": placed(rng, groups, relation, pitch),
        "relation": relation,
        "table": table,
        "wall": wall,
        "mirror": mirror,
        "mirror_turn": round(float(rng.uniform(10, 18) * rng.choice((-1, 1))), 2) if mirror else 0.0,
        "light": round(float(rng.uniform(low, high)) % 360, 2),
        "light_height": round(float(rng.uniform(37, 50)), 2),
        "pitch": round(pitch, 2),
        "shadow_error": 0.0,
        "reflection_error": "none",
    }


def plant(attributes: Attributes, rng: np.random.Generator, defect: str) -> Attributes:
    """Attributes whose shadow or reflection is wrong; `planted` says whether anything wrong could be drawn.

    wrong_shadow records `shadow_error`, the signed angle between the lights in degrees. wrong_reflection records
    `reflection_error`: "colour" (of `reflection_object`, to `reflection_colour`), "missing" (that object has no
    reflection) or "place" (every reflection is displaced, the mirror being turned by `reflection_turn` degrees). A
    scene without a mirror cannot have a wrong reflection, and none is added: its honest twin would not have one.

    Raises:
        ValueError: for a defect that this family does not know.
    """
    if defect == "wrong_shadow":
        allowed = [angle for low, high in AZIMUTHS for angle in np.arange(low, high + 0.5)]
        errors = [(angle - attributes["light"] + 180) % 360 - 180 for angle in allowed]
        error = float(rng.choice([error for error in errors if abs(error) >= LEAST_ERROR]))
        return {**attributes, "shadow_error": round(error, 2), "planted": True}
    if defect == "wrong_reflection":
        kind = str(rng.choice(("colour", "missing", "place")))
        chosen = int(rng.integers(len(attributes["objects"])))
        other = [name for name in COLOURS if name != attributes["objects"][chosen]["colour"]]
        colour = str(rng.choice(other))
        turn = float(np.round(rng.uniform(11, 16), 2) * -np.sign(attributes["mirror_turn"]))
        if not attributes["mirror"]:
            return {**attributes, "planted": False}
        facts: Attributes = {"reflection_error": kind, "planted": True}
        if kind != "place":
            facts["reflection_object"] = chosen
        if kind == "colour":
            facts["reflection_colour"] = colour
        if kind == "place":
            facts["reflection_turn"] = turn
        return {**attributes, **facts}
    raise ValueError(f"no defect {defect!r} in tabletop scenes; there are {', '.join(DEFECTS)}")


def build(attributes: Attributes, rng: np.random.Generator) -> Scene:
    """Geometry, camera and light. Parts: object0, object1, …, table, wall, and mirror and frame where there is one.

    Points: objects (n, 4) centres, contacts (n, 4) where the base's centre meets the table, tops (n, 4), light (1, 3);
    the fourth column is the slack with which a point inside its own solid still counts as visible.
    """
    jitter = rng.uniform(-1, 1, size=4)
    power, ambient, grain = rng.uniform(205, 250), rng.uniform(0.23, 0.3), int(rng.integers(2**32))
    honest = {**attributes, "shadow_error": 0.0, "reflection_error": "none"}
    middle = np.mean(_positions(attributes), axis=0)
    sun = Light(
        position=_lamp(middle, attributes["light"], attributes["light_height"]),
        # A mirror throws the lamp back onto the table, and few of the renderer's paths find so small a bright spot:
        # the smaller the lamp, the fewer fireflies.
        radius=0.03 if attributes["mirror"] else 0.5,
        power=(power, power * 0.97, power * 0.91),
    )
    objects = tuple(_part(index, item) for index, item in enumerate(honest["objects"]))
    surfaces = _surroundings(honest, grain)
    scene = Scene(
        family=NAME,
        parts=(*objects, *surfaces, *_mirror(honest, 0.0)),
        camera=_camera(honest, jitter),
        lights=(sun,),
        ambient=(ambient * 0.96, ambient, ambient * 1.06),
        points=_points(honest, sun),
    )
    if attributes["reflection_error"] != "none":
        reflected = replace(scene, parts=(*_reflected(attributes, objects), *surfaces, *_reflecting(attributes)))
        scene = replace(scene, swap=reflected, swapped=frozenset({"mirror"}))
    if attributes["shadow_error"]:
        azimuth = attributes["light"] + attributes["shadow_error"]
        elsewhere = replace(sun, position=_lamp(middle, azimuth, attributes["light_height"]))
        # A wrong reflection stays inside: the table takes the other light, the mirror what the inner swap shows.
        scene = replace(scene, swap=replace(scene, lights=(elsewhere,)), swapped=scene.swapped | {"table"})
    return scene


def _groups(rng: np.random.Generator, wish: Attributes) -> list[Attributes]:
    """What stands on the table: a single object, a pair, one group of identical objects, or a mixture."""
    kind = str(rng.choice(("single", "pair", "group", "mixed"), p=(0.25, 0.35, 0.25, 0.15)))
    counts = {
        "single": [1],
        "pair": [1, 1],
        "group": [int(rng.integers(2, MOST + 1))],
        "mixed": [[2, 1], [1, 2], [2, 2], [1, 1, 1], [3, 1], [2, 3], [3, 2, 1]][int(rng.integers(7))],
    }[kind]
    wanted = wish.get("groups", [{"count": count} for count in counts])
    groups: list[Attributes] = []
    for group in wanted:
        taken = {str(known["colour"]) for known in (*groups, *wanted) if "colour" in known}
        groups.append(complete(group, rng, taken if "colour" not in group else set()))
    return groups


def _other(rng: np.random.Generator, taken: set[str]) -> str:
    """A colour for table or wall that nothing else has nor comes near; white and grey twice as often."""
    avoid = taken | {_NEAR[name] for name in taken if name in _NEAR}
    free = [name for name in ("white", "grey", *TABLE_COLOURS) if name not in avoid]
    return str(rng.choice(free or ["grey"]))


def _part(index: int, item: Attributes, colour: str | None = None) -> Part:
    material = item["material"]
    return Part(
        f"object{index}",
        standing(item),
        Material(
            colour=_visible(COLOURS[colour or item["colour"]]),
            roughness=ROUGHNESS[material],
            metallic=0.6 if material == "metal" else 0.0,
        ),
    )


def _visible(colour: Colour) -> Colour:
    """The colour, lifted where it is so dark that a shape would show no shading."""
    red, green, blue = (max(channel, 0.16) for channel in colour)
    return (red, green, blue)


def _positions(attributes: Attributes) -> NDArray[np.float64]:
    return np.array([(item["x"], item["y"]) for item in attributes["objects"]])


def _radii(attributes: Attributes) -> NDArray[np.float64]:
    return np.array([FOOTPRINT[item["shape"]] * SCALE[item["size"]] for item in attributes["objects"]])


def _back(attributes: Attributes) -> float:
    """The y behind which no object reaches."""
    return float((_positions(attributes)[:, 1] + _radii(attributes)).max())


def _lamp(middle: NDArray[np.float64], azimuth: float, height: float) -> tuple[float, float, float]:
    around, up, distance = np.radians(azimuth), np.radians(height), 9.0
    x = middle[0] + distance * np.cos(up) * np.cos(around)
    y = middle[1] + distance * np.cos(up) * np.sin(around)
    return (float(x), float(y), float(distance * np.sin(up)))


def _camera(attributes: Attributes, jitter: NDArray[np.float64]) -> Camera:
    """A camera that holds every object and most of its shadow in frame, looking down by `pitch` degrees."""
    clouds = [cloud(item) for item in attributes["objects"]]
    middle = _positions(attributes).mean(axis=0)
    around = np.radians(attributes["light"])
    away = -np.array([np.cos(around), np.sin(around)]) / np.tan(np.radians(attributes["light_height"]))
    for item in attributes["objects"]:
        tip = np.array([item["x"], item["y"]]) + 0.7 * HEIGHT[item["shape"]] * SCALE[item["size"]] * away
        clouds.append(np.array([[*tip, 0.0]], dtype=np.float32))
    # Keeps a lone small object from filling the frame: small and large must look different.
    clouds.append(np.array([(middle[0] + x, middle[1], z) for x in (-0.95, 0.95) for z in (0, 1.25)], dtype=np.float32))
    if attributes["mirror"]:
        virtual = np.concatenate([cloud(item) for item in attributes["objects"]])
        clouds.append(_across_mirror(attributes, virtual))
    points = np.concatenate(clouds).astype(np.float64)
    pitch, yaw = np.radians(attributes["pitch"] + 0.8 * jitter[0]), np.radians(3.0 * jitter[1])
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    up = np.cross(right, forward)
    fov, target, distance = 36.0, points.mean(axis=0), 8.0
    half = np.tan(np.radians(fov / 2))
    for _ in range(5):
        ray = points - (target - distance * forward)
        ahead = ray @ forward
        x, y = ray @ right / ahead / half, ray @ up / ahead / half
        centre = ((x.max() + x.min()) / 2, (y.max() + y.min()) / 2)
        target = target + distance * half * (centre[0] * right + centre[1] * up)
        distance *= max(np.ptp(x), np.ptp(y)) / 2 / 0.84
    target = target + 0.03 * half * distance * (jitter[2] * right + jitter[3] * up)
    origin = target - distance * forward
    return Camera(origin=tuple(origin.tolist()), target=tuple(target.tolist()), fov=fov)


def _surroundings(attributes: Attributes, grain: int) -> tuple[Part, Part]:
    """The table, wide and deep, and the wall behind it, each with a little grain."""
    back = _back(attributes) + (2.6 if attributes["mirror"] else 1.0)
    noise = np.random.default_rng(grain)
    shade, speckle = noise.uniform(-0.10, 0.10), noise.normal(0, 1, size=(2, 64, 64, 1))
    wide, near = 14.0, 12.0
    table = solids.quad(
        [(-wide, -near, 0), (wide, -near, 0), (wide, back, 0), (-wide, back, 0)],
        [(-wide / 4, -near / 4), (wide / 4, -near / 4), (wide / 4, back / 4), (-wide / 4, back / 4)],
    )
    wall = solids.quad([(-wide, back, 0), (wide, back, 0), (wide, back, 9), (-wide, back, 9)])
    wooden = attributes["table"] == "wood"
    plain = _wood(noise) if wooden else _speckled(attributes["table"], speckle[0], 0.012, 0.0)
    paint = _speckled(attributes["wall"], speckle[1], 0.006, shade)
    return (
        Part("table", table, Material(roughness=0.7, texture=plain)),
        Part("wall", wall, Material(roughness=0.9, texture=paint)),
    )


def _speckled(colour: str, speckle: NDArray[np.float64], grain: float, shade: float) -> NDArray[np.uint8]:
    """A colour (64, 64, 3) with grain, and a shade that runs from one side to the other."""
    ramp = np.linspace(-shade, shade, speckle.shape[1])[None, :, None]
    values = np.array(COLOURS[colour]) * (1 + ramp) + grain * speckle
    return (np.clip(values, 0.03, 0.93) * 255).astype(np.uint8)


def _wood(noise: np.random.Generator) -> NDArray[np.uint8]:
    """Planks of a warm brown, (192, 192, 3), grain along x."""
    size, planks = 192, 6
    row, column = np.mgrid[0:size, 0:size] / size
    plank = (row * planks).astype(int)
    phase, tone = noise.uniform(0, 6, size=planks), noise.uniform(0.84, 1.12, size=planks)
    wave = np.sin(
        2 * np.pi * (row * 26 + 0.35 * np.sin(2 * np.pi * (column + phase[plank]))) + phase[plank]
    ) + 0.6 * np.sin(2 * np.pi * (row * 61 + 0.2 * np.sin(4 * np.pi * column)))
    seam = (np.abs(row * planks - np.rint(row * planks)) < 0.035) * 0.35
    light = tone[plank] * (1 + 0.055 * wave) - seam
    values = np.array((0.70, 0.49, 0.29)) * light[..., None]
    pixels: NDArray[np.uint8] = (np.clip(values, 0, 1) * 255).astype(np.uint8)
    return pixels


def _mirror_frame(attributes: Attributes, turn: float) -> tuple[NDArray[np.float64], float]:
    """The foot of the mirror's middle (3,), and its turn in degrees."""
    middle = _positions(attributes).mean(axis=0)
    return np.array([middle[0], _back(attributes) + 0.95, 0.0]), float(attributes["mirror_turn"] + turn)


def _across_mirror(attributes: Attributes, points: Floats) -> Floats:
    """Points as the mirror shows them, behind its plane."""
    foot, turn = _mirror_frame(attributes, 0.0)
    normal = solids.rotated([(0, -1, 0)], turn)[0].astype(np.float64)
    distance = (points - foot) @ normal
    image: Floats = (points - 2 * distance[:, None] * normal).astype(np.float32)
    return image


def _mirror(attributes: Attributes, turn: float, *, grown: float = 1.0) -> tuple[Part, ...]:
    """The mirror and the frame around it, or nothing. A grown one covers more and has no frame."""
    if not attributes["mirror"]:
        return ()
    foot, angle = _mirror_frame(attributes, turn)
    spread = float(np.ptp(_positions(attributes)[:, 0]))
    half, high, edge = (MIRROR_SIZE[0] + 0.7 * spread) / 2 * grown, MIRROR_SIZE[1] * grown, 0.09
    glass = solids.quad([(-half, 0, edge), (half, 0, edge), (half, 0, high), (-half, 0, high)])
    parts = [Part("mirror", solids.moved(glass, foot, turn=angle), Material(mirror=True))]
    if grown == 1.0:
        upright, level = solids.box(edge, 0.16, high + edge), solids.box(2 * half, 0.16, edge)
        bars = solids.joined(
            solids.moved(upright, (-half - edge / 2, 0.03, 0)),
            solids.moved(upright, (half + edge / 2, 0.03, 0)),
            solids.moved(level, (0, 0.03, 0)),
            solids.moved(level, (0, 0.03, high)),
        )
        parts.append(Part("frame", solids.moved(bars, foot, turn=angle), Material(colour=(0.24, 0.17, 0.12))))
    return tuple(parts)


def _reflecting(attributes: Attributes) -> tuple[Part, ...]:
    """The mirror of the scene a wrong reflection comes from; a turned one is larger, to cover the true one's pixels."""
    if attributes["reflection_error"] == "place":
        return _mirror(attributes, float(attributes["reflection_turn"]), grown=1.5)
    return _mirror(attributes, 0.0)


def _reflected(attributes: Attributes, objects: tuple[Part, ...]) -> tuple[Part, ...]:
    """The objects of the scene a wrong reflection comes from."""
    if attributes["reflection_error"] == "place":
        return objects
    chosen = int(attributes["reflection_object"])
    if attributes["reflection_error"] == "missing":
        return objects[:chosen] + objects[chosen + 1 :]
    other = _part(chosen, attributes["objects"][chosen], attributes["reflection_colour"])
    return (*objects[:chosen], other, *objects[chosen + 1 :])


def _points(attributes: Attributes, sun: Light) -> dict[str, Floats]:
    rows = [
        (item["x"], item["y"], HEIGHT[item["shape"]] * SCALE[item["size"]], SCALE[item["size"]])
        for item in attributes["objects"]
    ]
    x, y, tall, scale = np.array(rows, dtype=np.float32).T
    nothing = np.zeros_like(x)
    return {
        "objects": np.stack([x, y, tall / 2, 1.3 * scale], axis=1),
        "contacts": np.stack([x, y, nothing, 2.0 * scale], axis=1),
        "tops": np.stack([x, y, tall, nothing + 0.1], axis=1),
        "light": np.array([sun.position], dtype=np.float32),
    }
