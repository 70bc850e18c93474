"""How noisy a gate is on a run of one's own: its replicates split in two halves at random, and nothing differs.

Each split is a baseline and a candidate of the very same generator. How often the policy fails them is its false-alarm
rate; with harm of just the margin planted in one half, how often it fails is its power. Half of the replicates stand on
either side, so a gate of two whole runs is less noisy than this says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit.api import ScoreSet
from audit.compare import CompareError, Comparison, Measure, Paired, Side, compare
from audit.gate import judge, judged, overall, sided
from audit.policy import Policy, Primary
from audit.statistics.rates import wilson
from audit.summarise import Point
from audit.types import Interval, Json, cell_name
from generators.api import Settings

SPLITS = 200


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What a policy does where nothing differs, and where one metric differs by its margin.

    Attributes:
        false_alarm: share of splits that fail; inconclusive: share that neither pass nor fail.
        floor: by metric, the standard deviation of its difference over the splits.
        power: by metric, share of splits that fail when its margin was planted; blocked: share that do not pass.
    """

    splits: int
    seed: int
    pairs: Mapping[str, int]
    false_alarm: Interval
    inconclusive: Interval
    floor: Mapping[str, float]
    power: Mapping[str, Interval]
    blocked: Mapping[str, Interval]

    def as_json(self) -> dict[str, Json]:
        """Every figure by name."""

        def told(each: Interval) -> dict[str, Json]:
            return {"value": each.value, "low": each.low, "high": each.high, "n": self.splits}

        return {
            "splits": self.splits,
            "seed": self.seed,
            "pairs": dict(self.pairs),
            "false_alarm": told(self.false_alarm),
            "inconclusive": told(self.inconclusive),
            "floor": dict(self.floor),
            "power": {name: told(each) for name, each in self.power.items()},
            "blocked": {name: told(each) for name, each in self.blocked.items()},
        }


def self_test(side: Side, policy: Policy, *, splits: int = SPLITS, seed: int = 0) -> Noise:
    """Split a run's replicates `splits` times and judge each split by the policy.

    Raises:
        CompareError: the run has one picture per prompt and cell, or lacks a primary metric.
    """
    metrics = [_Metric.of(side, primary) for primary in policy.primary]
    statuses: Counter[str] = Counter()
    planted = {each.name: Counter[str]() for each in metrics}
    changes: dict[str, list[float]] = {each.name: [] for each in metrics}
    pairs: dict[str, int] = {}
    for turn in range(splits):
        honest = []
        for metric in metrics:
            halves = split(metric.points, np.random.default_rng([seed, turn]))
            plain = metric.compare(halves)
            honest.append((metric.primary, plain))
            pairs[metric.name] = plain.pairs
            changes[metric.name].append(plain.difference.value or 0.0)
            if metric.plant is not None:
                harmed = metric.compare(metric.plant(halves, np.random.default_rng([seed, turn, 1])))
                planted[metric.name][judge(metric.primary, harmed, policy).status] += 1
        statuses[overall(judged(honest, policy), ())] += 1
    able = [each.name for each in metrics if each.plant is not None]
    return Noise(
        splits=splits,
        seed=seed,
        pairs=pairs,
        false_alarm=wilson(statuses["fail"], splits),
        inconclusive=wilson(statuses["inconclusive"], splits),
        floor={name: float(np.std(found, ddof=1)) for name, found in changes.items()},
        power={name: wilson(planted[name]["fail"], splits) for name in able},
        blocked={name: wilson(splits - planted[name]["pass"], splits) for name in able},
    )


def split(points: Sequence[Point], rng: np.random.Generator) -> Paired:
    """The replicates of each prompt and cell dealt to two sides at random, an odd one left out."""
    groups: dict[tuple[Settings, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.settings, point.prompt), []).append(point)
    return Paired(tuple(pair for mine in groups.values() for pair in _dealt(mine, rng)))


def plant(measure: Measure, primary: Primary, halves: Paired, rng: np.random.Generator) -> Paired:
    """The second half made worse by the margin: numbers are shifted, of yes and no so many are turned."""
    sign = 1.0 if primary.worse == "higher" else -1.0
    good = [two.value for _, two in halves.good if two.value is not None]
    worst = 1.0 if sign > 0 else 0.0
    room = abs(worst - float(np.mean(good))) if good else 0.0
    share = min(1.0, primary.margin / room) if room else 0.0

    def worse(point: Point) -> Point:
        if point.status != "ok" or point.value is None:
            return point
        if measure.statistic != "rate":
            return replace(point, value=point.value + sign * primary.margin)
        turned = rng.random() < share
        return replace(point, value=worst) if turned else point

    return Paired(tuple((one, worse(two)) for one, two in halves.pairs))


@dataclass(frozen=True)
class _Metric:
    """A primary metric with the points it is worked out from."""

    primary: Primary
    measure: Measure
    points: Sequence[Point]
    scorer: ScoreSet | None
    plant: Callable[[Paired, np.random.Generator], Paired] | None

    @property
    def name(self) -> str:
        return self.primary.audit

    @classmethod
    def of(cls, side: Side, primary: Primary) -> _Metric:
        measure = side.measures.get(primary.audit)
        if measure is None:
            raise CompareError(
                f"{side.folder.path} was not scored for {primary.audit}: audit score {side.folder.path} "
                f"--audits {primary.audit}"
            )
        primary = sided(primary, measure)
        points = [
            each
            for each in side.points(measure.on or measure.name)
            if not primary.cell or cell_name(each.settings) == primary.cell
        ]
        if max(Counter((each.settings, each.prompt) for each in points).values(), default=0) < 2:
            raise CompareError(
                f"{side.folder.path} has one picture per prompt and cell, so nothing can be split; make it with "
                "--replicates 2 or more (4 is better)"
            )
        if measure.kind == "set":
            return cls(primary, measure, points, measure.set_scorer(), None)
        return cls(primary, measure, points, None, lambda halves, rng: plant(measure, primary, halves, rng))

    def compare(self, halves: Paired) -> Comparison:
        return compare(self.measure, halves, scorer=self.scorer)


def _dealt(points: Sequence[Point], rng: np.random.Generator) -> Iterator[tuple[Point, Point]]:
    order = rng.permutation(len(points))
    half = len(points) // 2
    for number, (one, two) in enumerate(zip(order[:half], order[half : 2 * half], strict=True)):
        yield replace(points[one], replicate=number), replace(points[two], replicate=number)
