"""Hands: how many digits were counted, how often the number is wrong, and the hands it was wrong on."""

from __future__ import annotations

from collections.abc import Sequence

from audit.audits.hands import NORMAL
from audit.types import Json
from reports.api import Part, section
from reports.bars import Bars, bars
from reports.evidence import marks
from reports.exhibits import Exhibit, Shot, exhibit, laid_out, picture_of
from reports.findings import NOT_ASKED, Found, Group, found, groups_of, in_turn, label, legend, measures, share
from reports.load import Report
from reports.page import fill

AUDITS = ("hands.wrong", "hands.found", "hands.digits", "hands.raised")
COUNTS = ("3", "4", "5", "6", "7")
UNSURE, UNSEEN = "not sure", "no hand found"
MOST = 12


@section("hands", title="Hands", order=51)
def hands(report: Report) -> Part | None:
    """A histogram of counted digits, the rates raw and corrected, the hands that were counted wrong."""
    groups = groups_of(report, AUDITS)
    if not groups:
        return None
    counted = [(group, each) for group in groups if (each := _counted(group))]
    html = fill(
        "sections/hands.html",
        tables=measures(report, AUDITS),
        legend=legend([group for group, _ in counted]),
        exhibits=laid_out([_exhibit(report, each) for each in _wrong(groups)]),
    )
    return Part(html, {"figures": {"hands.digits": _histogram(counted)}} if counted else {})


def _counted(group: Group) -> list[Found]:
    """Pictures that asked for a hand, by the audit that counts the likeliest one; else by the one that judges."""
    for name in ("hands.digits", "hands.wrong"):
        counted = [each for each in found(group, name) if each.status != "failed" and each.reason not in NOT_ASKED]
        if counted:
            return counted
    return []


def _histogram(counted: Sequence[tuple[Group, Sequence[Found]]]) -> Json:
    """A bar for each count and each kind of abstention, and the counts that the prompts expect."""
    groups = [group for group, _ in counted]
    categories = [*COUNTS, UNSURE, UNSEEN]
    series = []
    for group, pictures in counted:
        places = [_category(each) for each in pictures]
        prompts = [each.prompt.id for each in pictures]
        heights = tuple(share([place == category for place in places], prompts) for category in categories)
        series.append(Bars(label(group, groups), heights, group.place))
    due = [str(each.prompt.expect.get("digits", NORMAL)) for _, pictures in counted for each in pictures]
    expected = [due.count(category) / len(due) for category in categories]
    return bars(series, categories, x_title="digits of the likeliest hand", expected=expected)


def _category(each: Found) -> str:
    """Where the picture stands in the histogram: the likeliest hand's count, or why there is none."""
    digits = each.evidence.get("digits")
    if each.status == "ok" and digits:
        return str(digits[0])
    return UNSURE if each.reason.startswith(UNSURE) else UNSEEN


def _wrong(groups: Sequence[Group]) -> list[Found]:
    """Pictures with a wrong number, those first of which the counter is surest."""
    lists = [[each for each in found(group, "hands.wrong") if each.value == 1] for group in groups]
    return in_turn([sorted(each, key=_sure, reverse=True) for each in lists], MOST)


def _sure(each: Found) -> float:
    """How sure the counter is; 0 where a counter of another making did not say."""
    chances = [float(chance) for posterior in each.evidence.get("posterior", ()) for chance in posterior.values()]
    return max(chances, default=0.0)


def _exhibit(report: Report, each: Found) -> Exhibit:
    counts = [
        f"{count} ({posterior.get(str(count), 0):.0%} sure)"
        for count, posterior in zip(each.evidence.get("digits", ()), each.evidence.get("posterior", ()), strict=False)
    ]
    facts = {"counted": ", ".join(counts) or "not told", "expected": str(each.evidence.get("expected_digits", NORMAL))}
    return exhibit(report, each, [Shot(picture_of(each), marks=marks(each.evidence))], facts)
