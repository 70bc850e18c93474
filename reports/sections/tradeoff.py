"""What guidance and steps buy and cost: curves, paired changes, and alignment against saturation and distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

from audit.types import Json
from reports.api import Part, section
from reports.figures import COLOURS, MARKS, Line, Point, curves, frontier, scatter
from reports.load import AuditInfo, Column, Report
from reports.page import fill
from reports.shown import change, step_words
from reports.words import settings_words

KNOBS = ("guidance", "steps", "guidance_rescale", "strength", "control_scale")
ALIGNMENT = "clip_score"
COSTS = ("tone.saturation", "fd_studio")


@section("tradeoff", title="Trade-offs", order=30)
def tradeoff(report: Report) -> Part | None:
    """Curves along every swept knob, the scatter of alignment against its costs, the table of paired changes."""
    figures: dict[str, Json] = {}
    sweeps = []
    for knob in KNOBS:
        names = {column.index: _line_name(report, column, knob) for column in report.columns}
        places = {name: place for place, name in enumerate(dict.fromkeys(names.values()))}
        drawn = [(info, lines) for info in report.headline if (lines := _lines(report, info, knob, names, places))]
        for info, lines in drawn:
            figures[f"{knob}.{info.name}"] = curves(lines, x_title=knob)
        if drawn:
            used = {line.name: line.place for _, lines in drawn for line in lines}
            sweeps.append({"knob": knob, "audits": [info for info, _ in drawn], "legend": _keys(used)})
    pairs = _scatters(report, figures)
    changes = _changes(report)
    if not (sweeps or pairs or changes["rows"]):
        return None
    keys = _keys({report.who(columns[0]): place for place, (_, _, columns) in enumerate(report.generators())})
    order = [word.rsplit(" ", 1)[0] for word in report.columns[0].words]
    html = fill("sections/tradeoff.html", sweeps=sweeps, pairs=pairs, changes=changes, keys=keys, order=order)
    return Part(html, {"figures": figures})


def _line_name(report: Report, column: Column, knob: str) -> str:
    """The generator, where there are several, and the choice of the knobs other than this one."""
    others = {name: value for name, value in column.settings.items() if name != knob}
    chosen = settings_words(others)
    several = len(report.generators()) > 1
    return " · ".join([report.who(column)] * several + (chosen if chosen != ["default"] or not several else []))


def _keys(places: dict[str, int]) -> list[tuple[str, int, str]]:
    """The legend: names with their colour and mark; empty for a single line, which needs none."""
    keys = [
        (name, place % COLOURS, MARKS[place % len(MARKS)]) for name, place in sorted(places.items(), key=itemgetter(1))
    ]
    return keys if len(keys) > 1 else []


def _lines(
    report: Report, info: AuditInfo, knob: str, names: Mapping[int, str], places: Mapping[str, int]
) -> list[Line]:
    """A line for each generator and choice of the other knobs; none where the knob takes one value only."""
    found: dict[str, list[Point]] = {}
    for column in report.columns:
        estimate, x = column.estimate(info.name), column.settings.get(knob)
        if estimate is None or estimate.value is None or x is None:
            continue
        found.setdefault(names[column.index], []).append(Point(float(x), estimate.value, estimate.low, estimate.high))
    swept = {point.x for points in found.values() for point in points}
    return [Line(name, tuple(points), places[name]) for name, points in found.items()] if len(swept) > 1 else []


def _scatters(report: Report, figures: dict[str, Json]) -> list[tuple[AuditInfo, AuditInfo, bool]]:
    """Adds a scatter of alignment against each cost to `figures`; the pairs drawn, and whether a frontier is."""
    told = {info.name: info for info in report.headline}
    pairs = []
    for cost in COSTS:
        if ALIGNMENT not in told or cost not in told:
            continue
        x, y = told[ALIGNMENT], told[cost]
        lines = _point_lines(report, x, y)
        places = [(point.x, point.y) for line in lines for point in line.points]
        if len(places) < 2:
            continue
        best = frontier(places, x_better=x.better, y_better=y.better)
        figures[f"scatter.{cost}"] = scatter(
            lines, x_title=f"{x.name} ({x.unit})", y_title=f"{y.name} ({y.unit})", frontier=best
        )
        pairs.append((x, y, len(best) > 1))
    return pairs


def _point_lines(report: Report, x: AuditInfo, y: AuditInfo) -> list[Line]:
    lines = []
    for place, (_, _, columns) in enumerate(report.generators()):
        points = tuple(point for column in columns if (point := _point(column, x, y)))
        if points:
            lines.append(Line(report.who(columns[0]), points, place))
    return lines


def _point(column: Column, x: AuditInfo, y: AuditInfo) -> Point | None:
    across, up = column.estimate(x.name), column.estimate(y.name)
    if across is None or up is None or across.value is None or up.value is None:
        return None
    label = "/".join(word.split(" ")[-1] for word in column.words)
    return Point(across.value, up.value, up.low, up.high, across.low, across.high, label)


def _changes(report: Report) -> dict[str, Json]:
    """The paired changes as a table: what changed in rows, audits in columns."""
    told = {contrast.audit for run in report.runs for contrast in run.contrasts}
    audits = [info for info in report.audits.values() if info.name in told]
    better = {info.name: info.better for info in audits}
    several = len(report.generators()) > 1
    rows: dict[tuple[str, str, str], dict[str, Json]] = {}
    for run in report.runs:
        for contrast in run.contrasts:
            place = (report.who_ran(run, contrast.generator) if several else "", contrast.before, contrast.after)
            rows.setdefault(place, {})[contrast.audit] = change(contrast, better.get(contrast.audit, "neither"))
    told_rows = [_row(place, cells, audits) for place, cells in rows.items()]
    return {"audits": audits, "rows": sorted(told_rows, key=lambda row: (row["who"], bool(row["stayed"])))}


def _row(place: tuple[str, str, str], cells: dict[str, Json], audits: Sequence[AuditInfo]) -> dict[str, Json]:
    who, before, after = place
    moved, stayed = step_words(before, after)
    return {"who": who, "moved": moved, "stayed": stayed, "cells": [cells.get(info.name) for info in audits]}
