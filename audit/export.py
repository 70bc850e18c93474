"""A run as plain files: PNG pictures and tables in CSV, Parquet or JSON, for people and for other programs."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from audit import tables
from audit.images import encode_png
from audit.store import RunFolder, StoreError
from audit.types import Contrast, Estimate

Form = Literal["csv", "parquet", "json"]
FORMS: tuple[Form, ...] = ("csv", "parquet", "json")
LONGEST_NAME = 60

_PLACE = [
    ("generator", pa.string()),
    ("cell", pa.string()),
    ("prompt_id", pa.string()),
    ("replicate", pa.int32()),
    ("seed", pa.int64()),
    ("key", pa.string()),
]
_SCORE = [(each.name, each.type) for each in tables.SCORES if each.name not in ("key", "vector")]
_SCORES = pa.schema([("file", pa.string()), *_PLACE, *_SCORE])
_PROMPTS = pa.schema(
    [
        *(("file", pa.string()), ("prompt", pa.string()), *_PLACE),
        *(("expect", pa.string()), ("tags", pa.list_(pa.string()))),
    ]
)
_ESTIMATES = pa.schema([*tables.ESTIMATES, ("unit", pa.string()), ("better", pa.string())])
_JSON_COLUMNS = ("expect", "options", "evidence")
_LINES = ("prompts", "scores")  # a row per picture: JSON lines, which can be read one at a time


def export(folder: RunFolder, to: Path, *, form: Form = "csv", pictures: bool = True) -> int:
    """Write DIR/GENERATOR/CELL/PROMPT-rREPLICATE-KEY.png and the tables prompts, scores, estimates and contrasts.

    The file names in the tables are relative to DIR, so that `images:DIR` reads the export back; a Parquet export
    with pictures has a prompts.csv besides for that. JSON tables are lists of records, those with a row per picture
    JSON lines; what is absent is null there and in Parquet, and empty in CSV.

    Args:
        to: the folder to write; new or empty.
        form: of the tables.
        pictures: False leaves the PNG files out, and with them the column `file`.

    Returns:
        how many pictures were written.

    Raises:
        StoreError: `to` holds files already or cannot be written.
    """
    folder.manifest()  # says so where this is no run
    try:
        to.mkdir(parents=True, exist_ok=True)
        if any(to.iterdir()):
            raise StoreError(f"{to} is not empty; choose a new folder for --to")
        files = _write_pictures(folder, to) if pictures else {}
        told = _tables(folder, files, pictures)
        for name, table in told.items():
            write_table(table, to / table_file(name, form), form)
        if pictures and form == "parquet":
            write_table(told["prompts"], to / "prompts.csv", "csv")
    except OSError as error:
        raise StoreError(f"cannot write to {to}: {error.strerror}; choose another --to") from error
    return len(files)


def table_file(name: str, form: Form) -> str:
    """The file's name of one of the tables prompts, scores, estimates, contrasts.

    >>> table_file("scores", "json"), table_file("estimates", "json"), table_file("scores", "csv")
    ('scores.jsonl', 'estimates.json', 'scores.csv')
    """
    return f"{name}.{'jsonl' if form == 'json' and name in _LINES else form}"


def estimate_table(estimates: Iterable[Estimate], audits: Iterable[Mapping[str, Any]]) -> pa.Table:
    """A row per estimate with the audit's unit and direction beside its numbers; `audits` as the manifest has them."""
    about = {each["name"]: {"unit": each.get("unit"), "better": each.get("better")} for each in audits}
    return pa.Table.from_pylist([asdict(each) | about.get(each.audit, {}) for each in estimates], schema=_ESTIMATES)


def contrast_table(contrasts: Iterable[Contrast]) -> pa.Table:
    """A row per paired difference."""
    return pa.Table.from_pylist(tables.estimate_rows(contrasts), schema=tables.CONTRASTS)


def write_table(table: pa.Table, path: Path, form: Form) -> None:
    """The table as a file; columns that hold JSON text are values in JSON, and lists are joined by ";" in CSV."""
    if form == "parquet":
        pq.write_table(table, path)
    elif form == "csv":
        frame = table.to_pandas()
        if "tags" in frame:
            frame["tags"] = frame["tags"].map(";".join)
        frame.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)  # unquoted, a carriage return begins a row
    else:
        lines = [_json(row) for batch in table.to_batches() for row in batch.to_pylist()]
        listed = "[" + ",\n ".join(lines) + "]\n"
        text = "".join(f"{line}\n" for line in lines) if path.suffix == ".jsonl" else listed
        path.write_text(text, encoding="utf-8")


def _write_pictures(folder: RunFolder, to: Path) -> dict[str, str]:
    """Write every picture that was made; its file's name by key."""
    jobs, artifacts = folder.jobs(), folder.artifacts()
    made = jobs[jobs["key"].isin(artifacts["key"][artifacts["status"] == "ok"])]
    files = {
        key: f"{plain(generator)}/{plain(cell)}/{plain(prompt)}-r{replicate}-{key[:8]}.png"
        for generator, cell, prompt, replicate, key in zip(
            *(made[name].tolist() for name in ("generator", "cell", "prompt_id", "replicate", "key")), strict=True
        )
    }
    for key, pixels in folder.images(files):
        path = to / files[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(pixels))
    return files


def _tables(folder: RunFolder, files: Mapping[str, str], pictures: bool) -> dict[str, pa.Table]:
    jobs, artifacts, prompts = folder.jobs(), folder.artifacts(), folder.prompts()
    jobs["file"] = jobs["key"].map(files)
    made = jobs[jobs["key"].isin(artifacts["key"][artifacts["status"] == "ok"])].copy()
    asked = [prompts[each] for each in made["prompt_id"]]
    made["prompt"] = [each.text for each in asked]
    made["expect"] = [tables.canonical(dict(each.expect)) for each in asked]
    made["tags"] = pd.Series([list(each.tags) for each in asked], index=made.index, dtype=object)
    scores = jobs.drop(columns="shard").merge(folder.scores().drop(columns="vector"), on="key")
    told = {
        "prompts": pa.Table.from_pandas(made, schema=_PROMPTS, preserve_index=False),
        "scores": pa.Table.from_pandas(scores, schema=_SCORES, preserve_index=False),
    }
    if not pictures:
        told = {name: table.drop_columns(["file"]) for name, table in told.items()}
    told["estimates"] = estimate_table(folder.estimates(), folder.manifest()["audits"])
    told["contrasts"] = contrast_table(folder.contrasts())
    return told


def _json(row: dict[str, Any]) -> str:
    values = {
        name: json.loads(value) if name in _JSON_COLUMNS and value is not None else value for name, value in row.items()
    }
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def plain(text: str) -> str:
    """The text as a part of a path on any system: letters, digits, dots and dashes, not too long, never empty.

    >>> plain("builtin:ldm"), plain("guidance=3 steps=10"), plain("../etc")
    ('builtin-ldm', 'guidance-3-steps-10', 'etc')
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:LONGEST_NAME] or "x"
