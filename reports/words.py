"""Numbers and foreign text as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from audit.types import Json, knob_words

ARROWS = {"higher": "↑", "lower": "↓", "neither": "↔"}
DIRECTIONS = {"higher": "higher is better", "lower": "lower is better", "neither": "neither end is better"}
# Bidirectional controls can make a prompt read as something else; they are named instead of obeyed.
_BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF]
_SHOWN = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
_SHOWN |= {code: f"⟦U+{code:04X}⟧" for code in [*range(0x7F, 0xA0), *_BIDI, *range(0xD800, 0xE000)]}


def visible(text: str) -> str:
    """The text with control characters, direction overrides and broken surrogates replaced by visible marks."""
    return text if text.isascii() and text.isprintable() else text.translate(_SHOWN)


def visible_json(value: Json) -> Json:
    """`visible` on every string inside a JSON value, keys included; numbers JSON has no word for become None."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): visible_json(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Iterable):
        return [visible_json(each) for each in value]
    return value


def decimals(scale: float) -> int:
    """Places after the point that show three significant digits of a number this large; below 0 are tens, hundreds."""
    if scale == 0 or not math.isfinite(scale):
        return 2
    return 2 - math.floor(math.log10(abs(scale)))


def number(value: float, places: int | None = None, *, signed: bool = False) -> str:
    """The number with three significant digits, or with the places given; a true minus sign.

    >>> number(0.012345), number(-12.345), number(1234.5), number(0.0000123)
    ('0.0123', '−12.3', '1,230', '1.23e−5')
    """
    places = decimals(value) if places is None else places
    if places > 6:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    rounded = round(value, places)
    text = f"{rounded + 0.0:{'+' if signed and rounded else ''},.{max(places, 0)}f}"
    return text.replace("-", "−")


def with_interval(value: float, low: float | None, high: float | None, *, signed: bool = False) -> tuple[str, str]:
    """The value and its interval, such as ("12.3", "[11.0, 13.9]"), to the same place; "" where there is no interval.

    >>> with_interval(12.34, 11.0, 13.9)
    ('12.3', '[11.0, 13.9]')
    """
    if low is None or high is None:
        return number(value, signed=signed), ""
    places = decimals(max(abs(value), (high - low) / 2))
    ends = ", ".join(number(end, places, signed=signed) for end in (low, high))
    return number(value, places, signed=signed), f"[{ends}]"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(0.25), duration(75), duration(3 * 3600 + 120)
    ('0.250 s', '1 min 15 s', '3 h 2 min')
    """
    if seconds < 60:
        return f"{number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def dashed(value: float | None) -> str:
    """The number, or a dash where there is none.

    >>> dashed(0.5), dashed(None)
    ('0.500', '-')
    """
    return "-" if value is None else number(value)


def lost(skipped: int, failed: int) -> list[str]:
    """What a count leaves out, in words; empty where nothing is.

    >>> lost(1200, 1), lost(0, 0)
    (['1,200 skipped', '1 failed'], [])
    """
    return [f"{count:,} {word}" for count, word in ((skipped, "skipped"), (failed, "failed")) if count]


def plural(count: int, noun: str) -> str:
    """The count with its noun.

    >>> plural(1, "picture"), plural(1200, "picture")
    ('1 picture', '1,200 pictures')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def settings_words(settings: Mapping[str, Json]) -> list[str]:
    """The knobs that were set, such as ["guidance 3", "steps 25"]; ["default"] where none was."""
    chosen = {k: v for k, v in settings.items() if v is not None and (k, v) != ("task", "text2img")}
    return [f"{k.replace('_', ' ')} {knob_words(v)}" for k, v in sorted(chosen.items())] or ["default"]
