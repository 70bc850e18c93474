"""Hands: how many digits a hand has and how many it raises, counted by their parts.

MediaPipe finds the hand and says which way it points; its 21 landmarks always describe five fingers, so they are not
asked how many there are. A network of our own marks fingertips and finger bases and counts them (`audit/features/
digits.py`). Only prompts that speak of a hand are judged, or that expect a number of digits; where the counter is not
sure, as before a fist or behind other things, it abstains.
"""

from __future__ import annotations

import re

import numpy as np

from audit.api import ScoreOne, View, audit
from audit.features.digits import DigitCounter, Digits, counter
from audit.features.hands import hands
from audit.types import Json, Score
from generators.api import Pixels

NORMAL = 5
SPEAKS_OF_HANDS = re.compile(
    r"\b(?:hands?|palms?|fists?|fingers?|thumbs?|digits?|fingered|waves?|waving)\b", re.IGNORECASE
)
SOURCE = "ours: part heatmaps (Simon et al. 2017) counted; hands found by MediaPipe (Zhang et al. 2020)"


@audit("hands.wrong", version=1, better="lower", unit="share of pictures", source=SOURCE, statistic="rate")
def wrong() -> ScoreOne:
    """Share of pictures in which a hand has another number of digits than five, or than `expect.digits` says.

    Evidence: for each hand found its count, the posterior over 3 to 7, and tips and bases in pixels.
    """
    count = counter()

    def score(view: View) -> Score:
        found = _found(view, count)
        if isinstance(found, Score):
            return found
        expected = int(view.prompt.expect.get("digits", NORMAL))
        evidence = _evidence(found) | {"expected_digits": expected}
        right = [count.has(each, expected) for each in found]
        if False in right:
            return Score.of(1.0, **evidence)
        if None in right:
            return Score.skipped(f"not sure how many digits: {found[0].count} at {found[0].sure:.2f}", **evidence)
        return Score.of(0.0, **evidence)

    return score


@audit("hands.digits", version=1, better="neither", unit="digits", source=SOURCE, headline=False)
def digits() -> ScoreOne:
    """Digits of the likeliest hand, 3 to 7; abstains where the counter is not sure."""
    count = counter()

    def score(view: View) -> Score:
        found = _found(view, count)
        if isinstance(found, Score):
            return found
        if found[0].sure < count.high:
            return Score.skipped(f"not sure how many digits: {found[0].count} at {found[0].sure:.2f}")
        return Score.of(found[0].count, **_evidence(found[:1]))

    return score


@audit(
    "hands.raised",
    version=1,
    better="higher",
    unit="share of pictures",
    source=SOURCE,
    statistic="rate",
    headline=False,
)
def raised() -> ScoreOne:
    """Share of hands that raise as many fingers as `expect.raised` says; raised fingertips are counted one by one."""
    count = counter()

    def score(view: View) -> Score:
        expected: Json = view.prompt.expect.get("raised")
        if not isinstance(expected, int):
            return Score.skipped("the prompt expects no number of raised fingers")
        found = _found(view, count)
        if isinstance(found, Score):
            return found
        return Score.of(float(found[0].raised == expected), **_evidence(found[:1]), expected_raised=expected)

    return score


@audit(
    "hands.found",
    version=1,
    better="higher",
    unit="share of pictures",
    source="MediaPipe Hands (Zhang et al. 2020)",
    statistic="rate",
    headline=False,
)
def found() -> ScoreOne:
    """Share of pictures in which a hand is found where the prompt speaks of one: what the counter never sees."""

    def score(view: View) -> Score:
        if not asked(view):
            return Score.skipped("the prompt speaks of no hand")
        return Score.of(float(bool(view.once("hands", lambda: hands(_pixels(view))))))

    return score


def asked(view: View) -> bool:
    """Whether the prompt expects a number of digits or speaks of a hand."""
    return "digits" in view.prompt.expect or SPEAKS_OF_HANDS.search(view.prompt.text) is not None


def _found(view: View, count: DigitCounter) -> list[Digits] | Score:
    """Every hand with its digits, the likeliest first; or the skipped score that says why there is none."""
    if not asked(view):
        return Score.skipped("the prompt speaks of no hand")
    picture = _pixels(view)
    landmarks = view.once("hands", lambda: hands(picture))
    if not landmarks:
        return Score.skipped("no hand was found")
    return view.once("digits", lambda: [count.of_hand(picture, points) for points in landmarks])


def _evidence(found: list[Digits]) -> dict[str, Json]:
    return {
        "digits": [each.count for each in found],
        "raised": [each.raised for each in found],
        "posterior": [{str(n): round(share, 3) for n, share in each.posterior.items()} for each in found],
        "marks": {
            "tip": [row for each in found for row in each.tips.round(1).tolist()],
            "folded tip": [row for each in found for row in each.folded.round(1).tolist()],
            "base": [row for each in found for row in each.bases.round(1).tolist()],
        },
    }


def _pixels(view: View) -> Pixels:
    return np.ascontiguousarray(view.image.permute(1, 2, 0).numpy())
