"""Everything that has no number, counted, with the reason it gave."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.api import Part, section
from reports.load import Report, Run, rows_of
from reports.page import fill
from reports.words import settings_words

MOST_REASONS = 40


@section("failures", title="Failures and skips", order=70)
def failures(report: Report) -> Part:
    """Pictures that were not made, then scores that were not given, grouped by reason."""
    pictures = pd.concat([_lost_pictures(report, index) for index in range(len(report.runs))])
    scores = pd.concat([_silent_scores(report, index) for index in range(len(report.runs))])
    return Part(
        fill(
            "sections/failures.html",
            pictures=_counted(pictures, ["who", "cell", "status", "reason"]),
            scores=_counted(scores, ["who", "audit", "status", "reason"]),
            pictures_lost=len(pictures),
            scores_lost=len(scores),
            pictures_planned=sum(len(run.pictures) for run in report.runs),
            scores_tried=sum(len(_of_pictures_made(run)) for run in report.runs),
            most=MOST_REASONS,
        )
    )


def _lost_pictures(report: Report, index: int) -> pd.DataFrame:
    run = report.runs[index]
    lost = run.pictures[run.pictures.status != "ok"].rename(columns={"error": "reason"})
    return lost.assign(
        who=[report.who_ran(run, generator) for generator in lost.generator],
        cell=[" · ".join(settings_words(settings)) for settings in lost.settings],
    )


def _silent_scores(report: Report, index: int) -> pd.DataFrame:
    run = report.runs[index]
    scored = _of_pictures_made(run)
    silent = scored[scored.status != "ok"]
    return silent.assign(who=[report.who_ran(run, generator) for generator in silent.generator])


def _of_pictures_made(run: Run) -> pd.DataFrame:
    """A picture that was never made has no scores either; it is told once, as a picture."""
    made = run.pictures[run.pictures.status == "ok"].key
    return run.scored[run.scored.key.isin(made)]


def _counted(rows: pd.DataFrame, by: list[str]) -> list[dict[str, Any]]:
    """Rows that agree in `by`, counted, the commonest first."""
    if rows.empty:
        return []
    counted = rows.groupby(by, sort=False).size().reset_index(name="count")
    return rows_of(counted.sort_values("count", ascending=False, kind="stable"))
