"""Memorization: pictures beside the training pictures they are nearest to, and how near fresh pictures come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

from audit.features.copies import Index
from audit.memorized import Memory, load
from audit.types import Json
from audit.weights import MissingWeightsError
from generators.api import Pixels
from reports.api import Part, section
from reports.bars import Bars, Limit, histogram
from reports.exhibits import Exhibit, Shot, exhibit, laid_out, picture_of
from reports.findings import Found, Group, found, groups_of, in_bins, in_turn, label, legend, measures, option
from reports.load import Column, Report
from reports.page import fill
from reports.words import number

COPIED, SIMILARITY = "memorization.copied", "memorization.similarity"
AUDITS = (COPIED, SIMILARITY)
REFERENCE = "studio-memorized"
MOST = 12
EDGES = [0.5 + place / 40 for place in range(21)]


@dataclass(frozen=True)
class Near:
    """A picture with its likeness to the nearest training picture; `threshold` and `chance` where they were told."""

    picture: Found
    similarity: float
    threshold: float | None
    chance: float | None


@section("memorization", title="Memorization", order=57)
def memorization(report: Report) -> Part | None:
    """Rates, likeness against that of fresh pictures, and pairs of pictures side by side."""
    groups = groups_of(report, AUDITS)
    near = [(group, each) for group in groups if (each := _near(group))]
    if not near:
        return None
    memories, absent = _memories([column for group, _ in near for column in group.columns])
    pairs = in_turn([sorted(each, key=lambda one: -one.similarity) for _, each in near], MOST)
    html = fill(
        "sections/memorization.html",
        tables=measures(report, AUDITS),
        legend=legend([group for group, _ in near]),
        among=sorted({str(each.picture.evidence["among"]) for _, pictures in near for each in pictures}),
        absent=absent,
        exhibits=laid_out([_exhibit(report, each, memories) for each in pairs]),
    )
    return Part(html, {"figures": {"memorization.similarity": _figure(near, list(memories.values()))}})


def _near(group: Group) -> list[Near]:
    """By the audit that judges, which tells the threshold too; else by the one that measures alone."""
    judged = [
        Near(each, each.evidence["similarity"], each.evidence["threshold"], each.evidence["chance"])
        for each in found(group, COPIED)
        if each.value is not None
    ]
    return judged or [Near(each, each.value, None, None) for each in found(group, SIMILARITY) if each.value is not None]


def _reference(column: Column) -> str:
    given = (option(column, audit, "reference", None) for audit in AUDITS)
    return str(next(filter(None, given), REFERENCE))


def _memories(columns: Sequence[Column]) -> tuple[dict[str, Memory], list[str]]:
    """The references that can be read, by name, and why others cannot."""
    read: dict[str, Memory] = {}
    absent = []
    for name in sorted({_reference(column) for column in columns}):
        try:
            read[name] = load(name)
        except (MissingWeightsError, OSError, ValueError, BadZipFile) as error:
            absent.append(f"{name}: {error}")
    return read, absent


def _figure(near: Sequence[tuple[Group, Sequence[Near]]], memories: Sequence[Memory]) -> Json:
    """Likeness of the pictures over that of fresh ones, which is drawn where all pictures share one reference."""
    groups = [group for group, _ in near]
    series = []
    for group, pictures in near:
        values, prompts = [each.similarity for each in pictures], [each.picture.prompt.id for each in pictures]
        series.append(Bars(label(group, groups), tuple(in_bins(values, prompts, EDGES)), group.place))
    thresholds = {each.threshold for _, pictures in near for each in pictures} - {None}
    limit = Limit(thresholds.pop() or 0.0, "counts as a copy") if len(thresholds) == 1 else None
    chance: list[float] = []
    if len(memories) == 1:
        counts, _ = np.histogram(memories[0].null.clip(EDGES[0], EDGES[-1]), EDGES)
        chance = (counts / counts.sum()).tolist()
    return histogram(series, EDGES, x_title="likeness to the nearest training picture", limit=limit, chance=chance)


def _exhibit(report: Report, each: Near, memories: dict[str, Memory]) -> Exhibit:
    picture = each.picture
    name = str(picture.evidence["nearest"])
    shots = [Shot(picture_of(picture), "generated")]
    known = _training_picture(memories.get(_reference(picture.column)), name)
    if known is not None:
        mirrored = bool(picture.evidence["mirrored"])
        shots.append(Shot(known[:, ::-1] if mirrored else known, "training picture" + ", mirrored" * mirrored))
    facts = {"nearest": name, "likeness": number(each.similarity)}
    if each.threshold is not None and each.chance is not None:
        facts["counts as a copy above"] = number(each.threshold)
        facts["fresh pictures that come as near"] = f"{each.chance:.2%}"
    return exhibit(report, picture, shots, facts)


def _training_picture(memory: Memory | None, name: str) -> Pixels | None:
    """The small picture that the reference keeps; None where it keeps descriptors alone."""
    if memory is None or not isinstance(memory.index, Index) or name not in memory.names:
        return None
    return np.ascontiguousarray(memory.index.pictures[memory.names.index(name)])
