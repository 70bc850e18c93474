"""Planted defects -> a card per detector: every trial's pictures are scored and held against their truth."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from itertools import islice
from pathlib import Path

from audit.cards import Card, words
from audit.cards import write as write_card
from audit.manifest import machine
from audit.registry import audits, trials, unknown
from audit.score import Choice, Tell, choose, weighed
from audit.scorers import is_missing_weights, scored
from audit.statistics.correction import Confusion
from audit.statistics.rates import wilson
from audit.trial import Case, Trial, Verdict, by_value
from audit.types import Interval, Json, Score

BATCH = 16
Outcome = tuple[Case, Score, bool | None]
"""A case, its score, and what that says: defect, none, or nothing."""


class CalibrationError(ValueError):
    """A calibration that cannot be done as asked."""


def chosen(names: Sequence[str]) -> list[Trial]:
    """The trials of the detectors named (or "detector@domain"), or all of them.

    Raises:
        UnknownNameError: no trial has that name.
    """
    known = trials()
    for name in names:
        if not any(name in (each.detector, each.name) for each in known.values()):
            raise unknown("trial", name, [*known, *{each.detector for each in known.values()}])
    return [each for each in known.values() if not names or each.detector in names or each.name in names]


def calibrate(wanted: Sequence[Trial], out: Path, *, quick: bool, workers: int, tell: Tell) -> list[Card]:
    """Run the trials, the longest first, and write each one's card; `tell` hears of every card.

    A detector whose weights are missing gets no card, and `tell` hears why.
    """
    made = []
    ordered = sorted(wanted, key=lambda each: -each.count)
    threads = max(1, (os.cpu_count() or 1) // max(1, workers))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_single, initargs=(threads,)) as pool:
        waiting = {pool.submit(measured, each.name, quick): each for each in ordered}
        for done in as_completed(waiting):
            card = done.result()
            if isinstance(card, str):
                tell(f"{waiting[done].name}: no card: {card}")
                continue
            write_card(card, out)
            tell(line_of(card))
            made.append(card)
    return sorted(made, key=lambda card: card.name)


def measured(name: str, quick: bool) -> Card | str:
    """The card of the trial of that name, or why there can be none."""
    each = trials()[name]
    return card_of(each, each.quick if quick else each.count)


def card_of(each: Trial, count: int) -> Card | str:
    """Score `count` cases of a trial and write down what came of it; a text says what weights are missing.

    Raises:
        CalibrationError: the detector broke on a case.
    """
    [choice] = [
        choice
        for choice in weighed(choose([each.detector], {each.detector: each.options}, audits()))
        if choice.audit.name == each.detector
    ]
    try:
        outcomes = list(_outcomes(each, choice, each.cases(count)))
    except Exception as error:
        if is_missing_weights(error):
            return str(error)
        raise
    return _card(each, choice, outcomes)


def line_of(card: Card) -> str:
    """A card in one line: its rates, its measures, and goals that were missed."""
    figures = {"sensitivity": card.sensitivity, "specificity": card.specificity, "abstain": card.abstain}
    told = [f"{name} {words(each)}" for name, each in {**figures, **card.measures}.items() if each.value is not None]
    missed = [f"{name} {card.goals[name]}" for name, met in card.met().items() if not met]
    return f"{card.name} (n {card.n}): {', '.join(told)}" + (f"; missed: {', '.join(missed)}" if missed else "")


def _outcomes(each: Trial, choice: Choice, cases: Iterable[Case]) -> Iterator[Outcome]:
    scorer = choice.audit.scorer(**choice.options)
    verdict: Verdict = each.verdict or by_value(choice.audit)
    waiting = iter(cases)
    while some := list(islice(waiting, BATCH)):
        for case, score in zip(some, scored(scorer, [case.view() for case in some]), strict=True):
            if score.status == "failed":
                raise CalibrationError(f"{each.name}: the detector broke on a case: {score.reason}")
            yield case, score, verdict(score)


def _card(each: Trial, choice: Choice, outcomes: Sequence[Outcome]) -> Card:
    confusion = _confusion(outcomes)
    rates = _rates(confusion)
    abstaining = confusion.planted + confusion.unplanted > 0  # detectors without a verdict abstain from nothing
    host = machine()
    measures = (
        each.measure([case for case, _, _ in outcomes], [score for _, score, _ in outcomes]) if each.measure else {}
    )
    return Card(
        detector=each.detector,
        domain=each.domain,
        version=choice.audit.version,
        options=dict(choice.options),
        weights=dict(choice.weights),
        planted=each.planted,
        limits=each.limits,
        n=len(outcomes),
        sensitivity=rates["sensitivity"],
        specificity=rates["specificity"],
        abstain=rates["abstain"] if abstaining else Interval(value=None, note="no verdict"),
        confusion=confusion if abstaining else Confusion(),
        machine=f"{host['cpu']}, {host['gpu'] or 'no GPU'}",
        table=_table(each, outcomes),
        groups=_groups(outcomes) if abstaining else {},
        measures={name: _rounded(found) for name, found in measures.items()},
        goals=each.goals,
    )


def _confusion(outcomes: Iterable[Outcome]) -> Confusion:
    counts = Counter((case.planted, said) for case, _, said in outcomes)
    return Confusion(
        hit=counts[True, True],
        miss=counts[True, False],
        false_alarm=counts[False, True],
        clean=counts[False, False],
        abstained_planted=counts[True, None],
        abstained_clean=counts[False, None],
    )


def _rates(confusion: Confusion) -> dict[str, Interval]:
    abstained = confusion.abstained_planted + confusion.abstained_clean
    return {
        "sensitivity": _rounded(wilson(confusion.hit, confusion.planted)),
        "specificity": _rounded(wilson(confusion.clean, confusion.unplanted)),
        "abstain": _rounded(wilson(abstained, abstained + confusion.planted + confusion.unplanted)),
    }


def _groups(outcomes: Sequence[Outcome]) -> dict[str, dict[str, dict[str, Json]]]:
    """Kind -> value -> its rates as [value, low, high] and n; a rate of nothing is None."""
    found: dict[str, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        for kind, value in outcome[0].groups.items():
            found[kind][value].append(outcome)
    return {
        kind: {value: _group(some) for value, some in sorted(values.items(), key=_natural)}
        for kind, values in sorted(found.items())
    }


def _group(outcomes: Sequence[Outcome]) -> dict[str, Json]:
    rates = _rates(_confusion(outcomes))
    told = {name: None if each.value is None else [each.value, each.low, each.high] for name, each in rates.items()}
    return {**told, "n": len(outcomes)}


def _natural(item: tuple[str, object]) -> tuple[float, str]:
    name = item[0]
    return (float(name), "") if name.replace(".", "", 1).isdigit() else (float("inf"), name)


def _table(each: Trial, outcomes: Iterable[Outcome]) -> Mapping[str, Mapping[str, int]]:
    if each.said is None:
        return {}
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for case, score, said in outcomes:
        rows[str(case.truth)]["abstained" if said is None else str(each.said(score))] += 1
    return {truth: dict(sorted(answers.items())) for truth, answers in sorted(rows.items())}


def _rounded(found: Interval) -> Interval:
    """Six decimals: what a card shows, and equal on machines that add up in another order."""
    value, low, high = (None if each is None else round(each, 6) for each in (found.value, found.low, found.high))
    return replace(found, value=value, low=low, high=high)


def _single(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)
