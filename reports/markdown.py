"""A gate's verdict as Markdown for a pull request, and as annotations of GitHub Actions."""

from __future__ import annotations

import re

from audit.compare import Comparison
from audit.gate import Judgement, Verdict
from reports.verdict_words import SIGNS, change, counts, direction_of, headline, moved
from reports.words import dashed, number, visible

MOST = 12
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")


def markdown(verdict: Verdict) -> str:
    """Headline, breaches, the primary metrics as a table, and what else moved."""
    lines = [f"### {SIGNS[verdict.status]} {plain(headline(verdict))}", ""]
    if verdict.breaches:
        lines += ["**The runs cannot be trusted to answer:**", ""]
        lines += [f"- **{plain(each.kind)}**: {plain(each.text)}" for each in verdict.breaches] + [""]
    if verdict.judgements:
        lines += [
            "| | metric | baseline | candidate | difference [95 %] | margin | detectable | pairs |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
            *(_row(each) for each in verdict.judgements),
            "",
            *(f"- {_told(each)}" for each in verdict.judgements),
            "",
        ]
    found = moved(verdict)
    if found:
        lines += ["<details><summary>Also moved (Benjamini-Hochberg q at most 0.05)</summary>", ""]
        lines += [f"- {_moved(each)}" for each in found[:MOST]]
        lines += [f"- and {len(found) - MOST} more"] if len(found) > MOST else []
        lines += ["", "</details>", ""]
    lines += [f"> {plain(each)}" for each in verdict.notes]
    return "\n".join(lines).rstrip() + "\n"


def workflow_commands(verdict: Verdict) -> list[str]:
    """Workflow commands that GitHub shows beside a run: an error for each failure, a warning for what is open."""
    found = [_command("error", each.kind, each.text) for each in verdict.breaches]
    for each in verdict.judgements:
        if each.status != "pass":
            kind = "error" if each.status == "fail" else "warning"
            text = f"{change(each.comparison)} (margin {each.primary.margin:g}): {each.reason}"
            found.append(_command(kind, f"{each.primary.audit} {each.status}", text))
    return found


def plain(text: str) -> str:
    """Foreign text that Markdown shows as it is, on one line.

    An empty comment after an @ keeps GitHub from calling somebody.

    >>> plain("a|b <i> @me")
    'a\\\\|b \\\\<i\\\\> @<!-- -->me'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(visible(text).split())).replace("@", "@<!-- -->")


def _row(each: Judgement) -> str:
    found = each.comparison
    cells = [
        f"{SIGNS[each.status]} {each.status}",
        plain(each.primary.audit) + (f" ({plain(each.primary.cell)})" if each.primary.cell else ""),
        dashed(found.before),
        dashed(found.after),
        change(found),
        f"{each.primary.margin:g} {each.primary.worse}",
        dashed(found.mde),
        counts(found),
    ]
    return f"| {' | '.join(cells)} |"


def _told(each: Judgement) -> str:
    worth = f". Detector: {plain(each.comparison.measure.worth)}" if each.comparison.measure.worth else ""
    return f"{plain(each.primary.audit)}: {plain(each.reason)}{worth}"


def _moved(each: Comparison) -> str:
    where = f" on {plain(each.tag)}" if each.tag else ""
    return f"{plain(each.measure.name)}{where}: {change(each)}, {direction_of(each)} (q {number(each.q or 0.0)})"


def _command(kind: str, title: str, text: str) -> str:
    """Source: GitHub's workflow commands; their escapes keep a text from ending its command."""
    escaped = visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    named = visible(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C").replace("\n", "%0A")
    return f"::{kind} title={named}::{escaped}"
