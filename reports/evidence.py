"""What a person looks at to disagree with a score: boxes to draw, text asked for and text read, the rest as facts."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping

from audit.types import Json

LONGEST_FACT = 300
MOST_BOXES = 60
_READ = ("read", "text", "text_read")
_BOXES = ("boxes", "quads", "lines", "regions", "words")
_UNSURE = "unsure"
_CORNERS = ("quad", "box", "polygon", "points")


def differences(expected: str, read: str) -> list[tuple[str, str]]:
    """The read text against the expected one as runs: "=" in both, "-" missing from the picture, "+" only in it.

    Letters are compared as the text audits compare them, without case and white space, and shown as they are.

    >>> differences("OPEN", "0pen!")
    [('-', 'O'), ('+', '0'), ('=', 'PEN'), ('+', '!')]
    """
    wanted, found = _letters(expected), _letters(read)
    runs: list[tuple[str, str]] = []
    matcher = difflib.SequenceMatcher(None, [letter[1] for letter in wanted], [letter[1] for letter in found], False)
    for what, first, last, start, stop in matcher.get_opcodes():
        asked, seen = (_shown(wanted[first:last]), _shown(found[start:stop]))
        if what == "equal":
            runs.append(("=", asked))
        else:
            runs += [(mark, text) for mark, text in (("-", asked), ("+", seen)) if text]
    return runs


def reading(expect: Mapping[str, Json], evidence: Mapping[str, Json]) -> Json:
    """The differences between text asked for and text read, or None where this evidence holds no reading."""
    read = next((evidence[name] for name in _READ if name in evidence), None)
    expected = expect.get("text", evidence.get("expected"))
    if read is None or expected is None:
        return None
    return differences(_joined(expected), _joined(read))


def boxes(evidence: Mapping[str, Json]) -> list[Json]:
    """Boxes as {points, label, unsure}: points are [x, y] in pixels of the picture; unsure ones counted for nothing."""
    found = []
    for name in (*_BOXES, _UNSURE):
        given = evidence.get(name)
        for entry in given if isinstance(given, list) else []:
            points = _points(entry)
            if points:
                found.append({"points": points, "label": _label(entry), "unsure": name == _UNSURE})
    return found[:MOST_BOXES]


def marks(evidence: Mapping[str, Json]) -> list[Json]:
    """Points as {x, y, label} in pixels of the picture, from evidence such as {"marks": {"tip": [[x, y], ...]}}."""
    given = evidence.get("marks")
    kinds = given.items() if isinstance(given, Mapping) else ()
    found = [
        {"x": round(float(each[0]), 1), "y": round(float(each[1]), 1), "label": str(kind)}
        for kind, places in kinds
        for each in (places if isinstance(places, list) else [])
        if _is_pair(each)
    ]
    return found[:MOST_BOXES]


def facts(evidence: Mapping[str, Json]) -> dict[str, Json]:
    """Evidence that is neither boxes nor a reading, as short words."""
    taken = {*_READ, *_BOXES, _UNSURE, "expected", "marks"}
    return {str(name): _short(value) for name, value in evidence.items() if name not in taken}


def _letters(text: str) -> list[tuple[str, str]]:
    """Each letter as shown, with the white space after it, and as compared."""
    letters: list[tuple[str, str]] = []
    for mark in unicodedata.normalize("NFKC", text).strip():
        if mark.isspace():
            letters[-1] = (letters[-1][0] + mark, letters[-1][1])
        else:
            letters.append((mark, mark.casefold()))
    return letters


def _shown(letters: Iterable[tuple[str, str]]) -> str:
    return "".join(shown for shown, _ in letters)


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
    words = _listed(value) if isinstance(value, list) else str(value)
    return words if len(words) <= LONGEST_FACT else words[: LONGEST_FACT - 1] + "…"


def _listed(values: list[Json]) -> str:
    """A list in words; pairs of strings as changes, such as "E → 3, N → nothing"."""
    return ", ".join(
        " → ".join(str(side) or "nothing" for side in each) if isinstance(each, list) and len(each) == 2 else str(each)
        for each in values
    )
