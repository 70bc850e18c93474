"""Every speed benchmark with its goals: each ratio or limit is printed and kept in benchmarks/results/speed-PART.json.

    python benchmarks/bench.py [PART ...] [--quick]

Parts: distances, neighbours, features, pictures, runs, growth, and what are programs of their own: report, sweep, sd15.
The last two compare on a GPU where there is one. A missed goal is told; only arms that do not compute the same end it
with 1. `--quick` takes small sizes, keeps nothing, and misses goals that hold at full size.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PARTS = ("distances", "neighbours", "features", "pictures", "runs", "growth")
PROGRAMS = {"report": ["--pictures", "400", "--repeats", "1"], "sweep": ["--repeats", "1"], "sd15": []}
"""Those that run by themselves, with threads and results of their own; what makes them quick."""
EVERY = (*PARTS, *PROGRAMS)
THREADS = "1"
"""Of every arm: on a machine that does other things too, two threads wait for each other and time that instead."""
PINNED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def told(part: str, quick: bool) -> dict[str, Any]:
    """A part's figures and seconds; WrongError where a check does not hold."""
    begun = time.monotonic()
    figures = importlib.import_module(f"benchmarks.speed.{part}").measure(quick)
    return {"figures": figures, "threads": int(THREADS), "seconds": round(time.monotonic() - begun)}


def run(parts: list[str], quick: bool) -> int:
    """Measure and print the parts; the number of those whose checks do not hold."""
    from benchmarks.measure import write
    from benchmarks.speed.figures import WrongError, line

    wrong = 0
    for part in parts:
        print(f"\n{part}", flush=True)
        if part in PROGRAMS:
            wrong += alone(part, quick)
            continue
        try:
            found = told(part, quick)
        except WrongError as error:
            print(f"WRONG  {error}", flush=True)
            wrong += 1
            continue
        print("\n".join(line(each) for each in found["figures"]), flush=True)
        if not quick:
            write(f"speed-{part}", json.loads(json.dumps(found)))
    return wrong


def alone(part: str, quick: bool) -> int:
    """Run a program of its own; 1 where it does not end with 0."""
    program = Path(__file__).parent / "speed" / f"{part}.py"
    free = {name: value for name, value in os.environ.items() if name not in PINNED}
    with tempfile.TemporaryDirectory() as folder:
        small = [*PROGRAMS[part], "--out", str(Path(folder) / "result.json")] if quick else []
        ended = subprocess.run([sys.executable, "-W", "ignore", str(program), *small], env=free, check=False)
    if ended.returncode:
        print(f"WRONG  {part} ended with {ended.returncode}", flush=True)
    return int(ended.returncode != 0)


def main() -> None:
    """Pin the threads before anything that computes is imported, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(EVERY))
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing kept")
    chosen = parser.parse_args()
    for part in chosen.parts:
        if part not in EVERY:
            parser.error(f"no part named {part!r}; there are {', '.join(EVERY)}")
    os.environ |= dict.fromkeys(PINNED, THREADS)
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(min(1, run(chosen.parts or list(EVERY), chosen.quick)))


if __name__ == "__main__":
    main()
