"""A gate's verdict in words, for terminals, JUnit, Markdown and the report alike."""

from __future__ import annotations

from audit.compare import Comparison
from audit.gate import Judgement, Verdict
from reports.words import dashed, lost, plural, with_interval

SIGNS = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}
FOUND = 0.05
"""An explored difference is told where its q-value is at most this."""


def headline(verdict: Verdict) -> str:
    """One sentence: the verdict and what it rests on."""
    counts = {status: sum(each.status == status for each in verdict.judgements) for status in SIGNS}
    parts = [f"{count} {status}" for status, count in counts.items() if count]
    parts += [plural(len(verdict.breaches), "breach").replace("breachs", "breaches")] if verdict.breaches else []
    told = ", ".join(parts) or "nothing judged"
    return f"{verdict.status.upper()}: {verdict.candidate} against {verdict.baseline} ({told})"


def figures(each: Judgement) -> dict[str, str]:
    """Every figure of a judgement, named."""
    found = each.comparison
    return {
        "verdict": f"{each.status}: {each.reason}",
        "baseline": dashed(found.before),
        "candidate": dashed(found.after),
        "difference": change(found),
        "margin": f"{each.primary.margin:g} {found.measure.unit} {each.primary.worse}",
        "detectable with 80 % power": dashed(found.mde),
        "pictures": counts(found),
        "one-sided p of harm, Holm": dashed(each.p_harm),
        "one-sided p of harm beyond the margin": dashed(each.p_margin),
        "cell": found.cell,
        "detector": found.measure.worth,
        "note": found.difference.note,
    }


def change(found: Comparison) -> str:
    """The difference with its interval; a dash where there is none."""
    each = found.difference
    return " ".join(filter(None, change_of(each.value, each.low, each.high)))


def change_of(value: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """A difference and its interval in words; a dash and nothing where there is none."""
    return ("-", "") if value is None else with_interval(value, low, high, signed=True)


def counts(found: Comparison) -> str:
    """Pairs, prompts and replicates, and what was lost."""
    parts = [plural(found.pairs, "pair"), plural(found.prompts, "prompt"), f"up to {found.replicates} a prompt"]
    parts += lost(found.skipped, found.failed)
    parts += [f"{found.unpaired:,} without a partner"] if found.unpaired else []
    return ", ".join(parts)


def moved(verdict: Verdict) -> list[Comparison]:
    """Explored differences that are more than noise, the surest first."""
    sure = [each for each in verdict.explored if each.q is not None and each.q <= FOUND]
    return sorted(sure, key=lambda each: each.q or 0.0)


def direction(better: str, change: float | None) -> str:
    """better, worse, or changed where neither end is better.

    >>> direction("higher", -0.1), direction("neither", 2.0)
    ('worse', 'changed')
    """
    if better == "neither" or not change:
        return "changed"
    return "better" if (change > 0) == (better == "higher") else "worse"


def direction_of(found: Comparison) -> str:
    """`direction` of a comparison."""
    return direction(found.measure.better, found.difference.value)
