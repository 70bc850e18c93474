"""The headline table: generator × cell in rows, audits in columns, each number with its interval and its n."""

from __future__ import annotations

from reports.api import Part, section
from reports.load import Report
from reports.page import fill
from reports.shown import Footnotes, axis_of, shown


@section("headline", title="Headline numbers", order=20)
def headline(report: Report) -> Part | None:
    """Every generator and setting against every headline audit."""
    audits = report.headline
    if not audits:
        return None
    axes = {info.name: axis_of(column.estimate(info.name) for column in report.columns) for info in audits}
    notes = Footnotes()
    groups = []
    for _, _, columns in report.generators():
        rows = []
        for column in columns:
            cells = [shown(column, info, axis=axes[info.name]) for info in audits]
            rows.append({"words": column.words, "cells": [(cell, notes.mark(cell.note)) for cell in cells]})
        groups.append({"name": report.who(columns[0]), "rows": rows})
    return Part(fill("sections/headline.html", audits=audits, groups=groups, notes=notes.texts))
