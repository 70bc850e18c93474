"""The report of a large run: seconds to render, size of the page, and seconds until a browser lets one work with it.

    python benchmarks/speed/report.py [--pictures 20000] [--folder RUN] [--out FILE]

Makes up a run through the store, in the shards that `audit run` writes: two generators, two guidances, two replicates,
five audits of single pictures and one of feature vectors; 20,000 pictures make 100,000 scores and 20,000 vectors. A
folder that is there already is rendered again as it is. Writes benchmarks/results/report.json.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from audit import summarise
from audit.api import Audit
from audit.images import digest, encode_webp
from audit.plan import Shard, shard_size
from audit.store import RunFolder
from audit.summarise import Point
from audit.tables import ScoreRow, StoredPicture
from audit.types import Artifact, Job, Prompt, Score, digest_of
from benchmarks.measure import interleaved, write
from generators.api import Settings
from reports.api import sections
from reports.load import load
from reports.render import render

GENERATORS, GUIDANCES, REPLICATES = ("made:first", "made:second"), (2.0, 6.0), 2
TAGS = ("signs", "hands", "tabletop", "portraits", "textures", "interiors")
PICTURES, SIDE, DISTINCT = 20_000, 64, 400
RENDER_GOAL, OPEN_GOAL, SIZE_GOAL = 10.0, 3.0, 15.0
BATCH = 8


def _audit(name: str, better: Any, statistic: str = "mean", kind: Any = "one", headline: bool = True) -> Audit:
    return Audit(name, 1, better, "unit", "made up", kind, statistic, "", headline, f"A made-up {name}.", dict)


AUDITS = (
    _audit("clip_score", "higher"),
    _audit("text.exact", "higher", "rate"),
    _audit("hands.wrong", "lower", "rate"),
    _audit("tone.clipped", "lower"),
    _audit("tone.saturation", "neither"),
)
FEATURES = _audit("features.studio", "neither", kind="batch", headline=False)


def make_run(folder: Path, pictures: int) -> None:
    """Write a run of about `pictures` pictures."""
    count = pictures // (len(GENERATORS) * len(GUIDANCES) * REPLICATES)
    prompts = [
        Prompt(
            id=f"{TAGS[n % 6]}/{n:04d}", text=f"made-up scene number {n}", tags=(TAGS[n % 6],), expect={"text": "OPEN"}
        )
        for n in range(count)
    ]
    jobs = [
        Job(generator=name, fingerprint=name, prompt=prompt, settings=Settings(guidance=g, steps=20), replicate=r)
        for name in GENERATORS
        for g in GUIDANCES
        for r in range(REPLICATES)
        for prompt in prompts
    ]  # fmt: skip
    size = shard_size(BATCH)
    shards = [
        Shard(number=start // size, batch=BATCH, jobs=tuple(jobs[start : start + size]))
        for start in range(0, len(jobs), size)
    ]
    images = [_image(number) for number in range(DISTINCT)]
    points: dict[str, list[Point]] = {each.name: [] for each in AUDITS}
    store = RunFolder(folder)
    with store.open_for_writing():
        store.write_manifest(_manifest(len(prompts)))
        store.write_plan(prompts, shards)
        for shard in shards:
            made = [images[(shard.number * size + place) % DISTINCT] for place in range(len(shard.jobs))]
            store.write_pictures(
                shard.number, [_stored(job, *image) for job, image in zip(shard.jobs, made, strict=True)]
            )
            for audit in (*AUDITS, FEATURES):
                rows = [_row(audit.name, job, image[0]) for job, image in zip(shard.jobs, made, strict=True)]
                store.write_scores(audit.name, shard.number, rows)
                if audit is not FEATURES:
                    points[audit.name] += [_point(job, row.score) for job, row in zip(shard.jobs, rows, strict=True)]
        store.write_summary(
            [estimate for audit in AUDITS for estimate in summarise.estimates(audit, points[audit.name])],
            [change for audit in AUDITS for change in summarise.contrasts(audit, points[audit.name])],
        )


def _image(number: int) -> tuple[str, bytes]:
    """Digest and bytes of a picture of four blocks of colour under some grain."""
    rng = np.random.default_rng(number)
    blocks = rng.integers(40, 215, (2, 2, 3)).repeat(SIDE // 2, 0).repeat(SIDE // 2, 1)
    pixels = (blocks + rng.integers(-9, 10, (SIDE, SIDE, 3))).astype(np.uint8)
    return digest(pixels), encode_webp(pixels)


def _stored(job: Job, name: str, raw: bytes) -> StoredPicture:
    made = Artifact(key=job.key, status="ok", digest=name, width=SIDE, height=SIDE, seconds=0.2, device="cpu")
    return StoredPicture(artifact=made, image=raw)


def _row(name: str, job: Job, picture: str) -> ScoreRow:
    rng = np.random.default_rng([job.seed % 2**32, len(job.generator), int(job.settings.guidance or 0), len(name)])
    return ScoreRow(
        key=job.key, digest=picture, audit=name, version=1, options="{}", expectation="0" * 16, score=_score(name, rng)
    )


def _score(name: str, rng: np.random.Generator) -> Score:
    """One in twenty readers finds nothing; detectors and readers leave boxes and marks."""
    value = float(rng.random())
    if name == FEATURES.name:
        return Score.features(tuple(rng.normal(size=64)))
    if name == "text.exact":
        read = "OPEN" if value < 0.6 else "0PEN"
        lines = [{"text": read, "confidence": round(value, 2), "box": [8, 10, 40, 22]}]
        return Score.of(float(read == "OPEN"), expected="OPEN", read=read, lines=lines)
    if name == "hands.wrong":
        if value < 0.05:
            return Score.skipped("no hand was found")
        seen = {"digits": [6 if value < 0.2 else 5], "posterior": [{"5": value, "6": 1 - value}], "expected_digits": 5}
        return Score.of(float(value < 0.2), marks={"tip": [[12, 14], [20, 10]]}, **seen)
    return Score.of(10 + value, tokens=17)


def _point(job: Job, score: Score) -> Point:
    return Point(
        generator=job.generator,
        settings=job.settings,
        prompt=job.prompt.id,
        replicate=job.replicate,
        status=score.status,
        value=score.value,
    )


def _manifest(prompts: int) -> dict[str, Any]:
    told = ("name", "version", "better", "unit", "source", "kind", "on", "statistic", "headline", "doc")
    return {
        "format": 1,
        "created": "2031-05-04T10:20:30+00:00",
        "version": "0",
        "python": sys.version.split()[0],
        "config": {},
        "weights": [],
        "suite": {"name": "made-up", "version": "1", "digest": "0" * 16, "prompts": prompts},
        "generators": [{"name": name, "fingerprint": digest_of(name), "knobs": ["guidance"]} for name in GENERATORS],
        "audits": [{name: getattr(each, name) for name in told} | {"options": {}} for each in (*AUDITS, FEATURES)],
    }


def seconds_to_interactive(page: Path, repeats: int) -> list[float] | None:
    """From asking for the page until its gallery is drawn and answers a filter; None without Chromium or playwright."""
    program = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if program is None:
        return None
    found = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(repeats):
            tab = browser.new_page()
            begun = time.perf_counter()
            tab.goto(page.as_uri())
            before = tab.locator("#count").inner_text()
            tab.fill("#filters [name=words]", "number 7")
            assert tab.locator("#count").inner_text() != before
            found.append(time.perf_counter() - begun)
            tab.close()
        browser.close()
    return found


def goal(name: str, times: Mapping[str, float], limit: float, unit: str) -> dict[str, Any]:
    """A figure whose ratio is the goal over what was measured: 1 or more where it is met."""
    ratio = {clock: round(limit / value, 3) for clock, value in times.items()}
    print(
        f"{name}: "
        + ", ".join(f"{value:.2f} {unit}" + f" {clock}" * (clock != "size") for clock, value in times.items())
        + f" (goal {limit:g})"
    )
    found = {clock: round(value, 3) for clock, value in times.items()}
    told = {"ratio_cpu": ratio["cpu"]} if "cpu" in ratio else {}
    return {
        "name": name,
        "ratio": next(iter(ratio.values())),
        **told,
        "goal": limit,
        "unit": unit,
        "arms": {"report": found},
    }


def of_sections(folder: Path) -> dict[str, float]:
    """Processor seconds of loading and of each section that takes a tenth of one, so that a slow one has a name."""
    begun = time.process_time()
    report = load([folder])
    found = {"load": time.process_time() - begun}
    for each in sections():
        begun = time.process_time()
        each.write(report)
        found[each.name] = time.process_time() - begun
    return {name: round(seconds, 2) for name, seconds in found.items() if seconds >= 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the run is made, or lies already; default: a temporary one")
    parser.add_argument("--out", type=Path, help="where the result is written")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary) / "run"
        if not (folder / "estimates.parquet").is_file():
            make_run(folder, chosen.pictures)
        page = Path(temporary) / "report.html"
        scale = f"{chosen.pictures:,} pictures, {5 * chosen.pictures:,} scores"
        times = interleaved({"report": lambda: render([folder], page)}, chosen.repeats)["report"]
        figures = [goal(f"render, {scale}", times, RENDER_GOAL, "s")]
        figures.append(goal("size of the page", {"size": page.stat().st_size / 1e6}, SIZE_GOAL, "MB"))
        opened = seconds_to_interactive(page, chosen.repeats)
        if opened is None:
            print("no chromium with playwright here: opening is not measured")
        else:
            median = {"wall": float(np.median(opened))}
            figures.append(goal("open in Chromium until a filter answers", median, OPEN_GOAL, "s"))
        counts = {"pictures": chosen.pictures, "scores": 5 * chosen.pictures}
        write("report", {"figures": figures, **counts, "sections": of_sections(folder)}, out=chosen.out)


if __name__ == "__main__":
    main()
