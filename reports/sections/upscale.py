"""Super-resolution: what was invented, where the samples of a picture agree on it and where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit.statistics.spread import spread
from reports.api import Part, section
from reports.evidence import boxes, differences
from reports.exhibits import Exhibit, Shot, exhibit, input_of, laid_out, picture_of
from reports.findings import Floats, Found, Group, Vectors, found, groups_of, in_turn, measures, vectors
from reports.load import Report
from reports.page import fill
from reports.words import number

WRONG, REREAD = "upscale.wrong", "upscale.reread"
AUDITS = (WRONG, REREAD, "upscale.consistency", "upscale.disagreement", "upscale.detail")
MOST, MOST_SAMPLES = 4, 3
Place = tuple[str, str]
"""A prompt's id and its column's cell: what several samples share."""


@dataclass(frozen=True)
class Enlargement:
    """All samples of one small picture.

    Attributes:
        apart: grey levels between them where the small picture cannot tell; None where there is one sample only.
        readings: what each sample's text says, by its key.
    """

    samples: tuple[Found, ...]
    apart: float | None
    readings: dict[str, Found]

    @property
    def doubt(self) -> float:
        """What they are ordered by: how far samples are apart, else the share of letters that cannot be borne out."""
        if self.apart is not None:
            return self.apart
        return max((each.value or 0.0 for each in self.readings.values()), default=0.0)


@section("upscale", title="Super-resolution", order=55)
def upscale(report: Report) -> Part | None:
    """Rates and means, then the enlargements that are least and most certain beside the small pictures."""
    groups = groups_of(report, AUDITS)
    if not groups:
        return None
    details = vectors(report, "features.detail")
    told = [sorted(_enlargements(group, details), key=lambda each: -each.doubt) for group in groups]
    least = in_turn(told, MOST)
    shown = {id(each) for each in least}
    most = in_turn([[each for each in reversed(group) if id(each) not in shown] for group in told], MOST)
    html = fill(
        "sections/upscale.html",
        tables=measures(report, AUDITS),
        parts=[
            ("Least certain", laid_out([_exhibit(report, each) for each in least], share=2)),
            ("Most certain", laid_out([_exhibit(report, each) for each in most], share=2)),
        ],
        sampled=any(each.apart is not None for each in least),
    )
    return Part(html)


def _enlargements(group: Group, details: Vectors) -> list[Enlargement]:
    """The group's pictures by what they enlarge, with how far samples lie apart."""
    samples: dict[Place, dict[str, Found]] = {}
    for name in ("upscale.consistency", REREAD, WRONG):
        for each in found(group, name):
            if each.reason != "no super-resolution":
                samples.setdefault((each.prompt.id, each.column.cell), {}).setdefault(each.key, each)
    readings = {
        (each.column.cell, each.key): each
        for name in (WRONG, REREAD)
        for each in found(group, name)
        if "read" in each.evidence
    }
    run = id(group.columns[0].run)
    return [
        Enlargement(
            samples=tuple(keys.values()),
            apart=_apart([details[run, key] for key in keys if (run, key) in details]),
            readings={key: readings[cell, key] for key in keys if (cell, key) in readings},
        )
        for (_, cell), keys in samples.items()
    ]


def _apart(rows: Sequence[Floats]) -> float | None:
    return spread(np.array(rows, np.float64)) if len(rows) > 1 else None


def _exhibit(report: Report, each: Enlargement) -> Exhibit:
    first = each.samples[0]
    small = input_of(first, "source")
    shots = [Shot(small, "small picture, the evidence")] if small is not None else []
    for place, sample in enumerate(each.samples[:MOST_SAMPLES], start=1):
        reading = each.readings.get(sample.key)
        legible = boxes({"lines": reading.evidence["lines"]}) if reading is not None else []
        shots.append(Shot(picture_of(sample), f"sample {place}: invented, not evidence", boxes=legible))
    facts = {} if each.apart is None else {"samples lie apart by": f"{number(each.apart)} grey levels"}
    reads = [(str(reading.evidence["read"]), reading) for reading in each.readings.values()]
    truth, diff = first.prompt.expect.get("text"), None
    said = [read for read, _ in reads if read]
    if said or (truth is not None and reads):
        facts["samples read"] = ", ".join(read or "nothing" for read, _ in reads)
    small_reads = [str(reading.evidence["small"]) for _, reading in reads if "small" in reading.evidence]
    if small_reads:
        facts["small picture reads"] = small_reads[0] or "nothing"
    if truth is not None and said:
        diff = differences(truth if isinstance(truth, str) else " ".join(map(str, truth)), said[0])
    return replace(exhibit(report, first, shots, facts, diff), due="truth")
