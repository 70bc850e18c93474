"""Fingers added to and taken from pictures of hands: planting that no renderer does, and that works on photographs.

A hand is a mapping: image (h, w, 3); mask (h, w) uint8 or None; tips, bases (7, 3): x, y, seen; up (7,); digits; wrist,
knuckle (2,). What comes back is a new one; None where there is no finger to work on or no room.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

THICK = 0.105  # half a finger's width in palms
Hand = Mapping[str, Any]
Point = NDArray[np.float64]


def added(hand: Hand, rng: np.random.Generator) -> dict[str, Any] | None:
    """One more finger: a raised one is copied and turned aside about its base, or about its middle, which forks it."""
    finger = _raised(hand, rng)
    if finger is None:
        return None
    base, tip = (_at(hand, name, finger) for name in ("bases", "tips"))
    palm = _palm(hand)
    pivot = base + rng.choice([0.0, 0.0, 0.35]) * (tip - base)
    matrix = cv2.getRotationMatrix2D(
        tuple(pivot), float(rng.choice([-1, 1]) * rng.uniform(13, 32)), rng.uniform(0.8, 1.05)
    )
    matrix[:, 2] += rng.uniform(-0.1, 0.1, 2) * palm
    new_base, new_tip = (matrix[:, :2] @ point + matrix[:, 2] for point in (base, tip))
    others = np.asarray(hand["tips"][: hand["digits"], :2])
    if np.hypot(*(others - new_tip).T).min() < 1.7 * THICK * palm or not _inside(hand, new_tip):
        return None
    changed = _pasted(hand, matrix, base, tip)
    row = int(hand["digits"])
    tips, bases, up = (np.array(hand[name]) for name in ("tips", "bases", "up"))
    tips[row], bases[row], up[row] = (*new_tip, 1), (*new_base, 1), 1
    return {**changed, "tips": tips, "bases": bases, "up": up, "digits": row + 1}


def moved(hand: Hand, rng: np.random.Generator) -> dict[str, Any] | None:
    """The same number of fingers: one is cut out and put back all but in place, so that seams mean nothing."""
    finger = _raised(hand, rng)
    if finger is None:
        return None
    base, tip = (_at(hand, name, finger) for name in ("bases", "tips"))
    matrix = cv2.getRotationMatrix2D(tuple(base), float(rng.uniform(-3, 3)), rng.uniform(1.0, 1.06))
    return _pasted(hand, matrix, base, tip)


def removed(hand: Hand, rng: np.random.Generator) -> dict[str, Any] | None:
    """One finger fewer: a raised one that stands apart from the others is painted over."""
    finger = _raised(hand, rng)
    if finger is None:
        return None
    base, tip = (_at(hand, name, finger) for name in ("bases", "tips"))
    palm = _palm(hand)
    others = [_at(hand, "tips", each) for each in range(hand["digits"]) if each != finger]
    if min(_beside(other, base, tip) for other in others) < 2.6 * THICK * palm:
        return None
    gone = _capsule(hand["image"].shape[:2], base + 0.12 * (tip - base), tip, 1.5 * THICK * palm)
    image = cv2.inpaint(np.ascontiguousarray(hand["image"]), (gone > 0.5).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    mask = None if hand["mask"] is None else np.where(gone > 0.5, 0, hand["mask"]).astype(np.uint8)
    tips, bases, up = (np.delete(np.array(hand[name]), finger, axis=0) for name in ("tips", "bases", "up"))
    tips, bases = (np.concatenate([each, np.full((1, 3), -1, each.dtype)]) for each in (tips, bases))
    return {
        **hand,
        "image": image,
        "mask": mask,
        "tips": tips,
        "bases": bases,
        "up": np.append(up, 0),
        "digits": int(hand["digits"]) - 1,
    }


def _pasted(hand: Hand, matrix: NDArray[np.float64], base: Point, tip: Point) -> dict[str, Any]:
    """The finger between base and tip once more, where the affine brings it."""
    height, width = hand["image"].shape[:2]
    cut = _capsule((height, width), base + 0.1 * (tip - base), tip, THICK * _palm(hand))
    if hand["mask"] is not None:
        cut = cut * (hand["mask"] / 255.0)
    there = cv2.warpAffine(cv2.GaussianBlur(cut, (0, 0), 0.7), matrix, (width, height))
    shown = cv2.warpAffine(hand["image"], matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    image = np.rint(hand["image"] * (1 - there[..., None]) + shown * there[..., None]).astype(np.uint8)
    mask = hand["mask"]
    if mask is not None:
        mask = np.maximum(mask, np.rint(there * 255).astype(np.uint8))
    return {**hand, "image": image, "mask": mask}


def _raised(hand: Hand, rng: np.random.Generator) -> int | None:
    """A raised digit, seldom the thumb; None where none is raised."""
    up = [each for each in range(hand["digits"]) if hand["up"][each]]
    fingers = [each for each in up if each > 0] if rng.random() < 0.85 else up
    return int(rng.choice(fingers)) if fingers else None


def _at(hand: Hand, name: str, digit: int) -> Point:
    return np.asarray(hand[name][digit][:2], np.float64)


def _palm(hand: Hand) -> float:
    return float(np.hypot(*(np.asarray(hand["knuckle"]) - np.asarray(hand["wrist"]))))


def _inside(hand: Hand, point: Point) -> bool:
    height, width = hand["image"].shape[:2]
    return bool(2 <= point[0] < width - 2 and 2 <= point[1] < height - 2)


def _beside(point: Point, base: Point, tip: Point) -> float:
    """Distance of a point from the segment between base and tip."""
    along = tip - base
    share = float(np.clip((point - base) @ along / max(float(along @ along), 1e-9), 0, 1))
    return float(np.hypot(*(point - base - share * along)))


def _capsule(size: tuple[int, int], start: Point, end: Point, radius: float) -> NDArray[np.float32]:
    """1 inside a thick line with round ends, 0 outside, (h, w)."""
    drawn = np.zeros(size, np.float32)
    ends = [tuple(int(each) for each in np.rint(point * 16)) for point in (start, end)]
    cv2.line(drawn, ends[0], ends[1], 1.0, max(1, round(2 * radius)), cv2.LINE_8, 4)
    return drawn
