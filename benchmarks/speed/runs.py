"""Whole runs: how well scoring hides behind generating, decodes that are counted, resuming, and the command's start."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from audit import images
from audit.config import RunConfig
from audit.run import audits_of
from audit.store import RunFolder
from benchmarks.speed.figures import Figure, at_most, must, once
from benchmarks.speed.made import TimedGenerator, walked

SCORERS = ("tone.clipped", "tone.contrast", "tone.saturation", "features.studio")
SECONDS, SIDE = 0.05, 128
ROUNDS = 5
FASTEST = f"the fastest of {ROUNDS}: other programs can only slow down what always does the same"


def measure(quick: bool) -> list[Figure]:
    """Quick: fewer pictures, whose last shard weighs more."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        return [
            *overlap(Path(folder) / "overlap", 64 if quick else 640),
            resumed(Path(folder) / "resumed", 300 if quick else 10_000),
            start(),
        ]


def overlap(out: Path, count: int) -> list[Figure]:
    """Wall time of a run against the longer of generating and scoring; then the decodes of scoring it again."""
    choices = audits_of(RunConfig(out=str(out), generators=("timed:",), audits=SCORERS))
    walked(out.with_name("warm"), TimedGenerator(seconds=0, side=SIDE), 8, choices)
    with decodes() as fresh:
        _, times = once(lambda: walked(out, TimedGenerator(seconds=SECONDS, side=SIDE), count, choices))
    spent = RunFolder(out).manifest()["seconds"]
    longest = max(count * SECONDS, spent["score"])
    shutil.rmtree(out / "scores")
    with decodes() as again:
        walked(out, TimedGenerator(seconds=SECONDS, side=SIDE), count, choices)
    must(f"one decode a picture serves {len(choices)} audits, {len(again)} of {count}", len(again) == count)
    arms = {
        "wall": times["wall"],
        "generator alone": count * SECONDS,
        **{f"stage {name}": s for name, s in spent.items()},
    }
    return [
        at_most(f"run of {count}: wall", times["wall"] / longest, 1.05, "of the longer of both", arms=arms),
        at_most("decodes of fresh pictures", len(fresh), 0, "decodes", arms={"scored again": len(again)}),
    ]


def resumed(out: Path, count: int) -> Figure:
    """The same command again over a finished run: nothing is made and nothing scored."""
    generator = TimedGenerator(seconds=0, side=8)
    walked(out, generator, count)
    generator.generate = mock.Mock(side_effect=AssertionError("a finished run asks for no picture"))  # type: ignore[method-assign]
    before = {path: path.stat().st_mtime_ns for path in (out / "scores").rglob("*.parquet")}
    times = [once(lambda: walked(out, generator, count))[1] for _ in range(ROUNDS)]
    after = {path: path.stat().st_mtime_ns for path in (out / "scores").rglob("*.parquet")}
    must("resuming a finished run writes no score", before == after and len(before) > 0)
    arms = {clock: [round(each[clock], 3) for each in times] for clock in ("wall", "cpu")}
    return at_most(
        f"resume of a finished run, {count:,} pictures", min(arms["wall"]), 3.0, "s", arms=arms, note=FASTEST
    )


def start() -> Figure:
    """`audit --help`, a process each time."""

    def helped() -> None:
        told = subprocess.run([sys.executable, "-m", "audit", "--help"], capture_output=True, text=True, check=True)
        must("the help names the commands", "calibrate" in told.stdout)

    times = [once(helped)[1]["wall"] for _ in range(ROUNDS)]
    return at_most("audit --help", min(times), 0.5, "s", arms={"wall": times}, note=FASTEST)


@contextlib.contextmanager
def decodes() -> Iterator[list[int]]:
    """A list that grows by the bytes of every picture decoded meanwhile."""
    seen: list[int] = []
    decode = images.decode

    def counted(raw: bytes) -> images.Pixels:
        seen.append(len(raw))
        return decode(raw)

    with mock.patch.object(images, "decode", counted), mock.patch("audit.store.decode", counted):
        yield seen
