"""A run whose registered audits say what they are told to, and what a section made of it, for tests of findings."""

import base64
import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from audit import summarise
from audit.audits.text import normalised
from audit.images import digest, encode_webp
from audit.plan import Shard
from audit.registry import audits as registered
from audit.statistics.edits import edits
from audit.store import RunFolder
from audit.tables import ScoreRow, StoredPicture
from audit.types import Artifact, Estimate, Interval, Job, Prompt, Score, digest_of
from generators.api import Pixels, Settings
from tests.reports.fake_run import LOST, entry, manifest, picture, point

Say = Callable[[Job], Score]


def write_found(
    folder: Path,
    say: Mapping[str, Say],
    asked: Sequence[Prompt],
    *,
    generators: Sequence[str] = ("builtin:ldm",),
    settings: Sequence[Settings] = (Settings(),),
    replicates: int = 1,
    draw: Callable[[Job], Pixels] = lambda job: picture(job, 64),
    brought: Mapping[str, Pixels] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    corrected: Mapping[str, Interval] | None = None,
) -> Path:
    """Write a run in which registered audits, by name, say what they are told to say of each picture.

    Args:
        draw: the picture of a job; it fails where the job's prompt is tagged "lost".
        brought: pictures that prompts bring, by digest.
        options: of the audits, as the manifest keeps them.
        corrected: corrected rates by audit, for every cell.
    """
    jobs = [
        Job(generator=name, fingerprint=digest_of(name), prompt=prompt, settings=chosen, replicate=r)
        for name in generators
        for chosen in settings
        for r in range(replicates)
        for prompt in asked
    ]
    used = [registered()[name] for name in say]
    store = RunFolder(folder)
    with store.open_for_writing():
        told = manifest(generators, len(asked))
        told["audits"] = [entry(each) | {"options": dict((options or {}).get(each.name, {}))} for each in used]
        store.write_manifest(told)
        store.write_plan(asked, [Shard(number=0, batch=8, jobs=tuple(jobs))])
        for name, pixels in (brought or {}).items():
            store.input_file(name).parent.mkdir(exist_ok=True)
            store.input_file(name).write_bytes(encode_webp(pixels))
        stored = [_drawn(job, draw) for job in jobs]
        store.write_pictures(0, stored)
        estimates: list[Estimate] = []
        for each in used:
            rows = [
                ScoreRow(
                    key=job.key,
                    digest=made.artifact.digest,
                    audit=each.name,
                    version=1,
                    options="{}",
                    expectation="0" * 16,
                    score=say[each.name](job) if made.image else Score.failed(f"no picture: {LOST}"),
                )
                for job, made in zip(jobs, stored, strict=True)
            ]
            store.write_scores(each.name, 0, rows)
            found = summarise.estimates(each, [point(job, row.score) for job, row in zip(jobs, rows, strict=True)])
            if free := (corrected or {}).get(each.name):
                ends = {"corrected": free.value, "corrected_low": free.low, "corrected_high": free.high}
                found = [replace(one, **ends, card="studio: sensitivity 0.9") for one in found]
            estimates += found
        store.write_summary(estimates, [])
    return folder


def _drawn(job: Job, draw: Callable[[Job], Pixels]) -> StoredPicture:
    if "lost" in job.prompt.tags:
        return StoredPicture(artifact=Artifact(key=job.key, status="failed", error=LOST))
    pixels = draw(job)
    height, width = pixels.shape[:2]
    made = Artifact(key=job.key, status="ok", digest=digest(pixels), width=width, height=height, device="cpu")
    return StoredPicture(artifact=made, image=encode_webp(pixels))


def words_of(part) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", str(part.html))))


def shown_in(part) -> list[np.ndarray]:
    raw = re.findall(r'src="data:image/webp;base64,([^"]+)"', str(part.html))
    return [np.array(Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB")) for each in raw]


def bars_of(part, figure: str, at: int = 0) -> list[float]:
    return [each for each in part.data["figures"][figure]["data"] if each["type"] == "bar" and "error_y" in each][at][
        "y"
    ]


def prompts(count: int, **expect) -> list[Prompt]:
    return [Prompt(id=f"p/{place:02d}", text=f"picture {place}", expect=expect) for place in range(count)]


def number_of(job) -> int:
    return int(job.prompt.id.rpartition("/")[2])


def hand(*digits: int, sure: float = 0.9, expected: int = 5) -> dict:
    return {
        "digits": list(digits),
        "posterior": [{str(each): sure} for each in digits],
        "marks": {"tip": [[3.5, 4.25]], "base": [[9, 9]]},
        "expected_digits": expected,
    }


def reading(asked: str, read: str) -> Score:
    way = edits(normalised(asked), normalised(read))
    confusions = [*map(list, way.swapped), *([a, ""] for a in way.lost), *(["", b] for b in way.added)]
    box = [[1, 2], [30, 2], [30, 20], [1, 20]]
    return Score.of(
        way.distance / len(normalised(asked)),
        expected=normalised(asked),
        read=read,
        lines=[{"text": read, "confidence": 0.9, "box": box}],
        confusions=confusions,
    )
