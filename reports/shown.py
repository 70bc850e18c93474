"""Estimates and contrasts as the tables show them: words for the number, its interval, and why one is absent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.types import Contrast, Estimate
from reports.load import AuditInfo, Column
from reports.words import lost, number, plural, with_interval


@dataclass(frozen=True)
class Shown:
    """A number as a table cell shows it.

    Attributes:
        value, interval: in words; value is "" where there is none, and `absent` says why.
        counts: how many pictures are behind it and how many are not, such as "n 22 · 2 skipped".
        low, at, high: where interval and value lie on the axis of their column, 0 to 100; None without an interval.
        heat: where the value lies between the least and the greatest of its column, 0 to 100; None if all are equal.
        note: what to know about this number; "" for nothing.
        corrected: the rate freed of the detector's measured errors, with its interval; "" where there is none.
    """

    value: str = ""
    interval: str = ""
    counts: str = ""
    absent: str = ""
    low: float | None = None
    at: float | None = None
    high: float | None = None
    heat: float | None = None
    note: str = ""
    corrected: str = ""


Span = tuple[float, float]


def shown(column: Column, info: AuditInfo, *, axis: Span | None = None, scale: Span | None = None) -> Shown:
    """What the audit says of the column; `axis` is that of the drawing of its interval, `scale` that of its colour."""
    estimate = column.estimate(info.name)
    if estimate is None:
        return Shown(absent="not run")
    if estimate.value is None:
        return Shown(absent=_why_absent(column, info.name, estimate), counts=_counts(estimate))
    value, interval = with_interval(estimate.value, estimate.low, estimate.high)
    low = at = high = None
    if axis and estimate.low is not None and estimate.high is not None:
        low, at, high = (place(end, axis) for end in (estimate.low, estimate.value, estimate.high))
    heat = place(estimate.value, scale) if scale else None
    freed = ""
    if estimate.corrected is not None:
        freed = " ".join(with_interval(estimate.corrected, estimate.corrected_low, estimate.corrected_high))
    return Shown(value, interval, _counts(estimate), "", low, at, high, heat, estimate.note, freed)


def axis_of(estimates: Iterable[Estimate | None]) -> Span | None:
    """From the least to the greatest end of any interval; None where all fall on one point."""
    known = [each for each in estimates if each is not None]
    return span_of(end for each in known for end in (each.low, each.value, each.high))


def scale_of(estimates: Iterable[Estimate | None]) -> Span | None:
    """From the least to the greatest value; None where all are equal."""
    return span_of(each.value for each in estimates if each is not None)


def span_of(numbers: Iterable[float | None]) -> Span | None:
    """From the least to the greatest number; None where there are not two different ones."""
    known = [each for each in numbers if each is not None]
    return (min(known), max(known)) if known and min(known) < max(known) else None


def place(value: float, span: Span) -> float:
    """Where the value lies between the ends, 0 to 100."""
    return round(100 * (value - span[0]) / (span[1] - span[0]), 2)


def _counts(estimate: Estimate) -> str:
    return " · ".join([f"n {estimate.n:,}", *lost(estimate.skipped, estimate.failed)])


def _why_absent(column: Column, audit: str, estimate: Estimate) -> str:
    """The estimate's own note, else the commonest reason its pictures gave."""
    scores = column.run.scores_at(column.generator, column.cell, audit)
    silent = scores[scores.status != "ok"]
    if len(silent):
        return str((silent["status"] + ": " + silent["reason"]).value_counts().index[0])
    return estimate.note or "no picture to score"


@dataclass(frozen=True)
class Change:
    """A contrast as a table cell shows it.

    Attributes:
        verdict: "better", "worse" or, where no end is better, "changed" when the interval excludes 0; else "".
    """

    value: str
    interval: str
    verdict: str
    counts: str
    absent: str = ""


def change(contrast: Contrast, better: str) -> Change:
    """The paired difference in words, with a verdict only where its interval excludes zero."""
    if contrast.value is None:
        return Change("", "", "", "", contrast.note or "no pairs")
    value, interval = with_interval(contrast.value, contrast.low, contrast.high, signed=True)
    counts = [plural(contrast.pairs, "pair")]
    counts += [f"{number(contrast.mde)} detectable"] if contrast.mde else []
    counts += lost(contrast.skipped, contrast.failed)
    return Change(value, interval, _verdict(contrast, better), " · ".join(counts))


def _verdict(contrast: Contrast, better: str) -> str:
    if contrast.low is None or contrast.high is None or contrast.low <= 0 <= contrast.high:
        return ""
    if better == "neither":
        return "changed"
    return "better" if (contrast.low > 0) == (better == "higher") else "worse"


def step_words(before: str, after: str) -> tuple[str, str]:
    """What changes between two cells and what stays, such as ("guidance 1 → 6", "steps 25").

    >>> step_words("guidance=1 steps=25", "guidance=6 steps=25")
    ('guidance 1 → 6', 'steps 25')
    >>> step_words("builtin:ldm", "studio:")
    ('builtin:ldm → studio:', '')
    """
    first, second = (_knobs(cell) for cell in (before, after))
    if not first or first.keys() != second.keys():
        return f"{before} → {after}", ""
    moved = [f"{knob} {first[knob]} → {second[knob]}" for knob in first if first[knob] != second[knob]]
    stayed = [f"{knob} {first[knob]}" for knob in first if first[knob] == second[knob]]
    return ", ".join(moved), ", ".join(stayed)


def _knobs(cell: str) -> dict[str, str]:
    parts = [part.partition("=") for part in cell.split(" ")]
    return {name.replace("_", " "): value for name, sign, value in parts} if all(sign for _, sign, _ in parts) else {}


class Footnotes:
    """Notes numbered in the order met; notes that differ in one number share a footnote that gives the range."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}

    def mark(self, note: str) -> int | None:
        """The footnote's number, from 1; None for an empty note."""
        if not note:
            return None
        kind = _NUMBER.sub("#", note)
        self._kinds.setdefault(kind, []).append(note)
        return list(self._kinds).index(kind) + 1

    @property
    def texts(self) -> list[str]:
        """The footnotes in order."""
        return [_merged(kind, notes) for kind, notes in self._kinds.items()]


_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def _merged(kind: str, notes: Sequence[str]) -> str:
    places = list(zip(*(_NUMBER.findall(note) for note in notes), strict=True))
    text = kind
    for found in places:
        ends = [min(found, key=float), max(found, key=float)]
        text = text.replace("#", ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}", 1)
    return text
