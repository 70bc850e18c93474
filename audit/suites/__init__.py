"""Suites: prompts by name ("quick"), from a file ("prompts.csv"), from a plugin, or from a folder of pictures.

A file's format is recognised by its columns. `?limit=50` takes an evenly spaced subset, the same one every time.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from audit import images
from audit.suites.formats import Draft, lines, recognise
from audit.types import Json, Prompt, Suite
from generators.adapters.images import inside
from generators.adapters.options import OptionError, near, split_options
from generators.adapters.tables import TABLE_SUFFIXES, TableError, read_rows, read_text

SUFFIXES = (*TABLE_SUFFIXES, ".txt")
BUILTIN = Path(str(files(__package__))) / "builtin"
GROUP = "sixthfinger.suites"


class SuiteError(ValueError):
    """A suite that cannot be had; the message says what was wrong, where, and what would work."""


class Pictures(Protocol):
    """A generator that knows the prompts of its own pictures, such as `images:DIR`."""

    name: str

    def fingerprint(self) -> str:
        """Hash over names and contents."""
        ...

    def prompts(self) -> list[tuple[str, str, dict[str, Json], tuple[str, ...]]]:
        """(name, text, expect, tags) of each picture."""
        ...


def load(spec: str) -> Suite:
    """The suite of that name, or in that file; "?limit=N" after either takes N of its prompts.

    Raises:
        SuiteError: unknown name, unreadable file, malformed row, bad option.
    """
    name, options = (spec, {}) if os.path.isfile(spec) else parsed(spec)
    suite = whole(name)
    if "limit" not in options:
        return suite
    if not re.fullmatch(r"0*[1-9]\d{0,8}", options["limit"], re.ASCII):
        raise SuiteError(f"{spec!r}: limit must be a whole number from 1, found {options['limit']!r}")
    return subset(suite, int(options["limit"]))


def parsed(spec: str) -> tuple[str, dict[str, str]]:
    """Name or path, and options."""
    try:
        name, options = split_options(spec, ["limit"])
    except OptionError as error:
        raise SuiteError(f"suite {error}") from None
    return name, dict(options)


def whole(name: str) -> Suite:
    """All prompts of a built-in suite, a plugin's suite, or a file."""
    if name in builtin_names():
        return read_file(BUILTIN / f"{name}.jsonl")
    if name in plugins():
        return plugins()[name]()
    path = Path(name)
    if os.path.isdir(path):
        raise SuiteError(f"{name} is a folder; to audit the pictures in it, use the generator images:{name}")
    if os.path.isfile(path):
        return read_file(path)
    known = [*builtin_names(), *plugins()]
    if path.suffix or len(path.parts) > 1:
        raise SuiteError(
            f"no such file: {name}; a suite is a file ({', '.join(SUFFIXES)}) or one of {', '.join(known)}"
        )
    raise SuiteError(f"no suite named {name!r}; {near(name, known)}; or give a file ({', '.join(SUFFIXES)})")


@cache
def builtin_names() -> tuple[str, ...]:
    """The suites that ship with the program."""
    return tuple(sorted(path.stem for path in BUILTIN.glob("*.jsonl")))


@cache
def plugins() -> dict[str, Callable[[], Suite]]:
    """Suites of installed packages: entry-point group "sixthfinger.suites", each a callable that returns a `Suite`."""
    return {point.name: point.load() for point in entry_points(group=GROUP)}


def read_file(path: Path) -> Suite:
    """Every prompt of a file; the suite's version is the digest of the file.

    Raises:
        SuiteError: as `load`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SuiteError(f"{path}: no suite format ends in {path.suffix or 'nothing'!r}; known: {', '.join(SUFFIXES)}")
    try:
        if path.suffix.lower() == ".txt":
            drafts = list(lines(read_text(path), path.stem))
        else:
            rows = read_rows(path)
            drafts = list(recognise(rows[0])(rows, str(path)))
        if not drafts:
            raise SuiteError(f"{path}: no prompts in it")
        drafts, inputs = with_inputs(drafts, path)
        prompts = numbered(drafts, path)
    except TableError as error:
        raise SuiteError(str(error)) from None
    version = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Suite(name=path.stem, version=version, prompts=prompts, files=inputs)


def with_inputs(drafts: Sequence[Draft], path: Path) -> tuple[list[Draft], dict[str, Path]]:
    """The drafts with each input named by the digest of its pixels, and where each lies.

    Raises:
        SuiteError: an input that is not there, is no picture, or lies outside the suite's folder.
    """
    found: dict[str, Path] = {}
    known: dict[Path, str] = {}
    changed = []
    for draft in drafts:
        inputs = {}
        for role, name in draft.inputs.items():
            where = f"{path}, row {draft.row}: {role} {name!r}"
            file = path.parent / name
            if not name.isprintable():
                raise SuiteError(f"{where} is no file's name")
            if not inside(file, path.parent):
                raise SuiteError(f"{where} lies outside the suite's folder; put it beside the suite or below")
            if not os.path.isfile(file):
                raise SuiteError(f"{where}: No such file")
            if file not in known:
                try:
                    known[file] = images.digest(images.decode(images.read(file)))
                except (OSError, images.ImageError) as error:
                    raise SuiteError(f"{where}: {getattr(error, 'strerror', None) or error}") from None
                found[known[file]] = file
            inputs[role] = known[file]
        changed.append(replace(draft, inputs=inputs))
    return changed, found


def numbered(drafts: Sequence[Draft], path: Path) -> tuple[Prompt, ...]:
    """Prompts with ids that survive a reordering of rows: the file's own, else a hash of the text.

    Prompts with one text are told apart by "-2", "-3" in their order.
    """
    seen: Counter[str] = Counter()
    rows_of_ids: dict[str, int] = {}
    prompts = []
    for draft in drafts:
        where = f"{path}, row {draft.row}"
        if not draft.text.strip():
            raise SuiteError(f"{where}: empty text; give the prompt or take the row out")
        name = draft.id or short_hash(draft.text)
        if not draft.id:
            seen[name] += 1
            name = name if seen[name] == 1 else f"{name}-{seen[name]}"
        if name in rows_of_ids:
            raise SuiteError(f"{where}: id {name!r} was already used in row {rows_of_ids[name]}; ids must differ")
        rows_of_ids[name] = draft.row
        prompts.append(
            Prompt(
                id=name,
                text=draft.text,
                negative_text=draft.negative_text,
                tags=draft.tags,
                expect=draft.expect,
                inputs=draft.inputs,
                origin=f"{path.name}, row {draft.row}",
            )
        )
    return tuple(prompts)


def short_hash(text: str) -> str:
    """Twelve hexadecimal digits, with runs of white space counted as one space."""
    return hashlib.sha256(re.sub(r"\s+", " ", text.strip()).encode()).hexdigest()[:12]


def subset(suite: Suite, limit: int) -> Suite:
    """`limit` prompts, evenly spaced, so that files sorted by category keep every category; all if there are fewer."""
    count = len(suite.prompts)
    if limit >= count:
        return suite
    chosen = tuple(suite.prompts[(2 * i + 1) * count // (2 * limit)] for i in range(limit))
    return replace(suite, name=f"{suite.name}?limit={limit}", prompts=chosen)


def of_images(pictures: Pictures) -> Suite:
    """The suite of a folder's own prompts, one prompt a picture; a picture's name is its prompt's id."""
    prompts: Iterable[Prompt] = (
        Prompt(id=name, text=text, tags=tags, expect=expect, origin=f"{pictures.name}, {name}")
        for name, text, expect, tags in pictures.prompts()
    )
    return Suite(name=pictures.name, version=pictures.fingerprint()[:16], prompts=tuple(prompts))
