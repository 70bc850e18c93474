"""An export says what the run says, in each format, and is read back as pictures with their prompts."""

import csv
import json
from collections import Counter
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import generators.load
from audit.export import FORMS, export, table_file
from audit.images import decode
from audit.store import RunFolder, StoreError
from tests.reports.fake_run import write_run

TABLES = ("prompts", "scores", "estimates", "contrasts")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return RunFolder(write_run(tmp_path_factory.mktemp("runs") / "run", guidances=(1.0, 3.0), steps=(10,), size=24))


@pytest.fixture(scope="module")
def exports(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    for form in FORMS:
        export(run, folder / form, form=form)
    return folder


def rows(folder, name, form):
    """A table of an export as records, read as other programs would."""
    path = folder / table_file(name, form)
    if form == "parquet":
        return pq.read_table(path).to_pylist()
    if form == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    return [json.loads(line) for line in filter(None, text.split("\n"))]


@pytest.mark.parametrize("form", ["parquet", "json"])
def test_numbers_come_back_as_the_same_numbers_and_absent_ones_as_null(run, exports, form):
    found = rows(exports / form, "estimates", form)
    assert [{k: v for k, v in row.items() if k not in ("unit", "better")} for row in found] == [
        asdict(each) for each in run.estimates()
    ]
    assert {row["corrected"] for row in found} == {None}
    assert {(row["audit"], row["unit"], row["better"]) for row in found} >= {
        ("text.cer", "edits per expected character", "lower"),
        ("text.exact", "share of pictures", "higher"),
    }
    assert rows(exports / form, "contrasts", form) == [asdict(each) for each in run.contrasts()]


def test_csv_has_the_same_numbers_too(run, exports):
    for row, each in zip(rows(exports / "csv", "estimates", "csv"), run.estimates(), strict=True):
        assert [float(row[name]) if row[name] else None for name in ("value", "low", "high")] == [
            each.value,
            each.low,
            each.high,
        ]
        assert (int(row["n"]), int(row["skipped"]), int(row["failed"])) == (each.n, each.skipped, each.failed)
    assert len(rows(exports / "csv", "contrasts", "csv")) == len(run.contrasts()) > 0


@pytest.mark.parametrize("form", FORMS)
def test_every_score_is_there_with_why_it_is_absent(run, exports, form):
    found = rows(exports / form, "scores", form)
    stored = run.scores()
    assert len(found) == len(stored)
    assert Counter(row["status"] for row in found) == Counter(stored["status"])
    for row in found:
        assert (row["status"] == "ok") == (row["value"] not in (None, "")) or row["audit"] == "features.studio"
        assert (row["status"] == "ok") != bool(row["reason"])
        assert not row["file"] or (exports / form / row["file"]).is_file()


def test_json_evidence_is_a_value_and_not_text_within_text(exports):
    found = next(row for row in rows(exports / "json", "scores", "json") if row["audit"] == "text.cer" and row["value"])
    assert found["evidence"]["confusions"][0][1] == "0"
    assert found["options"] == {}


@pytest.mark.parametrize("form", FORMS)
def test_images_reads_the_export_back_with_pictures_prompts_and_expectations(run, exports, form):
    again = generators.load.load(f"images:{exports / form}")
    asked = run.prompts()
    known = {row["file"]: asked[row["prompt_id"]] for row in rows(exports / form, "prompts", form)}
    found = again.prompts()
    assert [name for name, *_ in found] == sorted(known)
    for name, text, expect, tags in found:
        assert (text, expect) == (known[name].text, dict(known[name].expect))
        assert form != "json" or tags == known[name].tags


def test_pictures_are_the_stored_pixels(run, exports):
    for row in rows(exports / "parquet", "prompts", "parquet")[:5]:
        assert np.array_equal(decode((exports / "parquet" / row["file"]).read_bytes()), run.image(row["key"]))


@pytest.mark.parametrize("form", FORMS)
def test_without_pictures_only_tables_are_written_and_none_names_a_file(run, tmp_path, form):
    assert export(run, tmp_path / "x", form=form, pictures=False) == 0
    assert sorted(path.name for path in (tmp_path / "x").rglob("*")) == sorted(table_file(n, form) for n in TABLES)
    assert "file" not in rows(tmp_path / "x", "prompts", form)[0]
    assert "file" not in rows(tmp_path / "x", "scores", form)[0]


def test_parquet_keeps_the_types(exports):
    schema = pq.read_schema(exports / "parquet" / "scores.parquet")
    assert schema.field("value").type == pa.float64()
    assert schema.field("seed").type == pa.int64()
    assert pq.read_schema(exports / "parquet" / "prompts.parquet").field("tags").type == pa.list_(pa.string())


def test_a_run_without_a_summary_exports_what_there_is(tmp_path):
    run = RunFolder(write_run(tmp_path / "run", guidances=(1.0,), steps=(10,), size=24, replicates=1, stop_after=0))
    for form in FORMS:
        assert export(run, tmp_path / form, form=form) == 0
        assert rows(tmp_path / form, "scores", form) == []


def test_a_folder_in_use_is_spared(run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not empty; choose a new folder"):
        export(run, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(StoreError, match="is no run folder"):
        export(RunFolder(tmp_path / "nowhere"), tmp_path / "to")
    assert not (tmp_path / "to").exists()
