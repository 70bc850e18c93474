"""What each occupation wears on the body: one front-view texture for the torso, and a few modelled props."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from generators.studio.bust_face import mix
from generators.studio.bust_mesh import BODY_HIGH, BODY_LOW, BODY_WIDTH, on_chest
from generators.studio.bust_shapes import box, ellipsoid, merged, tube
from generators.studio.scene import Colour, Material, Part

PER_UNIT = 160  # drawing pixels; the texture is half as fine
WHITE: Colour = (0.93, 0.93, 0.92)
BLACK: Colour = (0.09, 0.09, 0.10)
NAVY: Colour = (0.07, 0.10, 0.24)
GOLD: Colour = (0.90, 0.68, 0.16)
SILVER: Colour = (0.80, 0.82, 0.84)
RED: Colour = (0.76, 0.12, 0.13)
LIME: Colour = (0.86, 0.93, 0.20)

Spot = tuple[float, float]


class Cloth:
    """A torso seen from the front, painted in world units (x, z); `both` mirrors a shape to the other side."""

    def __init__(self, main: Colour, skin: Colour) -> None:
        self.main, self.skin = main, skin
        size = (round(2 * BODY_WIDTH * PER_UNIT), round((BODY_HIGH - BODY_LOW) * PER_UNIT))
        self.canvas = Image.new("RGB", size, _byte(main))
        self.pen = ImageDraw.Draw(self.canvas)

    def fill(self, colour: Colour, *spots: Spot, both: bool = False) -> None:
        """A filled polygon."""
        for side in (1, -1) if both else (1,):
            self.pen.polygon([_pixel(side * x, z) for x, z in spots], fill=_byte(colour))

    def line(self, colour: Colour, width: float, *spots: Spot, both: bool = False) -> None:
        """A polyline, width in world units."""
        for side in (1, -1) if both else (1,):
            path = [_pixel(side * x, z) for x, z in spots]
            self.pen.line(path, fill=_byte(colour), width=max(1, round(width * PER_UNIT)), joint="curve")

    def dot(self, colour: Colour, radius: float, *spots: Spot, both: bool = False) -> None:
        """Filled discs."""
        for side in (1, -1) if both else (1,):
            for x, z in spots:
                (left, top), (right, bottom) = (
                    _pixel(side * x - radius, z + radius),
                    _pixel(side * x + radius, z - radius),
                )
                self.pen.ellipse((left, top, right, bottom), fill=_byte(colour))

    def texture(self) -> NDArray[np.uint8]:
        """(h, w, 3) uint8, top row = BODY_HIGH."""
        return np.asarray(self.canvas.reduce(2), dtype=np.uint8)


def paint_dress(occupation: str, main: Colour, skin: Colour) -> NDArray[np.uint8]:
    """The torso's texture for an occupation of PAINTERS, its chief colour and the wearer's skin."""
    cloth = Cloth(main, skin)
    PAINTERS[occupation](cloth)
    cloth.line(mix(cloth.main, (0.0, 0.0, 0.0), 0.35), 0.03, (1.12, -1.95), (1.08, -2.4), (1.1, -3.0), both=True)
    return cloth.texture()


def _pixel(x: float, z: float) -> Spot:
    return ((x + BODY_WIDTH) * PER_UNIT, (BODY_HIGH - z) * PER_UNIT)


def _byte(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(255 * min(max(value, 0.0), 1.0)) for value in colour)
    return (red, green, blue)


def _open_shirt(cloth: Cloth, shirt: Colour, depth: float, *, wide: float = 0.4) -> None:
    """A V of shirt down to `depth`, with a collar and a small V of skin."""
    cloth.fill(shirt, (-wide - 0.1, -1.0), (wide + 0.1, -1.0), (wide, -1.25), (0.0, depth), (-wide, -1.25))
    cloth.fill(cloth.skin, (-0.36, -1.0), (0.36, -1.0), (0.26, -1.24), (0.0, -1.52), (-0.26, -1.24))
    edge = mix(shirt, (0.0, 0.0, 0.0), 0.25)
    cloth.fill(shirt, (0.5, -1.08), (0.33, -1.1), (0.0, -1.5), (0.24, -1.66), (0.5, -1.3), both=True)
    cloth.line(edge, 0.02, (0.0, -1.5), (0.24, -1.66), (0.46, -1.34), both=True)


def _tie(cloth: Cloth, colour: Colour, shirt: Colour, depth: float) -> None:
    cloth.fill(shirt, (-0.5, -1.0), (0.5, -1.0), (0.4, -1.25), (0.0, depth), (-0.4, -1.25))
    cloth.fill(colour, (-0.1, -1.34), (0.1, -1.34), (0.07, -1.5), (0.14, depth), (-0.14, depth), (-0.07, -1.5))
    cloth.fill(shirt, (0.5, -1.05), (0.34, -1.08), (0.03, -1.36), (0.2, -1.56), (0.48, -1.28), both=True)
    cloth.line(mix(shirt, (0.0, 0.0, 0.0), 0.3), 0.02, (0.03, -1.36), (0.2, -1.56), (0.46, -1.3), both=True)


def _lapels(cloth: Cloth, depth: float) -> None:
    """Lapels in a shade of the main colour that meet at `depth`."""
    shade = mix(cloth.main, (0.0, 0.0, 0.0), 0.12) if sum(cloth.main) > 1.2 else mix(cloth.main, (1.0, 1.0, 1.0), 0.1)
    edge = mix(cloth.main, (0.0, 0.0, 0.0), 0.4)
    cloth.fill(shade, (0.46, -1.12), (0.6, -1.4), (0.74, -1.6), (0.56, -1.66), (0.0, depth), (0.36, -1.3), both=True)
    cloth.line(edge, 0.025, (0.46, -1.12), (0.74, -1.6), (0.56, -1.66), (0.0, depth), both=True)
    cloth.line(edge, 0.025, (0.0, depth), (0.0, -3.0))


def _doctor(cloth: Cloth) -> None:
    _open_shirt(cloth, (0.45, 0.66, 0.86), -2.3)
    _lapels(cloth, -2.3)
    cloth.fill((0.75, 0.76, 0.78), (0.5, -2.02), (0.95, -2.02), (0.95, -2.08), (0.5, -2.08))


def _nurse(cloth: Cloth) -> None:
    edge = mix(cloth.main, (1.0, 1.0, 1.0), 0.45)
    cloth.fill(edge, (-0.52, -1.0), (0.52, -1.0), (0.48, -1.25), (0.0, -1.88), (-0.48, -1.25))
    cloth.fill(cloth.skin, (-0.42, -1.0), (0.42, -1.0), (0.37, -1.25), (0.0, -1.74), (-0.37, -1.25))
    cloth.fill(WHITE, (0.4, -1.6), (0.8, -1.6), (0.8, -1.9), (0.4, -1.9))
    cloth.line(RED, 0.05, (0.6, -1.64), (0.6, -1.86))
    cloth.line(RED, 0.05, (0.49, -1.75), (0.71, -1.75))


def _engineer(cloth: Cloth) -> None:
    shirt: Colour = (0.24, 0.34, 0.50)
    cloth.fill(shirt, (1.15, -1.0), (1.8, -1.0), (1.8, -3.0), (1.2, -3.0), both=True)
    _open_shirt(cloth, shirt, -1.95)
    for width, colour in ((0.30, LIME), (0.14, SILVER)):
        cloth.line(colour, width, (0.72, -1.2), (0.72, -3.0), both=True)
    for width, colour in ((0.26, LIME), (0.12, SILVER)):
        cloth.line(colour, width, (-1.15, -2.15), (1.15, -2.15))
    cloth.line((0.25, 0.15, 0.08), 0.03, (0.0, -1.95), (0.0, -3.0))


def _chef(cloth: Cloth) -> None:
    grey = mix(cloth.main, (0.0, 0.0, 0.0), 0.28)
    cloth.line(grey, 0.03, (-0.15, -1.5), (-0.5, -1.8), (-0.5, -3.0))
    for x in (-0.33, 0.33):
        cloth.dot(BLACK, 0.065, *((x, z) for z in (-1.68, -1.93, -2.18)))
    cloth.fill(RED, (-0.55, -1.0), (0.55, -1.0), (0.5, -1.3), (0.12, -1.52), (-0.12, -1.52), (-0.5, -1.3))
    cloth.fill(mix(RED, BLACK, 0.25), (0.0, -1.4), (0.2, -1.78), (0.05, -1.74), (0.0, -1.6), both=True)


def _judge(cloth: Cloth) -> None:
    cloth.line((0.55, 0.08, 0.12), 0.2, (0.5, -1.1), (0.62, -1.6), (0.6, -3.0), both=True)
    cloth.fill(WHITE, (-0.52, -1.0), (0.52, -1.0), (0.45, -1.3), (0.0, -1.5), (-0.45, -1.3))
    cloth.fill(WHITE, (0.015, -1.42), (0.2, -1.36), (0.33, -2.0), (0.05, -2.04), both=True)
    cloth.line((0.6, 0.6, 0.62), 0.03, (0.0, -1.42), (0.0, -2.02))


def _farmer(cloth: Cloth) -> None:
    for k in range(-8, 9):
        cloth.line((0.86, 0.80, 0.76), 0.075, (k * 0.22, -1.0), (k * 0.22, -3.0))
        cloth.line((0.86, 0.80, 0.76), 0.075, (-1.8, -2.0 + k * 0.22), (1.8, -2.0 + k * 0.22))
        cloth.dot(WHITE, 0.05, *((k * 0.22, -2.0 + j * 0.22) for j in range(-4, 5)))
    blue = mix((0.14, 0.28, 0.62), cloth.main, 0.0)
    cloth.fill(cloth.skin, (-0.36, -1.0), (0.36, -1.0), (0.26, -1.24), (0.0, -1.5), (-0.26, -1.24))
    cloth.fill((0.62, 0.12, 0.13), (0.5, -1.08), (0.33, -1.1), (0.0, -1.5), (0.24, -1.62), (0.5, -1.3), both=True)
    cloth.line(blue, 0.24, (0.72, -1.1), (0.5, -1.9), both=True)
    cloth.fill(blue, (-0.66, -1.78), (0.66, -1.78), (0.74, -3.0), (-0.74, -3.0))
    cloth.line(mix(blue, WHITE, 0.35), 0.03, (-0.62, -1.83), (0.62, -1.83))
    cloth.dot(GOLD, 0.075, (0.53, -1.86), both=True)


def _teacher(cloth: Cloth) -> None:
    _open_shirt(cloth, WHITE, -2.15)
    band = mix(cloth.main, (0.0, 0.0, 0.0), 0.3)
    cloth.line(band, 0.11, (0.46, -1.1), (0.42, -1.4), (0.0, -2.18), both=True)
    cloth.line(band, 0.12, (0.0, -2.15), (0.0, -3.0))
    for k in range(-9, 10):
        if abs(k) > 3:
            cloth.line(mix(cloth.main, (0.0, 0.0, 0.0), 0.12), 0.03, (k * 0.17, -1.0), (k * 0.17, -3.0))


def _uniform_shoulders(cloth: Cloth, colour: Colour, bars: Colour) -> None:
    cloth.fill(colour, (0.72, -1.3), (0.86, -1.22), (1.36, -1.6), (1.24, -1.76), both=True)
    for k in range(3):
        x = 1.02 + 0.1 * k
        cloth.line(bars, 0.055, (x + 0.05, -1.3 - 0.09 * k), (x - 0.07, -1.62 - 0.06 * k), both=True)


def _pilot(cloth: Cloth) -> None:
    _tie(cloth, BLACK, WHITE, -2.1)
    _lapels(cloth, -2.15)
    _uniform_shoulders(cloth, NAVY, GOLD)
    cloth.fill(GOLD, (0.5, -1.86), (0.72, -1.82), (0.98, -1.84), (0.76, -1.93), (0.7, -1.96))
    cloth.dot(GOLD, 0.06, (0.16, -2.2), both=True)


def _police(cloth: Cloth) -> None:
    _tie(cloth, BLACK, mix(cloth.main, WHITE, 0.35), -3.0)
    _uniform_shoulders(cloth, NAVY, SILVER)
    edge = mix(cloth.main, (0.0, 0.0, 0.0), 0.4)
    cloth.line(edge, 0.025, (0.4, -1.9), (0.95, -1.9), (0.95, -2.0), (0.68, -2.07), (0.4, -2.0), (0.4, -1.9), both=True)
    star = [
        (0.62 + r * np.sin(a), -1.76 + r * np.cos(a))
        for a, r in zip(np.arange(12) * np.pi / 6, (0.17, 0.09) * 6, strict=True)
    ]
    cloth.fill(GOLD, *((float(x), float(z)) for x, z in star))
    cloth.fill(BLACK, (-0.95, -1.62), (-0.7, -1.62), (-0.7, -1.95), (-0.95, -1.95))


def _firefighter(cloth: Cloth) -> None:
    coat = mix(cloth.main, WHITE, 0.14)
    cloth.fill(coat, (-0.6, -1.0), (0.6, -1.0), (0.5, -1.42), (0.0, -1.6), (-0.5, -1.42))
    cloth.fill(cloth.skin, (-0.3, -1.0), (0.3, -1.0), (0.0, -1.34))
    for width, colour in ((0.30, LIME), (0.11, SILVER)):
        cloth.line(colour, width, (-1.8, -1.98), (1.8, -1.98))
        cloth.line(colour, width * 0.8, (0.82, -1.2), (0.82, -1.85), both=True)
    cloth.line(coat, 0.14, (0.0, -1.5), (0.0, -3.0))
    for z in (-1.7, -2.18):
        cloth.line(SILVER, 0.07, (-0.13, z), (0.13, z))


def _artist(cloth: Cloth) -> None:
    for k in range(12):
        cloth.line(NAVY, 0.075, (-1.8, -1.1 - 0.165 * k), (1.8, -1.1 - 0.165 * k))
    cloth.fill(cloth.skin, (-0.5, -1.0), (0.5, -1.0), (0.36, -1.28), (0.0, -1.36), (-0.36, -1.28))
    apron: Colour = (0.72, 0.62, 0.46)
    cloth.line(apron, 0.13, (0.62, -1.1), (0.42, -1.85), both=True)
    cloth.fill(apron, (-0.62, -1.72), (0.62, -1.72), (0.9, -3.0), (-0.9, -3.0))
    blots = (
        ((-0.35, -1.95), RED),
        ((0.2, -1.9), (0.1, 0.35, 0.8)),
        ((0.45, -2.12), GOLD),
        ((-0.05, -2.16), (0.15, 0.6, 0.3)),
    )
    for spot, colour in blots:
        cloth.dot(colour, 0.1, spot)
        cloth.dot(colour, 0.04, (spot[0] + 0.13, spot[1] - 0.05), (spot[0] - 0.09, spot[1] + 0.1))


def _office(cloth: Cloth) -> None:
    tie = RED if cloth.main[0] <= cloth.main[2] + 0.2 else (0.12, 0.28, 0.62)
    _tie(cloth, tie, WHITE, -2.2)
    _lapels(cloth, -2.2)
    cloth.fill(WHITE, (0.62, -1.86), (0.92, -1.8), (0.94, -1.88), (0.63, -1.94))


def _person(cloth: Cloth) -> None:
    cloth.fill(
        mix(cloth.main, (0.0, 0.0, 0.0), 0.25), (-0.6, -1.0), (0.6, -1.0), (0.46, -1.32), (0.0, -1.46), (-0.46, -1.32)
    )
    cloth.fill(cloth.skin, (-0.5, -1.0), (0.5, -1.0), (0.38, -1.26), (0.0, -1.38), (-0.38, -1.26))


PAINTERS: dict[str, Callable[[Cloth], None]] = {
    "doctor": _doctor,
    "nurse": _nurse,
    "engineer": _engineer,
    "chef": _chef,
    "judge": _judge,
    "farmer": _farmer,
    "teacher": _teacher,
    "pilot": _pilot,
    "police officer": _police,
    "firefighter": _firefighter,
    "artist": _artist,
    "office worker": _office,
    "person": _person,
}


@cache
def props(occupation: str) -> tuple[Part, ...]:
    """Modelled things on the chest: the stethoscope, epaulettes."""
    if occupation == "doctor":
        return _stethoscope()
    if occupation == "pilot":
        boards = merged(*(box((side * 1.02, 0.02, -1.42), (0.5, 0.3, 0.07)) for side in (-1, 1)))
        return (Part("prop", boards, Material(GOLD, roughness=0.4)),)
    return ()


def _stethoscope() -> tuple[Part, ...]:
    turn = np.linspace(-np.pi / 2, -np.pi * 1.5, 22)
    back = np.stack([0.5 * np.sin(turn), 0.14 - 0.5 * np.cos(turn), np.full(22, -1.2)], axis=1)
    down = np.linspace(0, 1, 14)
    left, right = (on_chest(side * (0.5 - 0.1 * np.sin(np.pi * down)), -1.34 - 0.5 * down, 0.07) for side in (-1, 1))
    loop = np.concatenate([left[::-1], back, right])
    disc = on_chest(0.5, -1.84, 0.1)
    tubes = tube(loop, 0.052)
    ends = merged(ellipsoid(disc, (0.15, 0.05, 0.15)), ellipsoid(on_chest(-0.5, -1.86, 0.08), (0.07, 0.05, 0.1)))
    return (
        Part("prop", tubes, Material((0.05, 0.05, 0.07), roughness=0.4)),
        Part("prop", ends, Material(SILVER, roughness=0.35)),
    )
