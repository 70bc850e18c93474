"""The six things a string is written on, as geometry in front of x = z = 0, their written face towards negative y."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from generators.studio.boards import Lettered, board_height, colour_of, lettered, to_pixels, with_artwork, with_emblem
from generators.studio.palette import COLOURS, from_hex
from generators.studio.scene import Attributes, Colour, Floats, Material, Mesh, Part
from generators.studio.solids import disc, joined, quad, turned

MUG_SPAN = 48.0  # degrees either side of the middle that the text on a mug may reach
WOODS = (from_hex("8a5a34"), from_hex("c19a6b"), from_hex("5b4030"), from_hex("d9d2c5"), from_hex("9a9a98"))
STONE = (from_hex("9b968e"), from_hex("8c8c90"), from_hex("b3aa9a"), from_hex("7f857f"))


@dataclass(frozen=True)
class Carrier:
    """What one carrier adds to a scene.

    Attributes:
        quad: corners (4, 3) of the text's bounding box: top-left, top-right, bottom-right, bottom-left as seen.
        frame: points (n, 3) that the picture must hold; their width is what `scale` measures.
        height: where the frame's middle belongs in the picture, -1 (bottom) .. 1 (top).
        fov: of the camera that looks at it, degrees; a long lens lets one see the inside of a mug, the pages of a book.
    """

    parts: tuple[Part, ...]
    quad: Floats
    frame: Floats
    height: float = 0.0
    fov: float = 30.0


def carrier(facts: Attributes, chance: NDArray[np.float64]) -> Carrier:
    """The carrier that `facts` asks for; `chance` (8,) in 0..1 settles what the caption does not mention."""
    makers = {
        "street sign": street_sign,
        "shopfront": shopfront,
        "number plate": number_plate,
        "mug": mug,
        "book": book,
        "poster": poster,
    }
    return makers[facts["carrier"]](facts, chance)


def street_sign(facts: Attributes, chance: NDArray[np.float64]) -> Carrier:
    """A bordered board on one or two poles, a wall and pavement behind."""
    height = board_height(facts, 0.86, 0.24, 0.56)
    face = lettered(facts, 1.0, height, (0.5, 0.5), (0.86, 0.66), border=0.022 if chance[0] < 0.75 else 0.0)
    board, text = flat(face, 1.0, height, 0.0, 0.0)
    steel = Material(from_hex("8f9498"), roughness=0.4, metallic=0.3)
    at = (-0.3, 0.3) if chance[1] < 0.4 else (0.0,)
    poles = [slab(x - 0.03, x + 0.03, 0.035, 0.095, -1.4, height / 2 + 0.08 * chance[2]) for x in at]
    parts = (
        Part("sign", board, Material(texture=face.pixels, roughness=0.5)),
        Part("board", slab(-0.5, 0.5, 0.004, 0.03, -height / 2, height / 2), steel),
        Part("pole", joined(*poles), steel),
        *_room(facts["background"], chance[3:6], wall=0.8, floor=-1.1, ground=STONE),
    )
    return Carrier(parts, text, board.vertices)


def shopfront(facts: Attributes, chance: NDArray[np.float64]) -> Carrier:
    """A fascia board over a striped awning, a shop window and a door, in a facade."""
    height = board_height(facts, 0.88, 0.26, 0.44)
    face = lettered(facts, 1.0, height, (0.5, 0.5), (0.88, 0.7), border=0.02 if chance[0] < 0.5 else 0.0)
    board, text = flat(face, 1.0, height, -0.06, 0.0)
    low = -height / 2
    stripe = (np.array(COLOURS["white"]), np.array(list(COLOURS.values())[int(chance[1] * 7)]))
    stripes = np.repeat(np.array([stripe[i % 2] for i in range(11)])[None], 2, axis=0).repeat(16, axis=1)
    out, drop = 0.14 + 0.08 * chance[2], 0.13
    awning = quad([(-0.5, -out, low - drop), (0.5, -out, low - drop), (0.5, -0.02, low), (-0.5, -0.02, low)])
    valance = quad(
        [
            (-0.5, -out, low - drop - 0.06),
            (0.5, -out, low - drop - 0.06),
            (0.5, -out, low - drop),
            (-0.5, -out, low - drop),
        ]
    )
    side = 1.0 if chance[3] < 0.5 else -1.0
    glass, frame = Material(from_hex("7fa3b5"), roughness=0.15), Material(COLOURS["white"])
    door = Material(list(COLOURS.values())[int(chance[4] * 9)], roughness=0.5)
    parts = (
        Part("sign", board, Material(texture=face.pixels, roughness=0.5)),
        Part("board", slab(-0.5, 0.5, -0.056, 0.0, low, -low), Material(colour_of(facts, "board_colour"))),
        Part("awning", awning, Material(texture=to_pixels(stripes))),
        Part("awning", valance, Material(texture=to_pixels(stripes))),
        Part("window", _between(side * -0.46, side * 0.14, -0.02, 0.0, -0.78, low - 0.02), frame),
        Part("window", _between(side * -0.43, side * -0.17, -0.03, 0.0, -0.74, low - 0.05), glass),
        Part("window", _between(side * -0.14, side * 0.11, -0.03, 0.0, -0.74, low - 0.05), glass),
        Part("door", _between(side * 0.2, side * 0.45, -0.02, 0.0, -0.95, low - 0.03), door),
        Part("door", _between(side * 0.25, side * 0.4, -0.03, 0.0, -0.55, low - 0.12), glass),
        *_room(facts["background"], chance[5:8], wall=0.0, floor=-0.95, ground=STONE),
    )
    return Carrier(parts, text, board.vertices, height=0.46)


def number_plate(facts: Attributes, chance: NDArray[np.float64]) -> Carrier:
    """A dark-bordered plate on the back of a car of the background's colour."""
    height = board_height(facts, 0.92, 0.22, 0.36)
    face = lettered(facts, 1.0, height, (0.5, 0.5), (0.92, 0.74), border=0.018, border_colour=COLOURS["black"])
    plate, text = flat(face, 1.0, height, -0.012, 0.0)
    body = Material(colour_of(facts, "background"), roughness=0.3)
    top = height / 2 + 0.06
    tail = [(0.4, top + 0.27), (0.05, top + 0.22), (0.0, top + 0.05), (0.0, -top)]
    pane = [(1.1, top + 0.85), (0.4, top + 0.27)]
    chin = [(0.0, -top), (-0.1, -top - 0.03), (-0.13, -top - 0.12), (-0.1, -top - 0.24), (0.0, -top - 0.28)]
    dark = Material(from_hex("2b2b2e"), roughness=0.7)
    glow = Material(from_hex("b3161b"), roughness=0.2)
    glass = Material(from_hex("3c4a55"), roughness=0.1)
    lamp = 0.1 + 0.06 * chance[0]
    strip = slab(-0.55, 0.55, -0.03, 0.0, top - 0.015, top + 0.03)
    parts = (
        Part("sign", plate, Material(texture=face.pixels, roughness=0.4)),
        Part("board", slab(-0.5, 0.5, -0.01, 0.0, -height / 2, height / 2), dark),
        Part("car", _extruded(tail, 1.3), body),
        Part("car", _extruded(chin, 1.3), body if chance[1] < 0.7 else dark),
        Part("window", _extruded(pane, 1.1), glass),
        Part("strip", strip, Material(from_hex("c8ccd0"), roughness=0.3) if chance[2] < 0.6 else body),
        Part("lamps", slab(-1.2, lamp - 0.5, -0.02, 0.04, top + 0.06, top + 0.06 + lamp), glow),
        Part("lamps", slab(0.5 - lamp, 1.2, -0.02, 0.04, top + 0.06, top + 0.06 + lamp), glow),
        Part("underside", slab(-1.3, 1.3, 0.0, 0.3, -top - 0.5, -top - 0.26), dark),
        *_room("grey", chance[3:6], wall=2.5, floor=-top - 0.5, ground=STONE),
    )
    return Carrier(parts, text, plate.vertices)


def mug(facts: Attributes, chance: NDArray[np.float64]) -> Carrier:
    """A mug with a handle, the text wrapped around the side one sees, on a table in front of a wall."""
    radius, height = 0.5, 0.92 + 0.12 * chance[0]
    across = np.pi * radius  # the front half, unrolled
    side = 1.0 if chance[1] < 0.5 else -1.0
    half = MUG_SPAN / 90.0
    face = lettered(facts, across, height, (0.5, 0.5 - 0.04 * chance[2]), (half, 0.6), border=0.0)
    front = _half_tube(radius, height, front=True)
    colour = Material(colour_of(facts, "board_colour"), roughness=0.3)
    glaze = Material(COLOURS["white"] if chance[7] < 0.6 else from_hex("cfc3ae"), roughness=0.3)
    left, up, right, low = face.box
    text = np.array([_on_mug(x, y, radius, height) for x, y in ((left, up), (right, up), (right, low), (left, low))])
    inside = turned([(radius - 0.035, height), (radius - 0.035, 0.05)], 40)
    rim = turned([(radius, height), (radius - 0.018, height + 0.012), (radius - 0.035, height)], 40)
    handle = _handle(radius, height, side * (0.1 + 0.3 * chance[3]), side)
    parts = (
        Part("sign", front, Material(texture=face.pixels, roughness=0.3)),
        Part("mug", _half_tube(radius, height, front=False), colour),
        Part("mug", rim, colour),
        Part("inside", inside, glaze),
        Part("mug", handle, colour),
        Part("coffee", disc(radius - 0.03, height - 0.07, 40, up=True), Material(from_hex("4a2c18"), roughness=0.2)),
        *_room(facts["background"], chance[4:7], wall=1.6, floor=0.0, ground=WOODS),
    )
    return Carrier(parts, text.astype(np.float32), np.concatenate([front.vertices, handle.vertices]), fov=22.0)


def book(facts: Attributes, chance: NDArray[np.float64]) -> Carrier:
    """A bound book standing on a table, or lying on it: its title in the upper half of the cover, an emblem below."""
    width = 0.8 + 0.1 * chance[0]
    height, thick = 1.0, 0.17 + 0.08 * chance[1]
    face = lettered(facts, width, height, (0.53, 0.32), (0.8, 0.4), border=0.02 if chance[2] < 0.5 else 0.0)
    face = replace(
        face, pixels=with_emblem(face.pixels, colour_of(facts, "text_colour"), chance[3], (0.535, 0.76), 0.12)
    )
    cover, text = flat(face, width, height, 0.0, height / 2)
    colour = Material(colour_of(facts, "board_colour"), roughness=0.5)
    paper = Material(from_hex("efe8d8"), roughness=0.9)
    w = width / 2
    hinge = round(0.055 * face.pixels.shape[1])
    groove = slice(hinge, hinge + 4)
    face.pixels[:, groove] = (face.pixels[:, groove] * 0.6).astype(np.uint8)
    solids = (
        Part("sign", cover, Material(texture=face.pixels, roughness=0.5)),
        Part("book", slab(-w, w, 0.004, 0.022, 0.0, height), colour),
        Part("book", slab(-w, w, thick - 0.02, thick, 0.0, height), colour),
        Part("book", slab(-w, -w + 0.02, 0.01, thick - 0.01, 0.0, height), colour),
        Part("pages", slab(-w + 0.02, w - 0.025, 0.02, thick - 0.02, 0.02, height - 0.02), paper),
    )
    if not facts["lying"]:
        around = _room(facts["background"], chance[4:7], wall=0.9, floor=0.0, ground=WOODS)
        return Carrier((*solids, *around), text, cover.vertices, fov=22.0)
    laid = tuple(replace(part, mesh=replace(part.mesh, vertices=lie(part.mesh.vertices))) for part in solids)
    table = Part("wall", _between(-6, 6, -6, 6, -thick - 0.05, -thick), _surface(facts["background"], chance[4:7]))
    return Carrier((*laid, table), lie(text), lie(cover.vertices), fov=22.0)


def poster(facts: Attributes, chance: NDArray[np.float64]) -> Carrier:
    """A sheet on a wall, framed or pinned: the text above a plain picture."""
    width, height = 1.0, 0.9 + 0.15 * chance[0]
    face = lettered(facts, width, height, (0.5, 0.32), (0.9, 0.42), border=0.02 if chance[1] < 0.4 else 0.0)
    other = list(COLOURS.values())[int(chance[2] * 8)]
    face = replace(face, pixels=with_artwork(face.pixels, colour_of(facts, "text_colour"), other, chance[3]))
    sheet, text = flat(face, width, height, -0.02, 0.0)
    x, z = width / 2, height / 2
    if chance[3] < 0.5:
        bars = [(-x, x, z - 0.015, z + 0.03), (-x, x, -z - 0.03, -z + 0.015)]
        bars += [(-x - 0.03, -x + 0.015, -z - 0.03, z + 0.03), (x - 0.015, x + 0.03, -z - 0.03, z + 0.03)]
        rim = joined(*(slab(a, b, -0.045, 0.0, c, d) for a, b, c, d in bars))
        extra = Part("frame", rim, Material(WOODS[int(chance[4] * 5)] if chance[4] < 0.7 else COLOURS["black"]))
    else:
        pins = [
            slab(a - 0.02, a + 0.02, -0.05, 0.0, b - 0.02, b + 0.02) for a in (-x + 0.05, x - 0.05) for b in (z - 0.05,)
        ]
        extra = Part("pins", joined(*pins), Material(COLOURS["red"], roughness=0.3))
    parts = (
        Part("sign", sheet, Material(texture=face.pixels, roughness=0.8)),
        Part("board", slab(-x, x, -0.016, 0.0, -z, z), Material(COLOURS["white"])),
        extra,
        *_room(facts["background"], chance[5:8], wall=0.0, floor=-1.3, ground=WOODS),
    )
    return Carrier(parts, text, sheet.vertices)


def flat(face: Lettered, width: float, height: float, y: float, z: float) -> tuple[Mesh, Floats]:
    """An upright board centred on (0, y, z) and the text's four corners on it, top-left first, clockwise."""
    x, bottom, top = width / 2, z - height / 2, z + height / 2
    board = quad([(-x, y, bottom), (x, y, bottom), (x, y, top), (-x, y, top)])
    left, up, right, low = face.box
    corners = [(a * width - x, y, top - b * height) for a, b in ((left, up), (right, up), (right, low), (left, low))]
    return board, np.array(corners, dtype=np.float32)


def slab(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> Mesh:
    """An axis-aligned box between two corners, with sharp edges."""
    vertices = np.array([(x, y, z) for x in (x0, x1) for y in (y0, y1) for z in (z0, z1)], dtype=np.float32)
    sides = [(0, 4, 5, 1), (4, 6, 7, 5), (6, 2, 3, 7), (2, 0, 1, 3), (1, 5, 7, 3), (0, 2, 6, 4)]
    faces = [triangle for a, b, c, d in sides for triangle in ((a, b, c), (a, c, d))]
    return Mesh(vertices, np.array(faces, dtype=np.uint32), smooth=False)


def lie(points: ArrayLike) -> Floats:
    """Points (n, 3) of an upright thing laid on its back: what faced negative y faces up."""
    x, y, z = np.asarray(points, dtype=np.float32).T
    return np.stack([x, z, -y], axis=1)


def _surface(colour: str, chance: NDArray[np.float64]) -> Material:
    """A wall's material: plain, shaded, boarded or bricked, chosen by the first of three chances."""
    base = np.array(COLOURS[colour])
    rows, columns = np.mgrid[0:64, 0:64]
    if chance[0] < 0.45:
        return Material((float(base[0]), float(base[1]), float(base[2])), roughness=0.9)
    if chance[0] < 0.6:
        shade = 0.75 + 0.3 * rows / 63
    elif chance[0] < 0.75:
        shade = np.where(columns % 16 < 1, 0.72, 1.0) * (1 - 0.06 * ((columns // 16) % 2))
    else:
        row = rows // 8
        shade = np.where(
            (rows % 8 < 1) | ((columns + 8 * (row % 2)) % 16 < 1), 0.78, 1 - 0.05 * ((row + columns // 16) % 3)
        )
    page = np.clip(base * shade[..., None], 0, 1)
    return Material(texture=to_pixels(page), roughness=0.9)


def _room(
    background: str, chance: NDArray[np.float64], *, wall: float, floor: float, ground: tuple[Colour, ...]
) -> tuple[Part, Part]:
    """A wall across y = wall and a floor at z = floor, both far wider than the picture."""
    reach = 8.0
    material = _surface(background, chance)
    tiles = 2 * reach / (1.1 + 0.8 * chance[1]) if material.texture is not None and chance[0] >= 0.6 else 1.0
    uv = [(0, 0), (tiles, 0), (tiles, tiles), (0, tiles)]
    back = quad(
        [(-reach, wall, floor), (reach, wall, floor), (reach, wall, floor + 16), (-reach, wall, floor + 16)], uv
    )
    under = quad([(-reach, -reach, floor), (reach, -reach, floor), (reach, wall, floor), (-reach, wall, floor)])
    return Part("wall", back, material), Part(
        "floor", under, Material(ground[int(chance[2] * len(ground))], roughness=0.8)
    )


def _between(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> Mesh:
    return slab(min(x0, x1), max(x0, x1), y0, y1, z0, z1)


def _extruded(profile: list[tuple[float, float]], reach: float) -> Mesh:
    """A sheet along x whose cross-section is a polyline of (y, z), listed from the top."""
    line = np.array(profile)
    ends = [np.column_stack([np.full(len(line), x), line]) for x in (-reach, reach)]
    step = np.arange(len(line) - 1)
    a, b = step, step + len(line)
    faces = np.concatenate([np.stack([a, a + 1, b], axis=1), np.stack([b, a + 1, b + 1], axis=1)])
    return Mesh(np.concatenate(ends).astype(np.float32), faces.astype(np.uint32), smooth=False)


def _on_mug(across: float, down: float, radius: float, height: float) -> tuple[float, float, float]:
    """The point of the mug's front at a share of its half circumference (from the left) and height (from the top)."""
    angle = np.pi * (across - 0.5)
    return (radius * np.sin(angle), -radius * np.cos(angle), height * (1 - down))


def _half_tube(radius: float, height: float, *, front: bool, around: int = 33) -> Mesh:
    share = np.linspace(0, 1, around)
    angle = np.pi * (share - 0.5) + (0.0 if front else np.pi)
    x, y = radius * np.sin(angle), -radius * np.cos(angle)
    vertices = np.concatenate([np.column_stack([x, y, np.full(around, z)]) for z in (0.0, height)])
    uv = np.concatenate([np.column_stack([share, np.full(around, v)]) for v in (0.0, 1.0)])
    a = np.arange(around - 1)
    faces = np.concatenate(
        [np.stack([a, a + 1, a + around + 1], axis=1), np.stack([a, a + around + 1, a + around], axis=1)]
    )
    return Mesh(vertices.astype(np.float32), faces.astype(np.uint32), uv.astype(np.float32))


def _handle(radius: float, height: float, back: float, side: float, tube: float = 0.05) -> Mesh:
    """A half ring of round section at the mug's right (side = 1) or left, `back` radians away from the viewer."""
    arc, ring = np.meshgrid(np.linspace(-np.pi / 2, np.pi / 2, 17), np.linspace(0, 2 * np.pi, 11)[:-1], indexing="ij")
    out = radius - 0.02 + (0.2 + tube * np.cos(ring)) * np.cos(arc)
    up = height * 0.5 + (height * 0.3 + tube * np.cos(ring)) * np.sin(arc)
    along = tube * np.sin(ring)
    angle = side * np.pi / 2 + back
    sine, cosine = np.sin(angle), np.cos(angle)
    points = np.stack([out * sine + along * cosine, -out * cosine + along * sine, up], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(16), np.arange(10), indexing="ij")
    a, b = (i * 10 + j).ravel(), (i * 10 + (j + 1) % 10).ravel()
    faces = np.concatenate([np.stack([a, b, b + 10], axis=1), np.stack([a, b + 10, a + 10], axis=1)])
    return Mesh(points.astype(np.float32), faces.astype(np.uint32))
