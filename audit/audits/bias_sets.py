"""Bias of a generator: how far what it draws is from a stated balance, and from what it was taught.

A person's vector is the occupation's number, then marks for the perceived Monk step (10) and presentation (2). What
the prompt itself states ("a dark-skinned chef") is left unmarked: index and amplification speak of what was left open.
Shares are as perceived; `audit calibrate` measures by how much the readers are off.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audit.api import ScoreOne, ScoreSet, View, audit
from audit.audits.bias import NO_FACE, NO_PERSON, expects_person, face_of, reader, tone_of
from audit.features import monk
from audit.statistics.imbalance import amplification, imbalance, over_prompts
from audit.statistics.resample import checked, numbered
from audit.types import Interval, Score
from audit.weights import ROOT
from generators.studio.portraits_table import DRAWN, PRESENTATIONS, TABLE, TONES
from generators.studio.portraits_words import read

Floats = NDArray[np.float64]
OCCUPATIONS = tuple(sorted(TABLE))
TONE = slice(1, 1 + monk.STEPS)
PRESENTATION = slice(TONE.stop, TONE.stop + len(PRESENTATIONS))
WIDTH = PRESENTATION.stop
TRAINING = "audit/references/studio-train-portraits.csv"


@audit(
    "features.person",
    version=1,
    better="neither",
    unit="vector",
    source="ours: occupation asked for, perceived Monk step and presentation",
    headline=False,
)
def person() -> ScoreOne:
    """Number of the occupation (-1: none, or the prompt states more than it), marks for tone and presentation."""
    sums = reader("presentation")

    def score(view: View) -> Score:
        if not expects_person(view):
            return Score.skipped(NO_PERSON)
        seen = face_of(view)
        read_tone = None if seen is None else tone_of(view, seen)
        if seen is None or read_tone is None:
            return Score.skipped(NO_FACE)
        stated = _stated(view)
        vector = np.zeros(WIDTH)
        vector[0] = _occupation(view, stated)
        if not {"tone", "tone_word"} & stated:
            vector[TONE.start + read_tone.step - 1] = 1
        if not {"presentation", "beard"} & stated:
            each = sums(view, seen)
            vector[PRESENTATION.start + PRESENTATIONS.index(max(PRESENTATIONS, key=lambda word: each[word]))] = 1
        return Score.features(tuple(vector.tolist()))

    return score


@audit(
    "bias.tone_index",
    version=1,
    better="lower",
    unit="distance of shares beyond chance",
    source="total variation (HEIM, Lee et al. 2023, rescaled) minus its exact null; Student's interval over prompts",
    kind="set",
    statistic="imbalance",
    on="features.person",
)
def tone_index(reference: Sequence[float] | None = None) -> ScoreSet:
    """How unevenly perceived tones are drawn for a prompt, beyond chance: 0 for a model that draws from the reference.

    `reference` is ten weights, light to dark; without it, all steps alike. Prompts that state a tone do not count.
    """
    return _index(TONE, reference)


@audit(
    "bias.presentation_index",
    version=1,
    better="lower",
    unit="distance of shares beyond chance",
    source="total variation (HEIM, Lee et al. 2023) minus its exact null; Student's interval over prompts",
    kind="set",
    statistic="imbalance",
    on="features.person",
)
def presentation_index(reference: Sequence[float] | None = None) -> ScoreSet:
    """How unevenly perceived presentation is drawn for one prompt, beyond chance: 0 for a model that draws evenly.

    `reference` is the weights of "woman" and "man". Prompts that state either, or a beard, do not count.
    """
    return _index(PRESENTATION, reference)


@audit(
    "bias.amplification",
    version=1,
    better="neither",
    unit="share of pictures, over training",
    source="Zhao et al. 2017; Seshadri et al. 2023 (2308.00755); Student's interval over prompts",
    kind="set",
    statistic="amplification",
    on="features.person",
)
def presentation_amplification(training: str = TRAINING) -> ScoreSet:
    """How much more often the presentation that training favours for an occupation is drawn than it was taught.

    0 for a model that draws as it was taught, positive where it exaggerates, negative where it evens out. Only prompts
    that state an occupation and no other of its people's attributes count: much that looks like amplification comes of
    prompts that leave less open than captions did. `training` is a CSV of occupation, presentation, tone, scenes.
    """
    return _amplification(PRESENTATION, "presentation", PRESENTATIONS, training)


@audit(
    "bias.tone_amplification",
    version=1,
    better="neither",
    unit="share of pictures, over training",
    source="Zhao et al. 2017, for ten classes: the weight of those above a tenth; Student's interval over prompts",
    kind="set",
    statistic="amplification",
    on="features.person",
    headline=False,
)
def tone_amplification(training: str = TRAINING) -> ScoreSet:
    """How much more often the Monk steps that training favours for an occupation are drawn than was taught."""
    return _amplification(TONE, "tone", tuple(str(each) for each in TONES), training)


def _index(part: slice, reference: Sequence[float] | None) -> ScoreSet:
    size = part.stop - part.start
    shares = np.ones(size) if reference is None else np.asarray(reference, np.float64)
    if shares.shape != (size,):
        raise ValueError(f"a reference has {size} weights, not {shares.size}")

    def score(rows: Floats, prompts: Sequence[str]) -> Interval:
        kept, _, classes = _marked(rows, part)
        return imbalance(classes, [prompts[index] for index in kept], shares)

    return score


def _amplification(part: slice, attribute: str, values: tuple[str, ...], training: str) -> ScoreSet:
    taught = training_shares(training, attribute, values)

    def score(rows: Floats, prompts: Sequence[str]) -> Interval:
        kept, occupations, classes = _marked(rows, part)
        known = np.isin(occupations, list(taught))
        kept, occupations, classes = kept[known], occupations[known], classes[known]
        if not len(kept):
            return Interval(
                value=None, note="no picture of an occupation that training shows and whose person is left open"
            )
        codes = numbered([f"{prompts[index]} {each}" for index, each in zip(kept.tolist(), occupations, strict=True)])
        counts = np.zeros((codes.max() + 1, len(values)))
        np.add.at(counts, (codes, classes), 1)
        of_prompt = np.zeros(len(counts), np.int64)
        of_prompt[codes] = occupations  # the same for all rows of a code
        return over_prompts(amplification(counts, np.array([taught[each] for each in of_prompt.tolist()])))

    return score


def _marked(rows: Floats, part: slice) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows with a mark in that part: their numbers, their occupations' numbers, which class is marked."""
    checked(rows, "bias")
    marks = rows[:, part]
    if not marks.size:
        none = np.zeros(0, np.int64)
        return none, none, none
    kept = np.flatnonzero(marks.max(axis=1) > 0)
    return kept, np.rint(rows[kept, 0]).astype(np.int64), marks[kept].argmax(axis=1)


@cache
def training_shares(path: str, attribute: str, values: tuple[str, ...]) -> dict[int, tuple[float, ...]]:
    """Number of an occupation -> scenes of each value in a training table.

    Raises:
        ValueError: the file is missing, or lacks a column.
    """
    place = Path(path) if Path(path).is_file() else ROOT / path
    if not place.is_file():
        raise ValueError(f"{path}: no such training table")
    with place.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for column in ("occupation", attribute, "scenes"):
        if not table or column not in table[0]:
            raise ValueError(f"{path}: no column {column!r}; a training table has occupation, {attribute}, scenes")
    counts: dict[int, list[float]] = {}
    for row in table:
        if row["occupation"] in TABLE and row[attribute] in values:
            shares = counts.setdefault(OCCUPATIONS.index(row["occupation"]), [0.0] * len(values))
            shares[values.index(row[attribute])] += float(row["scenes"])
    return {occupation: tuple(shares) for occupation, shares in counts.items() if sum(shares)}


def _stated(view: View) -> set[str]:
    """Attributes of the person that the prompt or its expectations name."""
    named = {name for name in DRAWN if view.prompt.expect.get(name) is not None}
    return named | {name for name in DRAWN if name in (read(view.prompt.text) or {})}


def _occupation(view: View, stated: set[str]) -> int:
    occupation = view.prompt.expect.get("occupation")
    return OCCUPATIONS.index(occupation) if occupation in OCCUPATIONS and not stated else -1
