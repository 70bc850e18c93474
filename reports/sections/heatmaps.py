"""Every metric over the sweep as a grid of numbers, darker where the value is greater."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.types import Json
from reports.api import Part, section
from reports.load import AuditInfo, Column, Report
from reports.page import fill
from reports.shown import Shown, Span, scale_of, shown
from reports.words import settings_words

ROWS_FIRST = ("guidance", "steps")


@dataclass(frozen=True)
class Grid:
    """One audit of one generator: row heads, column heads, and a cell or None for each place."""

    name: str
    down: str
    across: str
    row_heads: tuple[str, ...]
    column_heads: tuple[str, ...]
    cells: tuple[tuple[Shown | None, ...], ...]


@section("heatmaps", title="Heatmaps", order=40)
def heatmaps(report: Report) -> Part | None:
    """A grid of the two knobs swept for each audit and generator; left out where nothing was swept."""
    shown_audits = []
    for info in report.headline:
        scale = scale_of(column.estimate(info.name) for column in report.columns)
        grids = [grid for _, _, columns in report.generators() for grid in _grids(report, info, columns, scale)]
        if grids:
            shown_audits.append((info, grids))
    return Part(fill("sections/heatmaps.html", audits=shown_audits)) if shown_audits else None


def _grids(report: Report, info: AuditInfo, columns: Sequence[Column], scale: Span | None) -> list[Grid]:
    """One grid for each choice of the knobs beyond the first two."""
    knobs = _swept(columns)
    if not knobs:
        return []
    down, across = (knobs[0], knobs[1]) if len(knobs) > 1 else ("", knobs[0])
    grids: dict[str, list[Column]] = {}
    for column in columns:
        rest = {knob: column.settings.get(knob) for knob in knobs[2:]}
        grids.setdefault(" · ".join(settings_words(rest)) if rest else "", []).append(column)
    names = [report.who(columns[0])] if len(report.generators()) > 1 else []
    return [
        _grid(" · ".join(names + ([rest] if rest else [])), info, mine, down, across, scale)
        for rest, mine in grids.items()
    ]


def _grid(name: str, info: AuditInfo, columns: Sequence[Column], down: str, across: str, scale: Span | None) -> Grid:
    rows, heads = (list(dict.fromkeys(column.settings.get(knob) for column in columns)) for knob in (down, across))
    place = {(column.settings.get(down), column.settings.get(across)): column for column in columns}
    cells = tuple(
        tuple(shown(place[row, head], info, scale=scale) if (row, head) in place else None for head in heads)
        for row in rows
    )
    return Grid(name, down, across, tuple(map(_head, rows)), tuple(map(_head, heads)), cells)


def _swept(columns: Sequence[Column]) -> list[str]:
    """Knobs that take several values here, guidance and steps before the others."""
    knobs = [knob for knob in columns[0].settings if len({str(column.settings.get(knob)) for column in columns}) > 1]
    return sorted(knobs, key=lambda knob: (ROWS_FIRST.index(knob) if knob in ROWS_FIRST else len(ROWS_FIRST), knob))


def _head(value: Json) -> str:
    return "default" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
