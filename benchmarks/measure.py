"""Arms of a benchmark side by side in one process, interleaved; medians of wall and processor time; results as JSON."""

from __future__ import annotations

import json
import os
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


def stamp(device: str = "cuda") -> dict[str, str]:
    """The commit and the machine that a result belongs to."""
    return {"commit": commit(), "machine": machine(device)}


def commit() -> str:
    """What git says, or where there is no repository the variable COMMIT."""
    try:
        found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("COMMIT", "") or "unknown"
    return found.stdout.strip()


def machine(device: str = "cuda") -> str:
    """The accelerator where there is one and it was used, else the processor and the threads torch uses."""
    import torch

    found = about_machine()
    used = found["gpu"] if device.startswith("cuda") else None
    return str(used or f"{found['cpu']}, {torch.get_num_threads()} threads")


def write(name: str, result: Mapping[str, Any], *, out: Path | None = None, device: str = "cuda") -> None:
    """To `out`, or to benchmarks/results/NAME.json; stamped."""
    path = out or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**result, **stamp(device)}, indent=2) + "\n", encoding="utf-8")


def exact_float32() -> None:
    """No TF32 in this process: on CUDA, torch lets convolutions round to it unless told otherwise."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def synchronised(work: Callable[[], Any], device: str) -> Callable[[], Any]:
    """The same work, done only when the device is: a clock around it tells all of its time."""
    if not device.startswith("cuda"):
        return work
    import torch

    def whole() -> Any:
        made = work()
        torch.cuda.synchronize()
        return made

    return whole
