"""Small copies of pictures for looking at, as large as the page can afford. Never scored."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generators.api import Pixels
from reports.load import Run

BUDGET = 9_000_000
"""Bytes of base64 that all pictures of a page may take together, so that a page stays well under 15 MB."""
SAMPLE = 24
SMALL = 128


@dataclass(frozen=True)
class Copy:
    """How a picture is copied: its longer side at most `edge`; one of SMALL pixels or less as it is where `exact`."""

    edge: int
    exact: bool = False


COPIES = (Copy(512, exact=True), *(Copy(edge) for edge in (512, 384, 256, 192, 128, 96)))


def thumbnail(pixels: Pixels, copy: Copy) -> bytes:
    """WebP of the picture, never larger than it is."""
    image = Image.fromarray(pixels)
    out = io.BytesIO()
    if copy.exact and max(image.size) <= SMALL:
        image.save(out, "WEBP", lossless=True, method=0)
        return out.getvalue()
    if max(image.size) > copy.edge:
        image.thumbnail((copy.edge, copy.edge), Image.Resampling.LANCZOS)
    image.save(out, "WEBP", quality=80, method=4)
    return out.getvalue()


def encoded(pixels: Pixels, copy: Copy) -> str:
    """The thumbnail as base64."""
    return base64.b64encode(thumbnail(pixels, copy)).decode("ascii")


def affordable(sample: Sequence[Pixels], count: int, budget: int = BUDGET) -> Copy:
    """The best copy at which `count` pictures like those of the sample fit the budget; the least where none does."""
    for copy in COPIES[:-1]:
        if not sample or count * float(np.mean([len(encoded(pixels, copy)) for pixels in sample])) <= budget:
            return copy
    return COPIES[-1]


def thumbnails(wanted: Sequence[tuple[Run, Sequence[str]]]) -> list[dict[str, str]]:
    """Base64 WebP by key, for each run its own keys, all by the one kind of copy that is `affordable`."""
    count = sum(len(keys) for _, keys in wanted)
    sample: list[Pixels] = []
    for run, keys in wanted:
        share = -(-SAMPLE * len(keys) // max(count, 1))
        spread: NDArray[np.int64] = np.unique(np.linspace(0, max(len(keys) - 1, 0), share).astype(np.int64))
        sample += [pixels for _, pixels in run.folder.images([keys[place] for place in spread])]
    copy = affordable(sample, count)
    return [{key: encoded(pixels, copy) for key, pixels in run.folder.images(keys)} for run, keys in wanted]
