"""Every generator against the first one of the report, picture by picture of the same prompt and seed."""

from __future__ import annotations

from collections.abc import Container, Iterator

from audit.compare import Comparison, Runs, Side, compare
from audit.statistics.multiplicity import adjusted
from reports.api import Part, section
from reports.load import Report
from reports.page import fill
from reports.verdict_words import FOUND, direction_of
from reports.words import lost, number, plural, with_interval

MOST = 6
"""Generators beyond the first that are compared."""
Cell = dict[str, str]


@section("comparison", title="Against the first", order=25)
def comparison(report: Report) -> Part | None:
    """Paired differences of every per-picture audit, all settings that both share together."""
    sides = [Side(run.folder, generator, run.manifest) for run, generator, _ in report.generators()][: MOST + 1]
    audits = [info for info in report.per_picture if info.kind != "set"]
    if len(sides) < 2 or not audits:
        return None
    names = {info.name for info in audits}
    found = {
        (at, each.measure.name): each for at, side in enumerate(sides[1:]) for each in _compared(sides[0], side, names)
    }
    if not found:
        return None
    q_values = adjusted([each.difference.p for each in found.values()], "benjamini-hochberg")
    cells = {place: _cell(each, q) for (place, each), q in zip(found.items(), q_values, strict=True)}
    shown = [info for info in audits if any(name == info.name for _, name in cells)]
    who = [report.who(columns[0]) for _, _, columns in report.generators()][: MOST + 1]
    rows = [(info, [cells.get((at, info.name)) for at in range(len(sides) - 1)]) for info in shown]
    return Part(fill("sections/comparison.html", first=who[0], others=who[1:], rows=rows))


def _compared(first: Side, other: Side, names: Container[str]) -> Iterator[Comparison]:
    """Those of the audits that both have in one version, where some pair was scored and is a number."""
    runs = Runs(first, other)
    for measure in runs.shared.values():
        if measure.name not in names:
            continue
        pairs = runs.paired(measure)
        if pairs.good and pairs.numeric:
            yield compare(measure, pairs)


def _cell(each: Comparison, q: float | None) -> Cell:
    found = each.difference
    if found.value is None:
        return {"absent": found.note or "no pairs"}
    value, interval = with_interval(found.value, found.low, found.high, signed=True)
    told = [plural(each.pairs, "pair"), plural(each.prompts, "prompt")]
    told += lost(each.skipped, each.failed)
    facts = [f"detectable {number(each.mde)}"] if each.mde else []
    facts += [f"q {number(q)}"] if q is not None else []
    facts += [f"ICC {number(each.icc)}"] if each.icc is not None else []
    return {
        "absent": "",
        "value": value,
        "interval": interval,
        "counts": " · ".join(told),
        "facts": " · ".join(facts),
        "word": _word(each, q),
    }


def _word(each: Comparison, q: float | None) -> str:
    """better, worse or changed where the difference is more than noise; else nothing."""
    return "" if q is None or q > FOUND else direction_of(each)
