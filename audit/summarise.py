"""Scores -> estimates per cell and paired contrasts between cells. Values only, no IO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from audit.api import Audit, ScoreSet
from audit.statistics.means import mean_interval
from audit.statistics.paired import Difference, mean_difference, rate_difference
from audit.statistics.rates import rate_interval
from audit.types import Contrast, Estimate, Interval, Status, cell_name
from generators.api import Settings

K = TypeVar("K")
V = TypeVar("V")
KNOBS = ("guidance", "steps", "sampler", "guidance_window", "guidance_rescale")


@dataclass(frozen=True, kw_only=True)
class Point:
    """A score in its place: which picture of which cell, and what came out."""

    generator: str
    settings: Settings
    prompt: str
    replicate: int
    status: Status
    value: float | None = None
    vector: Sequence[float] | None = None
    reason: str = ""

    @property
    def cell(self) -> str:
        """The cell in words."""
        return cell_name(self.settings)


def estimates(audit: Audit, points: Iterable[Point]) -> list[Estimate]:
    """One estimate per generator and cell of a per-picture audit, in the order of the points."""
    summarised = rate_interval if audit.statistic == "rate" else mean_interval

    def interval(good: Sequence[Point]) -> Interval:
        values = [point.value for point in good]
        if any(value is None for value in values):
            return Interval(value=None, note="features; see the set audits on them")
        return summarised(np.array(values, dtype=np.float64), [point.prompt for point in good])

    return [_estimate(audit, cell, interval) for cell in _cells(points)]


def set_estimates(audit: Audit, scorer: ScoreSet, points: Iterable[Point]) -> list[Estimate]:
    """One estimate per generator and cell of a set audit, from the points of the features it works on.

    An exception of the scorer is not caught here: it is the audit's bug.
    """

    def interval(good: Sequence[Point]) -> Interval:
        if not good:
            return Interval(value=None, note="no features")
        return scorer(np.array([point.vector for point in good], dtype=np.float64), [point.prompt for point in good])

    return [_estimate(audit, cell, interval) for cell in _cells(points)]


def empty_estimates(audit: Audit, points: Iterable[Point], note: str, *, failed: bool) -> list[Estimate]:
    """Estimates of an audit that could not be computed at all: no value, every picture skipped or failed, and why."""
    nothing = Interval(value=None, note=note)
    blank = [_estimate(audit, cell, lambda _: nothing) for cell in _cells(points)]
    total = [each.n + each.skipped + each.failed for each in blank]
    return [
        replace(each, n=0, skipped=0 if failed else count, failed=count if failed else 0, prompts=0, replicates=0)
        for each, count in zip(blank, total, strict=True)
    ]


def contrasts(audit: Audit, points: Iterable[Point]) -> list[Contrast]:
    """Each knob's lowest value against each of its others, the other knobs equal, and pooled over the other knobs.

    Pairs share prompt, replicate and other knobs. The pooled cells are named by the knob alone: "guidance=1" against
    "guidance=6". A text knob's "lowest" value is the one planned first.
    """
    found: dict[tuple[str, str, str], Contrast] = {}
    numbers = [point for point in points if point.vector is None]
    for generator, mine in _grouped(numbers, lambda point: point.generator).items():
        for knob in KNOBS:
            for low, high in _steps(knob, mine):
                for before, after, pairs in _comparisons(knob, low, high, mine):
                    contrast = _contrast(audit, generator, before, after, pairs)
                    if contrast.value is not None:
                        found.setdefault((generator, before, after), contrast)
    return list(found.values())


def _estimate(audit: Audit, cell: Sequence[Point], interval: Callable[[Sequence[Point]], Interval]) -> Estimate:
    good = [point for point in cell if point.status == "ok"]
    statuses = Counter(point.status for point in cell)
    per_prompt = Counter(point.prompt for point in good)
    found = interval(good)
    reasons = Counter(point.reason for point in cell if point.reason)
    # of nothing there is no number, and the commonest reason tells more than that
    why = [reason for reason, _ in reasons.most_common(1)] if not good else []
    return Estimate(
        generator=cell[0].generator,
        cell=cell[0].cell,
        audit=audit.name,
        statistic=audit.statistic,
        value=found.value,
        low=found.low,
        high=found.high,
        n=len(good),
        skipped=statuses["skipped"],
        failed=statuses["failed"],
        prompts=len(per_prompt),
        replicates=max(per_prompt.values(), default=0),
        note=": ".join(dict.fromkeys(filter(None, [found.note, *why]))),
    )


def _cells(points: Iterable[Point]) -> list[list[Point]]:
    return list(_grouped(points, lambda point: (point.generator, point.settings)).values())


def _steps(knob: str, points: Sequence[Point]) -> list[tuple[object, object]]:
    """The knob's lowest value with each of its others."""
    values = list(dict.fromkeys(getattr(point.settings, knob) for point in points))
    if all(isinstance(value, int | float) for value in values):
        values.sort()
    return [(values[0], other) for other in values[1:]]


Pairs = Sequence[tuple[Point, Point]]


def _comparisons(knob: str, low: object, high: object, points: Sequence[Point]) -> list[tuple[str, str, Pairs]]:
    """(name before, name after, pairs) with the other knobs equal, then pooled over them."""
    matched = _matched(knob, low, high, points)
    by_rest = _grouped(matched, lambda pair: _without(knob, pair[0].settings))
    equal = [(pairs[0][0].cell, pairs[0][1].cell, pairs) for pairs in by_rest.values()]
    names = [cell_name(Settings(**{knob: value})) for value in (low, high)]  # type: ignore[arg-type]
    return [*equal, (names[0], names[1], matched)] if matched else []


def _matched(knob: str, low: object, high: object, points: Sequence[Point]) -> list[tuple[Point, Point]]:
    def place(point: Point) -> tuple[Settings, str, int]:
        return _without(knob, point.settings), point.prompt, point.replicate

    before = {place(point): point for point in points if getattr(point.settings, knob) == low}
    after = {place(point): point for point in points if getattr(point.settings, knob) == high}
    return [(before[each], after[each]) for each in before if each in after]


def _without(knob: str, settings: Settings) -> Settings:
    return replace(settings, **{knob: None})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Tally:
    """What became of pairs: those scored on both sides, those lost because a side had nothing to say, or broke."""

    good: Pairs
    skipped: int
    failed: int

    @classmethod
    def of(cls, pairs: Pairs) -> Tally:
        """Each pair once; one that broke on a side counts as failed, whatever the other side says."""
        statuses = [{first.status, second.status} for first, second in pairs]
        return cls(
            good=[pair for pair, status in zip(pairs, statuses, strict=True) if status == {"ok"}],
            skipped=sum("skipped" in status and "failed" not in status for status in statuses),
            failed=sum("failed" in status for status in statuses),
        )

    @property
    def clusters(self) -> list[str]:
        """The prompt of each good pair."""
        return [first.prompt for first, _ in self.good]

    @property
    def replicates(self) -> int:
        """The most good pairs of any prompt."""
        return max(Counter(self.clusters).values(), default=0)

    @property
    def values(self) -> NDArray[np.float64]:
        """(n, 2): before and after of each good pair."""
        return np.array([(first.value, second.value) for first, second in self.good], np.float64).reshape(-1, 2)

    def difference(self, statistic: str) -> Difference:
        """After minus before of numbers, or of yes and no where the audit's statistic is a rate."""
        values, way = self.values, rate_difference if statistic == "rate" else mean_difference
        return way(values[:, 0], values[:, 1], self.clusters)


def _contrast(audit: Audit, generator: str, before: str, after: str, pairs: Pairs) -> Contrast:
    tally = Tally.of(pairs)
    found = tally.difference(audit.statistic)
    return Contrast(
        generator=generator,
        before=before,
        after=after,
        audit=audit.name,
        value=found.value,
        low=found.low,
        high=found.high,
        pairs=len(tally.good),
        prompts=len(set(tally.clusters)),
        note=found.note,
        mde=found.mde,
        replicates=tally.replicates,
        skipped=tally.skipped,
        failed=tally.failed,
    )


def _grouped(items: Iterable[V], key: Callable[[V], K]) -> dict[K, list[V]]:
    groups: dict[K, list[V]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
