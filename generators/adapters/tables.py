"""Rows of CSV, TSV, JSONL and JSON files, each with the row number that a person sees in an editor or a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
TABLE_SUFFIXES = (".csv", ".tsv", *JSON_SUFFIXES)
UNQUOTED = {"Prompt", "Category", "Challenge"}
"""Columns of PartiPrompts, which is tab separated without quoting: its quotation marks belong to the prompts."""


MOST_BYTES = 256 * 2**20
"""Of a file of rows, which is read in one piece."""
DEEPEST = 64
"""Lists and objects within one another; what reads the rows walks them by calling itself."""


class TableError(ValueError):
    """A file that cannot be read as rows; the message names file, row and what would work."""


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        number: counted from 1; a header is row 1 of a CSV, and a JSONL's first line is row 1.
        values: strings by column (CSV, TSV), or the JSON object.
    """

    number: int
    values: Mapping[str, Any]


def read_text(path: Path) -> str:
    """The whole file, UTF-8 with or without a byte-order mark; line ends as they are."""
    try:
        if not path.is_file():  # a pipe or a device has no end to wait for
            raise TableError(f"{path}: no such file")
        if (size := os.path.getsize(path)) > MOST_BYTES:
            raise TableError(f"{path}: {size:,} bytes are more than {MOST_BYTES:,}; split the file")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise TableError(f"{path}, row {line}: not UTF-8 ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_rows(path: Path) -> list[Row]:
    """The rows of a .csv, .tsv, .jsonl or .json file; every row has at least one value.

    Raises:
        TableError: unreadable file, malformed row, header without columns, or no rows at all.
    """
    text = read_text(path)
    reader = json_rows if path.suffix.lower() in JSON_SUFFIXES else separated_rows
    rows = list(reader(text, path))
    if not rows:
        raise TableError(f"{path}: no rows")
    return rows


def json_rows(text: str, path: Path) -> Iterator[Row]:
    """One object a line, or the objects of one JSON array."""
    if text.lstrip().startswith("["):
        numbered = list(enumerate(json_value(text, str(path)), start=1))
    else:
        numbered = []
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                numbered.append((number, json_value(line, f"{path}, row {number}")))
    for number, value in numbered:
        if not isinstance(value, dict):
            raise TableError(f"{path}, row {number}: wanted a JSON object, found {type(value).__name__}")
        yield Row(number, value)


def json_value(text: str, where: str, what: str = "") -> Any:
    """The value of a JSON text; what could not be written as JSON again is refused, and so is very deep nesting.

    Raises:
        TableError: no JSON, or none that can be kept: NaN, infinity, half of a surrogate pair.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        line = f", row {error.lineno}" if "\n" in text else ""
        raise TableError(f"{where}{line}: {what}not JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise TableError(f"{where}: JSON nested too deep; at most {DEEPEST} levels") from None
    except ValueError:  # Python's limit
        raise TableError(f"{where}: a whole number with thousands of digits") from None
    check_json(value, where)
    return value


def check_json(value: Any, where: str, depth: int = 0) -> None:
    """See `json_value`; an infinity may also come of a number such as 1e999."""
    if depth > DEEPEST:
        raise TableError(f"{where}: JSON nested too deep; at most {DEEPEST} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise TableError(f"{where}: {value} is no number that JSON has; leave it out, or write null")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise TableError(f"{where}: {value[error.start]!r} is half of a character; write the whole pair") from None
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for each in value:
            check_json(each, where, depth + 1)


def separated_rows(text: str, path: Path) -> Iterator[Row]:
    """Rows under a header; separated by tabs where the header has one, else by commas."""
    header_line = text.split("\n", 1)[0].rstrip("\r")
    delimiter = "\t" if "\t" in header_line else ","
    unquoted = set(header_line.split("\t")) >= UNQUOTED
    lines = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL,
        strict=True,
    )
    header: list[str] = []
    number = 0
    try:
        for number, cells in enumerate(lines, start=1):
            if number == 1:
                header = checked_header([cell.strip() for cell in cells], path)
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    raise TableError(
                        f"{path}, row {number}: {len(cells)} cells under {len(header)} columns"
                        f" ({listed(header)}); a cell with the separator in it must be quoted"
                    )
                yield Row(number, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise TableError(f"{path}, row {number + 1}: {error}") from None


def checked_header(header: Sequence[str], path: Path) -> list[str]:
    """The column names, which must differ."""
    named = [name for name in header if name]
    if not named:
        raise TableError(f"{path}, row 1: no column names; the first row must name the columns")
    for name in named:
        if named.count(name) > 1:
            raise TableError(f"{path}, row 1: two columns are named {name!r}")
    return list(header)


def listed(names: Iterable[Any]) -> str:
    """Column names for a message; one with control characters in it is quoted, so that no terminal obeys it."""
    return ", ".join(each if each.isprintable() else repr(each) for each in map(str, names)) or "nothing"


def column(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The first of `wanted` that there is, whatever its case; as spelt in `names`."""
    spelt = {name.lower(): name for name in reversed(names)}
    return next((spelt[name] for name in wanted if name in spelt), None)


def tags_of(value: Any, where: str) -> tuple[str, ...]:
    """Tags from a JSON list of strings, or from text such as "hand; dark"."""
    if isinstance(value, str):
        return tuple(tag for tag in (part.strip() for part in value.replace(";", ",").split(",")) if tag)
    if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return tuple(value)
    raise TableError(f"{where}: tags must be a list of words, found {value!r}")


def object_of(value: Any, where: str, name: str) -> dict[str, Any]:
    """A JSON object, given as such or as text; empty text is an empty object."""
    if isinstance(value, str):
        value = json_value(value, where, f"{name} is ") if value.strip() else {}
    if not isinstance(value, dict):
        raise TableError(f'{where}: {name} must be a JSON object such as {{"text": "OPEN"}}, found {value!r}')
    return value


def expectations(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What a row expects: its `expect` object, and `expect_text` as {"text": ...}."""
    expect = object_of(values.get("expect") or {}, where, "expect")
    wanted = values.get("expect_text") or ""
    if not isinstance(wanted, str):
        raise TableError(f"{where}: expect_text must be text, found {wanted!r}")
    return expect | {"text": wanted} if wanted else expect
