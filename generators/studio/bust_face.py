"""The painted face: skin, eyes, brows, lips, wrinkles, as one texture laid on the head from the front.

Paint stays crisp at any size, where modelled eyelids would need more triangles than the picture has pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from generators.studio.bust_mesh import CHIN_Z, EYE_X, EYE_Z, FACE_HIGH, FACE_LOW, FACE_WIDTH, MOUTH_Z, NOSE_Z
from generators.studio.bust_shapes import Array, ease
from generators.studio.scene import Colour

TEXELS = 224  # across the finished texture; drawn at twice that
SCALE = 2 * TEXELS / (2 * FACE_WIDTH)
ROWS = round((FACE_HIGH - FACE_LOW) * SCALE / 2) * 2

SHEEN = 0.02
"""Linear light a surface adds by reflecting the sky: taken off the skin's own colour, or dark tones come out grey."""


@dataclass(frozen=True, kw_only=True)
class FacePaint:
    """What is painted. skin, hair, iris: sRGB; smile, eye_size in 0..1; wrinkles 0 none, 1 middle-aged, 2 old."""

    skin: Colour
    hair: Colour
    iris: Colour
    woman: bool
    beard: bool
    smile: float
    wrinkles: int
    eye_size: float
    brow: float


def paint_face(paint: FacePaint) -> NDArray[np.uint8]:
    """The texture (h, w, 3) uint8, top row = FACE_HIGH."""
    canvas = Image.fromarray(_skin(paint)).resize((2 * TEXELS, ROWS), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(canvas)
    _wrinkles(pen, paint)
    _nose(pen, paint)
    _mouth(pen, paint)
    for side in (-1, 1):
        _eye(pen, paint, side)
        _brow(pen, paint, side)
    return np.asarray(canvas.reduce(2), dtype=np.uint8)


def mix(a: Colour, b: Colour, part: float) -> Colour:
    """part of b in a, in sRGB."""
    red, green, blue = ((1 - part) * x + part * y for x, y in zip(a, b, strict=True))
    return (red, green, blue)


def skin_albedo(tone: Colour) -> Colour:
    """The surface colour that looks like `tone` under neutral light, once the sky's reflection is added."""
    light = np.array([value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in tone])
    light = np.maximum(light - SHEEN, 0.35 * light)
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    red, green, blue = srgb.tolist()
    return (red, green, blue)


def lip_colour(paint: FacePaint) -> Colour:
    """Redder and deeper than the skin; stronger where presentation is a woman's."""
    return mix(paint.skin, (0.70, 0.20, 0.24) if paint.woman else (0.62, 0.28, 0.26), 0.62 if paint.woman else 0.45)


def _byte(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(255 * min(max(value, 0.0), 1.0)) for value in colour)
    return (red, green, blue)


def _at(points: Array) -> list[tuple[float, float]]:
    """Points (n, 2) of x, z to drawing pixels."""
    return [((x + FACE_WIDTH) * SCALE, (FACE_HIGH - z) * SCALE) for x, z in points.tolist()]


def _shape(pen: ImageDraw.ImageDraw, points: Array, colour: Colour) -> None:
    pen.polygon(_at(points), fill=_byte(colour))


def _stroke(pen: ImageDraw.ImageDraw, points: Array, colour: Colour, width: float) -> None:
    pen.line(_at(points), fill=_byte(colour), width=max(1, round(width * SCALE)), joint="curve")


def _disc(pen: ImageDraw.ImageDraw, x: float, z: float, radius: float, colour: Colour) -> None:
    (left, top), (right, bottom) = _at(np.array([(x - radius, z + radius), (x + radius, z - radius)]))
    pen.ellipse((left, top, right, bottom), fill=_byte(colour))


def _skin(paint: FacePaint) -> NDArray[np.uint8]:
    """Half-resolution skin with soft blush, eye shadow, and stubble under a beard."""
    x = (np.arange(TEXELS // 2) + 0.5) / (TEXELS // 2) * 2 * FACE_WIDTH - FACE_WIDTH
    rows = ROWS // 4
    z = FACE_HIGH - (np.arange(rows) + 0.5) / rows * (FACE_HIGH - FACE_LOW)
    x, z = np.abs(x)[None, :], z[:, None]

    def spot(at: tuple[float, float], wide: float, high: float) -> Array:
        soft: Array = np.exp(-(((x - at[0]) / wide) ** 2) - ((z - at[1]) / high) ** 2)
        return soft

    skin = np.array(paint.skin)
    colour = np.broadcast_to(skin, (rows, x.shape[1], 3))
    layers = [
        (spot((0.43, -0.27), 0.16, 0.12), mix(paint.skin, (0.80, 0.25, 0.22), 0.5), 0.35 if paint.woman else 0.18),
        (spot((EYE_X, EYE_Z + 0.05), 0.19, 0.13), 0.72 * skin, 0.4),
        (spot((0.0, NOSE_Z - 0.12), 0.13, 0.04), 0.75 * skin, 0.4),
        (spot((0.0, MOUTH_Z - 0.16), 0.13, 0.03), 0.75 * skin, 0.35),
    ]
    if paint.wrinkles:
        layers.append((spot((EYE_X, EYE_Z - 0.17), 0.15, 0.05), 0.7 * skin, 0.22 * paint.wrinkles))
    if paint.beard:
        edge = np.interp(x, (0.0, 0.2, 0.3, 0.45, 0.6, 0.72), (-0.7, -0.62, -0.52, -0.44, -0.3, 0.0))
        layers.append((ease(edge - z, -0.05, 0.08), paint.hair, 0.85))
    for weight, layer, strength in layers:
        colour = colour + strength * weight[..., None] * (np.asarray(layer) - colour)
    pixels: NDArray[np.uint8] = (np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels


def _eye(pen: ImageDraw.ImageDraw, paint: FacePaint, side: int) -> None:
    wide = 0.165 + 0.015 * paint.eye_size
    high = (0.075 + 0.03 * paint.eye_size) * (1.1 if paint.woman else 1.0) * (1 - 0.12 * paint.wrinkles)
    t = np.linspace(-1, 1, 21)
    tilt = 0.02 * t * (1 if paint.woman else 0.5)
    x = side * (EYE_X + wide * t)
    upper = EYE_Z + high * (1 - np.abs(t) ** 2.4) + tilt
    lower = EYE_Z - (0.75 - 0.12 * paint.smile) * high * (1 - np.abs(t) ** 2.2) + tilt
    lash: Colour = (0.07, 0.05, 0.05)
    crease = mix(paint.skin, (0.1, 0.05, 0.04), 0.42)
    _stroke(pen, np.stack([x, upper + 0.05], axis=1), crease, 0.016)
    outline = np.concatenate([np.stack([x, upper], axis=1), np.stack([x, lower], axis=1)[::-1]])
    _shape(pen, outline, (0.95, 0.94, 0.93))
    radius = 0.092
    centre = side * EYE_X
    _disc(pen, centre, EYE_Z + 0.012, radius, mix(paint.iris, (0.0, 0.0, 0.0), 0.45))
    _disc(pen, centre, EYE_Z + 0.012, radius * 0.8, paint.iris)
    _disc(pen, centre, EYE_Z + 0.012, radius * 0.5, (0.02, 0.02, 0.02))
    _disc(pen, centre - 0.032, EYE_Z + 0.047, 0.022, (1.0, 1.0, 1.0))
    # Skin over what the iris covers beyond the lids, then the lids themselves.
    shade = mix(paint.skin, (0.0, 0.0, 0.0), 0.16)
    _shape(
        pen,
        np.concatenate([np.stack([x, upper], axis=1), np.stack([x, upper * 0 + EYE_Z + high + 0.03], axis=1)[::-1]]),
        shade,
    )
    _shape(
        pen,
        np.concatenate([np.stack([x, lower], axis=1), np.stack([x, lower * 0 + EYE_Z - high - 0.03], axis=1)[::-1]]),
        shade,
    )
    _stroke(pen, np.stack([x, upper], axis=1), lash, 0.042 if paint.woman else 0.03)
    _stroke(pen, np.stack([x, lower], axis=1), mix(paint.skin, lash, 0.5), 0.014)
    if paint.woman:
        flick = np.array([(EYE_X + 0.9 * wide, EYE_Z + 0.02), (EYE_X + wide + 0.055, EYE_Z + 0.075)]) * (side, 1)
        _stroke(pen, flick, lash, 0.03)


def _brow(pen: ImageDraw.ImageDraw, paint: FacePaint, side: int) -> None:
    t = np.linspace(0, 1, 13)
    thick = (0.035 if paint.woman else 0.062) * (1 + 0.25 * paint.brow)
    base = 0.26 if paint.woman else 0.235
    x = side * (0.11 + 0.4 * t)
    z = base + (0.07 if paint.woman else 0.045) * np.sin(np.pi * (0.12 + 0.72 * t)) - 0.03 * t
    half = thick * (1 - 0.75 * t**2) / 1.5
    points = np.concatenate([np.stack([x, z + half], axis=1), np.stack([x, z - half], axis=1)[::-1]])
    # A brow as pale as the skin would vanish: it is always somewhat darker than both.
    _shape(pen, points, mix(mix(paint.hair, paint.skin, 0.15), (0.12, 0.08, 0.06), 0.45))


def _nose(pen: ImageDraw.ImageDraw, paint: FacePaint) -> None:
    dark = mix(paint.skin, (0.08, 0.03, 0.02), 0.62)
    for side in (-1, 1):
        t = np.linspace(0, 2 * np.pi, 14)
        nostril = np.stack([side * (0.075 + 0.04 * np.cos(t)), NOSE_Z - 0.065 + 0.02 * np.sin(t)], axis=1)
        _shape(pen, nostril, dark)
        wing = np.array([(0.15, -0.28), (0.185, -0.33), (0.165, -0.385)]) * (side, 1)
        _stroke(pen, wing, mix(paint.skin, dark, 0.45), 0.018)


def _mouth(pen: ImageDraw.ImageDraw, paint: FacePaint) -> None:
    smile, wide = paint.smile, 0.23 + 0.08 * paint.smile
    t = np.linspace(-1, 1, 33)
    x = wide * t
    line = MOUTH_Z + 0.015 + (0.09 * smile + 0.008) * (np.abs(t) ** 1.8) - 0.035 * smile
    full = (1.0 if paint.woman else 0.72) * (1 - 0.16 * paint.wrinkles)
    bow = 0.085 * full * (1 - np.abs(t) ** 1.7) * (1 - 0.25 * np.exp(-((t / 0.14) ** 2)))
    below = 0.11 * full * (1 - np.abs(t) ** 2.2)
    gap = max(0.0, smile - 0.35) * 0.14 * (1 - t**2)
    lips = lip_colour(paint)
    _shape(
        pen,
        np.concatenate([np.stack([x, line + bow], 1), np.stack([x, line - gap], 1)[::-1]]),
        mix(lips, (0, 0, 0), 0.12),
    )
    _shape(pen, np.concatenate([np.stack([x, line], 1), np.stack([x, line - gap - below], 1)[::-1]]), lips)
    if gap.max() > 0.01:
        _shape(pen, np.concatenate([np.stack([x, line], 1), np.stack([x, line - gap], 1)[::-1]]), (0.95, 0.94, 0.91))
    crease = mix(lips, (0.12, 0.02, 0.03), 0.7)
    _stroke(pen, np.stack([x, line], axis=1), crease, 0.02)
    if smile > 0.35:
        _stroke(pen, np.stack([x, line - gap], axis=1), crease, 0.012)
        for side in (-1, 1):
            dimple = np.array([(wide + 0.03, line[0] + 0.06), (wide + 0.06, line[0]), (wide + 0.035, line[0] - 0.06)])
            _stroke(pen, dimple * (side, 1), mix(paint.skin, (0.1, 0.04, 0.03), 0.35), 0.016)


def _wrinkles(pen: ImageDraw.ImageDraw, paint: FacePaint) -> None:
    """Forehead lines, crow's feet, folds from nose to mouth; lit on one side, so that dark skin shows them too."""
    if not paint.wrinkles:
        return
    strength = (0.0, 0.34, 0.55)[paint.wrinkles]
    dark, light = mix(paint.skin, (0.06, 0.02, 0.01), strength), mix(paint.skin, (1.0, 0.9, 0.82), 0.16 * strength)
    t = np.linspace(-1, 1, 15)
    lines = [np.stack([0.36 * t, z + 0.03 * np.cos(2.4 * t)], axis=1) for z in (0.42, 0.53, 0.64)[: 1 + paint.wrinkles]]
    for side in (-1, 1):
        fold = np.array([(0.19, -0.33), (0.27, -0.42), (0.345, -0.54), (0.36, -0.66)])
        lines.append(fold * (side, 1))
        if paint.wrinkles > 1:
            lines += [np.array([(0.52, 0.06 + 0.06 * k), (0.64, 0.05 + 0.12 * k)]) * (side, 1) for k in (-1, 0, 1)]
            lines.append(np.array([(0.17, -0.08), (0.28, -0.125), (0.4, -0.1)]) * (side, 1))
            lines.append(np.array([(0.26, -0.72), (0.29, -0.82), (0.26, CHIN_Z)]) * (side, 1))
    for line in lines:
        _stroke(pen, line - (0, 0.022), light, 0.02)
        _stroke(pen, line, dark, 0.022)
