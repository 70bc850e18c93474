"""Texts that would run, colour or reorder are shown as they are: in the terminal, in tables, in what is pasted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from audit import cli
from audit.suites import SuiteError, load
from audit.types import Prompt, Score
from generators.adapters.images import ImagesGenerator
from tests.hostile.targets import CONTROLS
from tests.reports.found_run import write_found

FORMULAS = ['=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "'=1", "=cmd|'/C calc'!A0"]
MARKS = ["\x1b[31mred", "a\x07b", "a\x00b", "x\u202egnp.exe", "\u2066x", "a\u2028b", "\x9b2J", "a\rb"]
SHOWN = [each for each in MARKS if "\r" not in each]
"""A carriage return in a CSV is one of the known gaps, with a test of its own."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose prompts, ids, tags and evidence are formulas and control characters."""
    asked = [
        Prompt(id=f"{text}{place}", text=text, tags=(text,), expect={"text": text}, origin=text)
        for place, text in enumerate([*FORMULAS, *SHOWN])
    ]
    folder = tmp_path_factory.mktemp("inert") / "run"
    return write_found(folder, {"tone.clipped": lambda job: Score.of(0.5, seen=job.prompt.text)}, asked)


@pytest.mark.parametrize("mark", MARKS)
def test_a_refused_suite_says_why_without_control_characters(tmp_path: Path, mark: str) -> None:
    """The message goes to a terminal as it is."""
    held = json.dumps(mark)
    files = [
        f'{{{held}: "a"}}',
        f'{{"text": {held}, "inputs": {{{held}: "a.png"}}}}',
        f'{{"text": "a", "inputs": {{"source": {held}}}}}',
        f'{{"text": "a", "tags": [{held}, 1]}}',
        f'{{"text": "a", "id": {held}}}\n{{"text": "b", "id": {held}}}',
        f'{{"text": "a", "expect": {held}}}',
    ]
    for content in files:
        (tmp_path / "s.jsonl").write_text(content + "\n")
        with pytest.raises(SuiteError) as told:
            load(str(tmp_path / "s.jsonl"))
        assert not CONTROLS.search(str(told.value)), repr(str(told.value))


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_tables_carry_prompts_as_they_are_in_every_format(run: Path, tmp_path: Path, form: str) -> None:
    """Decided so: a table is for programs, and a mark against spreadsheets would change the prompt for all of them."""
    assert cli.main(["export", str(run), "--to", str(tmp_path / "out"), "--format", form, "--no-pictures"]) == 0
    read = {
        "csv": lambda: pd.read_csv(tmp_path / "out" / "prompts.csv", keep_default_na=False),
        "json": lambda: pd.read_json(tmp_path / "out" / "prompts.jsonl", lines=True),
        "parquet": lambda: pq.read_table(tmp_path / "out" / "prompts.parquet").to_pandas(),
    }[form]()
    assert list(read["prompt"]) == [*FORMULAS, *SHOWN]


def test_a_formula_in_an_export_is_one_quoted_cell_and_reads_back_as_the_same_prompt(run: Path, tmp_path: Path) -> None:
    """No text of a prompt can begin another cell or row, where a spreadsheet would look for the next formula."""
    assert cli.main(["export", str(run), "--to", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "prompts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {len(rows[0])}
    back = ImagesGenerator.parse(str(tmp_path / "out"))
    assert {text for text in FORMULAS if text in back.texts} == set(FORMULAS)


def test_names_of_exported_files_are_letters_and_digits(run: Path, tmp_path: Path) -> None:
    assert cli.main(["export", str(run), "--to", str(tmp_path / "out")]) == 0
    names = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")]
    assert len(names) == len(FORMULAS) + len(SHOWN)
    assert all(name.isascii() and name.isprintable() and ".." not in name and " " not in name for name in names)
