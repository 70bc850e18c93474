"""One function per prompt file format: rows in, `Draft`s out. Which function reads a file is decided by its columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.types import Json
from generators.adapters.tables import Row, TableError, column, expectations, listed, object_of, tags_of

TEXT_COLUMNS = ("text", "prompt", "caption")
ROLES = ("source", "mask", "control")
COMPBENCH = ("3d_spatial", "color", "complex", "non_spatial", "numeracy", "shape", "spatial", "texture")
"""Categories of T2I-CompBench; its files are named after them, such as "color_val.txt"."""
NUMBER = re.compile(r"\d{1,18}")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A prompt before it has its id: `id` is the file's own, or empty."""

    row: int
    text: str
    id: str = ""
    negative_text: str = ""
    tags: tuple[str, ...] = ()
    expect: Mapping[str, Json] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


Reader = Callable[[Sequence[Row], str], Iterator[Draft]]
"""(rows, file name for messages) -> drafts."""


def recognise(row: Row) -> Reader:
    """The reader for rows like this one; `plain` where the columns belong to no known benchmark."""
    names = set(row.values)
    for columns, reader in BENCHMARKS:
        if columns <= names:
            return reader
    return plain


def word(row: Row, name: str, file: str) -> str:
    """The text in a column; absent or not text is an error, empty is not."""
    value = row.values.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        what = (
            f"no {name!r} column; found {listed(row.values)}"
            if value is None
            else f"{name!r} must be text, found {value!r}"
        )
        raise TableError(f"{file}, row {row.number}: {what}")
    return value


def number(text: str) -> int | str:
    """The whole number, or the text where it is none."""
    return int(text) if NUMBER.fullmatch(text) else text.strip()


def plain(rows: Sequence[Row], file: str) -> Iterator[Draft]:
    """Our own JSONL, and any table with a text, prompt or caption column.

    Beside it, all optional: id, negative_text, tags, expect (JSON), expect_text, inputs (JSON).
    """
    for row in rows:
        where = f"{file}, row {row.number}"
        name = column(list(row.values), TEXT_COLUMNS)
        if name is None:
            raise TableError(f"{where}: no 'text', 'prompt' or 'caption' column; found {listed(row.values)}")
        inputs = object_of(row.values.get("inputs") or {}, where, "inputs")
        if not all(isinstance(value, str) for value in inputs.values()):
            raise TableError(f"{where}: inputs must name files, found {inputs!r}")
        if odd := set(inputs) - set(ROLES):
            raise TableError(f"{where}: no input is called {listed(sorted(odd))}; known: {', '.join(ROLES)}")
        yield Draft(
            row=row.number,
            text=word(row, name, file),
            id=word(row, "id", file) if row.values.get("id") not in (None, "") else "",
            negative_text=word(row, "negative_text", file) if row.values.get("negative_text") else "",
            tags=tags_of(row.values.get("tags") or [], where),
            expect=expectations(row.values, where),
            inputs=inputs,
        )


def parti(rows: Sequence[Row], file: str) -> Iterator[Draft]:
    """PartiPrompts (Yu et al. 2022): tags are category and challenge."""
    for row in rows:
        tags = tuple(word(row, name, file) for name in ("Category", "Challenge"))
        yield Draft(row=row.number, text=word(row, "Prompt", file), tags=tags)


def geneval(rows: Sequence[Row], file: str) -> Iterator[Draft]:
    """GenEval (Ghosh 2023): expect.objects = [{class, count, colour?, position?: [relation, index]}]; so exclude."""
    for row in rows:
        where = f"{file}, row {row.number}"
        expect = {"objects": objects_of(row.values.get("include"), where, "include")}
        if row.values.get("exclude"):
            expect["exclude"] = objects_of(row.values["exclude"], where, "exclude")
        yield Draft(row=row.number, text=word(row, "prompt", file), tags=(word(row, "tag", file),), expect=expect)


def objects_of(value: Any, where: str, name: str) -> list[dict[str, Json]]:
    """GenEval's objects in our words: its "color" is our "colour"."""
    if not isinstance(value, list) or not all(isinstance(each, dict) and "class" in each for each in value):
        raise TableError(f"{where}: {name!r} must list objects, each with its class; found {value!r}")
    return [{("colour" if key == "color" else key): part for key, part in each.items()} for each in value]


def geckonum(rows: Sequence[Row], file: str) -> Iterator[Draft]:
    """GeckoNum (Kajic et al. 2024): expect.objects = [{class, count}].

    A count is a whole number, or the file's own word where it is none: "fewer", "X", "thirds".
    """
    for row in rows:
        objects: list[dict[str, Json]] = []
        for entity in filter(None, (part.strip() for part in word(row, "entities", file).split(","))):
            name, colon, count = entity.rpartition(":")
            if not colon:
                raise TableError(f"{file}, row {row.number}: entity {entity!r} has no count; wanted NAME:COUNT")
            objects.append({"class": name.strip(), "count": number(count)})
        yield Draft(
            row=row.number,
            text=word(row, "prompt", file),
            id=word(row, "dataset_id", file),
            tags=(word(row, "prompt_type", file),),
            expect={"objects": objects},
        )


def dsg(rows: Sequence[Row], file: str) -> Iterator[Draft]:
    """DSG (Cho et al. 2024): many rows a prompt, expect.questions = [{id, after, category, question}].

    `after` names the questions that must hold first. Upstream, a few cells hold stray words beside the numbers; only
    numbers are kept, and 0 (nothing) is left out.
    """
    drafts: dict[str, Draft] = {}
    questions: dict[str, list[Json]] = {}
    for row in rows:
        item, text = word(row, "item_id", file), word(row, "text", file)
        first = drafts.setdefault(
            item, Draft(row=row.number, text=text, id=item, tags=(re.sub(r"[_-]?\d+$", "", item) or item,))
        )
        if first.text != text:
            raise TableError(f"{file}, row {row.number}: item {item!r} has another text than in row {first.row}")
        after = [int(part) for part in re.split(r"[,\s]+", word(row, "dependency", file)) if NUMBER.fullmatch(part)]
        questions.setdefault(item, []).append(
            {
                "id": number(word(row, "proposition_id", file)),
                "after": [each for each in after if each],
                "category": word(row, "category_broad", file),
                "question": word(row, "question_natural_language", file),
            }
        )
    for item, draft in drafts.items():
        yield Draft(row=draft.row, text=draft.text, id=item, tags=draft.tags, expect={"questions": questions[item]})


def longtext(rows: Sequence[Row], file: str) -> Iterator[Draft]:
    """LongText-Bench (Geng et al. 2025): expect.text = the exact strings, in the order of the prompt."""
    for row in rows:
        strings = row.values.get("text")
        if not isinstance(strings, list) or not strings or not all(isinstance(each, str) for each in strings):
            raise TableError(f"{file}, row {row.number}: 'text' must list the strings to write, found {strings!r}")
        yield Draft(
            row=row.number,
            text=word(row, "prompt", file),
            id=word(row, "prompt_id", file),
            tags=(word(row, "category", file), word(row, "length", file)),
            expect={"text": strings},
        )


def lines(text: str, stem: str) -> Iterator[Draft]:
    """One prompt a line, empty lines skipped; tagged with the category where the file is named like T2I-CompBench's."""
    named = re.fullmatch(r"(\w+?)(_val|_train)?", stem)
    tags = (named[1],) if named and named[2] and named[1] in COMPBENCH else ()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield Draft(row=number, text=line.strip(), tags=tags)


BENCHMARKS: tuple[tuple[frozenset[str], Reader], ...] = (
    (frozenset({"Prompt", "Category", "Challenge"}), parti),
    (frozenset({"prompt", "include"}), geneval),
    (frozenset({"prompt", "entities", "prompt_type", "dataset_id"}), geckonum),
    (frozenset({"item_id", "text", "question_natural_language"}), dsg),
    (frozenset({"prompt", "text", "prompt_id"}), longtext),
)
