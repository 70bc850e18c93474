"""Exhibits: small pictures with what was found drawn over them, side by side, within a budget of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from audit.types import Json
from generators.api import Pixels
from reports.findings import Found
from reports.load import Report
from reports.pictures import SMALL, Copy, encoded

BUDGET = 250_000
"""Bytes of base64 that one section's exhibits may take; the six sections that have some stay below 1.5 MB."""
EXACT = Copy(256, exact=True)
COPIES = (EXACT, *(Copy(edge) for edge in (256, 192, 128, 96, 64)))
"""The best first; cards are about 240 pixels wide."""
TINY = 32
"""Pixels a side of pictures that are always copied as they are: a lossy copy would smear each of their pixels."""


@dataclass(frozen=True)
class Shot:
    """A picture (H, W, 3) uint8, what is drawn over it (see `reports.evidence`), and the words below it."""

    pixels: Pixels
    caption: str = ""
    boxes: Sequence[Json] = ()
    marks: Sequence[Json] = ()


@dataclass(frozen=True)
class Exhibit:
    """Shots side by side, whose they are, what was asked for, what was found: names with words.

    Attributes:
        diff: text that should stand there against text read, as `reports.evidence.reading` gives it; None for none.
        due: what the former is called.
    """

    who: str
    asked: str
    shots: tuple[Shot, ...]
    facts: dict[str, str] = field(default_factory=dict)
    diff: Json = None
    due: str = "asked for"


def exhibit(
    report: Report, each: Found, shots: Sequence[Shot], facts: dict[str, str] | None = None, diff: Json = None
) -> Exhibit:
    """An exhibit of a picture that was judged."""
    who = " · ".join([report.who(each.column), *each.column.words])
    return Exhibit(who, each.prompt.text, tuple(shots), facts or {}, diff)


def picture_of(each: Found) -> Pixels:
    """The picture that was judged."""
    return each.column.run.folder.image(each.key)


def input_of(each: Found, role: str) -> Pixels | None:
    """A picture that the prompt brought, such as its "source"; None where it brought none or it is gone."""
    digest = each.prompt.inputs.get(role)
    folder = each.column.run.folder
    return folder.input(digest) if digest and folder.input_file(digest).is_file() else None


def laid_out(exhibits: Sequence[Exhibit], *, share: int = 1) -> list[dict[str, Json]]:
    """Exhibits as the page's macro reads them, their pictures as base64 WebP, all by the best kind of copy that fits.

    `share` is how many such calls share a section's budget.
    """
    sources = iter(_sources([shot.pixels for each in exhibits for shot in each.shots], BUDGET // share))
    return [
        {
            "who": each.who,
            "asked": each.asked,
            "facts": each.facts,
            "diff": each.diff,
            "due": each.due,
            "shots": [_shot(shot, next(sources)) for shot in each.shots],
        }
        for each in exhibits
    ]


def _sources(pictures: Sequence[Pixels], budget: int) -> list[str]:
    """Base64 WebP of each picture, as large as all together may be, and no larger than exhibits are shown."""
    sources: list[str] = []
    for copy in COPIES:
        sources = [encoded(each, EXACT if max(each.shape[:2]) <= TINY else copy) for each in pictures]
        if sum(map(len, sources)) <= budget:
            break
    return sources


def _shot(shot: Shot, source: str) -> dict[str, Json]:
    height, width = shot.pixels.shape[:2]
    return {
        "source": source,
        "width": width,
        "height": height,
        "small": max(height, width) <= SMALL,
        "caption": shot.caption,
        "boxes": list(shot.boxes),
        "marks": list(shot.marks),
        "kinds": list(dict.fromkeys(mark["label"] for mark in shot.marks)),
    }
