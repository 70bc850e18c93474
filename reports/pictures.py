"""Small copies of pictures for looking at, as large as the page can afford. Never scored."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from audit.images import decode
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


COPIES = (Copy(512, exact=True), *(Copy(edge) for edge in (512, 384, 256, 192, 128, 96, 64)))


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


def thumbnails(wanted: Sequence[tuple[Run, Sequence[str]]], budget: int = BUDGET) -> list[dict[str, str]]:
    """Base64 WebP by key, for each run its own keys, all by the one kind of copy that is `affordable`."""
    count = sum(len(keys) for _, keys in wanted)
    sample: list[Pixels] = []
    for run, keys in wanted:
        share = -(-SAMPLE * len(keys) // max(count, 1))
        spread: NDArray[np.int64] = np.unique(np.linspace(0, max(len(keys) - 1, 0), share).astype(np.int64))
        sample += [decode(raw) for shard in stored(run, [keys[place] for place in spread]) for raw in shard.values()]
    copy = affordable(sample, count, budget)

    def copied(run: Run, shard: Shard) -> dict[str, str]:
        return {key: _copied(raw, copy) for key, raw in _read(run, shard).items()}

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # more would only take turns
        return [
            dict(chain.from_iterable(part.items() for part in pool.map(partial(copied, run), _shards(run, keys))))
            for run, keys in wanted
        ]


def stored(run: Run, keys: Iterable[str]) -> Iterator[dict[str, bytes]]:
    """Lossless WebP by key as the run keeps it, shard by shard, each of which is read once."""
    return (_read(run, shard) for shard in _shards(run, keys))


Shard = tuple[int, frozenset[str]]
"""Its number, and the keys of those of its pictures that are wanted."""


def _shards(run: Run, keys: Iterable[str]) -> list[Shard]:
    wanted = run.pictures[run.pictures["key"].isin(set(keys)) & (run.pictures["status"] == "ok")]
    return [(int(str(number)), frozenset(mine)) for number, mine in wanted.groupby("shard")["key"]]


def _read(run: Run, shard: Shard) -> dict[str, bytes]:
    number, wanted = shard
    return {key: raw for key, raw in run.folder.read_images(number).items() if key in wanted}


def write_full(wanted: Sequence[tuple[Run, Sequence[str]]], folders: Sequence[Path]) -> None:
    """Write every picture as KEY.webp, lossless, into the folder of its run."""
    for (run, keys), folder in zip(wanted, folders, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        for shard in stored(run, keys):
            for key, raw in shard.items():
                (folder / f"{key}.webp").write_bytes(raw)


def _copied(raw: bytes, copy: Copy) -> str:
    """As `encoded`, from a stored picture; one that is shown as it is was encoded so already."""
    with Image.open(io.BytesIO(raw)) as image:
        exact = copy.exact and max(image.size) <= SMALL
    return base64.b64encode(raw).decode("ascii") if exact else encoded(decode(raw), copy)
