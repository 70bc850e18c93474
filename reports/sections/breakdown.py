"""Which families of prompts do well: per-picture audits by tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from audit.statistics.means import mean_interval
from audit.statistics.rates import rate_interval
from reports.api import Part, section
from reports.load import AuditInfo, Column, Report
from reports.page import fill
from reports.words import with_interval

MOST_TAGS = 24
MOST_NUMBERS = 2000
"""Beyond this many numbers, each with its bootstrap, a generator's settings are pooled to keep the report quick."""


@dataclass(frozen=True)
class Slice:
    """An audit over one tag in one column of the table; value is "" where nothing was scored."""

    value: str
    interval: str
    n: int
    skipped: int
    failed: int
    heat: float | None


@section("breakdown", title="By family and tag", order=50)
def breakdown(report: Report) -> Part | None:
    """A table per audit: tags in rows, generators and settings in columns."""
    tags, left_out = _tags(report)
    audits = report.per_picture
    if len(tags) < 2 or not audits:
        return None
    groups = [(report.who(column), " · ".join(column.words), [column]) for column in report.columns]
    pooled = len(tags) * len(audits) * len(groups) > MOST_NUMBERS
    if pooled:
        groups = [(report.who(columns[0]), "all settings", columns) for _, _, columns in report.generators()]
    tables = []
    for info in audits:
        slices = [_slices(info, columns) for _, _, columns in groups]
        scored = [tag for tag in tags if any(tag in each for each in slices)]
        if scored:
            rows = _words([[each.get(tag) for each in slices] for tag in scored])
            counted = [(tag, tags[tag]) for tag in scored]
            tables.append((info, list(zip(counted, rows, strict=True)), len(tags) - len(scored)))
    heads = [(who, settings) for who, settings, _ in groups]
    return Part(fill("sections/breakdown.html", tables=tables, heads=heads, pooled=pooled, left_out=left_out))


def _tags(report: Report) -> tuple[dict[str, int], int]:
    """The commonest tags with their number of prompts, in order of first use, and how many tags are left out."""
    prompts = {(prompt.id, prompt.text): prompt for run in report.runs for prompt in run.prompts.values()}
    counts: dict[str, int] = {}
    for prompt in prompts.values():
        for tag in prompt.tags:
            counts[tag] = counts.get(tag, 0) + 1
    kept = set(sorted(counts, key=lambda tag: -counts[tag])[:MOST_TAGS])
    return {tag: count for tag, count in counts.items() if tag in kept}, len(counts) - len(kept)


Numbers = tuple[float, float | None, float | None, int, int, int]
"""value, low, high, n, skipped, failed"""


def _slices(info: AuditInfo, columns: Sequence[Column]) -> dict[str, Numbers]:
    """The audit's mean or rate over each tag's pictures, clustered by prompt; without tags where none was scored."""
    scores = pd.concat([_tagged(column, info.name) for column in columns])
    found = {str(tag): _numbers(info, mine) for tag, mine in scores.explode("tag").groupby("tag", sort=False)}
    return {tag: numbers for tag, numbers in found.items() if numbers}


def _tagged(column: Column, audit: str) -> pd.DataFrame:
    """The column's scores with the list of their prompt's tags in `tag`."""
    scores = column.run.scores_at(column.generator, column.cell, audit)[["prompt_id", "status", "value"]]
    return scores.assign(tag=scores.prompt_id.map({prompt.id: prompt.tags for prompt in column.run.prompts.values()}))


def _numbers(info: AuditInfo, mine: pd.DataFrame) -> Numbers | None:
    good = mine[mine.status == "ok"]
    if good.empty:
        return None
    summary = rate_interval if info.statistic == "rate" else mean_interval
    found = summary(good.value.to_numpy(dtype=float), list(good.prompt_id))
    if found.value is None:
        return None
    skipped, failed = (int((mine.status == status).sum()) for status in ("skipped", "failed"))
    return found.value, found.low, found.high, len(good), skipped, failed


def _words(rows: Sequence[Sequence[Numbers | None]]) -> list[list[Slice | None]]:
    values = [numbers[0] for row in rows for numbers in row if numbers]
    least, greatest = min(values), max(values)

    def words(numbers: Numbers | None) -> Slice | None:
        if numbers is None:
            return None
        value, low, high, n, skipped, failed = numbers
        heat = 100 * (value - least) / (greatest - least) if greatest > least else None
        return Slice(*with_interval(value, low, high), n, skipped, failed, heat)

    return [[words(numbers) for numbers in row] for row in rows]
