"""Editing: what leaked out of the mask, beyond what an autoencoder's round trip does, and the worst edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.statistics.means import mean_interval
from audit.types import Interval
from reports.api import Part, section
from reports.exhibits import Exhibit, Shot, exhibit, input_of, laid_out, picture_of
from reports.findings import Found, Group, found, groups_of, in_turn, measures, option, share
from reports.load import Report
from reports.page import fill
from reports.words import number, with_interval

LEAKED, SEAM, STRUCTURE = "edit.leaked", "edit.seam", "edit.structure"
AUDITS = (LEAKED, "edit.leak", SEAM, STRUCTURE)
FLOORS = {"shift": (1.0, "pixels"), "colour": (2.0, "grey levels"), "patch": (24.0, "grey levels")}
"""Options of edit.leaked: below its floor a change is no leak; defaults, and units."""
MOST = 8


@dataclass(frozen=True)
class Cell:
    """Mean of a change outside the mask, the share of edits above its floor, and the floor; in words."""

    mean: tuple[str, str]
    above: tuple[str, str]
    floor: str


@section("editing", title="Editing", order=56)
def editing(report: Report) -> Part | None:
    """Rates and means, each kind of leak against its floor, and the worst edits beside their source and mask."""
    groups = groups_of(report, AUDITS)
    if not groups:
        return None
    leaks = [(group, each) for group in groups if (each := _scored(group, LEAKED))]
    html = fill(
        "sections/editing.html",
        tables=measures(report, AUDITS),
        units={name: unit for name, (_, unit) in FLOORS.items()},
        leaks=[(group, len(each), [_cell(each, name) for name in FLOORS]) for group, each in leaks],
        worst=laid_out([_exhibit(report, each) for each in _worst(groups, leaks)]),
    )
    return Part(html)


def _scored(group: Group, audit: str) -> list[Found]:
    return [each for each in found(group, audit) if each.value is not None]


def _size(each: Found, name: str) -> float:
    """How great a kind of change is, in the unit of its floor."""
    return float(np.hypot(*each.evidence["shift"])) if name == "shift" else float(each.evidence[name])


def _floor(each: Found, name: str) -> float:
    return float(option(each.column, LEAKED, name, FLOORS[name][0]))


def _cell(edits: Sequence[Found], name: str) -> Cell:
    prompts = [each.prompt.id for each in edits]
    mean = mean_interval([_size(each, name) for each in edits], prompts)
    above = share([name in each.evidence["why"] for each in edits], prompts)
    floors = sorted({_floor(each, name) for each in edits})
    return Cell(_words(mean), _words(above), " to ".join(f"{floor:g}" for floor in dict.fromkeys(floors)))


def _words(found: Interval) -> tuple[str, str]:
    return with_interval(found.value or 0.0, found.low, found.high)


def _worst(groups: Sequence[Group], leaks: Sequence[tuple[Group, Sequence[Found]]]) -> list[Found]:
    """Of each group the edits furthest above a floor; of those without a mask the ones that kept least structure."""
    lists = [sorted(each, key=_excess, reverse=True) for _, each in leaks]
    masked = {group.place for group, _ in leaks}
    others = [_scored(group, STRUCTURE) for group in groups if group.place not in masked]
    return in_turn([*lists, *(sorted(each, key=lambda one: one.value or 0.0) for each in others)], MOST)


def _excess(each: Found) -> float:
    """The greatest change as a multiple of its floor."""
    return max(_size(each, name) / max(_floor(each, name), 1e-9) for name in FLOORS)


def _exhibit(report: Report, each: Found) -> Exhibit:
    leak = "why" in each.evidence
    roles = {"source": "source", "mask": "mask: white is made anew"} if leak else {"source": "source"}
    brought = ((words, input_of(each, role)) for role, words in roles.items())
    shots = [Shot(picture, words) for words, picture in brought if picture is not None]
    shots.append(Shot(picture_of(each), "result"))
    if not leak:
        return exhibit(report, each, shots, {"structure kept": number(each.value or 0)})
    facts = {
        name: f"{number(_size(each, name))} {unit}, floor {_floor(each, name):g}" for name, (_, unit) in FLOORS.items()
    }
    facts["verdict"] = "leaked: " + ", ".join(each.evidence["why"]) if each.value else "nothing leaked"
    return exhibit(report, each, shots, facts)
