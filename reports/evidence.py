"""What a person looks at to disagree with a score: boxes to draw, text asked for and text read, the rest as facts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from audit.types import Json

LONGEST_FACT = 300
MOST_BOXES = 60
_READ = ("read", "text", "text_read")
_BOXES = ("boxes", "quads", "lines", "regions", "words")
_CORNERS = ("quad", "box", "polygon", "points")


def differences(expected: str, read: str) -> list[tuple[str, str]]:
    """The read text against the expected one as runs: "=" in both, "-" missing from the picture, "+" only in it.

    >>> differences("OPEN", "0PEN!")
    [('-', 'O'), ('+', '0'), ('=', 'PEN'), ('+', '!')]
    """
    runs: list[tuple[str, str]] = []
    matcher = difflib.SequenceMatcher(None, expected, read, autojunk=False)
    for what, first, last, start, stop in matcher.get_opcodes():
        if what == "equal":
            runs.append(("=", expected[first:last]))
        else:
            runs += [("-", expected[first:last])] if last > first else []
            runs += [("+", read[start:stop])] if stop > start else []
    return runs


def reading(expect: Mapping[str, Json], evidence: Mapping[str, Json]) -> Json:
    """The differences between text asked for and text read, or None where this evidence holds no reading."""
    read = next((evidence[name] for name in _READ if name in evidence), None)
    expected = evidence.get("expected", expect.get("text"))
    if read is None or expected is None:
        return None
    return differences(_joined(expected), _joined(read))


def boxes(evidence: Mapping[str, Json]) -> list[Json]:
    """Boxes as {points: [[x, y], ...] in pixels of the picture, label}; corners are two opposite ones or all."""
    found = []
    for name in _BOXES:
        given = evidence.get(name)
        for entry in given if isinstance(given, list) else []:
            points = _points(entry)
            if points:
                found.append({"points": points, "label": _label(entry)})
    return found[:MOST_BOXES]


def facts(evidence: Mapping[str, Json]) -> dict[str, Json]:
    """Evidence that is neither boxes nor a reading, as short words."""
    taken = {*_READ, *_BOXES, "expected"}
    return {str(name): _short(value) for name, value in evidence.items() if name not in taken}


def _points(entry: Json) -> list[list[float]]:
    """Corner points of a box given bare or under a name: [[x, y], ...] or [left, top, right, bottom]."""
    corners = entry
    if isinstance(entry, Mapping):
        corners = next((entry[name] for name in _CORNERS if name in entry), None)
    if not isinstance(corners, list) or not corners:
        return []
    if len(corners) == 4 and all(isinstance(each, int | float) for each in corners):
        left, top, right, bottom = corners
        corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    if len(corners) < 3 or not all(_is_pair(each) for each in corners):
        return []
    return [[round(float(x), 1), round(float(y), 1)] for x, y in corners]


def _is_pair(each: Json) -> bool:
    return isinstance(each, list) and len(each) == 2 and all(isinstance(value, int | float) for value in each)


def _label(entry: Json) -> str:
    if not isinstance(entry, Mapping):
        return ""
    confidence = entry.get("confidence", entry.get("score"))
    said = str(entry.get("text", entry.get("label", "")))
    return f"{said} ({confidence:.2f})" if isinstance(confidence, float) else said


def _joined(value: Json) -> str:
    return " ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)


def _short(value: Json) -> Json:
    if isinstance(value, bool | int | float) or value is None:
        return value
    words = str(value)
    return words if len(words) <= LONGEST_FACT else words[: LONGEST_FACT - 1] + "…"
