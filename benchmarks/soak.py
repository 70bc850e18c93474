"""Faults by the hundred: what is tried, and what is survived.

    python benchmarks/soak.py [--kills 200] [--seed 0] [--only NAME ...]

Kills: runs are killed with SIGKILL at random moments and started again; after every blow what is on the disk is held
against an undisturbed run, and every picture made and score computed against what had been finished before. The other
faults are stories of `tests/soak/faults.py`, told many times with other dice. Memory: one process makes 2,000 pictures,
then 20,000. Ends with 1 where anything was not survived. Writes benchmarks/results/soak.json, a row at
a time.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.measure import RESULTS, write
from tests.soak.faults import FAULTS, UnavailableError
from tests.soak.kills import SHARD, kill_repeatedly
from tests.soak.memory import growth

USUALLY = 15
TIMES = {
    "flipped_bit": 100,
    "truncated_file": 40,
    "lost_scorers": 6,
    "second_run": 4,
    "ctrl_c": 12,
    "unwritable_folder": 1,
}
FLAT_MB = 60.0  # 20,000 pictures of 64 x 64 take 246 MB when they are held


def kills(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """The tally of so many blows; a wrong or double row after any of them raises."""
    tally = kill_repeatedly(folder, count, seed)
    kept = tally.made_again == tally.scored_again == 0 and max(tally.pictures_lost, tally.scores_lost) <= SHARD
    return {
        "name": "kill",
        "tried": tally.kills,
        "survived": tally.kills if kept else 0,
        **asdict(tally),
        "shard": SHARD,
    }


def memory(folder: Path) -> dict[str, Any]:
    """Peak memory after 2,000 and after 20,000 pictures of 64 x 64."""
    found = growth(folder, few=2000, many=20000, size=64)
    figures = {f"{name}_mb": round(value, 1) for name, value in found.items()}
    return {"name": "memory", "tried": 1, "survived": int(found["growth"] < FLAT_MB), **figures}


def fault(name: str, folder: Path, seed: int) -> dict[str, Any]:
    """One story told as often as TIMES says; what was not survived is named by its dice."""
    tried, lost = 0, []
    for turn in range(TIMES.get(name, USUALLY)):
        dice = f"{seed}/{name}/{turn}"
        try:
            FAULTS[name](folder / str(turn), random.Random(dice))
        except UnavailableError as error:
            return {"name": name, "tried": tried, "survived": tried, "unavailable": str(error)}
        except Exception as error:  # noqa: BLE001 - counted and told; the other faults are still tried
            lost.append(f"{dice}: {type(error).__name__}: {error}"[:300])
        tried += 1
    return {"name": name, "tried": tried, "survived": tried - len(lost)} | ({"lost": lost} if lost else {})


def keep(row: dict[str, Any]) -> None:
    """Put a row into the results, in place of an older one of that name."""
    path = RESULTS / "soak.json"
    older = json.loads(path.read_text())["faults"] if path.is_file() else []
    rows = {each["name"]: each for each in [*older, row]}
    faults = [rows[name] for name in ("kill", *FAULTS, "memory") if name in rows]
    tried, survived = (sum(each[what] for each in faults) for what in ("tried", "survived"))
    write("soak", {"tried": tried, "survived": survived, "faults": faults})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    arguments = parser.parse_args()
    stories: dict[str, Callable[[Path], dict[str, Any]]] = {
        "kill": lambda folder: kills(folder, arguments.kills, arguments.seed),
        **{name: lambda folder, name=name: fault(name, folder, arguments.seed) for name in FAULTS},
        "memory": memory,
    }
    lost = 0
    for name in arguments.only or stories:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as place, contextlib.redirect_stderr(io.StringIO()):
            result = stories[name](Path(place))
        keep(result | {"seed": arguments.seed, "seconds": round(time.monotonic() - begun, 1)})
        lost += result["tried"] - result["survived"]
        print(f"{name}: {result['tried']} tried, {result['survived']} survived", *result.get("lost", []), sep="\n  ")
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
