"""The bones of a hand: which digits it has, where their joints are, how they bend. Values only, no triangles.

Frame: centimetres, a right hand, wrist at the origin, fingers up (+z), palm facing the viewer (-y), thumb to +x.
Source of proportions: Buryanov & Kotiuk (2010), "Proportions of hand segments", rounded, with flesh added at the tips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

FINGERS = ("index", "middle", "ring", "little")
BASES = np.array([[2.75, 0.0, 8.7], [0.8, 0.2, 9.1], [-1.15, 0.1, 8.7], [-2.95, -0.2, 7.75]])
LENGTHS = np.array([[4.25, 2.5, 1.8], [4.65, 2.85, 1.9], [4.3, 2.7, 1.9], [3.45, 1.95, 1.7]])
RADII = np.array([0.95, 0.98, 0.93, 0.81])
CLOSED_FAN = np.array([3.0, 0.5, -2.0, -5.0])  # degrees from upright, fingers together
OPEN_FAN = np.array([15.0, 3.0, -9.0, -23.0])  # and spread wide

THUMB_OPEN = np.array([[1.7, -0.7, 1.6], [4.5, -1.6, 5.0], [6.25, -1.9, 7.75], [7.25, -1.8, 9.85]])
THUMB_OVER = np.array([[1.7, -0.7, 1.6], [3.7, -2.9, 4.9], [2.9, -5.2, 6.9], [0.7, -5.9, 7.7]])
THUMB_ACROSS = np.array([[1.7, -0.7, 1.6], [3.6, -2.5, 4.8], [1.9, -3.1, 7.0], [-0.4, -2.9, 7.5]])
THUMB_REACH = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-0.5, 0.0, 0.0], [-1.2, 0.0, -0.1]])  # a finger further
THUMB_TO_LITTLE: Vector = THUMB_ACROSS + np.array(
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-0.3, -0.6, 0.0], [-0.6, -1.4, 0.1]]
)
THUMB_RADII = ((1.15, 1.05), (1.02, 0.96), (0.98, 0.8))


@dataclass(frozen=True)
class Slot:
    """One digit of a hand, before it is posed.

    Attributes:
        kind: "thumb", "finger", "small" (beside the little finger), "second thumb" or "fork".
        row: where along the knuckles it stands, 0 = index .. 3 = little.
        build: whose lengths it has, on the same scale.
        jitter: which of the seven curl jitters is its own.
    """

    name: str
    kind: str
    row: float
    build: float
    jitter: int


@dataclass(frozen=True)
class Bone:
    """A rounded cone from `start` to `end`; `dorsal` is the unit vector towards the back of the hand."""

    start: Vector
    end: Vector
    radii: tuple[float, float]
    dorsal: Vector


@dataclass(frozen=True)
class Digit:
    """One digit with its joints in place; `bones` run from the knuckle (the wrist, for a thumb) outwards."""

    slot: Slot
    raised: bool
    bones: tuple[Bone, ...]

    @property
    def joints(self) -> Vector:
        """(n, 3), the knuckle first."""
        return np.array([bone.start for bone in self.bones])

    @property
    def tip(self) -> Vector:
        """(3,), one radius below the skin of the fingertip."""
        end: Vector = self.bones[-1].end
        return end


def roster(planting: str) -> tuple[Slot, ...]:
    """The digits of a hand from the thumb outwards, given what was planted in it.

    planting: "" for five digits, else steps joined by "+": "row:ring" squeezes a full finger in after the ring finger,
    "small:little" puts a small one beside the little finger, "thumb:thumb" doubles the thumb, "fork:index" splits a
    finger at its middle joint; "gap:ring" and "respaced:ring" take the ring finger away.

    Raises:
        ValueError: an unknown step, or one about a finger that is not there.
    """
    fingers = [Slot(name, "finger", float(i), float(i), i + 1) for i, name in enumerate(FINGERS)]
    thumbs = [Slot("thumb", "thumb", 0.0, 0.0, 0)]
    smalls: list[Slot] = []
    respace = False
    for step in filter(None, planting.split("+")):
        method, _, name = step.partition(":")
        spare = 5 + sum(slot.jitter > 4 for slot in (*thumbs, *fingers, *smalls))
        at = next((i for i, slot in enumerate(fingers) if slot.name == name), None)
        if method == "thumb":
            thumbs.append(Slot("extra", "second thumb", 0.0, 0.0, spare))
        elif method == "small":
            smalls.append(Slot("extra", "small", 3.0 + len(smalls), 3.0, spare))
        elif at is None or method not in ("row", "fork", "gap", "respaced"):
            raise ValueError(
                f"planting {planting!r}: step {step!r} is unknown; steps are row, fork, gap, respaced:<finger>, "
                f"small:little, thumb:thumb, with fingers {', '.join(slot.name for slot in fingers)}"
            )
        elif method == "row":
            fingers.insert(at + 1, Slot("extra", "finger", 0.0, fingers[at].build + 0.5, spare))
            respace = True
        elif method == "fork":
            host = fingers[at]
            twin = Slot("extra", "fork", host.row, host.build, spare)
            fingers.insert(at if host.build < 1.5 else at + 1, twin)
        else:
            del fingers[at]
            respace = respace or method == "respaced"
    if respace:
        fingers = _respaced(fingers)
    return (*thumbs, *fingers, *smalls)


def _respaced(fingers: list[Slot]) -> list[Slot]:
    own = [slot for slot in fingers if slot.kind != "fork"]
    places = dict(zip((slot.jitter for slot in own), np.linspace(0.0, 3.0, len(own)).tolist(), strict=True))
    hosts = {slot.build: places[slot.jitter] for slot in own}
    return [replace(slot, row=places.get(slot.jitter, hosts[slot.build])) for slot in fingers]


def width(slots: tuple[Slot, ...]) -> float:
    """How much wider than usual the knuckles are: five fingers need more room than four, three a little less."""
    return 1.0 + 0.07 * (sum(slot.kind == "finger" for slot in slots) - 4)


def knuckle(row: float, wide: float) -> Vector:
    """(3,) centre of the knuckle at a place along the row."""
    place = np.array([np.interp(row, range(4), BASES[:, axis]) for axis in range(3)])
    place[0] *= wide
    return place


def pose(
    slots: tuple[Slot, ...], raised: frozenset[int], *, spread: float, curls: tuple[float, ...], girth: float
) -> tuple[Digit, ...]:
    """Every digit with its joints in place.

    Args:
        raised: which of `slots` are extended; the others curl into the palm.
        spread: 0 = fingers together, 1 = fanned wide.
        curls: degrees each digit is bent beyond its pose, by `Slot.jitter`.
        girth: thickness of the fingers, 1 = average.
    """
    wide = width(slots)
    crowd = 1.0 - 0.09 * max(sum(slot.kind == "finger" for slot in slots) - 4, 0)
    row = [i for i, slot in enumerate(slots) if slot.kind == "finger"]
    folded = [slots[i].row for i in row if i not in raised]
    digits = []
    for i, slot in enumerate(slots):
        up, curl = i in raised, curls[slot.jitter]
        if slot.kind in ("thumb", "second thumb"):
            joints = _thumb_joints(slot, up, spread, curl, folded)
            digits.append(Digit(slot, up, _thumb_bones(joints, up, girth, 0.88 if slot.kind != "thumb" else 1.0)))
        else:
            digits.append(Digit(slot, up, _finger_bones(slot, up, spread, curl, wide, girth * crowd)))
    return tuple(digits)


def _finger_bones(slot: Slot, up: bool, spread: float, curl: float, wide: float, girth: float) -> tuple[Bone, ...]:
    base = knuckle(slot.row, wide)
    fan = np.interp(slot.row, range(4), CLOSED_FAN + (OPEN_FAN - CLOSED_FAN) * spread) * (wide if up else 0.35)
    lengths = np.array([np.interp(slot.build, range(4), LENGTHS[:, k]) for k in range(3)])
    radius = float(np.interp(slot.build, range(4), RADII)) * girth * (1.0 if up else 1.08)  # bent fingers bulge
    sideways = 0.0
    if slot.kind == "small":
        beyond = slot.row - 2.0
        base = knuckle(3.0, wide) + np.array([-0.9 * beyond, -0.1, -1.9 * beyond])
        fan, lengths, radius = fan - 24.0 * beyond, lengths * 0.72, radius * 0.86
    if slot.kind == "fork":
        sideways = 30.0 if slot.build < 1.5 else -30.0
    flex = (3 + curl, 4 + 1.2 * curl, 3 + 0.8 * curl) if up else (80 + 0.3 * curl, 98 + 0.4 * curl, 62.0)
    shape = ((1.02, 0.92), (0.92, 0.84), (0.84, 0.72))
    bones, start, bend = [], base, 0.0
    for k in range(3):
        bend += np.radians(flex[k])
        side = np.radians(fan + (sideways if k else 0.0))
        ahead = np.array([np.sin(side), 0.0, np.cos(side)])
        along = np.cos(bend) * ahead + np.sin(bend) * np.array([0.0, -1.0, 0.0])
        dorsal = np.sin(bend) * ahead + np.cos(bend) * np.array([0.0, 1.0, 0.0])
        end = start + along * lengths[k] * (0.9 if k == 2 else 1.0)
        bones.append(Bone(start, end, (shape[k][0] * radius, shape[k][1] * radius), dorsal))
        start = end
    return tuple(bones)


def _thumb_joints(slot: Slot, up: bool, spread: float, curl: float, folded: list[float]) -> Vector:
    if not up:
        if not folded:
            return THUMB_ACROSS
        if min(folded) > 2.5:  # only the little finger is down: reach for it across the palm
            return THUMB_TO_LITTLE
        reach = float(max(min(folded) - 1.0, 0.0))
        over: Vector = THUMB_OVER + reach * THUMB_REACH
        return over
    turn = np.radians((spread - 0.6) * 26)
    joints = _turned(THUMB_OPEN, 0, turn)
    if slot.kind == "second thumb":
        joints = _turned(joints, 1, np.radians(42.0))
        joints[2:] = joints[1] + 0.86 * (joints[2:] - joints[1])
    return _turned(joints, 2, -np.radians(1.2 * curl))


def _turned(joints: Vector, pivot: int, angle: float) -> Vector:
    """Joints beyond `pivot` turned about it in the plane of the palm, towards +x for a positive angle."""
    turned = joints.copy()
    away = joints[pivot + 1 :] - joints[pivot]
    turned[pivot + 1 :, 0] = joints[pivot, 0] + np.cos(angle) * away[:, 0] + np.sin(angle) * away[:, 2]
    turned[pivot + 1 :, 2] = joints[pivot, 2] - np.sin(angle) * away[:, 0] + np.cos(angle) * away[:, 2]
    return turned


def _thumb_bones(joints: Vector, up: bool, girth: float, size: float) -> tuple[Bone, ...]:
    bones = []
    for k in range(3):
        hint = np.array([0.55, 0.8, -0.2]) if up or k == 0 else np.array([0.25, -0.9, 0.45])
        along = joints[k + 1] - joints[k]
        along = along / np.linalg.norm(along)
        dorsal = hint - along * (hint @ along)
        girths = (THUMB_RADII[k][0] * girth * size, THUMB_RADII[k][1] * girth * size)
        bones.append(Bone(joints[k], joints[k + 1], girths, dorsal / np.linalg.norm(dorsal)))
    return tuple(bones)
