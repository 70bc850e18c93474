"""Where guidance begins to give way: the knee of each paired curve of saturation, clipping, contrast and detail."""

from __future__ import annotations

from audit.knees import knees
from audit.statistics.knee import FEWEST_DOSES
from audit.summary import points_of
from audit.types import Interval, Json
from reports.api import Part, section
from reports.load import Report
from reports.page import fill
from reports.shown import Shown
from reports.words import with_interval

FAMILY = "tone."


@section("knees", title="Where guidance gives way", order=32)
def knees_of_guidance(report: Report) -> Part | None:
    """A table of knees: generator and other settings in rows, tone audits in columns; left out with few guidances."""
    swept = {column.settings.get("guidance") for column in report.columns} - {None}
    audits = [info for info in report.per_picture if info.name.startswith(FAMILY)]
    if len(swept) < FEWEST_DOSES or not audits:
        return None
    rows: dict[tuple[str, str], dict[str, Shown]] = {}
    for run in report.runs:
        for info in audits:
            for (generator, rest), found in knees(points_of(run.folder, info.name)).items():
                rows.setdefault((report.who_ran(run, generator), rest), {})[info.name] = _cell(found)
    told: list[Json] = [
        {"who": who, "rest": rest, "cells": [cells.get(info.name) for info in audits]}
        for (who, rest), cells in rows.items()
    ]
    return Part(fill("sections/knees.html", audits=audits, rows=told)) if told else None


def _cell(found: Interval) -> Shown:
    """The knee in words, or why there is none."""
    if found.value is None:
        return Shown(absent=found.note)
    value, interval = with_interval(found.value, found.low, found.high)
    return Shown(value, interval, note=found.note)
