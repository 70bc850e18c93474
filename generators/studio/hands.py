"""Hands: one upright hand, palm or back to the camera, zero to five fingers raised. What this product is named after.

Knobs: digits, raised fingers, side, view, skin tone, spread, curl, turn, sleeve, wall. Planted: a finger more or fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from generators.studio import hand_words
from generators.studio.hand_mesh import skin, sleeve_mesh
from generators.studio.hand_pose import FINGERS, pose, roster
from generators.studio.palette import COLOURS, MONK, TONE_WORDS, tone_word
from generators.studio.scene import Attributes, Camera, Colour, Floats, Light, Material, Mesh, Part, Scene

NAME = "hands"
DEFECTS: Mapping[str, Literal["rate", "gain"]] = {"extra_finger": "rate", "missing_finger": "rate"}

CENTIMETRE = 0.1  # world units
BACKGROUNDS = ("plain", "gradient", "striped", "tiled")
EXTRAS = ("row:index", "row:middle", "row:ring", "small:little", "thumb:thumb", "fork:index", "fork:little")
HOSTS = {"thumb:thumb": 0, "fork:index": 1, "fork:little": 4}
THUMBS = ("thumb", "second thumb")

read = hand_words.read
caption = hand_words.caption


def sample(rng: np.random.Generator, wish: Attributes) -> Attributes:
    """A hand: five digits unless wished otherwise, open in about half of all scenes, tones uniform on the Monk scale.

    Attributes: digits 3..7; planting, the steps of `hand_pose.roster`; raised and tips_raised, how many and which
    digits are extended (0 = thumb, counted from the thumb outwards); side; view "palm" or "back"; tone 1..10 and its
    tone_word; spread 0..1; curls, degrees by digit; girth; roll, yaw, pitch in degrees; sleeve, a colour or "bare";
    wall, a colour; background, its pattern.

    Raises:
        ValueError: the wish names an unknown attribute, or a value or combination that cannot be drawn.
    """
    digits = int(wish.get("digits", len(roster(wish.get("planting", "")))))
    if not 3 <= digits <= 7:
        raise ValueError(f"digits {digits}: hands have 3 to 7 digits here")
    planting = str(rng.choice(_plantings(digits)))
    raised = digits if rng.random() < 0.5 else int(rng.integers(0, digits))
    tone = int(wish.get("tone", rng.choice(TONE_WORDS.get(wish.get("tone_word", ""), range(1, 11)))))
    if not 1 <= tone <= 10:
        raise ValueError(f"tone {tone}: Monk tones run from 1 to 10")
    sleeve = "bare" if rng.random() < 0.2 else str(rng.choice([c for c in COLOURS if c != wish.get("wall")]))
    wall = str(rng.choice(_contrasting(MONK[tone - 1], wish.get("sleeve", sleeve))))
    drawn: Attributes = {
        "digits": digits,
        "planting": planting,
        "raised": len(wish.get("tips_raised", range(raised))),
        "tips_raised": [],
        "side": str(rng.choice(("left", "right"))),
        "view": "palm" if rng.random() < 0.65 else "back",
        "tone": tone,
        "tone_word": tone_word(tone),
        "spread": round(float(rng.uniform(0.35, 1.0)), 3),
        "curls": [round(float(c), 2) for c in rng.uniform(0, 10, size=7)],
        "girth": round(float(rng.uniform(0.93, 1.07)), 3),
        "roll": round(float(rng.uniform(-25, 25)), 2),
        "yaw": round(float(rng.uniform(-25, 25)), 2),
        "pitch": round(float(rng.uniform(-8, 8)), 2),
        "sleeve": sleeve,
        "wall": wall,
        "background": str(rng.choice(BACKGROUNDS, p=(0.4, 0.3, 0.15, 0.15))),
    }
    _check(wish, drawn)
    drawn |= wish
    up = _natural_order(drawn["raised"], drawn["planting"], thumb_first=bool(rng.random() < 0.35))
    return drawn | {"tips_raised": wish.get("tips_raised", up)}


def plant(attributes: Attributes, rng: np.random.Generator, defect: str) -> Attributes:
    """One finger more ("extra_finger", extended so that it shows) or one fewer ("missing_finger", never the thumb).

    Raises:
        ValueError: an unknown defect.
    """
    before = roster(attributes["planting"])
    up = {before[i].jitter for i in attributes["tips_raised"]}
    if defect == "extra_finger":
        step = str(rng.choice(_extra_steps(attributes["planting"], up)))
    elif defect == "missing_finger":
        fingers = [slot for slot in before if slot.name in FINGERS]
        shown = [slot for slot in fingers if slot.jitter in up] or fingers
        step = f"{rng.choice(('gap', 'respaced'))}:{rng.choice([slot.name for slot in shown])}"
    else:
        raise ValueError(f"{NAME} has no defect {defect!r}; it has {', '.join(DEFECTS)}")
    planting = "+".join(filter(None, (attributes["planting"], step)))
    after = roster(planting)
    up |= {slot.jitter for slot in after} - {slot.jitter for slot in before}
    tips = [i for i, slot in enumerate(after) if slot.jitter in up]
    return attributes | {"digits": len(after), "planting": planting, "raised": len(tips), "tips_raised": tips}


def build(attributes: Attributes, rng: np.random.Generator) -> Scene:
    """The hand, its sleeve and the wall behind it.

    Points, all (n, 4) with depth slack: "fingertips" (digits), "joints" (3 digits), "bases" (digits), "wrist" (1),
    digits counted from the thumb outwards.
    """
    slots = roster(attributes["planting"])
    if len(slots) != attributes["digits"]:
        raise ValueError(
            f"digits {attributes['digits']} but planting {attributes['planting']!r} makes a hand of {len(slots)}"
        )
    zoom, sway, rise, back, folds = (
        rng.uniform(0.95, 1.1),
        rng.uniform(-1, 1),
        rng.uniform(-1, 1),
        rng.random(),
        rng.random(),
    )
    digits = pose(
        slots,
        frozenset(attributes["tips_raised"]),
        spread=attributes["spread"],
        curls=tuple(attributes["curls"]),
        girth=attributes["girth"],
    )
    bare = attributes["sleeve"] == "bare"
    place = _Placer(attributes)
    hand = skin(digits, arm=15.0 if bare else 4.5, tone=MONK[attributes["tone"] - 1])
    parts = [Part("hand", place.mesh(hand), Material(roughness=0.55))]
    if not bare:
        cloth = Material(colour=COLOURS[attributes["sleeve"]], roughness=0.85)
        parts.append(Part("sleeve", place.mesh(sleeve_mesh(folds)), cloth))
    parts.append(_wall(attributes["wall"], attributes["background"], rng, 0.9 + 1.2 * back))
    frame = 2.45 / zoom
    distance = 6.5
    camera = Camera(
        origin=(0.7 * sway, -distance, 0.55 * rise),
        target=(0.05 * sway, 0.0, 0.0),
        fov=float(np.degrees(2 * np.arctan(frame / 2 / distance))),
    )
    joints = [(*joint, 1.7 * max(bone.radii)) for d in digits for joint, bone in zip(d.joints, d.bones, strict=True)]
    points = {
        "fingertips": place.points([(*d.tip, 1.6 * d.bones[-1].radii[1]) for d in digits]),
        "joints": place.points(joints),
        "bases": place.points([(*d.bones[1 if d.slot.kind in THUMBS else 0].start, 1.7) for d in digits]),
        "wrist": place.points([(0.0, 0.1, 0.0, 2.4)]),
    }
    side = rng.choice((-1.0, 1.0))
    light = Light(
        position=(float(side * rng.uniform(1.0, 3.4)), float(-rng.uniform(3.0, 4.4)), float(rng.uniform(1.0, 3.6))),
        radius=float(rng.uniform(0.3, 0.8)),
        power=_warm(float(rng.uniform(34, 58)), float(rng.uniform(-1, 1))),
    )
    ambient = float(rng.uniform(0.38, 0.55))
    return Scene(
        family=NAME,
        parts=tuple(parts),
        camera=camera,
        lights=(light,),
        ambient=(ambient, 1.01 * ambient, 1.04 * ambient),
        points=points,
    )


def _plantings(digits: int) -> list[str]:
    """Every way to draw a hand with this many digits."""
    if digits >= 5:
        return ["+".join(steps) for steps in combinations(EXTRAS, digits - 5)]
    return [
        "+".join(f"{how}:{name}" for name in names)
        for names in combinations(FINGERS, 5 - digits)
        for how in ("gap", "respaced")
    ]


def _extra_steps(planting: str, up: set[int]) -> list[str]:
    """Steps whose extra finger would show: a fork or a second thumb only beside a raised one."""
    there = {slot.name for slot in roster(planting)}
    return [
        step
        for step in EXTRAS
        if step not in planting and step.partition(":")[2] in there and (step not in HOSTS or HOSTS[step] in up)
    ]


def _natural_order(raised: int, planting: str, *, thumb_first: bool) -> list[int]:
    """Which digits people extend to show a number: from the index on; sometimes thumb, index and middle for three."""
    slots = roster(planting)
    thumbs = [i for i, slot in enumerate(slots) if slot.kind in THUMBS]
    fingers = [i for i, slot in enumerate(slots) if slot.kind not in THUMBS]
    if raised == 3 and len(slots) == 5 and thumb_first:
        return [0, 1, 2]
    return sorted([*fingers, *reversed(thumbs)][:raised])


def _check(wish: Attributes, drawn: Attributes) -> None:
    unknown = set(wish) - set(drawn)
    if unknown:
        raise ValueError(f"{NAME}: no attribute {', '.join(sorted(unknown))}; there are {', '.join(drawn)}")
    allowed: dict[str, tuple[Any, ...]] = {
        "side": ("left", "right"),
        "view": ("palm", "back"),
        "tone_word": (drawn["tone_word"],),
        "sleeve": ("bare", *COLOURS),
        "wall": tuple(COLOURS),
        "background": BACKGROUNDS,
        "raised": tuple(range(drawn["digits"] + 1)),
    }
    for key, values in allowed.items():
        if key in wish and wish[key] not in values:
            raise ValueError(
                f"{NAME}: {key} {wish[key]!r} cannot be drawn here; it can be {', '.join(map(str, values))}"
            )


def _contrasting(skin_tone: Colour, sleeve: str) -> list[str]:
    """Walls that neither swallow the hand nor wear the sleeve's colour."""

    def far(colour: Colour) -> bool:
        return float(np.abs(np.subtract(colour, skin_tone)).sum()) > 0.45

    return [name for name, colour in COLOURS.items() if name != sleeve and far(colour)]


class _Placer:
    """Right hand in centimetres -> this hand in the world: mirrored, turned, its middle at the origin."""

    def __init__(self, attributes: Attributes) -> None:
        self.mirror = -1.0 if attributes["side"] == "left" else 1.0
        about = attributes["yaw"] + (180.0 if attributes["view"] == "back" else 0.0)
        roll, yaw, pitch = (np.radians(angle) for angle in (attributes["roll"], about, attributes["pitch"]))
        lean = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        tilt = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
        self.matrix = (tilt @ lean @ turn) * CENTIMETRE
        self.middle = np.array([0.5 * self.mirror, 0.0, 7.3 if attributes["tips_raised"] else 4.6])

    def points(self, rows: list[tuple[float, ...]]) -> Floats:
        """(n, 4): x, y, z in centimetres and depth slack, both to world units."""
        table = np.array(rows, dtype=np.float64)
        return np.column_stack([self._move(table[:, :3]), table[:, 3] * CENTIMETRE]).astype(np.float32)

    def mesh(self, mesh: Mesh) -> Mesh:
        """The same triangles in the world, wound so that they still face outwards."""
        faces = mesh.faces if self.mirror > 0 else mesh.faces[:, ::-1]
        return replace(mesh, vertices=self._move(mesh.vertices).astype(np.float32), faces=np.ascontiguousarray(faces))

    def _move(self, points: Any) -> Any:
        return (points * np.array([self.mirror, 1.0, 1.0]) - self.middle) @ self.matrix.T


def _wall(name: str, pattern: str, rng: np.random.Generator, distance: float) -> Part:
    base = np.array(COLOURS[name])
    stripes, angle, grain = (
        int(rng.integers(9, 19)),
        rng.uniform(0, 2 * np.pi),
        rng.normal(0, 0.006, size=(128, 128, 1)),
    )
    across, up = np.meshgrid(np.linspace(-1, 1, 256), np.linspace(1, -1, 256))
    shade = np.ones((256, 256))
    if pattern == "gradient":
        shade = 0.85 + 0.55 * np.clip(np.cos(angle) * across + np.sin(angle) * up, -0.6, 0.6)
    elif pattern == "striped":
        shade = np.where(np.floor((across + 1) * stripes * 1.5) % 2 == 0, 1.0, 0.72)
    elif pattern == "tiled":
        edge = np.minimum(((across + 1) * stripes * 0.7) % 1, ((up + 1) * stripes * 0.7) % 1)
        shade = np.where(edge < 0.08, 0.68, 1.0)
    lift = 0.06 * (base.max() < 0.2)  # a black wall still shows its pattern
    picture = (base + lift) * shade[..., None] + np.kron(grain, np.ones((2, 2, 1)))
    texture = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    corners = np.array([[-4, distance, -4], [4, distance, -4], [4, distance, 4], [-4, distance, 4]], dtype=np.float32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.uint32)
    return Part("wall", Mesh(corners, faces, uv=uv, smooth=False), Material(roughness=0.9, texture=texture))


def _warm(power: float, warmth: float) -> Colour:
    return (power * (1 + 0.05 * warmth), power, power * (1 - 0.07 * warmth))
