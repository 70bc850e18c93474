"""Figures as plain plotly values.

Colours are names such as "var(--c0)" or "var(--c0)/0.2", which the page resolves for its light or dark theme.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from audit.types import Json
from reports.words import number, visible, with_interval

COLOURS = 7
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
MARKS = "●■◆▲✚✖★"
"""The same shapes in text, for a legend."""


@dataclass(frozen=True)
class Point:
    """An estimate at a place of a curve or scatter. x and y each with their interval; ends None where there is none."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    x_low: float | None = None
    x_high: float | None = None
    label: str = ""


@dataclass(frozen=True)
class Line:
    """Points under one name; `place` picks its colour and shape, the same in every figure that shows it."""

    name: str
    points: tuple[Point, ...]
    place: int = 0


def text(words: str) -> str:
    """Words as plotly shows them literally: its labels understand a little HTML, so that is escaped."""
    return html.escape(visible(words), quote=False)


def colour(place: int, opacity: float | None = None) -> str:
    """The page's palette colour at this place, with an opacity from 0 to 1 where one is given."""
    name = f"var(--c{place % COLOURS})"
    return name if opacity is None else f"{name}/{opacity:g}"


def curves(lines: Sequence[Line], *, x_title: str) -> Json:
    """One line per entry with a band for its interval; a line of one point shows as a marker with whiskers.

    Legends stand on the page, once for all figures of a row, not in the figures.
    """
    traces: list[Json] = []
    for line in lines:
        points = sorted(line.points, key=lambda point: point.x)
        traces += [_band(line.place, points)] if len(points) > 1 else []
        traces.append(_line(line.place, line.name, points))
    ticks = sorted({point.x for line in lines for point in line.points})
    axis = {"title": {"text": text(x_title)}, "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    return {"data": traces, "layout": {"xaxis": axis, "yaxis": {}}}


def _band(place: int, points: Sequence[Point]) -> Json:
    known = [point for point in points if point.low is not None and point.high is not None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [p.x for p in known] + [p.x for p in reversed(known)],
        "y": [p.high for p in known] + [p.low for p in reversed(known)],
        "fill": "toself",
        "fillcolor": colour(place, 0.16),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": str(place),
    }


def _line(place: int, name: str, points: Sequence[Point]) -> Json:
    trace = {
        "type": "scatter",
        "mode": "lines+markers" if len(points) > 1 else "markers",
        "name": text(name),
        "legendgroup": str(place),
        "x": [p.x for p in points],
        "y": [p.y for p in points],
        "text": [_said(p) for p in points],
        "hovertemplate": "%{text}<extra>%{fullData.name}</extra>",
        "line": {"color": colour(place), "width": 2, "dash": DASHES[place // COLOURS % len(DASHES)]},
        "marker": {"color": colour(place), "size": 8, "symbol": SYMBOLS[place % len(SYMBOLS)]},
    }
    if len(points) == 1:
        trace["error_y"] = _whiskers(place, [(p.y, p.low, p.high) for p in points])
    return trace


def scatter(lines: Sequence[Line], *, x_title: str, y_title: str, frontier: Sequence[tuple[float, float]] = ()) -> Json:
    """Cells as points with whiskers both ways, a colour and a shape per line; the frontier dotted behind them."""
    traces: list[Json] = []
    if len(frontier) > 1:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "best trade-offs",
                "x": [x for x, _ in frontier],
                "y": [y for _, y in frontier],
                "line": {"color": "var(--muted)", "width": 1.5, "dash": "dot"},
                "hoverinfo": "skip",
            }
        )
    for line in lines:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": text(line.name),
                "x": [p.x for p in line.points],
                "y": [p.y for p in line.points],
                "text": [text(p.label) for p in line.points],
                "textposition": [("top center", "bottom center")[at % 2] for at in range(len(line.points))],
                "textfont": {"size": 10, "color": "var(--muted)"},
                "hovertemplate": "%{text}<br>%{x:.4g} · %{y:.4g}<extra>%{fullData.name}</extra>",
                "marker": {"color": colour(line.place), "size": 10, "symbol": SYMBOLS[line.place % len(SYMBOLS)]},
                "error_x": _whiskers(line.place, [(p.x, p.x_low, p.x_high) for p in line.points]),
                "error_y": _whiskers(line.place, [(p.y, p.low, p.high) for p in line.points]),
            }
        )
    return {
        "data": traces,
        "layout": {"xaxis": {"title": {"text": text(x_title)}}, "yaxis": {"title": {"text": text(y_title)}}},
    }


def _whiskers(place: int, ends: Sequence[tuple[float, float | None, float | None]]) -> Json:
    return {
        "type": "data",
        "symmetric": False,
        "array": [0 if high is None else high - value for value, _, high in ends],
        "arrayminus": [0 if low is None else value - low for value, low, _ in ends],
        "color": colour(place, 0.45),
        "thickness": 1.2,
        "width": 0,
    }


def _said(point: Point) -> str:
    value, interval = with_interval(point.y, point.low, point.high)
    return f"{number(point.x)}: {value} {interval}".strip()


def frontier(points: Sequence[tuple[float, float]], *, x_better: str, y_better: str) -> list[tuple[float, float]]:
    """The points that no other beats on both axes, by rising x. Empty where an axis has no better end.

    >>> frontier([(1, 1), (2, 3), (3, 2), (2, 0)], x_better="higher", y_better="lower")
    [(2, 0), (3, 2)]
    """
    if "neither" in (x_better, y_better):
        return []
    signs = [1 if better == "higher" else -1 for better in (x_better, y_better)]

    def beaten(here: tuple[float, float]) -> bool:
        gains = [[sign * (there[axis] - here[axis]) for axis, sign in enumerate(signs)] for there in points]
        return any(min(gain) >= 0 and max(gain) > 0 for gain in gains)

    return sorted({point for point in points if not beaten(point)})
