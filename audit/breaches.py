"""Why two runs cannot be trusted to answer a gate's question. Each reason is named; any of them fails the gate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from audit.compare import Measure, Runs, Side
from audit.policy import Policy, Primary
from audit.score import NO_PICTURE
from audit.statistics.paired import rate_difference
from audit.summary import rows_of
from audit.weights import weights


@dataclass(frozen=True)
class Breach:
    """A reason to fail. fatal: the metric cannot be judged at all."""

    kind: str
    text: str
    fatal: bool = False


def run_breaches(runs: Runs, policy: Policy) -> list[Breach]:
    """What is wrong with the runs as a whole."""
    found = [*_pictures("baseline", runs.baseline, policy), *_pictures("candidate", runs.candidate, policy)]
    one, two = runs.baseline.manifest["suite"], runs.candidate.manifest["suite"]
    if one["digest"] != two["digest"]:
        common = len(runs.prompts())
        found.append(
            Breach(
                "suite",
                f"the suites differ ({one['name']} of {one['prompts']} prompts, {two['name']} of {two['prompts']}; "
                f"{common} prompts ask the same): make both runs with one suite",
            )
        )
    if policy.same_packages:
        found += _packages(runs)
    return found


def metric_breaches(runs: Runs, primary: Primary, policy: Policy) -> list[Breach]:
    """What is wrong with one primary metric."""
    name = primary.audit
    missing = [who for who, side in _sides(runs) if name not in side.measures]
    if missing:
        return [
            Breach("missing metric", f"{name}: the {who} was not scored for it: audit score RUN --audits {name}", True)
            for who in missing
        ]
    if name not in runs.shared:
        return [_changed(runs, name)]
    measure = runs.shared[name]
    found = _weights(runs, measure)
    pairs = runs.paired(measure).only(cell=primary.cell)
    good = pairs.good
    if not good:
        why = next(
            (point.reason for pair in pairs.pairs for point in pair if point.reason),
            "no picture of one prompt and seed in both",
        )
        return [*found, Breach("missing metric", f"{name}: no pair of pictures was scored ({why})", True)]
    prompts = len({one.prompt for one, _ in good})
    for count, least, what in ((len(good), policy.pairs, "pairs"), (prompts, policy.prompts, "prompts")):
        if count < least:
            found.append(Breach("too few", f"{name}: {count} scored {what}, the policy asks for {least}"))
    broken = [
        point
        for pair in pairs.pairs
        for point in pair
        if point.status == "failed" and not point.reason.startswith(NO_PICTURE)  # a lost picture is told by itself
    ]
    if len(broken) > policy.failed * 2 * len(pairs.pairs):
        found.append(Breach("failed scores", f"{name}: {len(broken)} scores failed; the first: {broken[0].reason}"))
    return found + _skips(
        name, [(a.status == "skipped", b.status == "skipped", a.prompt) for a, b in pairs.pairs], policy
    )


def _sides(runs: Runs) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return ("baseline", runs.baseline), ("candidate", runs.candidate)


def _pictures(who: str, side: Side, policy: Policy) -> list[Breach]:
    """Pictures that failed or were never made, with the first one's error."""
    mine = side.jobs
    made = {row["key"]: row for row in rows_of(side.folder.artifacts())}
    found = []
    missing = [job for job in rows_of(mine) if job["key"] not in made]
    if missing:
        found.append(
            Breach(
                "missing pictures",
                f"the {who} stopped before {len(missing)} of {len(mine)} pictures; run the same command again",
            )
        )
    failed = [job for job in rows_of(mine) if job["key"] in made and made[job["key"]]["status"] == "failed"]
    if len(failed) > policy.failed * len(mine):
        first = failed[0]
        found.append(
            Breach(
                "failed pictures",
                f"{len(failed)} of {len(mine)} pictures of the {who} failed; the first, prompt {first['prompt_id']}, "
                f"{first['cell']}: {made[first['key']]['error']}",
            )
        )
    return found


def _packages(runs: Runs) -> list[Breach]:
    one, two = (side.manifest.get("packages", {}) for side in (runs.baseline, runs.candidate))
    differ = [
        f"{name} {one.get(name)} and {two.get(name)}" for name in sorted({*one, *two}) if one.get(name) != two.get(name)
    ]
    if not differ:
        return []
    return [
        Breach(
            "versions",
            f"packages differ: {', '.join(differ)}; make the baseline again with these, or set same_packages = false",
        )
    ]


def _changed(runs: Runs, name: str) -> Breach:
    one, two = runs.baseline.measures[name], runs.candidate.measures[name]
    what = (
        f"versions {one.version} and {two.version}"
        if one.version != two.version
        else f"options {dict(one.options)} and {dict(two.options)}"
    )
    return Breach("versions", f"{name}: the runs have {what}; bring both to one with audit score RUN", True)


def _weights(runs: Runs, measure: Measure) -> list[Breach]:
    """Weight files of the scorer, not of the generators, whose hashes differ."""
    scorers = {each.name for each in weights() if {measure.name, measure.on} & set(each.used_by)}
    one, two = ({e["name"]: e["sha256"] for e in side.manifest.get("weights", ())} for _, side in _sides(runs))
    differ = [name for name in sorted(scorers & {*one, *two}) if one.get(name) != two.get(name)]
    return [
        Breach(
            "weights", f"{measure.name}: weights {name!r} differ between the runs; score both again with one of them"
        )
        for name in differ
    ]


def _skips(name: str, skipped: Iterable[tuple[bool, bool, str]], policy: Policy) -> list[Breach]:
    """Shown to skip more often than the baseline by more than is allowed: what cannot be judged may be the defect."""
    rows = list(skipped)
    before, after = (np.array([row[side] for row in rows], np.float64) for side in (0, 1))
    found = rate_difference(before, after, [row[2] for row in rows])
    against = found.below(policy.skipped)
    if found.value is None or found.above is None or against is None or found.above(policy.skipped) > policy.alpha:
        return []
    return [
        Breach(
            "skips",
            f"{name}: {after.mean():.0%} of the candidate's scores were skipped, {before.mean():.0%} of the "
            f"baseline's; the policy allows {policy.skipped:.0%} more",
        )
    ]
