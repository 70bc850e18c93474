"""Values from a command line or a TOML file -> what they mean; each reader raises ValueError with what would work."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TASKS = ("text2img", "img2img", "inpaint", "control", "upscale")


def toml_tables(path: Path, what: str, refused: type[ValueError], *, cure: str = "") -> dict[str, Any]:
    """A TOML file's tables; raises `refused` where it cannot be read, with the cure, or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise refused(f"cannot read the {what} {path}: {error.strerror}{cure}") from error
    except (ValueError, RecursionError) as error:  # ValueError: no TOML, no UTF-8, a number of thousands of digits
        raise refused(f"{path} is not valid TOML: {error}") from error


def table_values(
    path: Path,
    table: str,
    given: Mapping[str, Any],
    readers: Mapping[str, Callable[[Any], Any]],
    refused: type[ValueError],
) -> dict[str, Any]:
    """A table's values by name, each read by its reader; raises `refused` with the place of one that cannot be."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        try:
            found[name] = readers[name](value)
        except ValueError as error:
            raise refused(f"{path}, [{table}] {name} = {value!r}: {error}") from error
    return found


def flag(read: Callable[[Any], Any]) -> Callable[[str], Any]:
    """A reader whose complaint argparse shows."""

    def typed(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return typed


def parts(value: object) -> list[object]:
    """The items of a list, of comma-separated text, or of a single value; none at all is an error."""
    found: list[object] = [each.strip() for each in value.split(",")] if isinstance(value, str) else [value]
    if isinstance(value, list):
        found = value
    if not found or "" in found:
        raise ValueError(f"an empty item in {value!r}; separate items with single commas, such as 1,3,6")
    return found


def floats(value: object) -> tuple[float, ...]:
    """Numbers, from a list or from text with commas."""
    return tuple(real(each) for each in parts(value))


def windows(value: object) -> tuple[tuple[float, float], ...]:
    """Pairs of ends, such as 0.3:0.9."""
    return tuple(window(each) for each in parts(value))


def window(value: object) -> tuple[float, float]:
    """Two ends with a colon between."""
    low, colon, high = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon:
        raise ValueError(f"{value!r} is not a window; give its ends with a colon between, such as 0.3:0.9")
    return real(low), real(high)


def ints(value: object) -> tuple[int, ...]:
    """Whole numbers, from a list or from text with commas."""
    return tuple(whole(each) for each in parts(value))


def names(value: object) -> tuple[str, ...]:
    """Texts, from a list or from text with commas."""
    return tuple(text(each) for each in parts(value))


def specs(value: object) -> tuple[str, ...]:
    """Texts, each as it is: a comma may be part of one."""
    return tuple(text(each) for each in (value if isinstance(value, list) else [value]))


def real(value: object) -> float:
    """A number."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise ValueError(f"{value!r} is not a number; give numbers separated by commas, such as 1,3,6")


def seconds(value: object) -> float:
    """A time above 0."""
    found = real(value)
    if not 0 < found < float("inf"):
        raise ValueError(f"{value!r} is no time; give seconds above 0")
    return found


def whole(value: object) -> int:
    """A whole number."""
    number = real(value)
    if not number.is_integer():
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


def positive(value: object) -> int:
    """A whole number of 1 or more."""
    number = whole(value)
    if number < 1:
        raise ValueError(f"{value!r} must be 1 or more")
    return number


def text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a text in quotes")
    return value


def task(value: object) -> str:
    """A task by name."""
    if value not in TASKS:
        raise ValueError(f"no task is called {value!r}; known: {', '.join(TASKS)}")
    return str(value)


def truth(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false")
    return value
