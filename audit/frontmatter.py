"""Editing a README in place: one key of its YAML front matter and one marked part of its text, and nothing else.

The front matter is edited as text, not parsed and written anew, so that comments, order and quoting stay as they are.
"""

from __future__ import annotations

import re
from typing import Any

import yaml  # type: ignore[import-untyped]

from audit.types import Json

BEGIN, END = "<!-- sixthfinger:begin -->", "<!-- sixthfinger:end -->"
# as huggingface_hub and the Hub find it
_BLOCK = re.compile(r"\A(\s*---[ \t]*(?:\r\n|\r|\n))([\S\s]*?)((?:\r\n|\r|\n)---[ \t]*(?:\r\n|\n|\Z))")
_EMPTY = re.compile(r"\A\s*---[ \t]*\r?\n---[ \t]*(?:\r?\n|\Z)")
_PART = re.compile(rf"^{BEGIN}[ \t]*\r?\n.*?^{END}[ \t]*(?=\r?$)", re.M | re.S)
_MARK = re.compile(rf"^(?:{BEGIN}|{END})[ \t]*\r?$", re.M)
_BLANK = re.compile(r"[ \t]*(?:#.*)?")


class FrontMatterError(ValueError):
    """A README that cannot be edited without losing something; the message says why and what would help."""


def front_matter(text: str) -> dict[str, Any]:
    """The front matter's values; empty where there is none.

    Raises:
        FrontMatterError: it is not YAML, or no mapping.
    """
    found = _BLOCK.match(text)
    return _mapping(found[2]) if found else {}


def with_value(text: str, name: str, value: Json) -> str:
    """The README with front matter in which `name` has this value; every other character stays.

    Raises:
        FrontMatterError: the front matter cannot be read, or is laid out so that the key cannot be set alone.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    found = _BLOCK.match(text)
    if found is None:
        return f"---{end}{_dumped({name: value}, end)}---{end}{_EMPTY.sub('', text)}"
    old, block = _mapping(found[2]), found[2]
    start, stop, indent = _extent(block, name)
    dumped = "".join(" " * indent + line for line in _dumped({name: value}, end).splitlines(keepends=True))
    before = block[:start] + ("" if not block[:start] or block[:start].endswith("\n") else end)
    new = before + dumped + block[stop:]
    new = new.removesuffix(end) if not block[stop:] else new
    try:
        same = _mapping(new) == {**old, name: value}
    except FrontMatterError:
        same = False
    if not same:
        raise FrontMatterError(
            f"the front matter is laid out so that {name!r} cannot be set without touching the rest; "
            f"write its keys as plain lines, each at the start of a line"
        )
    return text[: found.start(2)] + new + text[found.end(2) :]


def with_part(text: str, part: str) -> str:
    """The README with the marked part replaced by this one, or with it added at the end.

    Raises:
        FrontMatterError: the marks do not stand in one pair.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    marked = f"{BEGIN}\n{part.strip()}\n{END}".replace("\n", end)
    found = list(_PART.finditer(text))
    if len(_MARK.findall(text)) != 2 * len(found) or len(found) > 1:
        raise FrontMatterError(
            f"the marks {BEGIN} and {END} must stand once, one before the other, each on a line of its own; "
            f"take the others out"
        )
    if found:
        return text[: found[0].start()] + marked + text[found[0].end() :]
    gap = "" if not text.strip() else end * (1 if text.endswith("\n") else 2)
    return f"{text}{gap}{marked}{end}"


def _extent(block: str, name: str) -> tuple[int, int, int]:
    """Where the key with its value starts and stops in the block, and its indentation; at the end where it is not."""
    root = yaml.compose(block, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return len(block), len(block), 0
    starts = [key.start_mark for key, _ in root.value]
    for (key, _), following in zip(root.value, [*starts[1:], None], strict=True):
        if key.value == name:
            stop = len(block) if following is None else following.index - following.column
            start = key.start_mark.index - key.start_mark.column
            return start, start + len(_without_tail(block[start:stop])), key.start_mark.column
    return len(block), len(block), starts[0].column if starts else 0


def _without_tail(text: str) -> str:
    """The text without the blank lines and comments that end it: they speak of what follows."""
    lines = text.splitlines(keepends=True)
    while len(lines) > 1 and _BLANK.fullmatch(lines[-1].rstrip("\r\n")):
        lines.pop()
    return "".join(lines)


def _mapping(block: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(block)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 2}" if mark else ""
        raise FrontMatterError(f"the front matter is not YAML ({getattr(error, 'problem', error)}{where})") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FrontMatterError(f"the front matter must be keys with values, found {type(value).__name__}")
    return value


def _dumped(value: Json, end: str) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10**6)
    return text.replace("\n", end)
