"""Where each audit starts to give way as guidance grows: knees of paired dose-response curves. Values only, no IO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from audit.statistics.knee import knee_interval
from audit.summarise import Point
from audit.types import Interval, cell_name
from generators.api import Settings

Place = tuple[str, str]
"""Generator, and the other settings in words."""


def knees(points: Iterable[Point]) -> dict[Place, Interval]:
    """The guidance at which the audit's paired mean leaves its value at the lowest guidance, per generator and cell.

    Only pictures whose prompt and seed have a score at every guidance count; the note says how many do not. A cell with
    one guidance is left out; one with too few has an interval without a value, whose note says why.
    """
    good = [point for point in points if point.status == "ok" and point.value is not None]
    cells: dict[tuple[str, Settings], list[Point]] = {}
    for point in good:
        if point.settings.guidance is not None:
            cells.setdefault((point.generator, replace(point.settings, guidance=None)), []).append(point)
    found = {(generator, cell_name(rest)): _knee(cell) for (generator, rest), cell in cells.items()}
    return {place: each for place, each in found.items() if each is not None}


def _knee(cell: list[Point]) -> Interval | None:
    doses = sorted({float(point.settings.guidance or 0) for point in cell})
    if len(doses) < 2:
        return None
    rows: dict[tuple[str, int], dict[float, float]] = {}
    for point in cell:
        rows.setdefault((point.prompt, point.replicate), {})[float(point.settings.guidance or 0)] = float(
            point.value or 0
        )
    whole = {key: row for key, row in rows.items() if len(row) == len(doses)}
    table = np.array([[row[dose] for dose in doses] for row in whole.values()]).reshape(len(whole), len(doses))
    interval = knee_interval(doses, table, [prompt for prompt, _ in whole])
    missing = len(rows) - len(whole)
    lost = f"{missing} of {len(rows)} seeds lack a guidance" if missing else ""
    return replace(interval, note="; ".join(part for part in (interval.note, lost) if part))
