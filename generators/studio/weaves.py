"""Close-up surfaces as pixels: pure numpy, 256 x 256, light and relief painted in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from generators.studio.palette import COLOURS

Array = NDArray[np.float64]
SIZE = 256


@dataclass(frozen=True)
class Recipe:
    """What to paint.

    Attributes:
        colour: sRGB (3,) of the surface; accent: sRGB (3,) of mortar, second yarn or second tile.
        count: elements (bricks, stitches, leaves...) across the picture, before the kind's own factor.
        pattern: the kind's variant, "plain" where it has none.
        rough: irregularity, 0..1.
    """

    colour: Array
    accent: Array
    count: float
    pattern: str
    rough: float


def painted(kind: str, recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pixels (SIZE, SIZE, 3) of one surface."""
    page, height = PAINTERS[kind](recipe, rng)
    relief = height * SIZE / recipe.count
    slope = np.gradient(relief, axis=0) + 0.6 * np.gradient(relief, axis=1)
    light = 1 + 0.55 * np.clip(slope, -0.9, 0.9)
    pixels: NDArray[np.uint8] = (np.clip(page * light[..., None], 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels


def brick(recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array]:
    """Running bond in mortar; every brick has its own shade."""
    x, y = _warped(rng, 0.018 * recipe.rough)
    row = np.floor(y * recipe.count)
    shift = 0.5 * (row % 2) if recipe.pattern == "plain" else 0.25 * (row % 4)
    along = x * recipe.count * 0.45 + shift
    tone = _per_cell(np.floor(along), row, rng)
    edge = _edge(along % 1, y * recipe.count % 1, 0.05, 0.11)
    face = _shaded(recipe.colour, 0.72 + 0.5 * tone, 0.05 * (tone - 0.5)) * (1 + 0.14 * _noise(rng, 2))[..., None]
    return _mixed(recipe.accent, face, edge), 0.09 * edge + 0.02 * _noise(rng, 1.5)


def tiles(recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array]:
    """Square glazed tiles, of one colour or chequered with the accent, in pale grout."""
    x, y = _warped(rng, 0.01 * recipe.rough)
    column, row = np.floor(x * recipe.count * 0.7), np.floor(y * recipe.count * 0.7)
    tone = _per_cell(column, row, rng)
    a, b = x * recipe.count * 0.7 % 1, y * recipe.count * 0.7 % 1
    edge = _edge(a, b, 0.05, 0.05)
    second = (column + row) % 2 if recipe.pattern == "chequered" else np.zeros_like(tone)
    face = _mixed(_shaded(recipe.colour, 0.85 + 0.25 * tone), _shaded(recipe.accent, 0.9 + 0.15 * tone), second)
    shine = 1 + 0.25 * np.exp(-(((a - 0.3) ** 2 + (b - 0.7) ** 2) / 0.02))
    return _mixed(np.array([0.8, 0.79, 0.75]), face * shine[..., None], edge), 0.06 * edge


def planks(recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array]:
    """Boards side by side, each with its own grain, ends and knots."""
    x, y = _grid()
    across = x * recipe.count * 0.55
    board = np.floor(across)
    offset = _per_cell(board, np.zeros_like(board), rng)
    ends = y * 1.4 + offset
    tone = _per_cell(board, np.floor(ends), rng)
    wobble = 0.5 * _noise(rng, 22 / recipe.count, stretch=6)
    grain = np.sin((across % 1 * 4 + wobble + 40 * tone) * 2 * np.pi)
    knot = np.hypot((across % 1 - 0.3 - 0.4 * tone) * 1.6, (ends % 1 - 0.2 - 0.6 * offset) * 9)
    rings = np.where(knot < 1, np.sin(knot * 16) * (1 - knot), 0)
    edge = _edge(across % 1, ends % 1, 0.04, 0.012)
    shade = 0.78 + 0.4 * tone + 0.09 * grain + 0.25 * rings + 0.05 * _noise(rng, 1)
    return _mixed(recipe.colour * 0.28, _shaded(recipe.colour, shade), edge), 0.05 * edge + 0.004 * grain


def fabric(recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array]:
    """Threads over and under: plaid in two colours and white, or herringbone tweed with flecks."""
    x, y = _warped(rng, 0.015 * recipe.rough)
    if recipe.pattern == "tweed":
        return _tweed(recipe, rng, x, y)
    threads = 64 if recipe.count < 9 else 96
    over = (np.floor(x * threads) + np.floor(y * threads)) % 2
    period = recipe.count * 0.42
    weft, warp = (_stripes(c * period, recipe) for c in (x, y))
    page = np.where((over == 0)[..., None], weft, warp) * 0.5 + 0.25 * (weft + warp)
    thread = np.abs(np.sin(np.pi * x * threads) * np.sin(np.pi * y * threads))
    return page * (0.86 + 0.2 * thread + 0.05 * _noise(rng, 1))[..., None], np.zeros((SIZE, SIZE))


def knit(recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array]:
    """Stocking stitch: columns of V-shaped loops, fuzzy yarn; striped with the accent in the variant."""
    x, y = _warped(rng, 0.03 * recipe.rough)
    stitches = recipe.count * 1.1
    a = x * stitches
    column = np.floor(a)
    side = a % 1 - 0.5
    b = y * stitches * 0.85 + 0.75 * np.abs(side)
    row = np.floor(b)
    yarn = np.hypot((np.abs(side) - 0.25) / 0.27, (b % 1 - 0.5) / 0.52)
    bump = np.sqrt(np.clip(1 - yarn**2, 0, 1))
    ply = 0.5 + 0.5 * np.sin(2 * np.pi * (3.2 * (b % 1) + 4 * np.abs(side)))
    banded = (row % 6 > 3).astype(float) if recipe.pattern == "striped" else np.zeros_like(row)
    tone = 0.55 + 0.5 * bump + 0.1 * ply * bump + 0.08 * _per_cell(column, row, rng) + 0.05 * _noise(rng, 0.8)
    return _shaded(_mixed(recipe.colour, np.broadcast_to(recipe.accent, (*row.shape, 3)), banded), tone), 0.05 * bump


def gravel(recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array]:
    """Loose pebbles of mixed sizes with dark gaps."""
    return _stones(
        recipe, rng, cells=recipe.count * 1.3, gap=0.1, mortar=recipe.colour * 0.18, spread=0.75, stretch=1.0
    )


def stone(recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array]:
    """A rubble wall: large flat stones, pale joints."""
    return _stones(recipe, rng, cells=recipe.count * 0.62, gap=0.09, mortar=recipe.accent, spread=0.4, stretch=1.5)


def foliage(recipe: Recipe, rng: np.random.Generator) -> tuple[Array, Array]:
    """Leaves laid over one another, darker the deeper they lie, each with a midrib."""
    page = np.empty((SIZE, SIZE, 3))
    page[:] = recipe.colour * 0.3
    slim, crowd = {"plain": (0.46, 5.0), "narrow": (0.24, 7.0)}[recipe.pattern]
    number = int(crowd * recipe.count**2)
    sizes, angles = (1.25 * SIZE / recipe.count) * np.array([0.4, 0.5, 0.6]), 24
    stamps = [_leaf(half, 2 * np.pi * k / angles, slim) for half in sizes for k in range(angles)]
    turn = rng.normal(rng.uniform(0, angles), angles / 5, number).astype(int) % angles
    which = rng.integers(len(sizes), size=number) * angles + turn
    where, tint = rng.integers(0, SIZE, (number, 2)), rng.standard_normal((number, 2))
    depth = np.linspace(0.45, 1.1, number)
    colours = recipe.colour * (1 + 0.13 * tint[:, :1]) + np.array([0.07, 0.03, -0.02]) * tint[:, 1:]
    colours *= depth[:, None]
    margin = max(stamp.shape[0] for stamp in stamps)
    wide = np.pad(page, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    for stamp_index, (row, column), colour in zip(which, where, colours, strict=True):
        shade = stamps[stamp_index]
        top, left = row + margin - len(shade) // 2, column + margin - len(shade) // 2
        region = wide[top : top + len(shade), left : left + len(shade)]
        np.copyto(region, shade * colour, where=shade > 0)
    page = wide[margin:-margin, margin:-margin]
    return page * (1 + 0.05 * _noise(rng, 0.8))[..., None], np.zeros((SIZE, SIZE))


PAINTERS: dict[str, Callable[[Recipe, np.random.Generator], tuple[Array, Array]]] = {
    "brick wall": brick,
    "woven fabric": fabric,
    "foliage": foliage,
    "tiles": tiles,
    "wooden planks": planks,
    "gravel": gravel,
    "knitted wool": knit,
    "stone wall": stone,
}


def _leaf(half: float, turn: float, slim: float) -> Array:
    """Shade (n, n, 1) of one leaf `half` pixels from its middle to its tip; 0 where there is none."""
    reach = int(np.ceil(half))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] / half
    along, side = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    width = slim * (1 - along**2) * (1 + 0.35 * along)
    rib = np.abs(side) < 0.035 + 0.4 / half
    shade = np.where(side > 0, 1.05, 0.8) * (1 + 0.28 * rib) * (0.92 + 0.15 * along)
    shade = np.where(width - np.abs(side) < 0.8 / half, shade * 0.6, shade)
    return np.where(np.abs(side) < width, shade, 0.0)[..., None]


def _tweed(recipe: Recipe, rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array]:
    period = recipe.count * 0.75
    chevron = np.abs(x * period % 1 - 0.5) * 2
    lines = 0.5 + 0.5 * np.sin(2 * np.pi * (y * period * 3 + chevron * 1.5))
    weight = np.clip((lines - 0.5) * 3 + 0.5, 0, 1) * 0.75
    page = _mixed(recipe.colour, np.broadcast_to(recipe.accent, (SIZE, SIZE, 3)), weight)
    speck = gaussian_filter(rng.standard_normal((SIZE, SIZE)), (0.8, 1.6))
    flecks = (speck > 1.2)[..., None] * 0.18 - (speck < -1.2)[..., None] * 0.15
    return page * (0.92 + 0.12 * _noise(rng, 0.7))[..., None] + flecks, 0.02 * lines


def _stripes(place: Array, recipe: Recipe) -> Array:
    phase = (place % 1)[..., None]
    sheet = np.where(phase < 0.42, recipe.accent, recipe.colour)
    sheet = np.where(np.abs(phase - 0.71) < 0.035, 0.93, sheet)
    return np.where(np.abs(phase - 0.21) < 0.03, recipe.colour * 0.35, sheet)


def _stones(
    recipe: Recipe, rng: np.random.Generator, *, cells: float, gap: float, mortar: Array, spread: float, stretch: float
) -> tuple[Array, Array]:
    x, y = _warped(rng, 0.03 + 0.03 * recipe.rough)
    near, next_near, tone, hue = _voronoi(x * cells / stretch, y * cells, rng, 0.55 + 0.35 * recipe.rough)
    border = next_near - near
    edge = np.clip((border - gap * 0.5) / gap, 0, 1)
    dome = np.sqrt(np.clip(border, 0, 0.6) / 0.6)
    face = _shaded(recipe.colour, (1 - spread / 2 + spread * tone) * (0.75 + 0.3 * dome), 0.14 * (hue - 0.5))
    face *= (1 + 0.12 * _noise(rng, 1.2) + 0.1 * _noise(rng, 5))[..., None]
    return _mixed(mortar, face, edge), 0.12 * dome * edge + 0.015 * _noise(rng, 1.5)


def _voronoi(x: Array, y: Array, rng: np.random.Generator, jitter: float) -> tuple[Array, Array, Array, Array]:
    """Distances to the nearest two of one jittered point per cell, and two random values of the nearest."""
    table = rng.random((4, 64 * 64))
    east, north = (0.5 + jitter * (table[k] - 0.5) for k in (0, 1))
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    a, b = x - column, y - row
    near, second = np.full(x.shape, 9.0), np.full(x.shape, 9.0)
    chosen = np.zeros(x.shape, dtype=int)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            index = (row + j) % 64 * 64 + (column + i) % 64
            squared = (a - i - east[index]) ** 2 + (b - j - north[index]) ** 2
            closer = squared < near
            np.minimum(second, np.maximum(squared, near), out=second)
            np.copyto(chosen, index, where=closer)
            np.minimum(near, squared, out=near)
    return np.sqrt(near), np.sqrt(second), table[2][chosen], table[3][chosen]


def _grid() -> tuple[Array, Array]:
    """Columns and rows as shares of the picture, offset so that no cell index is negative after warping."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE + 1.0
    return x, y


def _warped(rng: np.random.Generator, amount: float) -> tuple[Array, Array]:
    x, y = _grid()
    return x + amount * 0.3 * _noise(rng, 12), y + amount * 0.3 * _noise(rng, 12)


def _noise(rng: np.random.Generator, blur: float, stretch: float = 1.0) -> Array:
    """Smooth noise of unit spread; blur is in texture pixels across, `stretch` times as much downwards."""
    if blur < 1.5:
        field = gaussian_filter(rng.standard_normal((SIZE, SIZE)), blur, mode="wrap", truncate=2.5)
    else:  # the same look for a tenth of the time
        columns, rows = (max(int(SIZE / (2.5 * size)), 4) for size in (blur, blur * stretch))
        coarse = Image.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
        field = np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), dtype=np.float64)
    smooth: Array = field / field.std()
    return smooth


def _per_cell(column: Array, row: Array, rng: np.random.Generator) -> Array:
    table = rng.random((128, 128))
    values: Array = table[row.astype(int) % 128, column.astype(int) % 128]
    return values


def _edge(a: Array, b: Array, across: float, down: float) -> Array:
    """0 at the rim of a cell whose inner coordinates are a, b in 0..1, rising to 1 inside."""
    rim = np.minimum(np.minimum(a, 1 - a) / across, np.minimum(b, 1 - b) / down)
    raised: Array = np.clip((rim - 0.5) * 2, 0, 1)
    return raised


def _shaded(colour: Array, tone: Array, warm: Any = 0.0) -> Array:
    shade = colour * tone[..., None]
    tinted: Array = shade + np.multiply.outer(np.asarray(warm) + np.zeros_like(tone), np.array([1.0, 0.2, -0.8])) * 0.5
    return tinted


def _mixed(low: Array, high: Array, weight: Array) -> Array:
    blend: Array = low + (high - low) * weight[..., None]
    return blend


def base_colour(name: str, mute: float = 0.0) -> Array:
    """The palette colour with part of its chroma taken away, neither too dark nor too bright to be shaded."""
    colour = np.array(COLOURS[name])
    grey = float(colour @ np.array([0.299, 0.587, 0.114]))
    base: Array = np.clip(colour + mute * (grey - colour), 0.16, 0.84)
    return base
