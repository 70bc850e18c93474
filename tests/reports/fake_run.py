"""A made-up run folder in the documented layout, small and quick, with hostile prompts, skips and failures.

`python -m tests.reports.fake_run FOLDER` writes one to look at.
"""

from __future__ import annotations

import io
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from audit.types import Contrast, Estimate, Job, Prompt, digest_of
from generators.api import Pixels, Settings

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "a sign \u202ereading\u202c EXIT \u2066left\u2069",
    "NUL \x00, ESC \x1b[31mred\x1b[0m and a line separator \u2028 here",
    "<svg onload=alert(2)>&amp;{{ 7*7 }}${alert(3)}",
]
WORDS = ["OPEN", "BAKERY", "7 ROOMS", "EXIT", "CAFÉ", "BOOKS", "TAXI", "SALE"]
GUIDANCES, STEPS = (1.0, 3.0, 6.0), (10, 25)
SHARD = 16

AUDITS: list[dict[str, Any]] = [
    ("fd_studio", "lower", "squared feature distance", "set", "fd", "Fréchet distance to held-out studio scenes."),
    ("kid_studio", "lower", "squared MMD × 1000", "set", "kid", "Kernel distance to held-out studio scenes."),
    ("clip_score", "higher", "100 × cosine", "batch", "mean", "How near picture and prompt lie in a shared space."),
    ("text.cer", "lower", "edits per character", "one", "mean", "Edits between the text asked for and the text read."),
    ("text.exact", "higher", "share of pictures", "one", "rate", "Whether the text reads exactly as asked."),
    ("tone.saturation", "neither", "mean chroma", "one", "mean", "How colourful the picture is."),
    ("tone.clipped", "lower", "share of pixels", "one", "mean", "How much is burnt to pure black or white."),
]  # type: ignore[assignment]


def prompts(hostile: bool) -> list[Prompt]:
    """Twelve prompts of three families."""
    made = [
        Prompt(
            id=f"signs/{i:02d}",
            text=f'a shop sign that says "{word}", oblique view',
            tags=("signs", f"len:{len(word)}"),
            expect={"text": word},
        )
        for i, word in enumerate(WORDS[:5])
    ]
    made += [
        Prompt(
            id=f"hands/{i:02d}",
            text=f"a raised left hand, {n} fingers up",
            tags=("hands", "count"),
            expect={"count": n},
        )
        for i, n in enumerate([2, 3, 5])
    ]
    rest = (
        HOSTILE if hostile else [f"a {c} cube on a wooden table, late light" for c in ("red", "blue", "green", "grey")]
    )
    made += [
        Prompt(
            id=f"tabletop/{i:02d}",
            text=text,
            negative_text=text if hostile else "",
            tags=("tabletop", text if hostile else "cube"),
            expect={"text": text} if hostile else {},
            origin=f"fake.jsonl, row {i}",
        )
        for i, text in enumerate(rest)
    ]
    return made


def picture(job: Job, size: int = 64) -> Pixels:
    """A gradient with a block whose colour strengthens with guidance: looks like something, costs nothing."""
    rng = np.random.default_rng(job.seed)
    guidance, steps = job.settings.guidance or 1, job.settings.steps or 10
    y, x = np.mgrid[0:size, 0:size] / size
    wall = 150 + 60 * (x[..., None] * rng.random(3) + y[..., None] * rng.random(3))
    colour = 128 + (rng.random(3) - 0.5) * 55 * guidance
    cx, cy, radius = rng.uniform(0.35, 0.65, 2).tolist() + [rng.uniform(0.15, 0.3)]
    inside = np.maximum(abs(x - cx), abs(y - cy)) < radius
    wall[inside] = colour
    wall[(y > 0.8)] *= 0.7
    noise = rng.normal(0, 60 / steps, wall.shape)
    return np.clip(wall + noise, 0, 255).astype(np.uint8)


def webp(pixels: Pixels) -> bytes:
    """Lossless WebP, method 0."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=True, method=0)
    return out.getvalue()


def score(audit: str, job: Job, size: int) -> dict[str, Any]:
    """A made-up row of the score table, with the trade-off of the seed article in it."""
    rng = np.random.default_rng(
        [job.seed % 2**32, AUDIT_NAMES.index(audit), int(job.settings.guidance or 1), job.settings.steps or 10]
    )
    guidance, steps = job.settings.guidance or 1, job.settings.steps or 10
    if audit.startswith("text."):
        if "text" not in job.prompt.expect:
            return {"status": "skipped", "reason": "no expected text"}
        if rng.random() < 0.05:
            return {"status": "failed", "reason": "RuntimeError: the reader gave no boxes <b>at all</b>"}
        expected = job.prompt.expect["text"]
        read = "".join(c if rng.random() < 0.55 + 0.06 * guidance else "0" for c in expected)
        wrong = sum(a != b for a, b in zip(expected, read, strict=True))
        quad = [
            [0.2 * size, 0.3 * size],
            [0.8 * size, 0.34 * size],
            [0.78 * size, 0.6 * size],
            [0.2 * size, 0.55 * size],
        ]
        evidence = {"expected": expected, "read": read, "boxes": [{"quad": quad, "text": read, "confidence": 0.87}]}
        value = wrong / len(expected) if audit == "text.cer" else float(wrong == 0)
        return {"status": "ok", "value": value, "evidence": evidence}
    centre = {
        "clip_score": 22 + 5 * math.log(guidance + 0.5) + 0.03 * steps,
        "tone.saturation": 18 + 4.5 * guidance,
        "tone.clipped": 0.002 * guidance**1.5,
    }[audit]
    return {"status": "ok", "value": abs(centre * (1 + 0.12 * rng.normal())), "evidence": {"pixels": size * size}}


AUDIT_NAMES = [row[0] for row in AUDITS]  # type: ignore[index]


def write_run(
    folder: Path,
    *,
    generators: tuple[str, ...] = ("builtin:ldm",),
    hostile: bool = True,
    replicates: int = 2,
    size: int = 64,
    copies: int = 1,
) -> Path:
    """Write a run folder: prompts × cells × replicates pictures per generator."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = prompts(hostile)
    asked += [Prompt(**{**asdict(p), "id": f"{p.id}/{c}"}) for c in range(1, copies) for p in asked]
    jobs = [
        Job(
            generator=name,
            fingerprint=digest_of(name),
            prompt=prompt,
            settings=Settings(guidance=g, steps=s),
            replicate=r,
        )
        for name in generators
        for g in GUIDANCES
        for s in STEPS
        for prompt in asked
        for r in range(replicates)
    ]
    shards = [place // SHARD for place in range(len(jobs))]
    _write_jobs(folder, jobs, shards)
    _write_lines(folder / "prompts.jsonl", [asdict(prompt) for prompt in asked])
    statuses = _write_images(folder, jobs, shards, size)
    rows = _write_scores(folder, jobs, shards, statuses, size)
    estimates, contrasts = _summaries(jobs, rows, statuses, generators)
    pq.write_table(pa.Table.from_pylist([asdict(e) for e in estimates]), folder / "estimates.parquet")
    pq.write_table(pa.Table.from_pylist([asdict(c) for c in contrasts]), folder / "contrasts.parquet")
    (folder / "manifest.json").write_text(json.dumps(_manifest(generators, len(asked)), indent=1))
    return folder


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _write_jobs(folder: Path, jobs: list[Job], shards: list[int]) -> None:
    rows = [
        {
            "key": job.key,
            "generator": job.generator,
            "fingerprint": job.fingerprint,
            "prompt_id": job.prompt.id,
            "cell": job.cell,
            "settings": json.dumps(asdict(job.settings)),
            "replicate": job.replicate,
            "seed": job.seed,
            "shard": shard,
        }
        for job, shard in zip(jobs, shards, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "jobs.parquet")


def _write_images(folder: Path, jobs: list[Job], shards: list[int], size: int) -> list[str]:
    (folder / "images").mkdir(exist_ok=True)
    rows, statuses = [], []
    for place, job in enumerate(jobs):
        status = "failed" if place % 41 == 17 else "skipped" if place % 53 == 30 else "ok"
        statuses.append(status)
        ok = status == "ok"
        error = {"ok": "", "failed": "RuntimeError: out of <memory> & patience", "skipped": "safety checker declined"}[
            status
        ]
        image = {"bytes": webp(picture(job, size)), "path": f"{job.key}.webp"} if ok else None
        rows.append(
            {
                "key": job.key,
                "status": status,
                "digest": digest_of(job.key) * 4 if ok else "",
                "width": size * ok,
                "height": size * ok,
                "seconds": 0.11 * (job.settings.steps or 10) / 10,
                "device": "cpu",
                "error": error,
                "image": image,
            }
        )
    schema = pa.Table.from_pylist(rows).schema
    for shard in sorted(set(shards)):
        mine = [row for row, where in zip(rows, shards, strict=True) if where == shard]
        pq.write_table(pa.Table.from_pylist(mine, schema=schema), folder / "images" / f"shard-{shard:05d}.parquet")
    return statuses


def _write_scores(
    folder: Path, jobs: list[Job], shards: list[int], statuses: list[str], size: int
) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    blank = {"value": None, "vector": None, "reason": "", "evidence": {}}
    schema = pa.schema(
        [
            ("key", pa.string()),
            ("digest", pa.string()),
            ("audit", pa.string()),
            ("version", pa.int64()),
            ("options", pa.string()),
            ("expectation", pa.string()),
            ("status", pa.string()),
            ("value", pa.float64()),
            ("vector", pa.list_(pa.float32())),
            ("reason", pa.string()),
            ("evidence", pa.string()),
        ]
    )
    for name, _, _, kind, _, _ in AUDITS:  # type: ignore[misc]
        if kind == "set":
            continue
        (folder / "scores" / name).mkdir(parents=True, exist_ok=True)
        by_shard: dict[int, list[dict[str, Any]]] = {}
        for job, shard, status in zip(jobs, shards, statuses, strict=True):
            if status == "ok":
                row = {
                    **blank,
                    **score(name, job, size),
                    "key": job.key,
                    "digest": digest_of(job.key) * 4,
                    "audit": name,
                    "version": 1,
                    "options": "{}",
                    "expectation": digest_of(dict(job.prompt.expect)),
                }
                found[job.key, name] = row
                by_shard.setdefault(shard, []).append({**row, "evidence": json.dumps(row["evidence"])})
        for shard, mine in by_shard.items():
            pq.write_table(
                pa.Table.from_pylist(mine, schema=schema), folder / "scores" / name / f"shard-{shard:05d}.parquet"
            )
    return found


def _summaries(
    jobs: list[Job], rows: dict[tuple[str, str], dict[str, Any]], statuses: list[str], generators: tuple[str, ...]
) -> tuple[list[Estimate], list[Contrast]]:
    estimates, contrasts = [], []
    made = [job for job, status in zip(jobs, statuses, strict=True) if status == "ok"]
    for generator in generators:
        cells = list(dict.fromkeys((job.cell, job.settings) for job in jobs if job.generator == generator))
        for cell, settings in cells:
            mine = [job for job in made if job.generator == generator and job.settings == settings]
            for name, _, _, kind, statistic, _ in AUDITS:  # type: ignore[misc]
                common = {
                    "generator": generator,
                    "cell": cell,
                    "audit": name,
                    "statistic": statistic,
                    "replicates": 2,
                    "prompts": 12,
                }
                if kind == "set":
                    guidance = settings.guidance or 1
                    value = 40 - 9 * guidance + 1.1 * guidance**2 + 80 / (settings.steps or 10) + len(generator)
                    low, high = value * 0.9, value * 1.12
                    note = (
                        f"n = {len(mine)} < 128 dimensions: the distance is biased upwards"
                        if name == "fd_studio"
                        else ""
                    )
                    if name == "kid_studio":
                        value, low, high = (each / 10 - 3 for each in (value, low, high))
                    estimates.append(
                        Estimate(value=value, low=low, high=high, n=len(mine), skipped=0, failed=0, note=note, **common)
                    )
                    continue
                got = [rows[job.key, name] for job in mine]
                values = np.array([row["value"] for row in got if row["status"] == "ok"])
                half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
                absent = name == "text.exact" and settings.guidance == 1 and settings.steps == 10
                estimates.append(
                    Estimate(
                        value=None if absent else values.mean(),
                        low=None if absent else values.mean() - half,
                        high=None if absent else values.mean() + half,
                        n=0 if absent else len(values),
                        skipped=len(mine) if absent else sum(r["status"] == "skipped" for r in got),
                        failed=sum(r["status"] == "failed" for r in got),
                        note="skipped: no expected text" if absent else "",
                        **common,
                    )
                )
        by_place = {(e.cell, e.audit): e for e in estimates if e.generator == generator}
        for steps in STEPS:
            before, after = (next(c for c, s in cells if s.guidance == g and s.steps == steps) for g in (1.0, 6.0))
            for name in AUDIT_NAMES:
                a, b = by_place[before, name], by_place[after, name]
                if a.value is None or b.value is None or a.low is None or a.high is None:
                    contrasts.append(
                        Contrast(
                            generator=generator,
                            before=before,
                            after=after,
                            audit=name,
                            value=None,
                            low=None,
                            high=None,
                            pairs=0,
                            prompts=0,
                            note="no pairs: one side was not scored",
                        )
                    )
                    continue
                change, half = b.value - a.value, (a.high - a.low) * 0.8
                contrasts.append(
                    Contrast(
                        generator=generator,
                        before=before,
                        after=after,
                        audit=name,
                        value=change,
                        low=change - half,
                        high=change + half,
                        pairs=22,
                        prompts=12,
                    )
                )
    return estimates, contrasts


def _manifest(generators: tuple[str, ...], count: int) -> dict[str, Any]:
    keys = ("name", "better", "unit", "kind", "statistic", "doc")
    audits = [
        dict(zip(keys, row, strict=True)) | {"version": 1, "options": {}, "source": "made up", "headline": True}
        for row in AUDITS
    ]
    audits.append(
        {
            "name": "features.studio",
            "better": "neither",
            "unit": "vector",
            "kind": "batch",
            "statistic": "mean",
            "version": 1,
            "options": {},
            "source": "made up",
            "headline": False,
            "doc": "Feature vectors.",
        }
    )
    return {
        "format": 1,
        "version": "0.1.0",
        "created": "2031-05-04T10:20:30+00:00",
        "python": "3.11.9",
        "packages": {"torch": "2.15.0", "diffusers": "0.42.0", "numpy": "2.3.1"},
        "machine": {
            "cpu": "Some CPU @ 2.4 GHz",
            "cores": 2,
            "gpu": None,
            "ram_gb": 15.6,
            "platform": "Linux-6.1-x86_64",
        },
        "config": {
            "suite": "quick",
            "generators": list(generators),
            "guidance": [1, 3, 6],
            "steps": [10, 25],
            "replicates": 2,
        },
        "suite": {"name": "quick", "version": "1", "digest": "0123456789abcdef", "prompts": count},
        "generators": [
            {"name": name, "fingerprint": digest_of(name), "knobs": ["guidance", "steps"], "tasks": ["text2img"]}
            for name in generators
        ],
        "audits": audits,
        "weights": [{"name": "studio_clip", "sha256": "ab" * 32, "licence": "Apache-2.0"}],
        "seconds": {"generate": 71.2, "score": 33.9, "summarise": 2.01},
    }


if __name__ == "__main__":
    print(write_run(Path(sys.argv[1]), generators=tuple(sys.argv[2:]) or ("builtin:ldm",)))
