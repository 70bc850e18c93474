"""Signs with wrong letters, drawn on purpose: do the readers notice, and what do they misread where nothing is wrong?

Half of the strings are common words, which a reader that knows words may repair; half are made up. Sizes are pictures'
sides, which their signs fill; blur is a Gaussian's sigma at 128 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import stats

from audit.audits.text import normalised
from audit.statistics.edits import edits
from audit.statistics.means import mean_interval
from audit.statistics.rates import wilson
from audit.trial import Case, no_verdict, seeds, trial
from audit.types import Interval, Prompt, Score
from generators.api import Pixels

Condition = tuple[int, float]
CONDITIONS: tuple[Condition, ...] = ((64, 0.0), (128, 0.0), (256, 0.0), (128, 1.0), (128, 2.0))
"""(side in pixels, sigma of the blur in pixels)."""
BARELY_LEGIBLE: tuple[Condition, ...] = ((128, 3.0), (128, 4.0))
SAMPLES = 8
LEAST = 4  # letters of a made-up word: shorter ones are often words after all
LIMITS = (
    "A reader that misreads a clean sign counts it as wrong, and a reader that knows words may read what ought to be "
    "there. Round ornaments are read as letters. Signs are rendered, upright, in capitals of four fonts; handwriting, "
    "other scripts and letters of fewer pixels are harder, and look-alikes (O and 0) are not planted."
)


@trial(
    "text.exact",
    domain="studio",
    count=240,
    quick=40,
    planted="one letter of the sign replaced, lost, added, doubled, or exchanged with its neighbour",
    limits=LIMITS,
    goals={"sensitivity": ">= 0.90", "recall": ">= 0.90", "recall_nonce": ">= 0.90"},
    measure=lambda cases, scores: _repairs(cases, scores),
)
def one_letter(count: int) -> Iterator[Case]:
    """Every other sign has one wrong letter; words and made-up words take turns."""
    return _in_turn(seeds("text.exact", count), (0, 1), CONDITIONS)


@trial(
    "text.exact",
    domain="studio blurred",
    count=120,
    quick=16,
    planted="as in the trial on the studio's signs, then blurred until the letters can barely be told",
    limits=LIMITS,
    goals={},
    measure=lambda cases, scores: _repairs(cases, scores),
)
def one_blurred_letter(count: int) -> Iterator[Case]:
    """Where letters can barely be told, a reader that knows words has most to repair."""
    return _in_turn(seeds("text.exact blurred", count), (0, 1), BARELY_LEGIBLE)


@trial(
    "text.cer",
    domain="studio",
    count=210,
    quick=42,
    planted="none, one, two or three letters of the sign wrong; the truth is the drawn string's own error rate",
    limits=LIMITS,
    goals={},
    verdict=no_verdict,
    measure=lambda cases, scores: _floor(cases, scores),
)
def several_letters(count: int) -> Iterator[Case]:
    """Half of the signs are clean, for the reader's own error; the others have one to three wrong letters."""
    return _in_turn(seeds("text.cer", count), (0, 1, 0, 2, 0, 3), (*CONDITIONS, *BARELY_LEGIBLE))


def _in_turn(numbers: Sequence[int], wrong: Sequence[int], conditions: Sequence[Condition]) -> Iterator[Case]:
    """Signs that take every number of wrong letters in turn, and after each round another kind of word or condition."""
    for place, seed in enumerate(numbers):
        turn, letters = divmod(place, len(wrong))
        condition = conditions[turn // 2 % len(conditions)]
        yield sign(seed, wrong=wrong[letters], nonce=turn % 2 == 1, condition=condition)


def sign(seed: int, *, wrong: int, nonce: bool, condition: Condition) -> Case:
    """A sign with so many wrong letters; its truth is what is drawn on it."""
    import cv2

    from generators.studio import words
    from generators.studio.drawing import draw

    rng = np.random.default_rng(seed)
    text = _nonce(rng) if nonce else words.word(rng) if rng.random() < 0.75 else words.pair(rng)
    drawn, kind = _with_wrong(text, wrong, rng)
    size, blur = condition
    wish = {"text": text, "drawn": drawn}
    shown = draw("signs", wish, seed=seed, defects={}, size=size, samples=SAMPLES)
    pixels: Pixels = cv2.GaussianBlur(shown.image, (0, 0), blur) if blur else shown.image
    groups = {"words": "made up" if nonce else "common", "font": shown.asked["font"], "carrier": shown.asked["carrier"]}
    if not blur:
        groups["size"] = str(size)
    if size == 128:
        groups["blur"] = f"{blur:g}"
    if wrong == 1:
        groups["edit"] = kind
    prompt = Prompt(id=f"sign-{seed}", text=shown.caption, expect={"text": text})
    return Case(pixels=pixels, planted=bool(wrong), prompt=prompt, truth=drawn, groups=groups)


def _nonce(rng: np.random.Generator) -> str:
    """A made-up word of LEAST letters or more that is none of the studio's words."""
    from generators.studio import words

    while len(made := words.nonsense(rng)) < LEAST or made in words.WORDS:
        pass
    return made


def _with_wrong(text: str, wrong: int, rng: np.random.Generator) -> tuple[str, str]:
    """The text after so many edits, and the kind of the last."""
    from generators.studio import signs

    drawn, kind = text, ""
    while wrong and drawn == text:
        for _ in range(wrong):
            letters = [place for place, letter in enumerate(drawn) if letter.isalnum()]
            at = letters[int(rng.integers(len(letters)))]
            doubled = drawn[: at + 1] + drawn[at:]
            drawn, kind = (doubled, "doubling") if rng.random() < 0.2 else signs.misspelling(drawn, rng)[:2]
    return drawn, kind


def _repairs(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """How often a wrong letter is noticed, repaired or read as it stands; and the error rate on clean signs.

    By common and made-up words, for only the former can be repaired from memory.
    """
    found: dict[str, Interval] = {}
    for words, ending in (("common", ""), ("made up", "_nonce")):
        some = [
            (case, score)
            for case, score in zip(cases, scores, strict=True)
            if case.planted and case.groups["words"] == words
        ]
        repaired = sum(score.value == 1 for _, score in some)
        as_drawn = sum(normalised(score.evidence["read"]) == normalised(case.truth) for case, score in some)
        found[f"recall{ending}"] = wilson(len(some) - repaired, len(some))
        found[f"autocorrect{ending}"] = wilson(repaired, len(some))
        found[f"read_as_drawn{ending}"] = wilson(as_drawn, len(some))
    clean = [(case, score.evidence["read"]) for case, score in zip(cases, scores, strict=True) if not case.planted]
    found["ocr_floor"] = _mean([case for case, _ in clean], [_rate(case, read) for case, read in clean])
    return found


def _floor(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """The error rate of clean signs by size and blur; and over all, how the measured rate follows the true one."""
    clean = [(case, score.value or 0.0) for case, score in zip(cases, scores, strict=True) if not case.planted]
    found = {"floor": _mean([case for case, _ in clean], [value for _, value in clean])}
    for kind, value in [*(("size", each) for each in ("64", "128", "256")), *(("blur", each) for each in "1234")]:
        some = [(case, error) for case, error in clean if case.groups.get(kind) == value]
        found[f"floor_{kind}_{value}"] = _mean([case for case, _ in some], [error for _, error in some])
    rates = [(case, _rate(case, case.truth), score.value or 0.0) for case, score in zip(cases, scores, strict=True)]
    beyond = {f"{blur:g}" for _, blur in BARELY_LEGIBLE}
    legible = [each for each in rates if each[0].groups.get("blur") not in beyond]
    for pairs, ending in ((rates, ""), (legible, "_legible")):
        found[f"bias{ending}"] = _mean([case for case, _, _ in pairs], [said - true for _, true, said in pairs])
        found[f"correlation{ending}"] = _correlation([true for _, true, _ in pairs], [said for _, _, said in pairs])
    return found


def _correlation(one: Sequence[float], other: Sequence[float]) -> Interval:
    """Pearson's, with Fisher's interval."""
    if len(one) < 4 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return Interval(value=None, note=f"{len(one)} pictures, or all alike: no correlation")
    fit = stats.pearsonr(one, other)
    low, high = fit.confidence_interval()
    return Interval(value=float(fit.statistic), low=float(low), high=float(high))


def _rate(case: Case, read: str) -> float:
    """Error rate of what was read against what was asked for."""
    asked = normalised(str(case.prompt.expect["text"]))
    return edits(asked, normalised(read)).distance / len(asked)


def _mean(cases: Sequence[Case], values: Sequence[float]) -> Interval:
    return mean_interval(values, [case.prompt.id for case in cases])
