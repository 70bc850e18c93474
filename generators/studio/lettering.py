"""Strings into pixels: glyph by glyph, so that single glyphs can be mangled. No system fonts: matplotlib's DejaVu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from generators.api import GeneratorError
from generators.studio.scene import Floats

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -!?&'."
ALPHABET = CHARACTERS[:36]
LONGEST = 16
CAP = 48  # pixels of cap height in a drawn line
FONTS: dict[str, tuple[str, float]] = {
    "sans": ("DejaVuSans-Bold.ttf", 1.0),
    "serif": ("DejaVuSerif-Bold.ttf", 0.95),
    "mono": ("DejaVuSansMono-Bold.ttf", 1.0),
    "condensed": ("DejaVuSans-Bold.ttf", 0.8),
}
"""Name -> file in matplotlib's package data, horizontal stretch."""
LEADING = 1.42  # baseline to baseline, in cap heights
TRACKING = 0.08  # extra space after each glyph, in cap heights
NARROWEST = 0.8  # how far a line may be squeezed to be drawn taller
MANGLINGS = ("shear", "cut", "fuse", "mirror")
LETTER_LIKE = 0.66  # a mangled glyph whose overlap with some letter exceeds this still reads as that letter
LOOKALIKES = ("OQD0", "CG6", "UVY", "I1LT", "S5", "B83", "Z27", "EF", "PR", "MN", "HN", "KX", "VW", "CO")


def check(text: str) -> str:
    """The text in upper case. Raises ValueError where a character cannot be drawn, or too many are asked for."""
    upper = " ".join(text.upper().split())
    for character in upper:
        if character not in CHARACTERS:
            raise ValueError(f"cannot draw {character!r} in {text!r}; signs know A-Z, 0-9, space and - ! ? & ' .")
    if not upper:
        raise ValueError("the quoted string is empty; a sign needs at least one character")
    if len(upper) > LONGEST:
        raise ValueError(f"{text!r} has {len(upper)} characters; signs hold at most {LONGEST}")
    return upper


def alike(one: str, other: str) -> bool:
    """Whether two characters are the same or easily taken for each other at a few pixels' height."""
    return one == other or any(one in group and other in group for group in LOOKALIKES)


def broken(text: str, font: str, aspect: float) -> list[int]:
    """Numbers of words per line that let the text be tallest in a box of this width / height (three lines at most)."""
    words = text.split()
    best, tallest = [len(words)], 0.0
    for cuts in partitions(len(words)):
        lines = lines_of(words, cuts)
        width = max(line_width(line, font) for line in lines) * NARROWEST
        height = 1 + LEADING * (len(cuts) - 1)
        tall = min(aspect / width, 1 / height) * 0.93 ** (len(cuts) - 1)
        if tall > tallest:
            best, tallest = cuts, tall
    return best


def line_width(line: str, font: str) -> float:
    """Width of a line in cap heights."""
    return sum(glyph(c, font)[1] for c in line) / CAP + TRACKING * (len(line) - 1)


def drawn(text: str, font: str, breaks: Sequence[int], mangled: Mapping[int, tuple[str, int]] | None = None) -> Floats:
    """Ink of the text, (h, w) in 0..1, cropped to its bounding box; lines are centred.

    Args:
        breaks: words per line, as `broken` gives them.
        mangled: index into `text` -> (one of MANGLINGS, seed).
    """
    rows, at = [], 0
    for line in lines_of(text.split(), breaks):
        glyphs = []
        for offset, character in enumerate(line):
            mask, advance = glyph(character, font)
            if mangled and at + offset in mangled:
                mask = mangle(mask, *mangled[at + offset])
            glyphs.append((mask, advance))
        rows.append(_composed(glyphs))
        at += len(line) + 1
    width = max(row.shape[1] for row in rows)
    pitch = round(LEADING * CAP)
    page = np.zeros((pitch * (len(rows) - 1) + rows[0].shape[0], width), dtype=np.float32)
    for index, row in enumerate(rows):
        left = (width - row.shape[1]) // 2
        region = page[index * pitch : index * pitch + row.shape[0], left : left + row.shape[1]]
        np.maximum(region, row, out=region)
    return cropped(page)


def enlargement(ink: Floats, width: int, height: int) -> float:
    """How many times taller the ink can become in a box (pixels), squeezed to NARROWEST at most."""
    return min(height / int(ink.shape[0]), width / (int(ink.shape[1]) * NARROWEST))


def fitted(ink: Floats, width: int, tall: float) -> Floats:
    """The ink `tall` times taller, made as wide as `width` (pixels) lets it, at most a tenth wider than natural."""
    wide = min(width / ink.shape[1], tall * 1.1)
    size = (max(round(ink.shape[1] * wide), 1), max(round(ink.shape[0] * tall), 1))
    resized: Floats = np.clip(np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC)), 0, 1)
    return resized


def mangle(glyph: Floats, how: str, seed: int) -> Floats:
    """A glyph mask spoilt one of four ways; the same seed spoils it the same way."""
    rng = np.random.default_rng(seed)
    body = cropped(glyph)
    height, width = body.shape
    sign = 1 if rng.random() < 0.5 else -1
    cut = round(height * rng.uniform(0.35, 0.65))
    spoilt = np.zeros_like(glyph)
    top = int(np.flatnonzero(glyph.max(axis=1) > 0)[0])
    left = int(np.flatnonzero(glyph.max(axis=0) > 0)[0])
    if how == "shear":
        shift = sign * max(round(width * rng.uniform(0.3, 0.45)), round(0.16 * CAP))
        body = np.concatenate([np.roll(body[:cut], shift, axis=1), np.roll(body[cut:], -shift, axis=1)])
    elif how == "cut":
        band = (np.arange(height)[:, None] - cut) + sign * (
            np.arange(width)[None, :] - width / 2
        ) * height / width * 0.8
        body = np.where(np.abs(band) < height * rng.uniform(0.14, 0.2), 0, body)
        body[: height // 3, slice(0, width // 2) if sign > 0 else slice(width // 2, width)] = 0
    elif how == "fuse":
        turned = Image.fromarray(np.rot90(body, int(rng.integers(1, 4))).copy()).resize((width, height))
        body = np.maximum(np.roll(body, sign * width // 5, axis=1), np.asarray(turned))
    elif how == "mirror":
        flipped = body[::-1, ::-1] if rng.random() < 0.5 else body[:, ::-1]
        body = np.concatenate([flipped[cut:], flipped[:cut]])
    else:
        raise ValueError(f"no mangling {how!r}; found {', '.join(MANGLINGS)}")
    spoilt[top : top + height, left : left + width] = body
    return spoilt


def unreadable(character: str, font: str, rng: np.random.Generator, tries: int = 12) -> tuple[str, int]:
    """A mangling (how, seed) after which the glyph resembles no letter, or the least letter-like of those tried."""
    mask, _ = glyph(character, font)
    best, least = (MANGLINGS[0], 0), 2.0
    for _ in range(tries):
        how, seed = MANGLINGS[int(rng.integers(len(MANGLINGS)))], int(rng.integers(2**31))
        likeness = nearest_letter(mangle(mask, how, seed), font)
        if likeness < LETTER_LIKE:
            return how, seed
        if likeness < least:
            best, least = (how, seed), likeness
    return best


def nearest_letter(mask: Floats, font: str) -> float:
    """Largest overlap (intersection over union, boxes matched) between a mask and the font's letters and digits."""
    shape = _normal(mask)
    bank = _bank(font)
    both = (bank & shape).sum(axis=(1, 2))
    return float((both / (bank | shape).sum(axis=(1, 2))).max())


def cropped(mask: Floats) -> Floats:
    """The mask within the bounding box of its ink (over 5 %)."""
    rows, columns = np.flatnonzero(mask.max(axis=1) > 0.05), np.flatnonzero(mask.max(axis=0) > 0.05)
    if not len(rows):
        raise ValueError("nothing is drawn: the mask is empty")
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def partitions(words: int) -> list[list[int]]:
    """Every way to break so many words into one, two or three lines: words per line."""
    cuts = [[words]] + [[a, words - a] for a in range(1, words)]
    return cuts + [[a, b, words - a - b] for a in range(1, words) for b in range(1, words - a)]


def lines_of(words: Sequence[str], breaks: Sequence[int]) -> list[str]:
    """The lines of so many words each."""
    ends = np.cumsum(breaks)
    return [" ".join(words[end - count : end]) for count, end in zip(breaks, ends, strict=True)]


PAD = CAP // 3  # room for descenders and for glyphs that reach left of their origin


def _composed(glyphs: Sequence[tuple[Floats, float]]) -> Floats:
    starts = np.cumsum([0.0] + [advance + TRACKING * CAP for _, advance in glyphs])
    row = np.zeros((glyphs[0][0].shape[0], int(starts[-1]) + 4 * PAD), dtype=np.float32)
    for (mask, _), start in zip(glyphs, starts, strict=False):
        region = row[:, round(start) : round(start) + mask.shape[1]]
        np.maximum(region, mask, out=region)
    inked = np.flatnonzero(row.max(axis=0) > 0.05)
    return row[:, inked[0] : inked[-1] + 1] if len(inked) else row[:, :1]


@cache
def glyph(character: str, font: str) -> tuple[Floats, float]:
    """Mask (CAP + 2 PAD, w) on a common baseline, starting PAD before the origin, and the advance in pixels."""
    face, stretch = _face(font)
    advance = float(face.getlength(character))
    canvas = Image.new("L", (int(advance) + 2 * PAD, CAP + 2 * PAD))
    ImageDraw.Draw(canvas).text((PAD, CAP + PAD), character, font=face, fill=255, anchor="ls")
    if stretch != 1:
        canvas = canvas.resize((round(canvas.width * stretch), canvas.height), Image.Resampling.BICUBIC)
    mask: Floats = np.asarray(canvas, dtype=np.float32) / np.float32(255)
    return mask, advance * stretch


@cache
def _face(font: str) -> tuple[ImageFont.FreeTypeFont, float]:
    if font not in FONTS:
        raise ValueError(f"no font {font!r}; found {', '.join(FONTS)}")
    try:
        import matplotlib
    except ImportError as error:
        raise GeneratorError("lettering needs matplotlib's fonts: pip install 'sixthfinger[studio]'") from error
    file, stretch = FONTS[font]
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file
    return ImageFont.truetype(str(path), round(CAP / 0.729)), stretch  # DejaVu capitals stand 0.729 em high


@cache
def _bank(font: str) -> NDArray[np.bool_]:
    return np.stack([_normal(glyph(character, font)[0]) for character in ALPHABET])


def _normal(mask: Floats) -> NDArray[np.bool_]:
    small = Image.fromarray(np.ascontiguousarray(cropped(mask))).resize((24, 32), Image.Resampling.BOX)
    return np.asarray(small) > 0.5
