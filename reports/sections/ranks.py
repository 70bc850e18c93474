"""Who is ahead of whom: a radar of the headline audits, and ranks with intervals audit by audit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import itemgetter

import pandas as pd

from audit.statistics.ranks import Rank, rank_intervals
from audit.types import Json
from reports.api import Part, section
from reports.figures import COLOURS, DASHES, MARKS
from reports.load import AuditInfo, Column, Report
from reports.page import fill
from reports.shown import span_of
from reports.words import number, plural, with_interval

MOST_COLUMNS = 8
"""Beyond this many columns the settings of each generator are pooled, where there are several generators."""
MOST_AXES, FEWEST_AXES, MOST_SHAPES = 8, 3, 6
RADIUS, INNERMOST, LABELS = 120.0, 0.12, 1.12
"""In pixels, and in shares of it: where the worst value stands, and where the names do."""
LINE, MIDDLE = 13.0, 0.2
PAIR = ["prompt_id", "text", "replicate"]
STROKES = dict(zip(DASHES, ("none", "7 4", "2 4", "8 3 2 3"), strict=True))


@dataclass(frozen=True)
class Model:
    """What is ranked: a column, or all columns of a generator; `place` picks its colour and mark."""

    name: str
    columns: tuple[Column, ...]
    place: int

    @property
    def mark(self) -> str:
        """Its shape in text."""
        return MARKS[self.place % len(MARKS)]

    @property
    def colour(self) -> int:
        """Its number in the page's palette."""
        return self.place % COLOURS


@dataclass(frozen=True)
class Row:
    """A model's line in a card; `low`, `at` and `high` lie on a scale from 0 for the best place to 100."""

    model: Model
    rank: str
    interval: str
    mean: str
    low: float
    at: float
    high: float


@dataclass(frozen=True)
class Card:
    """An audit's ranking.

    Attributes:
        rows: best first; none where there are no intervals, and `note` says why.
        ticks: the places on the scale of the rows.
        pairs: prompts with a seed that every model was scored on, of `prompts` prompts.
        left_out: those that only some were scored on.
        silent: names of models that the audit did not score at all.
    """

    info: AuditInfo
    rows: tuple[Row, ...]
    ticks: tuple[float, ...]
    pairs: int
    prompts: int
    left_out: int
    silent: tuple[str, ...]
    apart: str
    note: str


@dataclass(frozen=True)
class Axis:
    """An audit of the radar with what it says of each column: value, low, high."""

    info: AuditInfo
    numbers: tuple[tuple[float, float | None, float | None], ...]

    def reach(self, column: int) -> float:
        """INNERMOST at the worst end of any column's interval, 1 at the best: what chance moves looks small."""
        worst, best = span_of(end for each in self.numbers for end in each) or (0.0, 1.0)
        share = (self.numbers[column][0] - worst) / (best - worst)
        return INNERMOST + (1 - INNERMOST) * (share if self.info.better == "higher" else 1 - share)


@section("ranks", title="Ranks", order=35)
def ranks(report: Report) -> Part | None:
    """A radar where three audits or more can be compared, then a card per audit with ranks, best first."""
    if len(report.columns) < 2:
        return None
    models = _models(report)
    cards = [card for info in report.per_picture if info.headline and (card := _card(info, models))]
    radar = _radar(report)
    if not cards and radar is None:
        return None
    pooled = any(len(model.columns) > 1 for model in models)
    ranked, rest = [card for card in cards if card.rows], [card for card in cards if not card.rows]
    return Part(fill("sections/ranks.html", cards=ranked, unranked=rest, radar=radar, pooled=pooled))


def _models(report: Report) -> list[Model]:
    generators = report.generators()
    if len(report.columns) > MOST_COLUMNS and len(generators) > 1:
        groups = [(report.who(columns[0]), columns) for _, _, columns in generators]
    else:
        groups = [(_name(report, column), [column]) for column in report.columns]
    return [Model(name, tuple(columns), place) for place, (name, columns) in enumerate(groups)]


def _name(report: Report, column: Column) -> str:
    several = len(report.generators()) > 1
    words = column.words if column.words != ["default"] or not several else []
    return " · ".join([report.who(column)] * several + words)


def _card(info: AuditInfo, models: Sequence[Model]) -> Card | None:
    """The audit's ranking; None where it has no better end or does not score two models."""
    if info.better == "neither":
        return None
    tables = [_scores(info.name, model) for model in models]
    scored = [model for model, scores in zip(models, tables, strict=True) if len(scores)]
    if len(scored) < 2:
        return None
    table = pd.concat([scores for scores in tables if len(scores)], axis=1)
    pairs = table.dropna()
    prompts = ["\x00".join(map(str, index[:2])) for index in pairs.index]
    found = rank_intervals(pairs.to_numpy(), prompts, better=info.better) if len(pairs) else []
    note = found[0].note.removeprefix("no interval: ") if found else "no prompt and seed that all were scored on"
    lines = sorted(zip(found, scored, strict=False), key=lambda each: (each[0].rank, each[0].high or 0))
    return Card(
        info,
        rows=() if note else tuple(_row(model, rank, len(found)) for rank, model in lines),
        ticks=tuple(_along(place, len(found)) for place in range(1, len(found) + 1)),
        pairs=len(pairs),
        prompts=len(set(prompts)),
        left_out=len(table) - len(pairs),
        silent=tuple(model.name for model, scores in zip(models, tables, strict=True) if not len(scores)),
        apart="" if note else _apart(found),
        note=note,
    )


def _scores(audit: str, model: Model) -> pd.Series[float]:
    """The model's scores by prompt and replicate, averaged over the settings where those are pooled."""
    found = []
    for column in model.columns:
        rows = column.run.scores_at(column.generator, column.cell, audit)
        good = rows[(rows.status == "ok") & rows.value.notna()]
        found.append(good.assign(text=good.prompt_id.map({p.id: p.text for p in column.run.prompts.values()})))
    return pd.concat(found).groupby(PAIR, sort=False).value.mean().rename(model.place)


def _row(model: Model, rank: Rank, count: int) -> Row:
    low, at, high = (_along(place, count) for place in (rank.low or 1, rank.rank, rank.high or count))
    return Row(model, f"{rank.rank:g}", f"[{rank.low}, {rank.high}]", number(rank.mean), low, at, high)


def _along(place: float, count: int) -> float:
    return round(100 * (place - 1) / (count - 1), 2)


def _apart(found: Sequence[Rank]) -> str:
    """How many pairs of models the intervals tell apart, in words."""
    ends = [(each.low or 1, each.high or len(found)) for each in found]
    apart = sum(one[1] < other[0] or other[1] < one[0] for one, other in combinations(ends, 2))
    return f"{apart} of {plural(len(ends) * (len(ends) - 1) // 2, 'pair')} told apart"


def _radar(report: Report) -> dict[str, Json] | None:
    """Spokes, rings and shapes in the pixels of the drawing, whose centre is (0, 0); None with too few axes."""
    axes = _axes(report)
    if len(axes) < FEWEST_AXES:
        return None
    turns = [2 * math.pi * place / len(axes) for place in range(len(axes))]
    reaches = {column: [axis.reach(column) for axis in axes] for column in range(len(report.columns))}
    drawn = sorted(sorted(reaches, key=lambda column: -sum(reaches[column]))[:MOST_SHAPES])
    shapes = [
        {
            "name": _name(report, report.columns[column]),
            "colour": place % COLOURS,
            "mark": MARKS[place % len(MARKS)],
            "stroke": STROKES[DASHES[place % len(DASHES)]],
            "dots": [
                (*_at(turn, reach), f"{axis.info.name} {' '.join(with_interval(*axis.numbers[column]))}")
                for axis, turn, reach in zip(axes, turns, reaches[column], strict=True)
            ],
        }
        for place, column in enumerate(drawn)
    ]
    rings = [[_at(turn, reach) for turn in turns] for reach in (INNERMOST, (1 + INNERMOST) / 2, 1)]
    spokes = [_spoke(axis.info, turn) for axis, turn in zip(axes, turns, strict=True)]
    return {"shapes": shapes, "rings": rings, "spokes": spokes, "left_out": len(reaches) - len(drawn)}


def _axes(report: Report) -> list[Axis]:
    """Headline audits with a better end on which all columns have values that differ; every family before seconds."""
    families: dict[str, list[Axis]] = {}
    for info in report.headline:
        estimates = [column.estimate(info.name) for column in report.columns]
        numbers = [(each.value, each.low, each.high) for each in estimates if each and each.value is not None]
        if info.better != "neither" and len(numbers) == len(estimates) and len({each[0] for each in numbers}) > 1:
            families.setdefault(info.name.partition(".")[0], []).append(Axis(info, tuple(numbers)))
    turns = [(turn, axis) for mine in families.values() for turn, axis in enumerate(mine)]
    chosen = {axis.info.name for _, axis in sorted(turns, key=itemgetter(0))[:MOST_AXES]}
    return [axis for mine in families.values() for axis in mine if axis.info.name in chosen]


def _at(turn: float, reach: float) -> tuple[float, float]:
    """Clockwise from the top, in pixels."""
    return round(math.sin(turn) * reach * RADIUS, 1), round(-math.cos(turn) * reach * RADIUS, 1)


def _spoke(info: AuditInfo, turn: float) -> dict[str, Json]:
    """An axis with its name in one line or two, and where that stands."""
    family, dot, rest = info.name.partition(".")
    x, y = _at(turn, LABELS)
    lines = [family + dot, rest] if rest else [family]
    # two lines grow downwards: above the drawing they start higher, beside it half a line higher
    y -= LINE * (len(lines) - 1) * (1 + math.cos(turn)) / 2
    side = "middle" if abs(math.sin(turn)) < MIDDLE else "start" if x > 0 else "end"
    return {"info": info, "end": _at(turn, 1), "x": x, "y": round(y, 1), "lines": lines, "side": side}
