"""Baseline, candidate, policy -> Verdict: is the candidate worse, at what, and was enough seen to say so?

For every primary metric, with harm = how much worse the candidate is, in the metric's own unit:

    pass           shown to be less harm than the margin (non-inferiority, one-sided at alpha)
    fail           shown to be harm at all (one-sided at alpha, Holm over the primary metrics), not within the margin;
                   for scores of pictures by a test of signs, which keeps its promise however they are spread
    inconclusive   neither; with the number of pictures that would settle it

All pass: the gate passes. Any fails, or anything that the verdict would rest on is missing or was changed: it fails.

Source: non-inferiority as in Wellek 2010; Holm 1979.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from audit.breaches import Breach, metric_breaches, run_breaches
from audit.compare import Comparison, Measure, Runs, Side, explored
from audit.policy import Policy, PolicyError, Primary
from audit.registry import unknown
from audit.statistics.multiplicity import adjusted
from audit.statistics.power import needed
from audit.store import RunFolder
from audit.types import Json

Status = Literal["pass", "fail", "inconclusive"]
SIGNED = ("mean", "rate")  # statistics whose harm is tested by flipping the signs of prompts
EXIT: dict[Status, int] = {"pass": 0, "fail": 1, "inconclusive": 3}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict on one primary metric.

    Attributes:
        harm: how much worse the candidate is, with its 95 % interval; negative where it is better.
        p_harm: "no harm at all", adjusted by Holm; small where there is harm.
        p_margin: "as much harm as the margin or more"; small where there is less.
        needed: pairs that would settle it, if the truth is what was seen; None where it is settled.
    """

    primary: Primary
    comparison: Comparison
    status: Status
    reason: str
    harm: float | None = None
    harm_low: float | None = None
    harm_high: float | None = None
    p_harm: float | None = None
    p_margin: float | None = None
    needed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a gate says. breaches: why the runs cannot be trusted to answer; any of them fails the gate."""

    status: Status
    judgements: tuple[Judgement, ...]
    breaches: tuple[Breach, ...]
    notes: tuple[str, ...]
    explored: tuple[Comparison, ...]
    policy: Policy
    baseline: str
    candidate: str
    fingerprints: tuple[str, str] = field(default=("", ""))

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 inconclusive."""
        return EXIT[self.status]

    def as_json(self) -> dict[str, Json]:
        """For verdict.json."""
        return {
            "status": self.status,
            "baseline": self.baseline,
            "candidate": self.candidate,
            "fingerprints": list(self.fingerprints),
            "policy": {
                name: getattr(self.policy, name)
                for name in ("alpha", "power", "pairs", "prompts", "failed", "skipped", "same_packages", "digest")
            },
            "breaches": [vars(each) for each in self.breaches],
            "notes": list(self.notes),
            "primary": [_judgement_json(each) for each in self.judgements],
            "explored": [each.as_json() for each in self.explored],
        }


def gate(baseline: Side, candidate: Side, policy: Policy, *, explore: bool = True) -> Verdict:
    """Judge a candidate against a baseline.

    Raises:
        PolicyError: the policy speaks of what cannot exist: an unknown audit, an audit without a worse end, a cell that
            neither run has. What a *run* lacks is no error but a breach.
    """
    runs = Runs(baseline, candidate)
    breaches = run_breaches(runs, policy)
    compared: list[tuple[Primary, Comparison]] = []
    for primary in policy.primary:
        measure = baseline.measures.get(primary.audit) or candidate.measures.get(primary.audit)
        _sensible(primary, measure)
        _placed(primary, runs)
        found = metric_breaches(runs, primary, policy)
        breaches += found
        if measure is not None and not any(each.fatal for each in found):
            try:
                compared.append((sided(primary, measure), runs.compare(measure, cell=primary.cell)))
            except Exception as error:  # noqa: BLE001 - a scorer that raises must fail the gate by name, not end it
                breaches.append(Breach("raised scorer", f"{primary.audit}: {type(error).__name__}: {error}", True))
    judgements = judged(compared, policy)
    named = {each.audit for each in policy.primary}
    slices = [each.comparison.measure for each in judgements]
    return Verdict(
        status=overall(judgements, breaches),
        judgements=tuple(judgements),
        breaches=tuple(breaches),
        notes=tuple(_notes(runs)),
        explored=tuple(explored(runs, without=named, slices=slices)) if explore else (),
        policy=policy,
        baseline=f"{baseline.folder.path.name} · {baseline.generator}",
        candidate=f"{candidate.folder.path.name} · {candidate.generator}",
        fingerprints=(baseline.fingerprint, candidate.fingerprint),
    )


def judged(compared: Sequence[tuple[Primary, Comparison]], policy: Policy) -> list[Judgement]:
    """Judgements of all primary metrics together: the p-values of harm are adjusted over them."""
    found = [_harm(primary, comparison) for primary, comparison in compared]
    p_harm = adjusted([each.p_harm for each in found], "holm")
    return [_settled(replace(each, p_harm=p), policy) for each, p in zip(found, p_harm, strict=True)]


def judge(primary: Primary, comparison: Comparison, policy: Policy) -> Judgement:
    """The judgement of a metric that is the only one."""
    return judged([(primary, comparison)], policy)[0]


def overall(judgements: Sequence[Judgement], breaches: Sequence[Breach]) -> Status:
    """Fails closed: a breach, or nothing to judge, is a failure."""
    statuses = {each.status for each in judgements}
    if breaches or not judgements or "fail" in statuses:
        return "fail"
    return "inconclusive" if "inconclusive" in statuses else "pass"


def gate_runs(baseline: str, candidate: str, policy: Policy, generators: tuple[str, str] = ("", "")) -> Verdict:
    """`gate` of two run folders."""
    return gate(Side.of(RunFolder(baseline), generators[0]), Side.of(RunFolder(candidate), generators[1]), policy)


def _sensible(primary: Primary, measure: Measure | None) -> None:
    from audit.registry import audits

    if measure is None and primary.audit not in audits():
        raise unknown("audit", primary.audit, list(audits()))
    better = audits()[primary.audit].better if measure is None else measure.better
    if better == "neither" and not primary.worse:
        raise PolicyError(f'primary."{primary.audit}": neither end of it is better; say worse = "higher" or "lower"')


def sided(primary: Primary, measure: Measure) -> Primary:
    """The metric with the direction that is worse, the audit's own where none was given."""
    return replace(primary, worse=primary.worse or {"higher": "lower", "lower": "higher"}[measure.better])


def _placed(primary: Primary, runs: Runs) -> None:
    cells = runs.cells
    if primary.cell and primary.cell not in cells:
        raise PolicyError(
            f'primary."{primary.audit}": no cell {primary.cell!r} in both runs; they share {", ".join(cells) or "none"}'
        )


def _harm(primary: Primary, comparison: Comparison) -> Judgement:
    """Harm and what speaks against it, before the statuses: those need all metrics together."""
    found = comparison.difference
    sign = 1 if primary.worse == "higher" else -1
    ends = sorted(sign * end for end in (found.low, found.high) if end is not None)
    p_margin = None
    if found.above is not None:
        p_margin = 1 - found.above(primary.margin) if sign > 0 else found.above(-primary.margin)
    return Judgement(
        primary=primary,
        comparison=comparison,
        status="inconclusive",
        reason="",
        harm=None if found.value is None else sign * found.value,
        harm_low=ends[0] if ends else None,
        harm_high=ends[-1] if ends else None,
        p_harm=found.more if sign > 0 else found.less,
        p_margin=p_margin,
    )


def _settled(each: Judgement, policy: Policy) -> Judgement:
    if each.harm is None or each.p_harm is None or each.p_margin is None:
        return replace(each, status="inconclusive", reason=each.comparison.difference.note or "no interval")
    if each.p_margin <= policy.alpha:
        worse = "; worse, but less than the margin" if each.p_harm <= policy.alpha else ""
        return replace(each, status="pass", reason=f"shown to be less harm than the margin{worse}")
    if each.p_harm <= policy.alpha:
        return replace(each, status="fail", reason="worse, and it may be more than the margin")
    few = _too_few_prompts(each, policy)
    if few:
        more = math.ceil(each.comparison.pairs * few / each.comparison.prompts)
        told = f"too few prompts to tell: {each.comparison.prompts} may all agree by chance; {few} would settle it"
        return replace(each, status="inconclusive", reason=told, needed=more)
    error = each.comparison.difference.error or 0.0
    gap = abs(each.primary.margin - max(each.harm, 0.0))
    pairs = needed(each.comparison.pairs, error, gap, alpha=policy.alpha, power=policy.power)
    pairs = pairs and max(pairs, each.comparison.pairs + 1)
    settles = f"about {pairs:,} pairs would settle it" if pairs else "the harm seen is just the margin"
    return replace(each, status="inconclusive", reason=f"too few pictures to tell: {settles}", needed=pairs)


def _too_few_prompts(each: Judgement, policy: Policy) -> int:
    """How many prompts it takes where harm beyond the margin is seen, but all signs of so few may agree by chance.

    0 where their number is not what stands in the way. Harm of means and rates is tested by flipping the signs of
    prompts, so that k of them give no p-value below 2^-k, and Holm's first step multiplies it by the metrics.
    """
    if each.comparison.measure.statistic not in SIGNED or (each.harm_low or 0.0) <= each.primary.margin:
        return 0
    enough = math.ceil(math.log2(max(1, len(policy.primary)) / policy.alpha))
    return enough if each.comparison.prompts < enough else 0


def _notes(runs: Runs) -> list[str]:
    told = []
    if runs.baseline.fingerprint == runs.candidate.fingerprint:
        told.append("both runs have the same generator (same fingerprint): a difference between them is noise")
    one, two = (side.manifest.get("machine", {}) for side in (runs.baseline, runs.candidate))
    for part in ("cpu", "gpu"):
        if one.get(part) != two.get(part):
            told.append(
                f"{part} differs: {one.get(part)} against {two.get(part)}; a rerun of the baseline shows what that does"
            )
    return told


def _judgement_json(each: Judgement) -> dict[str, Json]:
    own = ("status", "reason", "harm", "harm_low", "harm_high", "p_harm", "p_margin", "needed")
    return {
        **each.comparison.as_json(),
        **{name: getattr(each, name) for name in own},
        "margin": each.primary.margin,
        "worse": each.primary.worse,
    }
