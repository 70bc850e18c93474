"""Does the gate cry wolf, and does it see the wolf?

    python benchmarks/validity/gate.py [--pairs 200] [--pool DIR] [--check]

For each of four defects the studio draws a pool of pictures of one suite, many replicates a prompt, once as they should
be and once with the defect in every picture, and the ordinary command scores them. A baseline takes some replicates of
every prompt, a candidate others:

    A/A    the candidate is clean as well; how often the gate fails it is `false_alarm`
    A/B    so many of the candidate's pictures come from the pool with the defect that the truth is worse by just the
           margin; how often the gate fails it is `power`, how often it does not let it pass is `blocked`

No picture is shared by the two sides and none is paired by seed, so real gates, which pair by seed, see more. All four
metrics and a distance of sets are also judged together, as one policy. Writes benchmarks/validity/gate.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from audit import cli
from audit.api import ScoreSet
from audit.compare import Measure, Paired, Side, compare
from audit.gate import judged, overall, sided
from audit.policy import Policy, Primary
from audit.statistics.rates import wilson
from audit.store import RunFolder
from audit.summarise import Point
from benchmarks.measure import settle

OUT = Path(__file__).parent / "gate.json"
SEED = 20262
FEATURES = "fd_studio"


@dataclass(frozen=True)
class Plan:
    """A defect, the suite it is planted in, the metric that should see it and the margin it is planted by.

    Attributes:
        prompts, replicates: size of the pool; each side of a pair takes half of the replicates.
    """

    defect: str
    suite: str
    metric: str
    margin: float
    prompts: int
    replicates: int


PLANS = (
    Plan("extra_finger", "hands", "hands.wrong", 0.15, 40, 12),
    Plan("misspelt", "text", "text.exact", 0.10, 40, 12),
    Plan("light_bias", "portraits", "bias.tone", 0.8, 40, 8),
    Plan("light_bias", "portraits", "bias.darker", 0.20, 40, 8),
)
LOWER_IS_WORSE = {"bias.tone", "bias.darker"}


@dataclass(frozen=True)
class Pool:
    """The scores of one metric and of one set statistic, clean and with the defect, picture by picture."""

    plan: Plan
    measure: Measure
    clean: Sequence[Point]
    planted: Mapping[tuple[str, int], Point]
    distance: Measure
    rows: Sequence[Point]

    @property
    def primary(self) -> Primary:
        """The metric as a policy names it."""
        worse = "lower" if self.plan.metric in LOWER_IS_WORSE else ""
        return sided(Primary(audit=self.plan.metric, margin=self.plan.margin, worse=worse), self.measure)

    @property
    def shift(self) -> float:
        """What the defect in every picture does to the metric, where both versions of a picture were scored."""
        both = [(each, self.planted[each.prompt, each.replicate]) for each in self.clean]
        changes = [two.value - one.value for one, two in both if one.value is not None and two.value is not None]
        return abs(float(np.mean(changes)))


def drawn(plan: Plan, folder: Path) -> Pool:
    """Draw and score the pool; what lies in the folder already is kept."""
    sides = []
    for name, spec in (("clean", "studio:"), ("planted", f"studio:?{plan.defect}=1")):
        out = folder / f"{plan.suite}-{name}"
        argv = ["run", "--suite", plan.suite, "--generator", spec, "--limit", str(plan.prompts), "--no-report"]
        metrics = sorted({each.metric for each in PLANS if each.suite == plan.suite})
        argv += ["--replicates", str(plan.replicates), "--audits", ",".join([*metrics, FEATURES]), "--out", str(out)]
        if cli.main(argv) != 0:
            raise SystemExit(f"{spec}: the run failed")
        sides.append(Side.of(RunFolder(out)))
    clean, planted = sides
    measure, distance = clean.measures[plan.metric], clean.measures[FEATURES]
    return Pool(
        plan,
        measure,
        clean.points(plan.metric),
        {(each.prompt, each.replicate): each for each in planted.points(plan.metric)},
        distance,
        clean.points(distance.on),
    )


def sides(pool: Pool, points: Sequence[Point], rng: np.random.Generator, share: float) -> Paired:
    """Half of each prompt's replicates against the other half, of which a share comes from the pool with the defect."""
    prompts: dict[str, list[Point]] = {}
    for point in points:
        prompts.setdefault(point.prompt, []).append(point)
    pairs = []
    for mine in prompts.values():
        order = rng.permutation(len(mine))
        half = len(mine) // 2
        for number, (one, two) in enumerate(zip(order[:half], order[half : 2 * half], strict=True)):
            other = mine[two]
            if rng.random() < share:
                other = pool.planted[other.prompt, other.replicate]
            pairs.append((replace(mine[one], replicate=number), replace(other, replicate=number)))
    return Paired(tuple(pairs))


def counted(counts: Mapping[str, int], status: str, n: int, *, not_it: bool = False) -> dict[str, object]:
    found = wilson(n - counts.get(status, 0) if not_it else counts.get(status, 0), n)
    return {"value": found.value, "low": found.low, "high": found.high, "n": n, "seed": SEED}


def simulated(pool: Pool, repeats: int) -> dict[str, object]:
    """The metric alone, A/A and A/B."""
    policy = Policy(primary=(pool.primary,))
    share = pool.plan.margin / pool.shift
    statuses: dict[float, Counter[str]] = {0.0: Counter(), share: Counter()}
    pairs = []
    for planted, found in statuses.items():
        for repeat in range(repeats):
            rng = np.random.default_rng([SEED, PLANS.index(pool.plan), repeat, int(planted > 0)])
            comparison = compare(pool.measure, sides(pool, pool.clean, rng, planted))
            found[judged([(pool.primary, comparison)], policy)[0].status] += 1
            pairs.append(comparison.pairs)
    honest, harmed = statuses.values()
    told = {
        "metric": pool.plan.metric,
        "defect": pool.plan.defect,
        "margin": pool.plan.margin,
        "planted_share": round(share, 4),
        "pairs": int(np.median(pairs)),
        "prompts": pool.plan.prompts,
        "false_alarm": counted(honest, "fail", repeats),
        "passes": counted(honest, "pass", repeats),
        "power": counted(harmed, "fail", repeats),
        "blocked": counted(harmed, "pass", repeats, not_it=True),
    }
    print(json.dumps(told))
    return told


def together(pools: Sequence[Pool], repeats: int) -> dict[str, object]:
    """Every metric in one policy with a distance of sets per suite, nothing planted: the family-wise false alarms."""
    scorers: dict[str, ScoreSet] = {pool.plan.suite: pool.distance.set_scorer() for pool in pools}
    by_suite = {pool.plan.suite: pool for pool in pools}
    statuses: Counter[str] = Counter()
    for repeat in range(repeats):
        family = []
        for place, pool in enumerate(pools):
            rng = np.random.default_rng([SEED, 9, place, repeat])
            family.append((pool.primary, compare(pool.measure, sides(pool, pool.clean, rng, 0.0))))
        for place, (suite, pool) in enumerate(by_suite.items()):
            rng = np.random.default_rng([SEED, 10, place, repeat])
            found = compare(pool.distance, sides(pool, pool.rows, rng, 0.0), scorer=scorers[suite])
            family.append((sided(Primary(audit=FEATURES, margin=30.0), pool.distance), found))
        statuses[overall(judged(family, Policy(primary=())), ())] += 1
    metrics = [pool.plan.metric for pool in pools] + [f"{FEATURES} on {suite}" for suite in by_suite]
    told = {"metrics": metrics, "false_alarm": counted(statuses, "fail", repeats)}
    print(json.dumps(told))
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200, help="simulated gates of each kind")
    parser.add_argument("--pool", type=Path, help="keep the drawn pictures here and go on with them")
    parser.add_argument("--check", action="store_true", help="hold the results against the committed ones")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        pools = [drawn(plan, chosen.pool or Path(spare)) for plan in PLANS]
        rows = [simulated(pool, chosen.pairs) for pool in pools]
        family = together(pools, chosen.pairs)
    settle(OUT, {"gates": rows, "family": family}, check=chosen.check, within=0.05)


if __name__ == "__main__":
    main()
