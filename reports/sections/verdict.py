"""What `audit gate` said of a run: each primary metric against its margin, and why a gate could not be trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.types import Json
from reports.api import Part, section
from reports.load import Report, Run
from reports.page import fill
from reports.shown import Span, place, span_of
from reports.verdict_words import FOUND, change_of, direction
from reports.words import dashed, lost, plural

MOST = 12


@dataclass(frozen=True)
class Row:
    """A primary metric as the table shows it; places lie on an axis from 0 to 100 on which harm grows to the right."""

    told: Mapping[str, Json]
    before: str
    after: str
    change: str
    interval: str
    mde: str
    counts: str
    zero: float | None = None
    margin: float | None = None
    low: float | None = None
    at: float | None = None
    high: float | None = None


@section("verdict", title="Verdict", order=15)
def verdict(report: Report) -> Part | None:
    """The verdicts that lie beside the runs of this report."""
    found = [(run.label, told) for run in report.runs if (told := _told(run)) is not None]
    if not found:
        return None
    shown = [
        {
            "label": label,
            "told": told,
            "words": _ruling(told),
            "rows": [_row(each) for each in told["primary"]],
            "moved": _moved(told["explored"]),
        }
        for label, told in found
    ]
    return Part(fill("sections/verdict.html", verdicts=shown, several=len(found) > 1, most=MOST))


def _told(run: Run) -> dict[str, Any] | None:
    """The verdict beside a run; None where there is none that can be read."""
    path = run.folder.path / "gate" / "verdict.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = {"status", "primary", "explored", "breaches", "notes", "baseline", "candidate"}
    return told if isinstance(told, dict) and whole <= told.keys() else None


def _ruling(told: Mapping[str, Any]) -> str:
    """The verdict in a sentence that names what it hangs on."""
    named = {
        status: [e["audit"] for e in told["primary"] if e["status"] == status] for status in ("fail", "inconclusive")
    }
    if told["status"] == "pass":
        return "Pass: no primary metric got worse by its margin."
    if told["status"] == "inconclusive":
        return f"Inconclusive on {', '.join(named['inconclusive'])}: too few pictures to tell."
    worse = f"{', '.join(named['fail'])} got worse." if named["fail"] else "the runs cannot be trusted to answer."
    return f"Fail: {worse}"


def _row(each: Mapping[str, Any]) -> Row:
    change, interval = _change(each)
    places: dict[str, float | None] = {}
    harm, low, high, margin = (each[name] for name in ("harm", "harm_low", "harm_high", "margin"))
    axis = span_of((0.0, margin, harm, low, high))
    if axis is not None and low is not None and high is not None:
        wide = _widened(axis)
        named = {"zero": 0.0, "margin": margin, "low": low, "at": harm, "high": high}
        places = {name: place(float(value), wide) for name, value in named.items()}
    return Row(
        told=each,
        before=dashed(each["before"]),
        after=dashed(each["after"]),
        change=change,
        interval=interval,
        mde=dashed(each["mde"]),
        counts=_counts(each),
        **places,
    )


def _moved(explored: Sequence[Mapping[str, Any]]) -> list[dict[str, Json]]:
    """Differences that were not judged and are more than noise, the surest first."""
    sure = sorted((e for e in explored if e["q"] is not None and e["q"] <= FOUND), key=lambda each: each["q"])
    return [_told_of(each) for each in sure]


def _told_of(each: Mapping[str, Any]) -> dict[str, Json]:
    word = direction(each["better"], each["value"])
    return {**each, "change": _change(each), "word": word, "counts": _counts(each)}


def _change(each: Mapping[str, Any]) -> tuple[str, str]:
    return change_of(each["value"], each["low"], each["high"])


def _counts(each: Mapping[str, Any]) -> str:
    parts = [plural(each["pairs"], "pair"), plural(each["prompts"], "prompt"), f"up to {each['replicates']} a prompt"]
    return " · ".join([*parts, *lost(each["skipped"], each["failed"])])


def _widened(axis: Span) -> Span:
    room = 0.04 * (axis[1] - axis[0])
    return axis[0] - room, axis[1] + room
