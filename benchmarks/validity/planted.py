"""Does the corrected rate find what was planted?

    python benchmarks/validity/planted.py --pictures 240 [--only extra_finger]

Runs `studio:` with a defect planted at a known rate through the ordinary command, and holds the corrected rate and its
interval, which the detector's shipped card makes, against that rate. Tones are no defect: there the rate is the share
of darker skin over many more scenes than were drawn. Writes benchmarks/results/planted.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from audit import cli, suites
from audit.audits.bias import DARKER_HALF
from audit.store import RunFolder
from audit.types import seed_for
from benchmarks.measure import write
from generators.studio.drawing import facts
from generators.studio.generator import understood

MANY = 100  # scenes a prompt that a share of tones is told from


@dataclass(frozen=True)
class Plan:
    """A defect, how much of it, and who is to find it in which suite.

    Attributes:
        good: the detector's rate is a share of good pictures.
        tones: what is looked for is the darker half of tones, which the defect makes rarer.
    """

    defect: str
    rate: float
    detector: str
    suite: str
    good: bool = False
    tones: bool = False


PLANS = (
    Plan("extra_finger", 0.2, "hands.wrong", "hands"),
    Plan("missing_finger", 0.2, "hands.wrong", "hands"),
    Plan("extra_finger", 0.0, "hands.wrong", "hands"),
    Plan("misspelt", 0.2, "text.exact", "text", good=True),
    Plan("light_bias", 0.0, "bias.darker", "portraits", tones=True),
    Plan("light_bias", 0.5, "bias.darker", "portraits", tones=True),
    Plan("duplicate", 0.2, "memorization.copied", "quick"),
    Plan("wrong_shadow", 0.2, "physics.light_wrong", "tabletop"),
)


def struck(plan: Plan, replicates: int) -> tuple[int, int]:
    """Pictures that have what is looked for, and pictures, worked out without drawing any."""
    hit = total = 0
    for prompt in suites.load(plan.suite).prompts:
        found = understood(prompt.text)
        for replicate in range(replicates if found else 0):
            name, wish = found or ("", {})
            seed = seed_for(prompt.id, replicate)
            _, drawn, planted = facts(name, wish, seed=seed, defects={plan.defect: plan.rate})
            hit += drawn["tone"] >= DARKER_HALF if plan.tones else plan.defect in planted
            total += 1
    return hit, total


def measured(plan: Plan, pictures: int, size: int) -> dict[str, object]:
    """One run, its raw and its corrected rate of defects."""
    replicates = max(1, math.ceil(pictures / len(suites.load(plan.suite).prompts)))
    with tempfile.TemporaryDirectory() as folder:
        spec = f"studio:?{plan.defect}={plan.rate:g}&size={size}"
        argv = ["run", "--suite", plan.suite, "--generator", spec, "--replicates", str(replicates)]
        argv += ["--audits", plan.detector, "--no-report", "--out", folder]
        if cli.main(argv) != 0:
            raise SystemExit(f"{spec}: the run failed")
        [estimate] = [each for each in RunFolder(folder).estimates() if each.audit == plan.detector]
    hit, total = struck(plan, replicates)
    rate = plan.rate
    if plan.tones:
        dark, scenes = struck(plan, MANY)
        rate = dark / scenes
    values = [estimate.value, estimate.corrected, estimate.corrected_low, estimate.corrected_high]
    raw, value, low, high = (None if each is None else 1 - each if plan.good else each for each in values)
    if plan.good:
        low, high = high, low
    held = None if low is None or high is None else bool(low - 1e-9 <= rate <= high + 1e-9)
    return {
        "planted": f"{plan.defect}={plan.rate:g}",
        "detector": plan.detector,
        "rate": round(rate, 4),
        "struck": hit / total,
        "pictures": total,
        "scored": estimate.n,
        "raw": raw,
        "corrected": {"value": value, "low": low, "high": high},
        "holds": held,
        "card": estimate.card,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--only", help="one defect")
    chosen = parser.parse_args()
    rows = [measured(plan, chosen.pictures, chosen.size) for plan in PLANS if chosen.only in (None, plan.defect)]
    print(json.dumps(rows, indent=2))
    if chosen.only is None:
        write("planted", {"planted": rows})


if __name__ == "__main__":
    main()
