"""How a run grows: seconds and memory of 1,000 to 100,000 pictures through the store, with audits that cost nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS
from benchmarks.speed.figures import Figure, at_most, must, once, peak

PATIENCE = 200.0
"""Seconds that the next size may take by the last one's measure; beyond, it is left out."""
Grown = dict[str, Any]


def measure(quick: bool) -> list[Figure]:
    """A process for each size; draws benchmarks/results/growth.png."""
    grown: list[Grown] = []
    for count in (100, 400) if quick else (1_000, 3_000, 10_000, 100_000):
        if grown and grown[-1]["wall"] * count / grown[-1]["pictures"] > PATIENCE:
            break
        grown.append(child(count))
    must("two sizes at least were measured", len(grown) > 1)
    if not quick:
        draw(grown, RESULTS / "growth.png")
    small, large = grown[0], grown[-1]
    arms = {f"{each['pictures']:,} pictures": each for each in grown}
    each_picture = {
        clock: large[clock] * small["pictures"] / (small[clock] * large["pictures"]) for clock in ("wall", "cpu")
    }
    added = (large["mb"] - small["mb"]) * 1024 / (large["pictures"] - small["pictures"])
    name = f"{large['pictures']:,} pictures"
    return [
        at_most(f"{name}: time a picture", each_picture["cpu"], 1.2, f"of that at {small['pictures']:,}", arms=arms),
        at_most(f"{name}: memory added", added, 10.0, "KB a picture", arms=arms),
    ]


def child(count: int) -> Grown:
    """The run in a process of its own, so that its peak of memory is its own."""
    command = [sys.executable, "-m", "benchmarks.speed.growth", str(count)]
    told: Grown = json.loads(
        subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    )
    return told


def draw(grown: list[Grown], path: Path) -> None:
    """Both curves over the number of pictures; work in proportion is a straight line through the first size."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = [each["pictures"] for each in grown]
    figure, sides = pyplot.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for side, key, title in ((sides[0], "cpu", "processor seconds"), (sides[1], "mb", "peak of memory, MB")):
        values = [each[key] for each in grown]
        side.semilogx(counts, values, "o-", color="#2563eb", label="measured")
        if key == "cpu":
            side.set_yscale("log")
            line = [values[0] * count / counts[0] for count in counts]
            side.plot(counts, line, "--", color="#6b7280", label="in proportion")
        else:
            side.set_ylim(0, 1.3 * max(values))
        for count, value in zip(counts, values, strict=True):
            side.annotate(f"{value:.3g}", (count, value), textcoords="offset points", xytext=(0, 8), ha="center")
        side.set(title=title, xlabel="pictures")
        side.margins(0.18)
        side.legend(frameon=False, loc="lower right")
        side.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    from benchmarks.speed.made import TimedGenerator, walked

    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        before = peak()
        _, seconds = once(lambda: walked(Path(folder) / "run", TimedGenerator(seconds=0, side=16), count))
        print(json.dumps({"pictures": count, "mb": round(peak(), 1), "imported_mb": round(before, 1), **seconds}))


if __name__ == "__main__":
    main()
