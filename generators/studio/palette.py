"""Names for colours: the ten Monk skin tones, and everyday colour words.

Source: Monk Skin Tone Scale (Ellis Monk, 2019), the published sRGB swatches, light to dark.
"""

from __future__ import annotations

from generators.studio.scene import Colour


def from_hex(code: str) -> Colour:
    """sRGB in 0..1 from six hexadecimal digits."""
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return (red, green, blue)


MONK_HEX = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
MONK: tuple[Colour, ...] = tuple(from_hex(code) for code in MONK_HEX)
"""MONK[0] is tone 1 (lightest), MONK[9] is tone 10 (darkest)."""

TONE_WORDS: dict[str, tuple[int, ...]] = {
    "very light": (1, 2),
    "light": (3, 4),
    "medium": (5, 6),
    "dark": (7, 8),
    "very dark": (9, 10),
}
"""Caption word -> Monk tones it covers, 1-based."""

COLOURS: dict[str, Colour] = {
    "red": from_hex("c62828"),
    "orange": from_hex("ef7d1a"),
    "yellow": from_hex("f2c81e"),
    "green": from_hex("2e8b3d"),
    "blue": from_hex("2456b8"),
    "purple": from_hex("7a3aa6"),
    "pink": from_hex("e87aa8"),
    "brown": from_hex("7a4a24"),
    "white": from_hex("f0f0ee"),
    "grey": from_hex("8a8a8a"),
    "black": from_hex("1c1c1e"),
}


def tone_word(tone: int) -> str:
    """The caption word of a Monk tone (1..10)."""
    for word, tones in TONE_WORDS.items():
        if tone in tones:
            return word
    raise ValueError(f"no Monk tone {tone}; tones run from 1 to 10")
