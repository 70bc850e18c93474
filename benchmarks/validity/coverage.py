"""Does a 95 % interval hold the truth 95 times in 100?

    python benchmarks/validity/coverage.py [--repeats 500] [--only NAME] [--check]

For each interval that a report or a gate prints: data drawn from a model whose truth is known, the interval worked
out, and whether it holds the truth, over and over. Writes benchmarks/validity/coverage.json: `coverage` per interval
with its own 95 % interval, n and the seed. An interval that may miss the goal says why.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from audit.statistics.auroc import auroc
from audit.statistics.correction import Confusion, rogan_gladen
from audit.statistics.frechet import Moments, frechet, frechet_interval
from audit.statistics.imbalance import imbalance
from audit.statistics.infinity import fd_infinity_interval
from audit.statistics.kid import kid, kid_interval
from audit.statistics.means import mean_interval
from audit.statistics.paired import mean_difference, rate_difference, set_difference
from audit.statistics.ranks import rank_intervals
from audit.statistics.rates import rate_interval, wilson
from benchmarks.measure import settle

OUT = Path(__file__).parent / "coverage.json"
SEED = 20261
GOAL = (0.93, 0.97)
Rng = np.random.Generator
Floats = NDArray[np.float64]
Ends = tuple[float | None, float | None]


@dataclass(frozen=True)
class Case:
    """An interval with the truth it should hold. limit: why it may miss the goal."""

    name: str
    draw: Callable[[Rng], Ends]
    truth: float
    limit: str = ""


def names(prompts: int, replicates: int) -> list[str]:
    return [f"p{prompt}" for prompt in range(prompts) for _ in range(replicates)]


def ends(found: object) -> Ends:
    return found.low, found.high  # type: ignore[attr-defined]


def skewed(rng: Rng, prompts: int, replicates: int, spread: float = 0.5) -> Floats:
    """Scores of mean exp(spread² / 2): prompts differ by a lognormal factor, pictures of a prompt by a normal term."""
    return np.repeat(rng.lognormal(0, spread, prompts), replicates) + rng.normal(0, 0.5, prompts * replicates)


def clustered_rate(rng: Rng, rate: float, prompts: int, replicates: int, alike: float = 0.2) -> Floats:
    """0/1 values whose prompts differ: beta-binomial with intraclass correlation `alike`."""
    scale = (1 - alike) / alike
    own = rng.beta(rate * scale, (1 - rate) * scale, prompts)
    return (rng.random(prompts * replicates) < np.repeat(own, replicates)).astype(np.float64)


def mean(prompts: int, replicates: int, spread: float = 0.5) -> Callable[[Rng], Ends]:
    return lambda rng: ends(mean_interval(skewed(rng, prompts, replicates, spread), names(prompts, replicates)))


def normal_mean(rng: Rng) -> Ends:
    values = np.repeat(rng.normal(1, 1, 6), 4) + rng.normal(0, 0.5, 24)
    return ends(mean_interval(values, names(6, 4)))


def rate(rng: Rng) -> Ends:
    return ends(rate_interval(clustered_rate(rng, 0.2, 48, 4), names(48, 4)))


def plain_rate(rng: Rng) -> Ends:
    return ends(wilson(float(rng.binomial(150, 0.12)), 150))


def paired_means(rng: Rng) -> Ends:
    base = skewed(rng, 40, 4)
    effect = np.repeat(rng.gamma(2, 0.15, 40), 4)  # 0.3 on average, unlike from prompt to prompt, skewed
    after = base + effect + rng.normal(0, 0.5, 160)
    return ends(mean_difference(base, after, names(40, 4)))


def paired_few(rng: Rng) -> Ends:
    effect = np.repeat(rng.normal(0.3, 0.3, 6), 4)
    return ends(mean_difference(np.zeros(24), effect + rng.normal(0, 0.5, 24), names(6, 4)))


def paired_rates(prompts: int, replicates: int) -> Callable[[Rng], Ends]:
    """From 10 to 18 %: a picture that was wrong stays wrong in half of the cases."""

    def draw(rng: Rng) -> Ends:
        before = clustered_rate(rng, 0.1, prompts, replicates)
        fresh = clustered_rate(rng, 0.26, prompts, replicates)
        stays = rng.random(len(before)) < 0.5
        after = np.where(stays, before, fresh)
        return ends(rate_difference(before, after, names(prompts, replicates)))

    return draw


WIDTH, ROWS = 16, 160


def features(rng: Rng, scale: float, shift: float, count: int = ROWS) -> Floats:
    """Pictures of 40 prompts: rows of a prompt share half of their variance."""
    prompts = np.repeat(rng.normal(size=(count // 4, WIDTH)), 4, axis=0)
    return scale * np.sqrt(0.5) * (prompts + rng.normal(size=(count, WIDTH))) + shift


REFERENCE = features(np.random.default_rng(1), 1.0, 0.0, 4000)
MOMENTS = Moments.of(REFERENCE)


def expected(statistic: Callable[[Floats], float], scale: float, shift: float, draws: int = 4000) -> float:
    """Expectation of a statistic at this n, bias and all, from many draws of their own seed."""
    rng = np.random.default_rng(2)
    return float(np.mean([statistic(features(rng, scale, shift)) for _ in range(draws)]))


def fd(rng: Rng) -> Ends:
    return ends(frechet_interval(features(rng, 1.2, 0.3), names(40, 4), MOMENTS))


def fd_change(rng: Rng) -> Ends:
    """Two generators that share their prompts' and seeds' draw, one further from the reference."""
    rows = features(rng, 1.0, 0.0)
    sides = [frechet_interval(scale * rows + shift, names(40, 4), MOMENTS) for scale, shift in ((1.1, 0.2), (1.2, 0.3))]
    return ends(set_difference(*sides))


def kid_ends(rng: Rng) -> Ends:
    """Independent rows: a kernel distance is biased by pictures of one prompt, as its docstring says."""
    rows = 1.2 * rng.normal(size=(ROWS, WIDTH)) + 0.3
    other = rng.normal(size=(400, WIDTH))
    return ends(kid_interval(rows, [str(i) for i in range(ROWS)], other))


def kid_truth() -> float:
    rng = np.random.default_rng(3)
    return float(
        np.mean([kid(1.2 * rng.normal(size=(1000, WIDTH)) + 0.3, rng.normal(size=(1000, WIDTH))) for _ in range(60)])
    )


def fd_infinity(rng: Rng) -> Ends:
    rows, other = 1.3 * rng.normal(size=(600, 8)) + 0.2, rng.normal(size=(1200, 8))
    return ends(fd_infinity_interval(rows, [str(i) for i in range(600)], other))


def corrected(rng: Rng) -> Ends:
    """A card of 200 planted and 200 clean pictures, sensitivity .9, specificity .95; 20 % of 300 pictures have it."""
    hits, clean = int(rng.binomial(200, 0.9)), int(rng.binomial(200, 0.95))
    seen = float(rng.binomial(300, 0.2 * 0.9 + 0.8 * 0.05))
    return ends(rogan_gladen(seen, 300, Confusion(hit=hits, miss=200 - hits, false_alarm=200 - clean, clean=clean)))


def area(rng: Rng) -> Ends:
    return ends(auroc(rng.normal(1.5, 1, 80), rng.normal(0, 1, 80)))


def fair(rng: Rng) -> Ends:
    return ends(imbalance(rng.integers(0, 2, 40 * 8), names(40, 8), (0.5, 0.5)))


def ranks(rng: Rng) -> Ends:
    """Four equal models on 40 prompts: held is the truth where none is said to be ahead of another."""
    scores = np.repeat(rng.normal(0, 1, (40, 1)), 4, axis=0) + rng.normal(0, 0.8, (160, 4))
    found = rank_intervals(scores, names(40, 4), better="higher")
    held = all((each.low, each.high) == (1, 4) for each in found)
    return (0.0, 0.0) if held else (1.0, 1.0)


def cases() -> list[Case]:
    from scipy.stats import norm

    distance = expected(lambda rows: frechet(rows, MOMENTS), 1.2, 0.3)
    nearer = expected(lambda rows: frechet(rows, MOMENTS), 1.1, 0.2)
    return [
        Case("mean, 12 prompts, skewed: BCa", mean(12, 4), float(np.exp(0.125))),
        Case("mean, 48 prompts, skewed: BCa", mean(48, 4), float(np.exp(0.125))),
        Case("mean, 200 prompts, skewed: BCa", mean(200, 2), float(np.exp(0.125))),
        Case(
            "mean, 48 prompts, one in fifty outweighs twenty others: BCa",
            mean(48, 4, 1.0),
            float(np.exp(0.5)),
            "a stress test: with so heavy a tail 48 prompts are too few for any interval that does not know it",
        ),
        Case("mean, 6 prompts: Student", normal_mean, 1.0),
        Case("rate, 48 prompts: Wilson with design effect", rate, 0.2),
        Case("rate, independent pictures: Wilson", plain_rate, 0.12),
        Case("paired means, 40 prompts: BCa", paired_means, 0.3),
        Case("paired means, 6 prompts: Student", paired_few, 0.3),
        Case("paired rates, 48 prompts: Tango with design effect", paired_rates(48, 4), 0.08),
        Case("paired rates, independent pairs: Tango", paired_rates(150, 1), 0.08),
        Case("Fréchet distance at this n: jackknife", fd, distance),
        Case("paired Fréchet distances: jackknife", fd_change, distance - nearer),
        Case("kernel distance: block jackknife", kid_ends, kid_truth()),
        Case(
            "FD∞: jackknife of the fit",
            fd_infinity,
            8 * (0.3**2 + 0.2**2),
            "too wide: a jackknife overstates the variance where the linear part is small (Efron & Stein 1981)",
        ),
        Case("corrected rate: Rogan-Gladen with the card's error", corrected, 0.2),
        Case("AUROC: DeLong, logit", area, float(norm.cdf(1.5 / np.sqrt(2)))),
        Case("ranks of four equal models, all at once: bootstrap of paired differences", ranks, 0.0),
        Case("imbalance of a fair generator: Student over prompts", fair, 0.0),
    ]


def covered(case: Case, repeats: int) -> dict[str, object]:
    held = 0
    for repeat in range(repeats):
        low, high = case.draw(np.random.default_rng([SEED, zlib.crc32(case.name.encode()), repeat]))
        held += low is not None and high is not None and low <= case.truth <= high
    found = wilson(held, repeats)
    inside = found.value is not None and GOAL[0] <= found.value <= GOAL[1]
    print(f"{case.name}: {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]{'' if inside else '  outside the goal'}")
    told = {"interval": case.name, "coverage": found.value, "low": found.low, "high": found.high}
    return {
        **told,
        "n": repeats,
        "seed": SEED,
        "truth": case.truth,
        "goal": list(GOAL),
        "met": inside,
        "note": case.limit,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--only", help="part of an interval's name")
    parser.add_argument("--check", action="store_true", help="hold the results against the committed ones")
    chosen = parser.parse_args()
    rows = [covered(each, chosen.repeats) for each in cases() if (chosen.only or "") in each.name]
    if chosen.only is None:
        settle(OUT, {"coverage": rows}, check=chosen.check, within=0.01)


if __name__ == "__main__":
    main()
