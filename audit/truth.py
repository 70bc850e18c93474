"""A user's own pictures as a trial: a folder, and a CSV that says what is true of each."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from audit import images
from audit.calibrate import CalibrationError
from audit.registry import find_audit, trials
from audit.trial import Case, Trial
from audit.types import Json, Prompt

YES, NO = {"1", "yes", "true"}, {"0", "no", "false"}
KNOWN = ("file", "planted", "prompt", "expect", "truth")


def own_trial(detector: str, folder: Path, truth: Path, domain: str) -> Trial:
    """The trial of a detector on the pictures of a folder.

    Args:
        truth: CSV with columns file (relative to the folder) and planted (yes or no); optional prompt, expect (JSON),
            truth (what a perfect detector would name); every other column is a kind of picture.

    Raises:
        UnknownNameError: no such audit.
        CalibrationError: a file, column or value that cannot be used, with its row.
    """
    find_audit(detector)
    rows = _rows(truth)
    cases = [_checked(row, number, folder, truth) for number, row in enumerate(rows, start=2)]
    example = next((each for each in trials().values() if each.detector == detector), None)

    def read(count: int) -> Iterator[Case]:
        return (case() for case in cases[:count])

    return Trial(
        detector=detector,
        domain=domain,
        count=len(cases),
        quick=len(cases),
        planted=f"not planted: {len(cases)} pictures whose truth somebody wrote down",
        limits="It speaks of pictures like these.",
        goals={},
        cases=read,
        verdict=example.verdict if example else None,
        said=example.said if example else None,
        options=example.options if example else {},
    )


def _rows(truth: Path) -> list[Mapping[str, str]]:
    try:
        with truth.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows: list[Mapping[str, str]] = list(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CalibrationError(f"cannot read {truth}: {error}") from error
    for needed in ("file", "planted"):
        if needed not in columns:
            raise CalibrationError(f"{truth}: no column {needed!r}; found {', '.join(columns) or 'none'}")
    if not rows:
        raise CalibrationError(f"{truth}: no rows below the header")
    return rows


def _checked(row: Mapping[str, str], number: int, folder: Path, truth: Path) -> Callable[[], Case]:
    """What reads the row's picture into its case; everything but the pixels is checked now."""
    where = f"{truth}, row {number}"
    path = folder / row["file"]
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)) or not path.is_file():
        raise CalibrationError(f"{where}: no picture {row['file']!r} in {folder}")
    planted = (row["planted"] or "").strip().lower()
    if planted not in YES | NO:
        raise CalibrationError(f"{where}: planted is {row['planted']!r}; write yes or no")
    try:
        expect: Json = json.loads(row.get("expect") or "{}")
    except ValueError as error:
        raise CalibrationError(f"{where}: expect is no JSON: {error}") from error
    if not isinstance(expect, dict):
        raise CalibrationError(f'{where}: expect must be a JSON object such as {{"text": "OPEN"}}')
    prompt = Prompt(id=row["file"], text=row.get("prompt") or "", expect=expect, origin=where)
    groups = {name: value for name, value in row.items() if name and name not in KNOWN and value}

    def read() -> Case:
        try:
            pixels = images.decode(path.read_bytes())
        except images.ImageError as error:
            raise CalibrationError(f"{where}: {path}: {error}") from error
        return Case(pixels=pixels, planted=planted in YES, prompt=prompt, truth=row.get("truth") or None, groups=groups)

    return read
