"""Textures of the faces that strings are written on: board colour, border, text, and the figures below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from generators.studio import lettering
from generators.studio.palette import COLOURS
from generators.studio.scene import Attributes, Colour, Floats

Pixels = NDArray[np.uint8]
FACE = 300  # texture pixels across a board one unit wide


@dataclass(frozen=True)
class Lettered:
    """A texture with text on it, and where: box is left, top, right, bottom of its ink, as shares of both sides."""

    pixels: Pixels
    box: tuple[float, float, float, float]


def lettered(
    facts: Attributes,
    width: float,
    height: float,
    middle: tuple[float, float],
    room: tuple[float, float],
    *,
    border: float,
    border_colour: Colour | None = None,
) -> Lettered:
    """A board's texture: its colour, its border, its text as large as the room allows.

    Args:
        width, height: of the board, in world units.
        middle: of the text, from the left and from the top, in shares of the board.
        room: largest width and height of the text, in shares of the board.
        border: thickness in world units, inset from the edge; 0 draws none.
    """
    columns, rows = round(FACE * width), round(FACE * height)
    board, ink_colour = np.array(colour_of(facts, "board_colour")), np.array(colour_of(facts, "text_colour"))
    page = np.broadcast_to(board, (rows, columns, 3)).copy()
    if border:
        inner, outer = round(FACE * border * 1.8), round(FACE * border * 0.8)
        line = np.array(border_colour) if border_colour is not None else ink_colour
        page[outer : rows - outer, outer : columns - outer] = line
        page[inner : rows - inner, inner : columns - inner] = board
    aspect = room[0] * width / (room[1] * height)
    breaks = lettering.broken(facts["text"], facts["font"], aspect)
    across, down = round(room[0] * columns), round(room[1] * rows)
    asked, ink = lettering.drawn(facts["text"], facts["font"], breaks), _ink(facts, breaks)
    # A letter left out must not make the others grow: that would plant two defects at once.
    taller = min(lettering.enlargement(each, across, down) for each in (asked, ink))
    ink = lettering.fitted(ink, across, taller)
    tall, wide = ink.shape
    top, left = round(middle[1] * rows - tall / 2), round(middle[0] * columns - wide / 2)
    region = page[top : top + tall, left : left + wide]
    region += ink[..., None] * (ink_colour - region)
    return Lettered(to_pixels(page), (left / columns, top / rows, (left + wide) / columns, (top + tall) / rows))


def _ink(facts: Attributes, breaks: list[int]) -> Floats:
    spoilt = zip(facts["malformed_at"], facts["malformed_how"], facts["malformed_seed"], strict=True)
    return lettering.drawn(facts["drawn"], facts["font"], breaks, {at: (how, seed) for at, how, seed in spoilt})


def board_height(facts: Attributes, room: float, low: float, high: float) -> float:
    """A height that the asked text fills well: about 1.6 times its own, kept between two bounds."""
    breaks = lettering.broken(facts["text"], facts["font"], room / (high * 0.7))
    words, start, widest = facts["text"].split(), 0, 0.0
    for count in breaks:
        widest = max(widest, lettering.line_width(" ".join(words[start : start + count]), facts["font"]))
        start += count
    cap = room / max(widest * 0.85, 1e-6)
    return float(np.clip(1.55 * cap * (1 + lettering.LEADING * (len(breaks) - 1)), low, high))


def with_emblem(page: Pixels, colour: Colour, chance: float, middle: tuple[float, float], size: float) -> Pixels:
    """A plain figure on a cover: a disc, a ring, a diamond or a band."""
    canvas = Image.fromarray(page)
    draw, fill = ImageDraw.Draw(canvas), tuple(round(255 * c) for c in colour)
    x, y, r = canvas.width * middle[0], canvas.height * middle[1], canvas.width * size
    if chance < 0.3:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif chance < 0.5:
        draw.ellipse((x - r, y - r, x + r, y + r), outline=fill, width=round(r / 3))
    elif chance < 0.75:
        draw.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], fill=fill)
    else:
        draw.rectangle((0, y - r / 2, canvas.width, y + r / 2), fill=fill)
    return np.array(canvas)


def with_artwork(page: Pixels, colour: Colour, other: Colour, chance: float) -> Pixels:
    """A poster's picture in its lower part: hills under a sun, or stripes, or a plain figure."""
    canvas = Image.fromarray(page)
    draw, width, height = ImageDraw.Draw(canvas), canvas.width, canvas.height
    one, two = (tuple(round(255 * c) for c in shade) for shade in (colour, other))
    if chance < 0.35:
        draw.ellipse((width * 0.6, height * 0.58, width * 0.82, height * 0.58 + width * 0.22), fill=one)
        draw.ellipse((-width * 0.2, height * 0.75, width * 0.7, height * 1.5), fill=two)
        draw.ellipse((width * 0.35, height * 0.8, width * 1.3, height * 1.6), fill=one)
    elif chance < 0.65:
        for k in range(3):
            draw.rectangle(
                (0, height * (0.66 + 0.11 * k), width, height * (0.71 + 0.11 * k)), fill=two if k % 2 else one
            )
    else:
        return with_emblem(page, other, (chance - 0.65) / 0.35 * 0.74, (0.5, 0.77), 0.17)
    return np.array(canvas)


def colour_of(facts: Attributes, key: str) -> Colour:
    """The sRGB colour that an attribute names."""
    return COLOURS[facts[key]]


def to_pixels(page: NDArray[Any]) -> Pixels:
    """sRGB 0..1 to 0..255."""
    pixels: Pixels = (np.clip(page, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels
