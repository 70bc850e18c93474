"""A policy from a baseline: each headline metric with the smallest margin that this many pictures can judge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from audit.compare import Measure, Side, compare
from audit.policy import Policy
from audit.splits import split
from audit.statistics.resample import FEWEST_GROUPS

SPLITS = 20
SET_SPLITS = 4
HEAD = """\
# Conditions for a candidate, derived from {baseline}.
# audit gate {folder} CANDIDATE --policy THIS_FILE    # 0 pass, 1 fail, 3 inconclusive, 2 bad input
# audit gate {folder} --policy THIS_FILE --self-test  # how often it fails where nothing differs
#
# margin: how much worse, in the metric's unit, is still acceptable. Written here is the smallest one that this many
# pictures can judge with {power:.0%} power; what you can accept is for you to say. Remove what should not decide:
# the fewer metrics, the more each can see.

[gate]
alpha = {alpha:g}        # chance of failing a candidate that is worse at nothing, over all metrics together
power = {power:g}

[require]
pairs = {pairs}         # fewest scored pairs behind a metric
prompts = {prompts}
failed = 0.0         # share of pictures and scores that may have failed
skipped = 0.1        # how much more often than the baseline the candidate may be skipped
same_packages = true # refuse runs whose scoring packages differ in version
"""


@dataclass(frozen=True)
class Derived:
    """A metric with its margin.

    Attributes:
        error: standard error of a comparison with a run like this one; how: how it was had.
        value: the baseline's.
    """

    measure: Measure
    margin: float
    error: float
    how: str
    value: float
    pairs: int
    prompts: int

    @property
    def telling(self) -> bool:
        """False for a rate whose margin is more than half of the way to its worst end: nothing could fail it."""
        worst = 0.0 if self.measure.better == "higher" else 1.0
        return self.measure.statistic != "rate" or self.margin <= abs(worst - self.value) / 2


def derived(side: Side, policy: Policy) -> list[Derived]:
    """Headline metrics that have a better end and enough prompts, each over all cells together.

    The error is taken from the run's own replicates, split in halves several times; where there is one replicate, from
    the spread between prompts as if the two runs shared no prompt, which overstates it.
    """
    return list(_derived(side, policy))


def written(side: Side, policy: Policy) -> str:
    """The policy as TOML with comments; see `derived`."""
    found = derived(side, policy)
    telling = [each for each in found if each.telling]
    pairs, prompts = (min((getattr(each, name) for each in telling), default=1) for name in ("pairs", "prompts"))
    head = HEAD.format(
        baseline=f"{side.folder.path.name}, {side.generator}".replace("\n", " "),
        folder=side.folder.path.name,
        alpha=policy.alpha,
        power=policy.power,
        pairs=max(1, math.floor(0.8 * pairs)),
        prompts=max(1, math.floor(0.8 * prompts)),
    )
    return "\n".join([head, *(_table(each) for each in found)])


def _derived(side: Side, policy: Policy) -> Iterator[Derived]:
    quantiles = float(stats.norm.isf(policy.alpha) + stats.norm.ppf(policy.power))
    for measure in side.measures.values():
        if not measure.headline or measure.better == "neither":
            continue
        points = [each for each in side.points(measure.on or measure.name) if each.status == "ok"]
        prompts = len({each.prompt for each in points})
        if prompts < FEWEST_GROUPS:
            continue
        error, value, how = _error(side, measure)
        if error:
            margin = _rounded_up(quantiles * error)
            yield Derived(measure, margin, error, how, value, len(points), prompts)


def _error(side: Side, measure: Measure) -> tuple[float, float, str]:
    """Standard error of the difference to another such run, the value, and how the error was had."""
    points = side.points(measure.on or measure.name)
    halves = split(points, np.random.default_rng(0))
    if len(halves.good) >= len([each for each in points if each.status == "ok"]) / 3:
        scorer = measure.set_scorer() if measure.kind == "set" else None
        turns = range(SPLITS if scorer is None else SET_SPLITS)
        found = [compare(measure, split(points, np.random.default_rng(turn)), scorer=scorer) for turn in turns]
        errors = [each.difference.error for each in found if each.difference.error]
        values = [each.before for each in found if each.before is not None]
        if errors:
            # each half holds half of the pictures, so a whole run errs less by the root of two
            return float(np.mean(errors)) / math.sqrt(2), float(np.mean(values)), "its replicates against each other"
    return _unpaired(side, measure)


def _unpaired(side: Side, measure: Measure) -> tuple[float, float, str]:
    cells = [
        each
        for each in side.folder.estimates()
        if (each.generator, each.audit) == (side.generator, measure.name)
        and each.value is not None
        and each.low is not None
        and each.high is not None
    ]
    if not cells:
        return 0.0, 0.0, ""
    errors = [
        (e.high - e.low) / 2 / float(stats.norm.ppf(0.975)) for e in cells if e.low is not None and e.high is not None
    ]
    value = float(np.mean([each.value for each in cells if each.value is not None]))
    return math.sqrt(2) * float(np.mean(errors)), value, "the spread between prompts"


def _rounded_up(value: float) -> float:
    """To two significant digits, upwards.

    >>> _rounded_up(0.01234), _rounded_up(98.1)
    (0.013, 99.0)
    """
    scale = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / scale - 1e-9) * scale:.2g}")


def _table(each: Derived) -> str:
    better = {"higher": "lower is worse", "lower": "higher is worse"}[each.measure.better]
    name = each.measure.name.replace("\\", "\\\\").replace('"', '\\"')
    lines = (
        f'[primary."{name}"]  # {" ".join(each.measure.unit.split())}; {better}; baseline {each.value:.4g}, '
        f"n {each.pairs}; error {each.error:.2g} by {each.how}\n"
        f"margin = {each.margin:g}\n"
    )
    if each.telling:
        return lines
    return "# too few pictures to judge it:\n" + "".join(f"# {line}\n" for line in lines.splitlines())
