"""Counting: are the objects there that the prompt names, in that number, and standing as it says?

The detector is our own finder of six solids in eleven colours on a table (`audit/features/objects.py`); whatever else a
prompt names is outside what it knows, and such prompts are skipped by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.api import ScoreOne, View, audit
from audit.features.ground import Camera
from audit.features.objects import COLOURS, SHAPES, Found, Table, finder, seen
from audit.features.standing import FOV, PITCH
from audit.types import Json, Score

DETECTOR = "object finder (ours, trained on rendered tables: six solids, eleven colours)"
WAYS = {"left of": (-1, 0), "right of": (1, 0), "in front of": (0, -1), "behind": (0, 1)}
"""Relations as directions on the table: right, away."""
LEAST = 0.5  # least share of that direction in the way from one object to the other, as GenEval asks
UPRIGHT = ("above", "below", "on top of", "under", "inside")


@dataclass(frozen=True)
class Group:
    """Objects that a prompt asks for; colour None: any."""

    shape: str
    colour: str | None
    count: int

    def __str__(self) -> str:
        return f"{self.count} {self.colour or ''} {self.shape}".replace("  ", " ")

    def among(self, objects: Sequence[Found]) -> list[Found]:
        """Those that were found of this kind."""
        return [each for each in objects if each.shape == self.shape and self.colour in (None, each.colour)]


@audit(
    "count.exact",
    version=1,
    better="higher",
    unit="share of pictures",
    source=f"GenEval's question (Ghosh et al. 2023), counts exact; detector: {DETECTOR}",
    statistic="rate",
    tasks=("text2img",),
)
def exact() -> ScoreOne:
    """Whether every kind of object that the prompt names is there in exactly that number."""
    find = finder()

    def score(view: View) -> Score:
        wanted = groups_of(view)
        if isinstance(wanted, str):
            return Score.skipped(wanted)
        table = seen(view, find)
        right = all(len(group.among(table.objects)) == group.count for group in wanted)
        return Score.of(float(right), **_evidence(wanted, table))

    return score


@audit(
    "count.error",
    version=1,
    better="lower",
    unit="objects",
    source=f"mean absolute error of counts; detector: {DETECTOR}",
    headline=False,
    tasks=("text2img",),
)
def error() -> ScoreOne:
    """How many objects too many or too few, on average over the kinds that the prompt names."""
    find = finder()

    def score(view: View) -> Score:
        wanted = groups_of(view)
        if isinstance(wanted, str):
            return Score.skipped(wanted)
        table = seen(view, find)
        errors = [abs(len(group.among(table.objects)) - group.count) for group in wanted]
        return Score.of(float(np.mean(errors)), **_evidence(wanted, table))

    return score


@audit(
    "count.relation",
    version=1,
    better="higher",
    unit="share of pictures",
    source=f"GenEval's rule for positions (Ghosh et al. 2023), on the table's plane; detector: {DETECTOR}",
    statistic="rate",
    tasks=("text2img",),
)
def relation() -> ScoreOne:
    """Whether the first object stands to the second as the prompt says: within 60 degrees of that direction.

    Left and right, in front and behind are directions on the table as the camera sees it. An object that is not there
    stands nowhere: the relation does not hold.
    """
    find = finder()

    def score(view: View) -> Score:
        wanted = relation_of(view)
        if isinstance(wanted, str):
            return Score.skipped(wanted)
        first, second, way = wanted
        table = seen(view, find)
        pairs = [
            (one, other)
            for one in first.among(table.objects)
            for other in second.among(table.objects)
            if one is not other
        ]
        shares = [_share(view, one, other, way) for one, other in pairs]
        holds = bool(shares) and max(shares) > LEAST
        told = {
            "relation": f"{first.shape} {way} {second.shape}",
            "direction": round(max(shares), 3) if shares else None,
        }
        return Score.of(float(holds), **told, **_evidence([first, second], table))

    return score


def groups_of(view: View) -> list[Group] | str:
    """What the prompt expects, or why that cannot be counted."""
    objects = view.prompt.expect.get("objects")
    if not isinstance(objects, list) or not objects:
        return "the prompt expects no objects"
    groups: list[Group] = []
    unknown: list[str] = []
    for each in objects:
        group = _group(each)
        if isinstance(group, str):
            unknown.append(group)
        else:
            groups.append(group)
    return f"the finder cannot see: {', '.join(dict.fromkeys(unknown))}" if unknown else groups


def relation_of(view: View) -> tuple[Group, Group, str] | str:
    """The two objects and how the first should stand to the second, or why that cannot be judged.

    Either `expect.relation` between the first and the second of `expect.objects`, or GenEval's `position`: [relation,
    index of the other] at an object.
    """
    groups = groups_of(view)
    if isinstance(groups, str):
        return groups
    named = view.prompt.expect.get("relation")
    first, second, way = 0, 1, named
    for index, each in enumerate(view.prompt.expect["objects"]):
        position = each.get("position")
        if isinstance(position, list) and len(position) == 2 and isinstance(position[1], int):
            first, second, way = index, position[1], position[0]
    if not way or not isinstance(way, str):
        return "the prompt expects no relation"
    if way not in WAYS:
        return f"the finder knows things that stand side by side on a table, not {way!r}"
    if not 0 <= second < len(groups) or first == second:
        return "the relation names an object that is not there"
    return groups[first], groups[second], way


def _group(value: Json) -> Group | str:
    """A group in the words of our suites (shape) or of GenEval's (class), or what in it cannot be seen."""
    if not isinstance(value, dict):
        return repr(value)
    shape, colour, count = value.get("shape", value.get("class")), value.get("colour"), value.get("count", 1)
    if shape not in SHAPES:
        return str(shape)
    if colour is not None and colour not in COLOURS:
        return f"{colour} {shape}"
    return Group(shape, colour, count) if isinstance(count, int) else f"{count!r} {shape}s"


def _share(view: View, one: Found, other: Found, way: str) -> float:
    """The share of a direction in the way on the table from one object to the other, -1..1."""
    height, width = view.image.shape[1:]
    camera = Camera(PITCH, FOV, width, height)
    places = camera.places([one.foot, other.foot])
    step = places[0] - places[1]
    far = float(np.linalg.norm(step))
    return float(step @ np.array(WAYS[way], np.float64)) / far if np.isfinite(far) and far > 0 else 0.0


def _evidence(wanted: Sequence[Group], table: Table) -> dict[str, Json]:
    return {
        "expected_objects": [str(group) for group in wanted],
        "found_objects": [f"{len(group.among(table.objects))} of {group}" for group in wanted],
        "objects": len(table.objects),
        "boxes": [boxed(each) for each in table.objects],
    }


def boxed(found: Found) -> dict[str, Json]:
    """An object as evidence; the score is the lesser of its two probabilities."""
    sure = round(min(found.shape_share, found.colour_share), 3)
    return {"box": list(found.box), "label": f"{found.colour} {found.shape}", "score": sure}
