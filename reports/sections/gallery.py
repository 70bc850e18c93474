"""The pictures themselves, side by side by prompt and seed, with every score and its evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np

from audit.types import Json, Prompt
from reports.api import Part, section
from reports.evidence import boxes, facts, marks, reading
from reports.load import Column, Report, rows_of
from reports.page import fill
from reports.pictures import Copy, encoded, thumbnails
from reports.words import ARROWS

MOST_PICTURES = 2000
INPUT = Copy(96)
Row = tuple[str, str, int]
"""A prompt's id, its text (a later run may ask otherwise under the same id), and the replicate."""


@section("gallery", title="Gallery", order=60)
def gallery(report: Report) -> Part:
    """Rows are prompt and replicate, columns are generator and settings; the page's script draws and filters them."""
    rows, total = _rows(report)
    audits = report.per_picture
    places = {row: place for place, row in enumerate(rows)}
    reasons: dict[str, int] = {}
    sources = _sources(report, places)
    pictures = [
        picture
        for column in report.columns
        for picture in _pictures(column, places, {info.name: at for at, info in enumerate(audits)}, reasons, sources)
    ]
    prompts = _prompts(report)
    data = {
        "columns": [
            {"who": report.who(column), "words": column.words, "settings": _chosen(column)} for column in report.columns
        ],
        "audits": [
            {"name": info.name, "unit": info.unit, "better": info.better, "arrow": ARROWS[info.better]}
            for info in audits
        ],
        "rows": [{**prompts[prompt_id, text], "replicate": replicate} for prompt_id, text, replicate in rows],
        "inputs": _inputs(report, rows),
        "pictures": pictures,
        "reasons": list(reasons),
    }
    return Part(
        fill("sections/gallery.html", report=report, shown=len(rows), total=total, pictures=len(pictures)), data
    )


def _row_of(column: Column, picture: Mapping[str, Json]) -> Row:
    prompt_id = str(picture["prompt_id"])
    return prompt_id, column.run.prompts[prompt_id].text, int(picture["replicate"])


def _of(column: Column) -> Iterator[Mapping[str, Json]]:
    pictures = column.run.pictures
    yield from rows_of(pictures[(pictures.generator == column.generator) & (pictures.cell == column.cell)])


def _rows(report: Report) -> tuple[list[Row], int]:
    """Rows to show, evenly spread over all where there would be too many pictures, and how many there are in all."""
    found = dict.fromkeys(_row_of(column, picture) for column in report.columns for picture in _of(column))
    order = {(prompt_id, text): place for place, (prompt_id, text, _) in enumerate(found)}
    rows = sorted(found, key=lambda row: (order[row[0], row[1]], row[2]))
    most = max(1, MOST_PICTURES // max(1, len(report.columns)))
    kept = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))
    return [rows[place] for place in kept], len(rows)


def _prompts(report: Report) -> dict[tuple[str, str], dict[str, Json]]:
    return {(prompt.id, prompt.text): _told(prompt) for run in report.runs for prompt in run.prompts.values()}


def _told(prompt: Prompt) -> dict[str, Json]:
    return {
        "id": prompt.id,
        "text": prompt.text,
        "negative": prompt.negative_text,
        "tags": list(prompt.tags),
        "expect": {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in prompt.expect.items()
        },
        "origin": prompt.origin,
        "inputs": dict(prompt.inputs),
    }


def _inputs(report: Report, rows: list[Row]) -> dict[str, str]:
    """The pictures that the shown prompts brought with them, small, as base64 WebP by their digest."""
    asked = {(prompt_id, text) for prompt_id, text, _ in rows}
    return {
        digest: encoded(run.folder.input(digest), INPUT)
        for run in report.runs
        for prompt in run.prompts.values()
        if (prompt.id, prompt.text) in asked
        for digest in prompt.inputs.values()
        if run.folder.input_file(digest).is_file()
    }


def _chosen(column: Column) -> dict[str, str]:
    return {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in column.settings.items()
        if value is not None
    }


def _sources(report: Report, places: Mapping[Row, int]) -> dict[tuple[int, str], str]:
    """Base64 WebP by (run, key)."""
    wanted: dict[int, list[str]] = {place: [] for place in range(len(report.runs))}
    runs = {id(run): place for place, run in enumerate(report.runs)}
    for column in report.columns:
        mine = [each for each in _of(column) if each["status"] == "ok" and _row_of(column, each) in places]
        wanted[runs[id(column.run)]] += [str(each["key"]) for each in mine]
    made = thumbnails([(run, wanted[place]) for place, run in enumerate(report.runs)])
    return {
        (id(run), key): source
        for run, sources in zip(report.runs, made, strict=True)
        for key, source in sources.items()
    }


def _pictures(
    column: Column,
    places: Mapping[Row, int],
    audits: Mapping[str, int],
    reasons: dict[str, int],
    sources: Mapping[tuple[int, str], str],
) -> Iterator[dict[str, Json]]:
    scores = column.run.scored
    mine = scores[(scores.generator == column.generator) & (scores.cell == column.cell) & scores.audit.isin(audits)]
    by_key = {key: rows_of(rows) for key, rows in mine.groupby("key", sort=False)}
    for picture in _of(column):
        row = _row_of(column, picture)
        if row not in places:
            continue
        ok = picture["status"] == "ok"
        expect = column.run.prompts[row[0]].expect
        yield {
            "column": column.index,
            "row": places[row],
            "key": picture["key"],
            "seed": str(picture["seed"]),
            "status": picture["status"],
            "error": picture["error"],
            "width": int(picture["width"]) if ok else 0,
            "height": int(picture["height"]) if ok else 0,
            "seconds": float(picture["seconds"]) if ok else None,
            "source": sources.get((id(column.run), str(picture["key"])), ""),
            **_scores(by_key.get(picture["key"], []), audits, reasons, expect),
        }


def _scores(
    rows: list[dict[str, Json]], audits: Mapping[str, int], reasons: dict[str, int], expect: Mapping[str, Json]
) -> dict[str, Json]:
    """The picture's scores by place of their audit: a number, or [status, place of the reason]; and their evidence.

    Audits that share a reading give the same boxes and text, so these are kept once for the picture.
    """
    values: dict[int, Json] = {}
    told: dict[int, Json] = {}
    drawn: list[Json] = []
    marked: list[Json] = []
    diff: Json = None
    for row in rows:
        place = audits[row["audit"]]
        evidence = json.loads(row["evidence"] or "{}")
        if row["status"] == "ok":
            values[place] = row["value"]
        else:
            values[place] = [row["status"], reasons.setdefault(row["reason"], len(reasons))]
        drawn += [box for box in boxes(evidence) if box not in drawn]
        marked += [mark for mark in marks(evidence) if mark not in marked]
        diff = diff or reading(expect, evidence)
        if rest := facts(evidence):
            told[place] = rest
    return {"scores": values, "facts": told, "boxes": drawn, "marks": marked, "diff": diff}
