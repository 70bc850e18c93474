"""What the sections on findings share: whom they compare, the evidence behind each score, shares with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from audit.score import NO_PICTURE
from audit.statistics.rates import rate_interval
from audit.types import Estimate, Interval, Json, Prompt
from reports.figures import COLOURS
from reports.load import AuditInfo, Column, Report, rows_of
from reports.shown import Footnotes, Shown, shown
from reports.words import with_interval

T = TypeVar("T")
MOST_GROUPS = 6
"""Beyond this many columns a generator's settings are shown as one."""
NOT_ASKED = frozenset(
    {
        "the prompt speaks of no hand",
        "the prompt expects no number of raised fingers",
        "the prompt expects no text",
        "the prompt expects no person",
        "no objects on a table were found",
        "no mirror was found",
        "no super-resolution",
        "no inpainting",
        "no image to image",
    }
)
"""Reasons by which an audit says that a picture is none of its own; every other one is an abstention."""


@dataclass(frozen=True)
class Group:
    """Columns that are compared as one.

    Attributes:
        name: the generator, with its run where there are several.
        words: its settings.
        place: its colour.
    """

    name: str
    words: str
    place: int
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Found:
    """What an audit said of one picture; `value` is None unless `status` is "ok". told: the evidence, as JSON."""

    column: Column
    key: str
    prompt: Prompt
    status: str
    value: float | None
    reason: str
    told: str

    @cached_property
    def evidence(self) -> dict[str, Json]:
        """The evidence, read when it is wanted: most pictures are only counted."""
        evidence: dict[str, Json] = json.loads(self.told or "{}")
        return evidence


@dataclass(frozen=True)
class Measure:
    """A row of the table of measures.

    Attributes:
        corrected: the rate freed of the detector's measured errors and its interval, in words; "" where there is none.
        silent: why pictures have no number, with how many.
    """

    who: str
    words: list[str]
    measured: Shown
    corrected: tuple[str, str]
    n: int
    silent: list[str]


def groups_of(report: Report, audits: Collection[str]) -> list[Group]:
    """Columns for which one of the audits had something to judge; pooled to generators beyond MOST_GROUPS."""
    told = [column for column in report.columns if any(_judged(column, name) for name in audits)]
    if len(told) <= MOST_GROUPS:
        return [Group(report.who(each), " · ".join(each.words), place, (each,)) for place, each in enumerate(told)]
    pooled: dict[str, list[Column]] = {}
    for column in told:
        pooled.setdefault(report.who(column), []).append(column)
    return [Group(who, "all settings", place, tuple(mine)) for place, (who, mine) in enumerate(pooled.items())]


def legend(groups: Sequence[Group]) -> list[tuple[str, int]]:
    """Name and colour of each group, with its settings where a name alone would not tell."""
    return [(label(group, groups), group.place % COLOURS) for group in groups]


def label(group: Group, groups: Sequence[Group]) -> str:
    """What the group is called beside the others."""
    alone = sum(each.name == group.name for each in groups) == 1
    return group.name if alone else f"{group.name} · {group.words}"


def found(group: Group, audit: str) -> list[Found]:
    """The audit's scores of the group's pictures, in plan order; pictures that were not made are left out."""
    return [each for column in group.columns for each in _found(column, audit)]


def _found(column: Column, audit: str) -> Iterator[Found]:
    rows = column.run.scores_at(column.generator, column.cell, audit)
    names = ("key", "prompt_id", "status", "value", "reason", "evidence")
    for key, prompt, status, value, reason, told in zip(*(rows[name].tolist() for name in names), strict=True):
        if not reason.startswith(NO_PICTURE):
            number = value if status == "ok" and not math.isnan(value) else None
            yield Found(column, key, column.run.prompts[prompt], status, number, reason, told)


Floats = NDArray[np.float64]
Vectors = dict[tuple[int, str], Floats]
"""Features by the identity of their run and the key of their picture."""


def vectors(report: Report, audit: str) -> Vectors:
    """The features (d,) that an audit gave, which `Run.scores` leaves out; empty where it was not run."""
    read: Vectors = {}
    for run in report.runs:
        if any(row["name"] == audit for row in run.manifest.get("audits", [])):
            scores = run.folder.scores(audit)
            good = scores[scores.status == "ok"]
            read |= {(id(run), str(key)): vector for key, vector in zip(good["key"], good["vector"], strict=True)}
    return read


def measures(report: Report, audits: Sequence[str]) -> list[tuple[AuditInfo, str, list[Measure]]]:
    """Each audit that was run, what its detector is worth, and a row for each column that it had something to judge."""
    tables = []
    for info in (report.audits[name] for name in audits if name in report.audits):
        rows, worth = [], ""
        for column in report.columns:
            estimate = column.estimate(info.name)
            if estimate is not None and (_judged(column, info.name) or info.kind == "set"):
                worth = worth or estimate.card * (info.statistic == "rate")
                rows.append(_measure(report, column, info, estimate))
        if rows:
            tables.append((info, worth, rows))
    return tables


def share(flags: Sequence[bool], prompts: Sequence[str]) -> Interval:
    """The share of true flags (n,), with Wilson's interval that knows that pictures of a prompt are alike."""
    return rate_interval(np.array(flags, np.float64), list(prompts))


def in_bins(values: Sequence[float], prompts: Sequence[str], edges: Sequence[float]) -> list[Interval]:
    """The share of values (n,) in each of the bins that rising `edges` bound; what is beyond counts to the nearest."""
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return [share([bool(flag) for flag in places == place], prompts) for place in range(len(edges) - 1)]


def in_turn(lists: Sequence[Sequence[T]], most: int) -> list[T]:
    """The first of each list, then the second of each, until there are `most`.

    >>> in_turn(["ab", "c", "def"], 5)
    ['a', 'c', 'd', 'b', 'e']
    """
    taken = (each for turn in zip_longest(*([(item,) for item in each] for each in lists)) for each in turn if each)
    return [item for (item,), _ in zip(taken, range(most), strict=False)]


def option(column: Column, audit: str, name: str, default: Json) -> Json:
    """An option that the column's run gave the audit."""
    for row in column.run.manifest.get("audits", []):
        if row["name"] == audit:
            return row.get("options", {}).get(name, default)
    return default


def _judged(column: Column, audit: str) -> bool:
    """Whether some picture was the audit's to judge, even if it abstained."""
    reasons = column.run.scores_at(column.generator, column.cell, audit)["reason"]
    return bool((~reasons.isin(NOT_ASKED) & ~reasons.str.startswith(NO_PICTURE)).any())


def _measure(report: Report, column: Column, info: AuditInfo, estimate: Estimate) -> Measure:
    freed = ("", "")
    if estimate.corrected is not None:
        freed = with_interval(estimate.corrected, estimate.corrected_low, estimate.corrected_high)
    silent = list(_silences(column, info.name))
    return Measure(report.who(column), column.words, shown(column, info), freed, estimate.n, silent)


def _silences(column: Column, audit: str) -> Iterator[str]:
    """Why pictures have no number, the commonest reason first; reasons that differ in numbers are told as one."""
    scores = column.run.scores_at(column.generator, column.cell, audit)
    notes, counts = Footnotes(), dict[int, int]()
    for row in rows_of(scores[scores.status != "ok"]):
        at = notes.mark(f"{row['status']}: {row['reason']}")
        if at is not None:
            counts[at] = counts.get(at, 0) + 1
    texts = notes.texts
    yield from (f"{counts[at]:,} {texts[at - 1]}" for at in sorted(counts, key=lambda at: -counts[at]))
