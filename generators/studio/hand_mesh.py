"""Bones -> skin: a hand as the zero level of a signed distance field, its triangles and the colours of its vertices.

Source: rounded cones joined by the polynomial smooth minimum (Quilez 2013); marching cubes (Lewiner et al. 2003).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from generators.studio.hand_pose import Bone, Digit, Vector, knuckle, width
from generators.studio.scene import Colour, Floats, Mesh

CELL = 0.25  # centimetres; a pixel of a 128 x 128 picture is about 0.2
BLOOD: Colour = (0.80, 0.30, 0.26)
NAIL: Colour = (0.97, 0.80, 0.77)
PALE: Colour = (0.96, 0.76, 0.67)


class Grid:
    """A box of cells with a distance in each; `add` touches only the cells near what it adds."""

    def __init__(self, low: Vector, high: Vector) -> None:
        self.low = low
        counts = np.ceil((high - low) / CELL).astype(int) + 1
        self.axes = [(low[k] + CELL * np.arange(counts[k])).astype(np.float32) for k in range(3)]
        self.field = np.full(counts, 9.0, dtype=np.float32)

    def near(self, bones: Iterable[Bone], margin: float) -> tuple[slice, slice, slice]:
        """The cells within `margin` of the bones' boxes."""
        ends = [(p, max(b.radii)) for b in bones for p in (b.start, b.end)]
        low = np.min([p - r for p, r in ends], axis=0) - margin
        high = np.max([p + r for p, r in ends], axis=0) + margin
        first = np.clip(np.floor((low - self.low) / CELL).astype(int), 0, self.field.shape)
        last = np.clip(np.ceil((high - self.low) / CELL).astype(int) + 1, 0, self.field.shape)
        return (slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2]))

    def distance(self, bone: Bone, box: tuple[slice, slice, slice], flat: float = 1.0) -> Floats:
        """Distance from the cells of `box` to a rounded cone; flat > 1 squeezes it from front to back."""
        x, y, z = (axis[part] for axis, part in zip(self.axes, box, strict=True))
        return cone((x[:, None, None], y[None, :, None], z[None, None, :]), bone, flat)


def cone(at: Sequence[Floats], bone: Bone, flat: float = 1.0) -> Floats:
    """Distance to a rounded cone (exact for equal radii) at coordinates x, y, z that broadcast together."""
    scale = (1.0, flat, 1.0)
    px, py, pz = ((at[k] - np.float32(bone.start[k])) * np.float32(scale[k]) for k in range(3))
    bx, by, bz = (np.float32((bone.end[k] - bone.start[k]) * scale[k]) for k in range(3))
    length = bx * bx + by * by + bz * bz
    share = np.clip((px * bx + py * by + pz * bz) / np.maximum(length, np.float32(1e-9)), 0, 1)
    away = np.sqrt((px - share * bx) ** 2 + (py - share * by) ** 2 + (pz - share * bz) ** 2)
    distance: Floats = away - (np.float32(bone.radii[0]) + share * np.float32(bone.radii[1] - bone.radii[0]))
    return distance


def blend(a: Floats, b: Floats, k: float) -> Floats:
    """Smooth minimum: rounds the crease between two surfaces within k of one another. Source: Quilez 2013."""
    near = np.maximum(k - np.abs(a - b), 0)
    joined: Floats = np.minimum(a, b) - near * near * np.float32(0.25 / k)
    return joined


def skin(digits: Sequence[Digit], *, arm: float, tone: Colour) -> Mesh:
    """The hand's skin in centimetres, colours per vertex.

    Args:
        digits: posed, thumb first.
        arm: how far below the wrist the forearm reaches before it is cut off, centimetres.
        tone: the colour of the back of the hand, sRGB.
    """
    palm = _palm(digits, arm)
    everything = [*(bone for bone, _, _ in palm), *(bone for digit in digits for bone in digit.bones)]
    low = np.min([np.minimum(b.start, b.end) - max(b.radii) for b in everything], axis=0) - 0.5
    high = np.max([np.maximum(b.start, b.end) + max(b.radii) for b in everything], axis=0) + 0.5
    low[2] = -arm - 2 * CELL
    grid = Grid(low, high)
    for bone, k, flat in palm:
        box = grid.near([bone], k + 2 * CELL)
        grid.field[box] = blend(grid.field[box], grid.distance(bone, box, flat), k)
    bare = grid.field.copy()
    for digit in digits:
        box = grid.near(digit.bones, 1.2)
        grid.field[box] = np.minimum(grid.field[box], _digit(grid, digit, bare[box], box))
    grid.field[:, :, :2] = 1.0  # the cut through the forearm
    graze = np.abs(grid.field) < 0.03 * CELL  # a surface through a grid point makes triangles without area
    grid.field[graze] = 0.03 * CELL
    points, faces, inwards, _ = marching_cubes(grid.field, 0.0, spacing=(CELL, CELL, CELL))
    points = (points + grid.low).astype(np.float32)
    colours = _colours(points, -inwards.astype(np.float32), digits, tone)
    return Mesh(points, faces.astype(np.uint32), colours=colours)


def sleeve_mesh(folds: float) -> Mesh:
    """A cuff and a forearm's length of cloth below it, in centimetres; folds 0..1 shifts the wrinkles."""
    heights = np.array([-4.0, -2.3, -2.1, -2.1, -2.3, -4.0, -4.35, -4.6, -4.8, *np.linspace(-5.2, -17.0, 28)])
    reach = np.array([-0.55, -0.5, -0.35, 0.05, 0.2, 0.22, 0.2, 0.05, -0.05, *np.linspace(0.0, 1.0, 28)])
    turn = np.linspace(0, 2 * np.pi, 44, endpoint=False)
    below = np.clip(-heights - 4.8, 0, None)[:, None]
    phase = 2 * np.pi * folds
    wrinkle = 0.16 * np.minimum(below / 2, 1) * np.sin(1.5 * below + 1.3 * np.sin(turn + phase) + phase)
    wide = 3.75 + reach[:, None] + wrinkle
    deep = 2.75 + reach[:, None] + wrinkle
    points = np.stack(
        [wide * np.cos(turn), 0.1 + deep * np.sin(turn), np.broadcast_to(heights[:, None], wide.shape)], -1
    )
    rows, count = len(heights), len(turn)
    one = np.arange((rows - 1) * count).reshape(rows - 1, count)
    two = np.roll(one, -1, axis=1)
    quads = np.stack([one, two, two + count, one, two + count, one + count], -1).reshape(-1, 3)
    return Mesh(points.reshape(-1, 3).astype(np.float32), quads[:, ::-1].astype(np.uint32))


def _digit(grid: Grid, digit: Digit, palm: Floats, box: tuple[slice, slice, slice]) -> Floats:
    thumb = digit.slot.kind in ("thumb", "second thumb")
    field = blend(palm, grid.distance(digit.bones[0], box), 1.3 if thumb else 0.55)
    for bone in digit.bones[1:]:
        field = blend(field, grid.distance(bone, box), 0.16)
    for bone in digit.bones[1:]:  # joints are a little thicker than the bones between them
        swell = Bone(bone.start + 0.1 * bone.dorsal, bone.start, (bone.radii[0] * 0.96,) * 2, bone.dorsal)
        field = blend(field, grid.distance(swell, box), 0.2)
    last = digit.bones[-1]
    middle = 0.35 * last.start + 0.65 * last.end - 0.12 * last.dorsal
    pad = Bone(middle, last.end - 0.05 * last.dorsal, (last.radii[1] * 1.06, last.radii[1] * 0.96), last.dorsal)
    return blend(field, grid.distance(pad, box), 0.2)


def _palm(digits: Sequence[Digit], arm: float) -> list[tuple[Bone, float, float]]:
    """(bone, blend, flatness) of everything that is not a digit: forearm, metacarpals, pads and webs."""
    back = np.array([0.0, 1.0, 0.0])

    def bone(start: Iterable[float], end: Iterable[float], r0: float, r1: float) -> Bone:
        return Bone(np.array(list(start)), np.array(list(end)), (r0, r1), back)

    wide = width(tuple(digit.slot for digit in digits))
    fingers = [digit for digit in digits if digit.slot.kind == "finger"]
    places = sorted({digit.slot.row for digit in fingers} | {0.0, 1.0, 2.0, 3.0})
    bases = [knuckle(place, wide) for place in places]
    parts = [
        (bone((0.95, 0.1, 1.5), (1.35, 0.1, -arm - 3), 1.75, 1.95 + 0.05 * arm), 0.6, 1.12),
        (bone((-0.95, 0.1, 1.5), (-1.35, 0.1, -arm - 3), 1.75, 1.95 + 0.05 * arm), 0.6, 1.12),
    ]
    for base in bases:
        root = (0.42 * base[0] + 0.05, 0.05, 1.6)
        parts.append((bone(root, base - (0, 0.05, 0.3), 1.55, 1.2), 0.8, 1.2))
    for one, two in pairwise(bases):
        parts.append((bone(one - (0, 0.45, 0.2), two - (0, 0.45, 0.2), 0.8, 0.8), 0.6, 1.0))
    for digit in fingers:
        base = digit.bones[0].start
        parts.append((bone(base - (0, -0.32, 0.2), base - (0, -0.3, -0.25), 0.82, 0.8), 0.5, 1.0))
    for left, right in pairwise(digit.bones[0] for digit in fingers):
        ahead = sum((b.end - b.start) / np.linalg.norm(b.end - b.start) for b in (left, right)) / 2
        web = (left.start + right.start) / 2
        near = 1.0 if abs(left.start[0] - right.start[0]) < 3.4 else 0.55
        parts.append((bone(web, web + (0, -0.15, 0) + 1.45 * near * ahead, 0.8, 0.55 / near), 0.6, 1.0))
    parts.append((bone((-2.0, -0.55, 1.9), (-2.75 * wide, -0.35, 5.4), 1.3, 1.15), 0.9, 1.0))  # below the little finger
    first = digits[0].bones[0]
    ball = 0.45 * first.start + 0.55 * first.end
    parts.append((bone(first.start * (0.9, 1, 1), ball, 1.5, 1.35), 1.0, 1.0))  # ball of the thumb
    parts.append((bone(ball - (0.5, -0.3, -0.4), bases[0] - (0.1, 0.1, 2.4), 1.0, 0.95), 1.2, 1.0))  # its web
    for digit in digits:
        if digit.slot.kind == "small":
            parts.append((bone((-2.2, -0.2, 3.6), digit.bones[0].start, 1.2, 0.8), 0.8, 1.1))
    return parts


def _colours(points: Floats, normals: Floats, digits: Sequence[Digit], tone: Colour) -> Floats:
    swatch = np.array(tone, dtype=np.float32)
    base = swatch + 0.05 * (np.array(BLOOD, dtype=np.float32) - swatch)  # light that passed through flesh
    at = [points[:, k] for k in range(3)]
    bones = [
        (d, k, bone)
        for d, digit in enumerate(digits)
        for k, bone in enumerate(digit.bones)
        if k or digit.slot.kind != "fork"  # a fork's first bone is its host's
    ]
    far = np.stack([cone(at, bone) for _, _, bone in bones])
    nearest = np.where(far.min(axis=0) < 0.3, far.argmin(axis=0), len(bones))
    backs = np.array([*(bone.dorsal for _, _, bone in bones), (0.0, 1.0, 0.0)], dtype=np.float32)
    weight = np.exp(-4.0 * np.clip(np.concatenate([far, np.full_like(far[:1], 0.25)]) - far.min(axis=0), 0, 9))
    facing = ((backs @ normals.T) * weight).sum(axis=0) / weight.sum(axis=0)  # 1 = back of a digit, -1 = palm side
    lightness = float(base.mean())
    palmar = _ramp(-facing, -0.1, 0.7)[:, None] * 0.30
    colours: Floats = base + palmar * (np.array(PALE, dtype=np.float32) - base)
    shade = np.ones(len(points), dtype=np.float32)
    flush = np.zeros(len(points), dtype=np.float32)
    nail = np.zeros(len(points), dtype=np.float32)
    for index, (_, k, bone) in enumerate(bones):
        mine = np.flatnonzero(nearest == index)
        local = points[mine] - bone.start.astype(np.float32)
        along = bone.end - bone.start
        length = float(np.linalg.norm(along))
        axis = (along / length).astype(np.float32)
        up = local @ axis
        if k:  # folds of the skin across the joint, deeper on the palm side
            fold = np.exp(-((up / 0.2) ** 2))
            shade[mine] *= 1 - fold * np.where(facing[mine] < 0, 0.16, 0.08)
            flush[mine] += 0.10 * np.exp(-((up / 0.7) ** 2)) * (facing[mine] > 0)
        if k == len(digits[0].bones) - 1:
            side = np.abs(local @ np.cross(axis, bone.dorsal).astype(np.float32)) / bone.radii[1]
            reach = _ramp(up, 0.28 * length, 0.42 * length)
            nail[mine] = reach * _ramp(-side, -0.8, -0.6) * _ramp(facing[mine], 0.3, 0.55)
            flush[mine] += 0.14 * _ramp(up, 0.2 * length, length) * (facing[mine] < 0.2)
    digit_of = np.array([d for d, _, _ in bones])
    by_digit = np.stack([far[digit_of == d].min(axis=0) for d in range(len(digits))])
    second = np.partition(by_digit, 1, axis=0)[1]
    shade *= 1 - 0.30 * np.exp(-((np.maximum(second, 0) / 0.22) ** 2)) * (by_digit.min(axis=0) < 0.12)
    shade *= 1 - 0.15 * _lines(points) * (nearest == len(bones)) * (normals[:, 1] < -0.2)
    flush_to = base * (1 - 0.35) + 0.35 * np.array(BLOOD, dtype=np.float32)
    colours = colours + np.minimum(flush, 0.3)[:, None] * (flush_to - colours) * 1.6
    nail_tint = base + (0.30 + 0.15 * (1 - lightness)) * (np.array(NAIL, dtype=np.float32) - base)
    colours = colours * shade[:, None] ** np.array([0.75, 1.1, 1.2], dtype=np.float32)  # thin skin folds look red
    colours = colours + nail[:, None] * (nail_tint - colours)
    return np.clip(colours, 0, 1).astype(np.float32)


def _ramp(values: NDArray[np.floating[Any]], low: float, high: float) -> Floats:
    share = np.clip((values - low) / (high - low), 0, 1)
    smooth: Floats = (share * share * (3 - 2 * share)).astype(np.float32)
    return smooth


def _lines(points: Floats) -> Floats:
    """0..1: nearness to the heart, head and life lines of the palm (x, z in centimetres)."""
    x, z = points[:, 0], points[:, 2]
    heart = np.where((x > -3.9) & (x < 1.5), z - (6.4 + 0.06 * (x + 3.6) ** 2), 9)
    head = np.where((x > -2.4) & (x < 3.4), z - (5.9 + 0.28 * x), 9)
    life = np.where(
        (z > 1.6) & (z < 6.9), x - (3.2 - 3.1 * np.sqrt(np.clip(1 - ((z - 2.6) / 4.4) ** 2, 0, 1)) * 0.85), 9
    )
    near: Floats = np.exp(-((np.min(np.abs([heart, head, life]), axis=0) / 0.17) ** 2)).astype(np.float32)
    return near
