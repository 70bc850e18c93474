"""Figures of the speed benchmarks: ratios and limits with their goals, and checks that must hold before any is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Times = Mapping[str, Mapping[str, float]]
Figure = dict[str, Any]


class WrongError(AssertionError):
    """Two arms do not compute the same; the ratio of their times means nothing and is not printed."""


def agree(what: str, found: Any, wanted: Any, within: float) -> float:
    """Largest relative difference of `found` from `wanted`; WrongError where it is above `within` or not a number."""
    one, two = np.asarray(found, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    worst = float(np.max(np.abs(one - two) / np.maximum(np.abs(two), np.finfo(np.float64).tiny)))
    if not worst <= within:
        raise WrongError(f"{what}: {found} is not {wanted}, a relative difference of {worst:.2g} (at most {within:g})")
    return worst


def must(what: str, holds: bool) -> None:
    """WrongError unless it holds."""
    if not holds:
        raise WrongError(what)


def faster(
    name: str, times: Times, *, slow: str, fast: str, goal: float, clock: Literal["wall", "cpu"] = "cpu", note: str = ""
) -> Figure:
    """How many times faster `fast` is than `slow`; the goal is held against `clock`."""
    ratios = {each: times[slow][each] / times[fast][each] for each in ("wall", "cpu")}
    arms = {arm: {each: round(seconds, 5) for each, seconds in times[arm].items()} for arm in (slow, fast)}
    other = {f"ratio_{each}": round(ratio, 2) for each, ratio in ratios.items() if each != clock}
    return _told(name, round(ratios[clock], 2), goal, ratios[clock] >= goal, "times faster", arms, note) | other


def at_most(name: str, value: float, goal: float, unit: str, *, arms: Mapping[str, Any], note: str = "") -> Figure:
    """A measured value that should not exceed its goal; its ratio is goal / value, 1 or more where it is met."""
    ratio = round(goal / value, 3) if value else float(goal >= 0)
    return _told(name, ratio, goal, value <= goal, unit, arms, note) | {"value": round(value, 4)}


def once(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What a long piece of work returns, and its seconds; for work that cannot be repeated."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def peak() -> float:
    """Most memory this process has held so far, MB; not getrusage's, which a child takes over from its parent."""
    [told] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(told.split()[1]) / 1024


def relu_rows(count: int, dimensions: int, seed: int) -> NDArray[np.float64]:
    """Rows like a network's pooled features: correlated, not negative; seeds differ a little in their means."""
    mix = np.random.default_rng(9).normal(size=(max(2, dimensions // 8), dimensions)) / 16
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, len(mix))) @ mix + 0.6 * rng.normal(size=(count, dimensions))
    return np.maximum(rows + 0.05 * seed, 0)


def line(each: Figure) -> str:
    """A figure in words."""
    if each["unit"] == "times faster":
        told = f"{each['ratio']:.2f}x (goal {each['goal']:g}x)"
    else:
        told = f"{each['value']:.4g} {each['unit']} (goal at most {each['goal']:g})"
    return f"{'met   ' if each['met'] else 'MISSED'} {each['name']}: {told}"


def _told(name: str, ratio: float, goal: float, met: bool, unit: str, arms: Any, note: str) -> Figure:
    figure = {"name": name, "ratio": ratio, "goal": goal, "unit": unit, "met": bool(met), "arms": dict(arms)}
    return figure | ({"note": note} if note else {})
