"""A made-up run, written through the store: small, quick, with hostile prompts, skips and failures.

`python -m tests.reports.fake_run FOLDER GENERATOR...` writes one to look at.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit import summarise
from audit.api import Audit
from audit.images import digest, encode_webp
from audit.plan import Shard
from audit.store import RunFolder
from audit.summarise import Point
from audit.tables import ScoreRow, StoredPicture
from audit.types import Artifact, Estimate, Interval, Job, Prompt, Score, digest_of
from generators.api import Pixels, Settings

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "a sign \u202ereading\u202c EXIT \u2066left\u2069",
    "NUL \x00, ESC \x1b[31mred\x1b[0m and a line separator \u2028 here",
    "<svg onload=alert(2)>&amp;{{ 7*7 }}${alert(3)}",
]
WORDS = ["OPEN", "BAKERY", "7 ROOMS", "EXIT", "CAFÉ"]
GUIDANCES, STEPS = (1.0, 3.0, 6.0), (10, 25)
SHARD = 16
LOST = "RuntimeError: out of <memory> & patience"
SOURCE = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 4, (1, 64, 3))
MASK = np.where(np.arange(64)[None, :, None] < 32, np.uint8(255), np.zeros((64, 64, 3), np.uint8))
BROUGHT = {digest(pixels): pixels for pixels in (SOURCE, MASK)}
BROKE = "RuntimeError: the reader gave no boxes <b>at all</b>"


def _audit(
    name: str, better: Any, unit: str, kind: Any = "one", statistic: str = "mean", headline: bool = True
) -> Audit:
    on = "features.studio" if kind == "set" else ""
    doc = f"A made-up {name}."
    return Audit(name, 1, better, unit, "made up", kind, statistic, on, headline, doc, dict)


AUDITS = {
    each.name: each
    for each in (
        _audit("clip_score", "higher", "100 × cosine", "batch"),
        _audit("fd_studio", "lower", "Fréchet distance", "set", "fd"),
        _audit("features.studio", "neither", "vector", "batch", headline=False),
        _audit("text.cer", "lower", "edits per expected character"),
        _audit("text.exact", "higher", "share of pictures", statistic="rate"),
        _audit("tone.clipped", "lower", "share of pixels"),
        _audit("tone.saturation", "neither", "mean CIELAB chroma"),
    )
}


def prompts(hostile: bool = True) -> list[Prompt]:
    """Twelve prompts of three families; the last four ask for, expect and are tagged with nasty text."""
    made = [
        Prompt(
            id=f"signs/{place:02d}",
            text=f'a shop sign that says "{word}", oblique view',
            tags=("signs", "text"),
            expect={"text": word},
        )
        for place, word in enumerate(WORDS)
    ]
    brought = dict(zip(("source", "mask"), BROUGHT, strict=True))
    made += [
        Prompt(
            id=f"hands/{place:02d}",
            text=f"a left hand, {n} fingers raised",
            tags=("hands",),
            expect={"count": n},
            inputs=brought,
        )
        for place, n in enumerate([2, 3, 5])
    ]
    for place, text in enumerate(HOSTILE):
        plain = Prompt(id=f"tabletop/{place:02d}", text=f"a cube and {place} balls on a table", tags=("tabletop",))
        nasty = replace(
            plain,
            text=text,
            negative_text=text,
            tags=("tabletop", text),
            expect={"text": text, "kind": [text]},
            origin=text,
        )
        made.append(nasty if hostile else plain)
    return made


def picture(job: Job, size: int) -> Pixels:
    """A gradient with a block whose colour strengthens with guidance and whose grain fades with steps."""
    rng = np.random.default_rng(job.seed)
    guidance, steps = _knobs(job.settings)
    y, x = np.mgrid[0:size, 0:size] / size
    wall = 150 + 60 * (x[..., None] * rng.random(3) + y[..., None] * rng.random(3))
    colour = 128 + (rng.random(3) - 0.5) * 55 * guidance
    across, down = rng.uniform(0.35, 0.65, 2)
    wall[np.maximum(abs(x - across), abs(y - down)) < rng.uniform(0.15, 0.3)] = colour
    wall[y > 0.8] *= 0.7
    grain: NDArray[np.float64] = rng.normal(0, 60 / steps, wall.shape)
    return np.clip(wall + grain, 0, 255).astype(np.uint8)


def score(name: str, job: Job, size: int) -> Score:
    """A made-up score in which guidance raises alignment, saturation and clipping."""
    guidance, steps = _knobs(job.settings)
    rng = np.random.default_rng([job.seed % 2**32, list(AUDITS).index(name), int(guidance), steps])
    if name == "features.studio":
        return Score.features(tuple(rng.normal(size=8)))
    if name.startswith("text."):
        return _text_score(name, job, size)
    centre = {
        "clip_score": 22 + 5 * math.log(guidance + 0.5) + 0.03 * steps,
        "tone.saturation": 18 + 4.5 * guidance,
        "tone.clipped": 0.002 * guidance**1.5,
    }[name]
    return Score.of(abs(centre * (1 + 0.12 * rng.normal())), tokens=17, truncated=False)


def _text_score(name: str, job: Job, size: int) -> Score:
    """Every text audit sees the same reading."""
    rng = np.random.default_rng([job.seed % 2**32, *map(int, _knobs(job.settings))])
    if "text" not in job.prompt.expect:
        return Score.skipped("the prompt expects no text")
    if rng.random() < 0.05:
        return Score.failed(BROKE)
    expected = str(job.prompt.expect["text"])
    right = 0.55 + 0.06 * _knobs(job.settings)[0]
    read = "".join(letter if rng.random() < right else "0" for letter in expected)
    wrong = [[a, b] for a, b in zip(expected, read, strict=True) if a != b]
    box = [[0.2 * size, 0.3 * size], [0.8 * size, 0.34 * size], [0.78 * size, 0.6 * size], [0.2 * size, 0.55 * size]]
    lines = [{"text": read, "confidence": 0.87, "box": box}]
    value = len(wrong) / len(expected) if name == "text.cer" else float(not wrong)
    return Score.of(value, expected=expected, read=read, lines=lines, confusions=wrong)


def write_run(
    folder: Path,
    *,
    generators: Sequence[str] = ("builtin:ldm",),
    asked: Sequence[Prompt] | None = None,
    guidances: Sequence[float] = GUIDANCES,
    steps: Sequence[int] = STEPS,
    replicates: int = 2,
    size: int = 64,
    stop_after: int | None = None,
) -> Path:
    """Write prompts × cells × replicates pictures per generator; shards from `stop_after` on are not made."""
    asked = prompts() if asked is None else asked
    jobs = [
        Job(
            generator=name,
            fingerprint=digest_of(name),
            prompt=prompt,
            settings=Settings(guidance=g, steps=n),
            replicate=r,
        )
        for name in generators
        for g in guidances
        for n in steps
        for r in range(replicates)
        for prompt in asked
    ]
    shards = [
        Shard(number=start // SHARD, batch=8, jobs=tuple(jobs[start : start + SHARD]))
        for start in range(0, len(jobs), SHARD)
    ]
    points: dict[str, list[Point]] = {name: [] for name in AUDITS}
    store = RunFolder(folder)
    with store.open_for_writing():
        store.write_manifest(manifest(generators, len(asked)))
        store.write_plan(asked, shards)
        for name, pixels in BROUGHT.items():
            store.input_file(name).parent.mkdir(exist_ok=True)
            store.input_file(name).write_bytes(encode_webp(pixels))
        for shard in shards[:stop_after]:
            stored = [_stored(job, shard.number * SHARD + place, size) for place, job in enumerate(shard.jobs)]
            store.write_pictures(shard.number, stored)
            for name in (each.name for each in AUDITS.values() if each.kind != "set"):
                rows = [_row(name, job, made.artifact, size) for job, made in zip(shard.jobs, stored, strict=True)]
                store.write_scores(name, shard.number, rows)
                points[name] += [point(job, row.score) for job, row in zip(shard.jobs, rows, strict=True)]
        estimates = [estimate for each in AUDITS.values() for estimate in _estimates(each, points)]
        single = [each for each in AUDITS.values() if each.kind != "set" and each.headline]
        store.write_summary(
            estimates, [change for each in single for change in summarise.contrasts(each, points[each.name])]
        )
    return folder


def entry(each: Audit) -> dict[str, Any]:
    """What a manifest says of an audit, but for its options."""
    shown = ("name", "version", "better", "unit", "source", "kind", "on", "statistic", "headline", "doc")
    return {name: getattr(each, name) for name in shown}


def manifest(generators: Sequence[str], count: int) -> dict[str, Any]:
    """A manifest as a run writes it."""
    return {
        "format": 1,
        "version": "0.1.0",
        "created": "2031-05-04T10:20:30+00:00",
        "python": "3.11.9",
        "packages": {"torch": "2.15.0", "diffusers": "0.42.0", "numpy": "2.3.1"},
        "machine": {"cpu": "Some CPU @ 2.4 GHz", "cores": 2, "gpu": None, "ram_gb": 15.6, "platform": "Linux-6.1"},
        "config": {"suite": "quick", "generators": list(generators), "guidance": [1, 3, 6], "steps": [10, 25]},
        "suite": {"name": "quick", "version": "1", "digest": "0123456789abcdef", "prompts": count},
        "generators": [
            {"name": name, "fingerprint": digest_of(name), "knobs": ["guidance", "steps"], "tasks": ["text2img"]}
            for name in generators
        ],
        "audits": [entry(each) | {"options": {}} for each in AUDITS.values()],
        "weights": [{"name": "studio_clip", "sha256": "ab" * 32, "path": "", "licence": "Apache-2.0"}],
        "seconds": {"generate": 71.2, "score": 33.9, "summarise": 2.01},
    }


def _knobs(settings: Settings) -> tuple[float, int]:
    return settings.guidance or 1.0, settings.steps or 10


def _stored(job: Job, place: int, size: int) -> StoredPicture:
    """Every 41st picture fails, every 53rd is declined."""
    if place % 41 == 17:
        return StoredPicture(artifact=Artifact(key=job.key, status="failed", error=LOST))
    if place % 53 == 30:
        return StoredPicture(artifact=Artifact(key=job.key, status="skipped", error="the safety checker declined"))
    pixels = picture(job, size)
    seconds = 0.011 * _knobs(job.settings)[1]
    made = Artifact(
        key=job.key, status="ok", digest=digest(pixels), width=size, height=size, seconds=seconds, device="cpu"
    )
    return StoredPicture(artifact=made, image=encode_webp(pixels))


def _row(name: str, job: Job, artifact: Artifact, size: int) -> ScoreRow:
    lost = Score.failed if artifact.status == "failed" else Score.skipped
    found = score(name, job, size) if artifact.status == "ok" else lost(f"no picture: {artifact.error}")
    return ScoreRow(
        key=job.key, digest=artifact.digest, audit=name, version=1, options="{}", expectation="0" * 16, score=found
    )


def point(job: Job, found: Score) -> Point:
    return Point(
        generator=job.generator,
        settings=job.settings,
        prompt=job.prompt.id,
        replicate=job.replicate,
        status=found.status,
        value=found.value,
        vector=found.vector,
    )


def _estimates(audit: Audit, points: dict[str, list[Point]]) -> list[Estimate]:
    """As the harness makes them, except that the set statistic is made up from the settings."""
    if audit.kind != "set":
        return summarise.estimates(audit, points[audit.name])
    blank = summarise.set_estimates(
        audit, lambda rows, _: Interval(value=1.0, note=_floor(len(rows))), points[audit.on]
    )
    return [replace(each, **_distance(each)) for each in blank]


def _floor(n: int) -> str:
    return f"n = {n} < 128 dimensions: biased upwards; floor at n={n}: {90 / n:.3g}"


def _distance(estimate: Estimate) -> dict[str, float]:
    guidance, steps = (float(part.partition("=")[2]) for part in estimate.cell.split(" "))
    value = 40 - 9 * guidance + 1.1 * guidance**2 + 80 / steps + len(estimate.generator)
    return {"value": value, "low": value * 0.9, "high": value * 1.12}


if __name__ == "__main__":
    print(write_run(Path(sys.argv[1]), generators=tuple(sys.argv[2:]) or ("builtin:ldm",)))
