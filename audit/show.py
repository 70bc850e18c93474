"""What the terminal shows: the headline table of a run, and lists of what can be named."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.cards import Card, words
from audit.oneline import one_line
from audit.redact import redact
from audit.store import RunFolder
from audit.types import Estimate, Json

PIPE_WIDTH = 160  # a pipe or a file has no width of its own


def print_headline(folder: RunFolder) -> None:
    """Every headline audit in every cell, a table per generator: value, interval, corrected, n, skipped, failed."""
    audits = {each["name"]: each for each in folder.manifest()["audits"]}
    shown = [each for each in folder.estimates() if each.audit in audits and audits[each.audit]["headline"]]
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    for generator in dict.fromkeys(each.generator for each in shown):
        table = Table(
            title=Text(one_line(generator)), title_justify="left", title_style="bold", box=box.SIMPLE, padding=(0, 1)
        )
        table.add_column("cell", overflow="fold")
        table.add_column("audit", overflow="fold")
        mine = [each for each in shown if each.generator == generator]
        freed = ["corrected"] if any(each.corrected is not None for each in mine) else []
        for name in ("value", "95 % interval", *freed, "n", "skipped", "failed"):
            table.add_column(name, justify="right", no_wrap=True)
        for cell in dict.fromkeys(each.cell for each in mine):
            for each in (each for each in mine if each.cell == cell):
                table.add_row(
                    *(Text(one_line(cell)) for cell in headline_row(each, audits[each.audit], freed=bool(freed)))
                )
            table.add_section()
        console.print(table)
    for note in absent_notes(shown):
        console.print(Text(one_line(note)), soft_wrap=True)


def absent_notes(estimates: Sequence[Estimate]) -> list[str]:
    """Why there is no number where there is none: audit names by reason, a line each."""
    reasons: dict[str, list[str]] = {}
    for each in estimates:
        if each.value is None and each.note:
            reasons.setdefault(each.note, []).append(each.audit)
    return [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in reasons.items()]


def headline_row(estimate: Estimate, about: Mapping[str, Json], *, freed: bool = False) -> list[str]:
    """The cells of one line, as text; the arrow after an audit's name points to better; freed: with corrected rate."""
    arrows = {"higher": " ↑", "lower": " ↓"}
    known = estimate.low is not None and estimate.high is not None
    return [
        estimate.cell,
        estimate.audit + arrows.get(about["better"], ""),
        number(estimate.value),
        f"{number(estimate.low)} to {number(estimate.high)}" if known else "-",
        *([_corrected(estimate)] if freed else []),
        str(estimate.n),
        str(estimate.skipped),
        str(estimate.failed),
    ]


def _corrected(estimate: Estimate) -> str:
    if estimate.corrected is None:
        return "-"
    ends = f"{number(estimate.corrected_low)} to {number(estimate.corrected_high)}"
    return f"{number(estimate.corrected)} ({ends})"


def number(value: float | None) -> str:
    """Four significant digits; a dash where there is no number.

    >>> number(0.123456), number(1234567.0), number(None)
    ('0.1235', '1.235e+06', '-')
    """
    return "-" if value is None else f"{value:.4g}"


def card_table(cards: Sequence[Card]) -> str:
    """The cards as text: rates with intervals, further figures, goals that were missed and what limits the detector."""
    lines = []
    for card in cards:
        rates = {"sensitivity": card.sensitivity, "specificity": card.specificity, "abstain": card.abstain}
        figures = {name: each for name, each in {**rates, **card.measures}.items() if each.value is not None}
        missed = [f"{name} {card.goals[name]}" for name, met in card.met().items() if not met]
        verdict = f"missed: {', '.join(missed)}" if missed else "every goal met" if card.goals else "no goal set"
        lines.append(f"{card.name}  version {card.version}, n {card.n}: {verdict}")
        lines += [f"    {name.ljust(24)} {words(each)}{_goal(card, name)}" for name, each in figures.items()]
        lines += [f"    planted: {card.planted}", f"    limits: {card.limits}", ""]
    return redact("\n".join(lines).rstrip()) if lines else "no cards; audit calibrate --out DIR writes them"


def _goal(card: Card, name: str) -> str:
    return f"   goal {card.goals[name]}" if name in card.goals else ""


def cards_json(cards: Sequence[Card]) -> str:
    """The cards as a JSON list: rates as numbers, their intervals beside them, and all else that a card holds."""
    return json.dumps([_card_json(card) for card in cards], indent=1, ensure_ascii=False)


def _card_json(card: Card) -> dict[str, Json]:
    told = asdict(card)
    for name in ("sensitivity", "specificity", "abstain"):
        each = told[name]
        told[name] = each["value"]
        told[f"{name}_interval"] = None if each["low"] is None else [each["low"], each["high"]]
    return told | {"met": card.met(), "digest": card.digest}


def listing(what: str | None) -> str:
    """Generators, suites and audits by name, each with what it is; or only one of these kinds."""
    kinds: dict[str, Callable[[], str]] = {"generators": _generators, "suites": _suites, "audits": _audits}
    wanted = [what] if what else list(kinds)
    return "\n\n".join(f"{kind}\n{kinds[kind]()}" for kind in wanted)


def _generators() -> str:
    load = importlib.import_module("generators.load")
    known = [line for line in (load.__doc__ or "").splitlines() if line.startswith("    ")]
    added = [f"    {scheme}:  (installed package)" for scheme in load.schemes() if scheme not in load.BUILTIN]
    return "\n".join([*known, *added])


def _suites() -> str:
    from audit import suites

    rows = [
        (name, f"{len(suites.load(name).prompts)} prompts") for name in [*suites.builtin_names(), *suites.plugins()]
    ]
    return _columns([*rows, ("FILE", "your own .jsonl, .csv, .tsv or .txt")])


def _audits() -> str:
    from audit.registry import audits

    return _columns(
        [
            (each.name, f"{each.doc.splitlines()[0]} [{each.unit}; {each.better} is better]")
            for each in audits().values()
        ]
    ).replace("; neither is better", "")


def _columns(rows: list[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in rows), default=0)
    return redact("\n".join(f"    {name.ljust(width)}  {text}" for name, text in rows))
