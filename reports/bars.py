"""Figures of shares: grouped bars with whiskers, with the range that chance would give and what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.types import Interval, Json
from reports.figures import COLOURS, colour, text
from reports.words import with_interval

PATTERNS = ("", "/", ".", "x")
SHARE = {"title": {"text": "share"}, "rangemode": "tozero", "tickformat": ".0%"}


@dataclass(frozen=True)
class Bars:
    """One colour of bars: a share for each category.

    Attributes:
        fair: for each category the range in which chance alone would leave the share; () for none.
        place: its colour.
    """

    name: str
    heights: tuple[Interval, ...]
    place: int
    fair: tuple[tuple[float, float], ...] = ()


def bars(
    series: Sequence[Bars],
    categories: Sequence[str],
    *,
    x_title: str,
    expected: Sequence[float] | None = None,
    swatches: Sequence[str] = (),
) -> Json:
    """Bars side by side in each category, with whiskers; `fair` ranges stand behind them in grey.

    `expected`, a share for each category, stands around them as a hollow bar; `swatches` are colours, "#rrggbb", that
    stand below the categories.
    """
    names = [text(each) for each in categories]
    traces: list[Json] = [_range(each, names) for each in series if each.fair]
    traces += [{**_bars(each, names), "error_y": _whiskers(each.heights)} for each in series]
    if expected is not None:
        traces.append(_hollow(expected, names))
    axis: dict[str, Json] = {"title": {"text": text(x_title)}, "type": "category", "nticks": 0, "categoryarray": names}
    layout = {"xaxis": axis, "yaxis": SHARE, "barmode": "group", "bargap": 0.22}
    if swatches:
        axis["ticklabelstandoff"] = 16
        layout["shapes"] = [_swatch(place, colour) for place, colour in enumerate(swatches)]
    return {"data": traces, "layout": layout}


@dataclass(frozen=True)
class Limit:
    """A value beyond which something counts, and what is written beside its line."""

    value: float
    words: str


def histogram(
    series: Sequence[Bars],
    edges: Sequence[float],
    *,
    x_title: str,
    limit: Limit | None = None,
    chance: Sequence[float] = (),
) -> Json:
    """Bars over bins of equal width; the first and the last bin hold what lies beyond them as well.

    Intervals of so many bins would hide the bars, so they are told where the pointer rests. `limit` stands as a dotted
    line; `chance`, a share for each bin, as a dashed outline of steps.
    """
    width = edges[1] - edges[0]
    middles = [edge + width / 2 for edge in edges[:-1]]
    traces = [_bars(each, middles) for each in series]
    if chance:
        traces.append(_steps(chance, middles))
    layout: dict[str, Json] = {
        "xaxis": {"title": {"text": text(x_title)}, "range": [edges[0] - width / 4, edges[-1] + width / 4]},
        "yaxis": SHARE,
        "barmode": "group",
        "bargap": 0.12,
    }
    if limit is not None:
        at = min(limit.value, edges[-1])
        dotted = {"color": "var(--ink)", "width": 1.5, "dash": "dot"}
        layout["shapes"] = [{"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": dotted}]
        side = "left" if at < (edges[0] + edges[-1]) / 2 else "right"
        where = {"x": at, "y": 1, "yref": "paper", "xanchor": side, "yanchor": "top", "showarrow": False}
        layout["annotations"] = [{**where, "text": text(f" {limit.words} "), "font": {"color": "var(--ink)"}}]
    return {"data": traces, "layout": layout}


@dataclass(frozen=True)
class Dots:
    """One colour of dots: a share for each row, None where there is none; `fair` as in Bars."""

    name: str
    shares: tuple[Interval | None, ...]
    place: int
    fair: tuple[tuple[float, float] | None, ...]


def dots(series: Sequence[Dots], rows: Sequence[str], *, x_title: str, marks: Sequence[float | None] = ()) -> Json:
    """Rows from the top, in each a dot with whiskers for every series, before the grey range that chance would give.

    `marks` are upright strokes, one a row, such as the shares that were taught.
    """
    step = 0.7 / max(len(series), 1)
    traces: list[Json] = []
    for at, each in enumerate(series):
        heights = [row + (at - (len(series) - 1) / 2) * step for row in range(len(rows))]
        traces += [_reach(each, heights), _dots(each, heights)]
    known = [(x, y) for y, x in enumerate(marks) if x is not None]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "taught",
            "x": [x for x, _ in known],
            "y": [y for _, y in known],
            "marker": {"symbol": "line-ns-open", "size": 18, "line": {"width": 2.5}, "color": "var(--ink)"},
            "hovertemplate": "%{x:.0%}<extra>taught</extra>",
        }
    )
    across = {"title": {"text": text(x_title)}, "range": [-0.02, 1.02], "tickformat": ".0%"}
    names = [text(row) for row in rows]
    down = {"tickvals": list(range(len(rows))), "ticktext": names, "range": [len(rows) - 0.4, -0.6]}
    return {"data": traces, "layout": {"xaxis": across, "yaxis": {"title": {"text": ""}, **down}}}


def _bars(each: Bars, places: Sequence[Json]) -> Json:
    return {
        "type": "bar",
        "name": text(each.name),
        "offsetgroup": str(each.place),
        "x": list(places),
        "y": [height.value for height in each.heights],
        "text": [_said(height) for height in each.heights],
        "textposition": "none",
        "hovertemplate": "%{x}: %{text}<extra>%{fullData.name}</extra>",
        "marker": {
            "color": colour(each.place, 0.72),
            "pattern": {"shape": PATTERNS[each.place // COLOURS % len(PATTERNS)]},
        },
    }


def _range(each: Bars, places: Sequence[Json]) -> Json:
    return {
        "type": "bar",
        "name": text(f"chance, {each.name}"),
        "offsetgroup": str(each.place),
        "x": list(places),
        "base": [low for low, _ in each.fair],
        "y": [high - low for low, high in each.fair],
        "marker": {"color": "var(--muted)/0.3", "line": {"color": "var(--muted)", "width": 0.8}},
        "hovertemplate": "%{base:.1%} and %{y:.1%} more<extra>%{fullData.name}</extra>",
    }


def _swatch(place: int, fill: str) -> Json:
    """A small field of colour between the axis and the name of the category at this place."""
    line = {"color": "var(--line-strong)", "width": 1}
    across = {"x0": place - 0.46, "x1": place + 0.46}
    return {"type": "rect", **across, "yref": "paper", "y0": -0.085, "y1": -0.015, "fillcolor": fill, "line": line}


def _hollow(expected: Sequence[float], places: Sequence[Json]) -> Json:
    return {
        "type": "bar",
        "name": "expected",
        "x": list(places),
        "y": list(expected),
        "width": 0.92,
        "offset": -0.46,
        "marker": {
            "color": "var(--muted)/0.06",
            "line": {"color": "var(--ink)", "width": [1.2 * (each > 0) for each in expected]},
        },
        "hovertemplate": "%{y:.0%}<extra>expected</extra>",
    }


def _steps(chance: Sequence[float], middles: Sequence[float]) -> Json:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "chance",
        "x": list(middles),
        "y": list(chance),
        "line": {"shape": "hvh", "color": "var(--ink)", "width": 1.4, "dash": "dash"},
        "hovertemplate": "%{y:.1%}<extra>chance</extra>",
    }


def _dots(each: Dots, heights: Sequence[float]) -> Json:
    told = [(found, y) for found, y in zip(each.shares, heights, strict=True) if found is not None]
    ends = [found for found, _ in told]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": text(each.name),
        "x": [found.value for found in ends],
        "y": [y for _, y in told],
        "text": [_said(found) for found in ends],
        "hovertemplate": "%{text}<extra>%{fullData.name}</extra>",
        "marker": {"color": colour(each.place), "size": 8},
        "error_x": {**_whiskers(ends), "color": colour(each.place, 0.6)},
    }


def _reach(each: Dots, heights: Sequence[float]) -> Json:
    """The ranges of chance as thick strokes, in one trace with gaps."""
    known = [(ends, y) for ends, y in zip(each.fair, heights, strict=True) if ends is not None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for (low, high), _ in known for x in (low, high, None)],
        "y": [height for _, y in known for height in (y, y, None)],
        "line": {"color": "var(--muted)/0.28", "width": 9},
        "hoverinfo": "skip",
    }


def _whiskers(ends: Sequence[Interval]) -> Json:
    return {
        "type": "data",
        "symmetric": False,
        "array": [_beyond(each.high, each.value) for each in ends],
        "arrayminus": [_beyond(each.value, each.low) for each in ends],
        "color": "var(--ink)/0.55",
        "thickness": 1.2,
        "width": 2,
    }


def _beyond(high: float | None, low: float | None) -> float:
    return 0.0 if high is None or low is None else high - low


def _said(each: Interval) -> str:
    return "no number" if each.value is None else " ".join(with_interval(each.value, each.low, each.high)).strip()
