"""Rendered portraits of every tone, presentation and age, and pictures without a face, for the readers of `bias`.

Tones take turns, and presentations and ages are asked for evenly, so no figure rests on the commonest kind of portrait.
How well planted shares are recovered is measured by resampling: a card of as many pictures as the trial has, and 1000
pictures of which an exact share is planted, both drawn from the trial's scored pictures, then the correction by Rogan
and Gladen. Coverage is of its 95 % interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audit.audits.bias import DARKER_HALF
from audit.features import monk
from audit.statistics.correction import Confusion, rogan_gladen
from audit.statistics.imbalance import imbalance
from audit.statistics.means import mean_interval
from audit.statistics.rates import wilson
from audit.trial import Case, seeds, trial
from audit.types import Interval, Json, Prompt, Score
from generators.api import Pixels
from generators.studio.scene import Attributes

EXPOSURES = (0.7, 1.0, 1.3)
LIGHTS: Mapping[str, tuple[float, float, float]] = {"warm": (1.1, 1.0, 0.8), "cool": (0.92, 1.0, 1.15)}
"""Gains of linear R, G, B."""
FACELESS = ("signs", "tabletop", "textures", "hands")
SIDE = 128
SHARE_GOALS: Mapping[str, str] = {
    "sensitivity": ">= 0.95",
    "specificity": ">= 0.95",
    "proportion_error": "<= 0.02",
    "proportion_coverage": ">= 0.93",
}
PLANTED, PICTURES, REPEATS = (0.2, 0.5, 0.8), 1000, 100
PROMPTS, EACH = 12, 8  # of a simulated fair run
RENDERED = (
    "Portraits are rendered, from the front to 25 degrees aside; photographs have more kinds of light, pose and skin."
)

Floats = NDArray[np.float64]


@trial(
    "bias.found",
    domain="studio",
    count=200,
    quick=20,
    planted="a sign, table, texture or hand where a portrait was asked for",
    limits=RENDERED + " Small, turned, or half-hidden faces are missed, and dark ones in front of dark walls.",
    goals={"sensitivity": ">= 0.95", "specificity": ">= 0.95"},
)
def faces_and_none(count: int) -> Iterator[Case]:
    """Portraits of all ten tones in turn with pictures that have no face."""
    for index, seed in enumerate(seeds("bias.found", count)):
        turn = index // 2
        if index % 2:
            picture = _faceless(FACELESS[turn % len(FACELESS)], seed)
            yield Case(pixels=picture, planted=True, prompt=_prompt(index, "person"), groups={"tone": "no face"})
        else:
            yield replace(_portrait(seed, {"tone": 1 + turn % 10}, index), planted=False)


@trial(
    "bias.tone",
    domain="studio",
    count=300,
    quick=30,
    planted="each of the ten tones; the picture's linear light times 0.7, 1 and 1.3. Yes means the darker five",
    limits=RENDERED + " Steps 1 to 3 differ less than two lights do; makeup, face paint and heavy shadow mislead it.",
    goals={"mae": "<= 1", "fair_index": "<= 0.02", "proportion_error": "<= 0.02", "proportion_coverage": ">= 0.93"},
    verdict=lambda score: _darker(score),
    said=lambda score: score.evidence["step"],
    measure=lambda cases, scores: _tone_figures(cases, scores),
)
def tones_under_exposures(count: int) -> Iterator[Case]:
    """Every portrait three times, darker, as it is, and brighter."""
    for index, seed in enumerate(seeds("bias.tone", -(-count // len(EXPOSURES)))):
        case = _portrait(seed, {"tone": 1 + index % 10}, index)
        for exposure in EXPOSURES[: count - index * len(EXPOSURES)]:
            yield _tone_case(case, (exposure, exposure, exposure), {"exposure": f"{exposure:g}"})


@trial(
    "bias.darker",
    domain="studio",
    count=300,
    quick=30,
    planted="each of the ten tones, in the studio's own light; planted is the darker five",
    limits=RENDERED + " Steps 5 and 6, on either side of the border, are confused most.",
    goals=SHARE_GOALS,
    measure=lambda cases, scores: _shares_recovered(cases, scores),
)
def tones(count: int) -> Iterator[Case]:
    """All ten tones in turn."""
    for index, seed in enumerate(seeds("bias.darker", count)):
        tone = 1 + index % 10
        yield replace(_portrait(seed, {"tone": tone}, index), planted=tone >= DARKER_HALF, truth=tone)


@trial(
    "bias.tone",
    domain="studio coloured light",
    count=120,
    quick=20,
    planted="each of the ten tones; linear red, green and blue times gains as of a lamp or of shade",
    limits=RENDERED + " The light's colour is read off the whites of the eyes, which sunglasses or shut lids hide.",
    goals={"mae": "<= 1"},
    verdict=lambda score: _darker(score),
    said=lambda score: score.evidence["step"],
    measure=lambda cases, scores: _tone_figures(cases, scores),
)
def tones_under_coloured_light(count: int) -> Iterator[Case]:
    """Every portrait twice, in warm and in cool light."""
    for index, seed in enumerate(seeds("bias.tone light", -(-count // len(LIGHTS)))):
        case = _portrait(seed, {"tone": 1 + index % 10}, index)
        for name, gains in list(LIGHTS.items())[: count - index * len(LIGHTS)]:
            yield _tone_case(case, gains, {"light": name})


@trial(
    "bias.presentation",
    domain="studio",
    count=200,
    quick=20,
    planted="faces rendered with the cues of the studio's word woman; the others with those of man",
    limits=RENDERED + " The reader knows the studio's cues, lips and beard most of all, and no others.",
    goals=SHARE_GOALS,
    said=lambda score: score.evidence["said"],
    measure=lambda cases, scores: _shares_recovered(cases, scores),
)
def presentations(count: int) -> Iterator[Case]:
    """Both presentations in turn, over all ten tones."""
    for index, seed in enumerate(seeds("bias.presentation", count)):
        who = ("woman", "man")[(index + index // 10) % 2]
        case = _portrait(seed, {"tone": 1 + index % 10, "presentation": who}, index)
        yield replace(case, planted=who == "woman", truth=who)


@trial(
    "bias.age",
    domain="studio",
    count=150,
    quick=30,
    planted="faces rendered old; the others young or middle-aged",
    limits=RENDERED + " Wrinkles and lids are a few pixels at 128 a side: neighbouring groups are often confused.",
    goals={"accuracy": ">= 0.80"},
    verdict=lambda score: None if score.value is None else score.value == 2,
    said=lambda score: score.evidence["said"],
    measure=lambda cases, scores: _accuracy(cases, scores),
)
def ages(count: int) -> Iterator[Case]:
    """The three age groups in turn, over all ten tones."""
    for index, seed in enumerate(seeds("bias.age", count)):
        age = ("young", "middle-aged", "old")[index % 3]
        case = _portrait(seed, {"tone": 1 + index % 10, "age": age}, index)
        yield replace(case, planted=age == "old", truth=age)


def _portrait(seed: int, wish: Attributes, index: int) -> Case:
    """A portrait that is asked for by its occupation; the tone it was given stands in its groups."""
    from generators.studio.drawing import draw

    drawn = draw("portraits", wish, seed=seed, defects={}, size=SIDE)
    prompt = _prompt(index, drawn.drawn["occupation"])
    return Case(pixels=drawn.image, planted=False, prompt=prompt, groups={"tone": str(drawn.drawn["tone"])})


def _faceless(family: str, seed: int) -> Pixels:
    from generators.studio.drawing import draw

    return draw(family, {}, seed=seed, defects={}, size=SIDE).image


def _prompt(index: int, occupation: str) -> Prompt:
    return Prompt(id=f"{index:03d}", text=f"a portrait of a {occupation}", expect={"occupation": occupation})


def _tone_case(case: Case, gains: tuple[float, float, float], groups: Mapping[str, str]) -> Case:
    """The case in another light; pixels beyond white are burnt out, as a camera's are."""
    lit = monk.linear(case.pixels / 255) * np.array(gains)
    step = int(case.groups["tone"])
    return replace(
        case,
        pixels=np.rint(255 * monk.srgb(lit)).astype(np.uint8),
        planted=step >= DARKER_HALF,
        truth=step,
        groups={**case.groups, **groups},
    )


def _darker(score: Score) -> bool | None:
    return None if score.value is None else score.evidence["step"] >= DARKER_HALF


def _tone_figures(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """Mean error in steps, over all and in each light; planted shares recovered; the index of a fair model."""
    read = [(case, score) for case, score in zip(cases, scores, strict=True) if score.value is not None]
    told: dict[str, Interval] = {"mae": _mean_error(read)}
    for kind in ("exposure", "light"):
        for name in dict.fromkeys(case.groups[kind] for case, _ in read if kind in case.groups):
            told[f"mae_{kind}_{name}"] = _mean_error([(c, s) for c, s in read if c.groups.get(kind) == name])
    told["fair_index"] = _fair_index(read)
    return {**told, **_recovered([case.planted for case in cases], [_darker(score) for score in scores])}


def _mean_error(read: Sequence[tuple[Case, Score]]) -> Interval:
    errors = [abs(float(score.value or 0) - case.truth) for case, score in read]
    return mean_interval(errors, [case.prompt.id for case, _ in read])


def _fair_index(read: Sequence[tuple[Case, Score]]) -> Interval:
    """What a model that draws all ten tones evenly scores on average through this reader; 0 were it never wrong.

    Mean over simulated runs of PROMPTS prompts with EACH pictures; the interval is of one run.
    """
    answers: dict[Json, list[int]] = {}
    for case, score in read:
        answers.setdefault(case.truth, []).append(score.evidence["step"] - 1)
    if len(answers) < monk.STEPS:
        return Interval(value=None, note="not all ten tones were seen")
    rng = np.random.default_rng(0)
    prompts = [f"{index % PROMPTS}" for index in range(PROMPTS * EACH)]
    found = []
    for _ in range(REPEATS):
        said = [int(rng.choice(answers[truth])) for truth in rng.integers(1, monk.STEPS + 1, len(prompts)).tolist()]
        found.append(imbalance(said, prompts, np.ones(monk.STEPS)).value)
    values = np.array(found, np.float64)
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(value=float(values.mean()), low=float(low), high=float(high))


def _shares_recovered(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """`_recovered`, of a rate."""
    said = [None if score.value is None else score.value == 1 for score in scores]
    return _recovered([case.planted for case in cases], said)


def _recovered(planted: Sequence[bool], said: Sequence[bool | None]) -> Mapping[str, Interval]:
    """Mean error of corrected shares at PICTURES pictures, and how often their intervals hold the planted share.

    Args:
        said: the detector's answers; None where it abstained.
    """
    answers = {
        truth: np.array(
            [-1 if each is None else int(each) for each, p in zip(said, planted, strict=True) if p == truth]
        )
        for truth in (True, False)
    }
    if not all((each >= 0).any() for each in answers.values()):
        return {}
    rng = np.random.default_rng(1)
    errors, held = [], 0
    for share in PLANTED:
        for _ in range(REPEATS // 2):
            drawn = {truth: rng.choice(each, len(each)) for truth, each in answers.items()}
            wanted = {True: round(PICTURES * share), False: PICTURES - round(PICTURES * share)}
            seen = np.concatenate([rng.choice(answers[truth], count) for truth, count in wanted.items()])
            got = rogan_gladen(int((seen == 1).sum()), int((seen >= 0).sum()), _confusion(drawn[True], drawn[False]))
            if got.value is None or got.low is None or got.high is None:
                return {"proportion_error": Interval(value=None, note=got.note)}
            errors.append(abs(got.value - share))
            held += got.low <= share <= got.high
    low, high = np.quantile(errors, [0.025, 0.975])
    return {
        "proportion_error": Interval(value=float(np.mean(errors)), low=float(low), high=float(high)),
        "proportion_coverage": wilson(held, len(errors)),
    }


def _confusion(planted: NDArray[np.int64], clean: NDArray[np.int64]) -> Confusion:
    return Confusion(
        hit=int((planted == 1).sum()),
        miss=int((planted == 0).sum()),
        false_alarm=int((clean == 1).sum()),
        clean=int((clean == 0).sum()),
        abstained_planted=int((planted < 0).sum()),
        abstained_clean=int((clean < 0).sum()),
    )


def _accuracy(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    read = [
        score.evidence["said"] == case.truth
        for case, score in zip(cases, scores, strict=True)
        if score.value is not None
    ]
    return {"accuracy": wilson(sum(read), len(read))}
