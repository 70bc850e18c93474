"""What fuzzing found and was mended, each as small as it gets."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit import cli
from tests.hostile.runs import a_run, fakes
from tests.hostile.targets import guarded, sweep_file, told


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(a_run(), tmp_path / "run"))


def forged(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Rewrite a JSON file, or the first line of a JSONL file."""
    first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    whole = path.suffix == ".json"
    value = json.loads(first + "\n" + rest if whole else first)
    path.write_text(json.dumps(change(value)) + ("" if whole else "\n" + rest), encoding="utf-8")


def test_a_plan_without_its_numbers_is_refused(run: Path) -> None:
    jobs = pq.read_table(run / "jobs.parquet")
    place = jobs.column_names.index("replicate")
    pq.write_table(
        jobs.set_column(place, jobs.schema.field(place), pa.nulls(len(jobs), pa.int32())), run / "jobs.parquet"
    )
    with guarded(run.parent):
        assert "column replicate" in told("report", "run")


def test_the_run_is_sound_before_it_is_forged(run: Path) -> None:
    with guarded(run.parent):
        assert told("show", "run") == "accepted"
        assert told("export", "run", "--to", "out", "--no-pictures") == "accepted"


@pytest.mark.parametrize("value", ["[" * 3000, "9" * 5000], ids=["deep", "long"])
def test_a_sweep_of_deep_lists_or_long_numbers_is_refused(tmp_path: Path, value: str) -> None:
    assert "TOML" in sweep_file(f"[run]\nlimit = {value}\n".encode(), tmp_path)


def test_a_number_that_no_float_holds_is_refused(tmp_path: Path) -> None:
    assert "guidance" in sweep_file(b"[run]\nguidance = 1" + b"0" * 400, tmp_path)


@pytest.mark.parametrize("forgery", [lambda told: [], lambda told: told | {"audits": None}], ids=["list", "no audits"])
def test_a_manifest_that_is_none_is_refused(run: Path, forgery: Callable[[dict[str, object]], object]) -> None:
    forged(run / "manifest.json", forgery)
    with guarded(run.parent):
        assert "manifest.json" in told("show", "run")


def test_a_prompt_whose_text_is_none_is_refused(run: Path) -> None:
    forged(run / "prompts.jsonl", lambda row: row | {"text": {}})
    with guarded(run.parent):
        assert "prompts.jsonl" in told("export", "run", "--to", "out", "--no-pictures")


@pytest.mark.parametrize("column", ["low", "audit"])
def test_estimates_without_a_column_are_refused(run: Path, column: str) -> None:
    table = pq.read_table(run / "estimates.parquet")
    pq.write_table(table.drop_columns([column]), run / "estimates.parquet")
    with guarded(run.parent):
        assert "estimates.parquet" in told("show", "run")


def test_jobs_without_settings_are_refused(run: Path) -> None:
    table = pq.read_table(run / "jobs.parquet")
    at = table.column_names.index("settings")
    nothing = table.set_column(at, table.schema.field("settings"), pa.nulls(len(table), pa.string()))
    pq.write_table(nothing, run / "jobs.parquet")
    with guarded(run.parent):
        assert "jobs.parquet" in told("report", "run", "--out", "report.html")


def test_the_terminal_shows_no_escape_of_a_generators_name(run: Path) -> None:
    table = pq.read_table(run / "estimates.parquet")
    nasty = pa.array(["\x1b[2Jgone"] * len(table))
    at = table.column_names.index("generator")
    pq.write_table(table.set_column(at, table.schema.field("generator"), nasty), run / "estimates.parquet")
    with guarded(run.parent):
        assert told("show", "run") == "accepted"


def test_the_terminal_shows_no_escape_of_an_error(tmp_path: Path) -> None:
    fakes()
    (tmp_path / "s.txt").write_text("a\n")
    with guarded(tmp_path):
        argv = ("--suite", "s.txt", "--generator", "fake:", "--out", "s.txt/\x1b[2J\u2028x")
        assert "cannot write" in told("run", *argv, "--audits", "fake.red")


def test_a_carriage_return_in_a_prompt_begins_no_row(run: Path, tmp_path: Path) -> None:
    forged(run / "prompts.jsonl", lambda row: row | {"text": "a\r=1+1"})
    with guarded(tmp_path):
        assert cli.main(["export", "run", "--to", "out", "--no-pictures", "--format", "csv"]) == 0
    raw = (tmp_path / "out" / "prompts.csv").read_bytes()
    assert "a\r=1+1" in list(pd.read_csv(io.BytesIO(raw))["prompt"])
