"""Rates as detectors saw them -> rates freed of what the detectors are known to get wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from audit.score import Choice
from audit.statistics.correction import rogan_gladen
from audit.statistics.rates import design_effect
from audit.summarise import Point
from audit.types import Estimate, Interval


def corrected(choice: Choice, estimates: Sequence[Estimate], points: Sequence[Point]) -> list[Estimate]:
    """The audit's estimates with what its card says, and with the corrected rate where it is a detector.

    The corrected rate speaks in the audit's own direction: a share of good pictures stays a share of good pictures.
    """
    if choice.card is None:
        return [replace(each, card=f"not validated: {choice.doubt}") for each in estimates]
    told = [replace(each, card=choice.card.worth) for each in estimates]
    if choice.audit.statistic != "rate" or choice.card.sensitivity.value is None or not choice.card.validated:
        return told
    return [
        _freed(choice, each, [p for p in points if (p.generator, p.cell) == (each.generator, each.cell)])
        for each in told
    ]


def _freed(choice: Choice, estimate: Estimate, points: Sequence[Point]) -> Estimate:
    good = [point for point in points if point.status == "ok" and point.value is not None]
    if not good or choice.card is None:
        return estimate
    values = np.array([point.value for point in good], np.float64)
    defects = 1 - values if choice.audit.better == "higher" else values
    n = len(good) / design_effect(values, [point.prompt for point in good])
    found = rogan_gladen(float(defects.mean()) * n, n, choice.card.confusion)
    if choice.audit.better == "higher" and found.value is not None and found.low is not None and found.high is not None:
        found = Interval(value=1 - found.value, low=1 - found.high, high=1 - found.low)
    return replace(
        estimate,
        corrected=found.value,
        corrected_low=found.low,
        corrected_high=found.high,
        card=": ".join(filter(None, [estimate.card, found.note])),
    )
