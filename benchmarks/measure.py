"""Arms of a benchmark side by side in one process, interleaved; medians of wall and processor time; results as JSON."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from audit.manifest import machine as about_machine
from audit.types import Interval

RESULTS = Path(__file__).parent / "results"


def interleaved(arms: Mapping[str, Callable[[], Any]], repeats: int = 5) -> dict[str, dict[str, float]]:
    """Median seconds of each arm, {"wall": ..., "cpu": ...}; every arm runs once before the clock starts.

    The order turns by one arm each round, so that no arm always follows the same neighbour.
    """
    names = list(arms)
    for name in names:
        arms[name]()
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(repeats):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            begun, spent = time.perf_counter(), time.process_time()
            arms[name]()
            wall[name].append(time.perf_counter() - begun)
            cpu[name].append(time.process_time() - spent)
    return {name: {"wall": statistics.median(wall[name]), "cpu": statistics.median(cpu[name])} for name in names}


def told(interval: Interval) -> dict[str, float | None]:
    """An interval as results are written."""
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def figure(
    name: str, times: Mapping[str, Mapping[str, float]], *, slow: str, fast: str, goal: float, unit: str
) -> dict[str, Any]:
    """How many times faster `fast` is than `slow`, on the wall and on the processor, with its goal and all arms."""
    ratio = {clock: round(times[slow][clock] / times[fast][clock], 3) for clock in ("wall", "cpu")}
    print(f"{name}: {ratio['wall']:.2f}x wall, {ratio['cpu']:.2f}x cpu (goal {goal:g}x)")
    arms = {arm: {clock: round(value, 4) for clock, value in each.items()} for arm, each in times.items()}
    return {"name": name, "ratio": ratio["wall"], "ratio_cpu": ratio["cpu"], "goal": goal, "unit": unit, "arms": arms}


def differing(committed: Any, found: Any, within: float, where: str = "") -> list[str]:
    """Where numbers of `found` lie further than `within` from those committed, or anything else is not equal.

    >>> differing({"a": [0.95, "x"]}, {"a": [0.951, "x"]}, 0.01)
    []
    """
    if isinstance(committed, dict) and isinstance(found, dict):
        names = sorted({*committed, *found} - {"commit", "machine"})
        return [d for name in names for d in differing(committed.get(name), found.get(name), within, f"{where}.{name}")]
    if isinstance(committed, list) and isinstance(found, list) and len(committed) == len(found):
        pairs = enumerate(zip(committed, found, strict=True))
        return [each for at, (a, b) in pairs for each in differing(a, b, within, f"{where}[{at}]")]
    numbers = isinstance(committed, int | float) and isinstance(found, int | float)
    same = abs(committed - found) <= within if numbers else committed == found
    return [] if same else [f"{where.lstrip('.')}: {committed} committed, {found} found"]


def settle(path: Path, result: Mapping[str, Any], *, check: bool, within: float) -> None:
    """Write a result, stamped; with `check` hold it against the committed one instead, and end with 1 if it differs."""
    if not check:
        path.write_text(json.dumps({**result, **stamp()}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return
    found = differing(json.loads(path.read_text(encoding="utf-8")), json.loads(json.dumps(result)), within)
    print("\n".join(found) or f"{path.name}: as committed")
    if found:
        raise SystemExit(1)


def stamp() -> dict[str, str]:
    """The commit and the machine that a result belongs to."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return {"commit": found.stdout.strip(), "machine": machine()}


def machine() -> str:
    """The accelerator where there is one, else the processor and the threads torch uses."""
    import torch

    found = about_machine()
    return str(found["gpu"] or f"{found['cpu']}, {torch.get_num_threads()} threads")


def write(name: str, result: Mapping[str, Any]) -> None:
    """To benchmarks/results/NAME.json, stamped."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({**result, **stamp()}, indent=2) + "\n")
