"""The pictures themselves, side by side by prompt and seed, with every score and its evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from audit.types import Json, Prompt
from reports.api import Part, section
from reports.evidence import boxes, facts, marks, reading
from reports.load import Column, Report, Run, rows_of
from reports.page import embedded, fill
from reports.pictures import BUDGET, Copy, encoded, thumbnails
from reports.words import ARROWS

MOST_PICTURES = 2000
INPUT = Copy(96)
ROOM = 11_500_000
"""Bytes that the gallery may take with all its words, so that a page stays below 15 MB."""
DEFECTS = {"lower": 1, "higher": 0, "neither": None}
"""What an audit that says yes or no says of a bad picture, by its better end."""
ROW = ["prompt_id", "text", "replicate"]
"""A prompt's id, its text (a later run may ask otherwise under the same id), and the replicate."""
Row = tuple[str, str, int]


@section("gallery", title="Gallery", order=60)
def gallery(report: Report) -> Part:
    """Rows are prompt and replicate, columns are generator and settings; the page's script draws and filters them."""
    shown, rows, total = _shown(report)
    audits = report.per_picture
    reasons: dict[str, int] = {}
    pictures = [
        picture
        for run, mine in zip(report.runs, _of_runs(report, shown), strict=True)
        for picture in _pictures(run, mine, {info.name: at for at, info in enumerate(audits)}, reasons)
    ]
    prompts = _prompts(report)
    data: dict[str, Json] = {
        "columns": [_column(report, column) for column in report.columns],
        "audits": [
            {
                "name": info.name,
                "unit": info.unit,
                "better": info.better,
                "arrow": ARROWS[info.better],
                "defect": DEFECTS[info.better] if info.statistic == "rate" else None,
            }
            for info in audits
        ],
        "rows": [{**prompts[prompt_id, text], "replicate": replicate} for prompt_id, text, replicate in rows],
        "inputs": _inputs(report, rows),
        "pictures": pictures,
        "reasons": list(reasons),
    }
    _add_sources(report, shown, pictures, ROOM - len(embedded(data)))
    return Part(
        fill("sections/gallery.html", report=report, shown=len(rows), total=total, pictures=len(pictures)), data
    )


def shown_keys(report: Report) -> list[tuple[Run, list[str]]]:
    """The pictures that the gallery shows, by their keys, run by run."""
    shown, _, _ = _shown(report)
    return [
        (run, list(mine.key[mine.status == "ok"]))
        for run, mine in zip(report.runs, _of_runs(report, shown), strict=True)
    ]


def folder_of(report: Report, run: Run) -> str:
    """Where the run's full pictures lie within the folder beside the page: with several runs each has its own."""
    return f"{_place(report, run) + 1}/" if len(report.runs) > 1 else ""


def _place(report: Report, run: Run) -> int:
    return next(place for place, each in enumerate(report.runs) if each is run)


def _shown(report: Report) -> tuple[pd.DataFrame, list[Row], int]:
    """The pictures to show with their `row` and `column`; the rows, and how many there were to choose from.

    Rows are spread evenly over all where there would be too many pictures.
    """
    found = pd.concat([_placed(report, place) for place in range(len(report.runs))], ignore_index=True)
    found["prompt"] = found.groupby(ROW[:2], sort=False).ngroup()
    rows = found[["prompt", *ROW]].drop_duplicates().sort_values(["prompt", "replicate"], kind="stable")
    most = max(1, MOST_PICTURES // max(1, len(report.columns)))
    kept = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]
    places = kept.assign(row=range(len(kept)))[["prompt", "replicate", "row"]]
    shown = found.merge(places, on=["prompt", "replicate"]).sort_values("column", kind="stable")
    return shown, [(str(p), str(t), int(r)) for p, t, r in kept[ROW].itertuples(index=False)], len(rows)


def _placed(report: Report, place: int) -> pd.DataFrame:
    """The run's pictures with `run`, `column` and their prompt's `text`."""
    run = report.runs[place]
    columns = {(each.generator, each.cell): each.index for each in report.columns if each.run is run}
    pictures = run.pictures.drop(columns=["settings"])
    where = pd.MultiIndex.from_frame(pictures[["generator", "cell"]]).map(columns)
    text = pictures.prompt_id.map({prompt.id: prompt.text for prompt in run.prompts.values()})
    return pictures.assign(run=place, column=where, text=text)


def _of_runs(report: Report, shown: pd.DataFrame) -> list[pd.DataFrame]:
    return [shown[shown.run == place] for place in range(len(report.runs))]


def _column(report: Report, column: Column) -> dict[str, Json]:
    """The column in words, and where its full pictures lie."""
    full = f"{report.full}/{folder_of(report, column.run)}" if report.full else ""
    return {"who": report.who(column), "words": column.words, "settings": _chosen(column), "full": full}


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


def _inputs(report: Report, rows: Sequence[Row]) -> dict[str, str]:
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


def _add_sources(report: Report, shown: pd.DataFrame, pictures: list[dict[str, Json]], budget: int) -> None:
    """Give every picture that was made its small copy, base64 WebP."""
    wanted = [(run, list(mine.key)) for run, mine in zip(report.runs, _of_runs(report, shown), strict=True)]
    made = thumbnails(wanted, min(BUDGET, budget))
    by_column = [made[_place(report, column.run)] for column in report.columns]
    for picture in pictures:
        picture["source"] = by_column[picture["column"]].get(picture["key"], "")


def _pictures(
    run: Run, shown: pd.DataFrame, audits: Mapping[str, int], reasons: dict[str, int]
) -> Iterator[dict[str, Json]]:
    mine = run.scores[run.scores.key.isin(set(shown.key)) & run.scores.audit.isin(list(audits))]
    scores: dict[str, list[dict[str, Json]]] = {}
    for score in rows_of(mine[["key", "audit", "status", "value", "reason", "evidence"]]):
        scores.setdefault(score["key"], []).append(score)
    for picture in rows_of(shown):
        ok = picture["status"] == "ok"
        yield {
            "column": picture["column"],
            "row": picture["row"],
            "key": picture["key"],
            "seed": str(picture["seed"]),
            "status": picture["status"],
            "error": picture["error"],
            "width": int(picture["width"]) if ok else 0,
            "height": int(picture["height"]) if ok else 0,
            "seconds": float(picture["seconds"]) if ok else None,
            **_scores(scores.get(picture["key"], []), audits, reasons, run.prompts[picture["prompt_id"]].expect),
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
