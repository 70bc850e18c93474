"""Hands of 3 to 7 digits, rendered, on walls and on clutter, sharp, blurred and drawn like cartoons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from audit.statistics.rates import wilson
from audit.trial import Case, seeds, trial
from audit.types import Interval, Prompt, Score
from generators.api import Pixels

SIZE = 128
CLUTTER = ("tabletop", "signs", "textures", "portraits")
BLURS = {"none": 0.0, "1 px": 1.0, "2 px": 2.0}
LOOKS = ("as rendered", "as rendered", "on clutter", "on clutter", "cartoon")


def rendered(name: str, count: int) -> Iterator[tuple[Case, int, int]]:
    """`count` cases with their numbers of digits and of raised fingers; half of the hands have five digits."""
    from generators.studio.drawing import draw, stream

    for seed in seeds(name, count):
        rng = stream(seed, "trial")
        digits = int(rng.choice([3, 4, 5, 6, 7], p=[0.1, 0.15, 0.5, 0.15, 0.1]))
        drawn = draw("hands", {"digits": digits}, seed=seed, defects={}, size=SIZE)
        look, blur = str(rng.choice(LOOKS)), str(rng.choice(list(BLURS), p=[0.6, 0.25, 0.15]))
        picture = drawn.image
        if look == "on clutter":
            wall = 1 + drawn.rendered.names.index("wall")
            behind = draw(str(rng.choice(CLUTTER)), {}, seed=seed, defects={}, size=SIZE, samples=8).image
            mask = cv2.GaussianBlur((drawn.rendered.ids != wall).astype(np.float32), (0, 0), 0.6)[..., None]
            picture = np.rint(picture * mask + behind * (1 - mask)).astype(np.uint8)
        elif look == "cartoon":
            picture = cartoon(picture)
        if BLURS[blur]:
            picture = cv2.GaussianBlur(picture, (0, 0), BLURS[blur])
        facts = drawn.drawn
        case = Case(
            pixels=picture,
            planted=digits != 5,
            truth=digits,
            prompt=Prompt(id=str(seed), text="a photo of a hand"),
            groups={
                "tone": str(facts["tone"]),
                "look": look,
                "blur": blur,
                "digits": str(digits),
                "view": facts["view"],
                "raised": "all" if facts["raised"] == digits else "none" if not facts["raised"] else "some",
            },
        )
        yield case, digits, int(facts["raised"])


def cartoon(picture: Pixels) -> Pixels:
    """Five flat shades a channel and dark outlines."""
    smooth = cv2.pyrMeanShiftFiltering(picture, 4, 24)
    flat: Pixels = (np.round(smooth / 255.0 * 5) / 5 * 255).astype(np.uint8)
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    flat[cv2.Canny(grey, 40, 100) > 0] = 20
    return flat


def tone_gaps(cases: Sequence[Case], scores: Sequence[Score]) -> dict[str, Interval]:
    """How far sensitivity and specificity lie apart between light (1-3), middle and dark (8-10) tones."""
    return {f"tone_gap_{name}": _gap(cases, scores, planted) for name, planted in _SIDES.items()}


_SIDES = {"sensitivity": True, "specificity": False}
_THIRDS = (range(1, 4), range(4, 8), range(8, 11))


def _gap(cases: Sequence[Case], scores: Sequence[Score], planted: bool) -> Interval:
    """Greatest difference of a rate between the thirds; its interval by the normal approximation of that pair."""
    rates = []
    for tones in _THIRDS:
        right = [
            score.value == float(planted)
            for case, score in zip(cases, scores, strict=True)
            if score.status == "ok" and case.planted == planted and int(case.groups["tone"]) in tones
        ]
        if not right:
            return Interval(value=None, note="a third of the tones has no picture that was decided on")
        rates.append((float(np.mean(right)), len(right)))
    (low, few), (high, many) = min(rates), max(rates)
    spread = 1.96 * float(np.sqrt(low * (1 - low) / few + high * (1 - high) / many))
    return Interval(value=high - low, low=max(0.0, high - low - spread), high=min(1.0, high - low + spread))


@trial(
    "hands.wrong",
    domain="studio",
    count=900,
    quick=100,
    planted="rendered hands of 3, 4, 6 or 7 digits (fingers more in the row, beside the little finger, forked, a "
    "second thumb; fingers fewer with a gap or respaced) among hands of five; walls, clutter, cartoon outlines, blur",
    limits="Folded fingers and thumbs behind the hand cannot be counted: there it abstains. Its training hands come "
    "from the same renderer, other seeds; of fingers pasted onto photographs it finds two thirds, of fingers painted "
    "over a fifth. Measure your pictures with audit calibrate --images.",
    goals={
        "sensitivity": ">= 0.90",
        "specificity": ">= 0.95",
        "tone_gap_sensitivity": "<= 0.05",
        "tone_gap_specificity": "<= 0.05",
    },
    said=lambda score: score.evidence["digits"][0],
    measure=tone_gaps,
)
def wrong_hands(count: int) -> Iterator[Case]:
    """Hands with the wrong number of digits among hands with five."""
    return (case for case, _, _ in rendered("hands.wrong", count))


@trial(
    "hands.raised",
    domain="studio",
    count=250,
    quick=50,
    planted="prompts that ask for another number of raised fingers than the rendered hand of five raises",
    limits="A finger that is half bent, or seen from its tip, may count as raised or not.",
    goals={"sensitivity": ">= 0.90", "specificity": ">= 0.90"},
    said=lambda score: score.evidence["raised"][0],
)
def raised_fingers(count: int) -> Iterator[Case]:
    """Half of the hands raise what was asked."""
    from generators.studio.drawing import draw, stream

    for seed in seeds("hands.raised", count):
        rng = stream(seed, "trial")
        facts_raised = int(rng.integers(0, 6))
        drawn = draw("hands", {"digits": 5, "raised": facts_raised}, seed=seed, defects={}, size=SIZE)
        wrong = bool(rng.random() < 0.5)
        asked = int(rng.choice([n for n in range(6) if n != facts_raised])) if wrong else facts_raised
        yield Case(
            pixels=drawn.image,
            planted=wrong,
            truth=facts_raised,
            prompt=Prompt(id=str(seed), text="a photo of a hand", expect={"raised": asked, "digits": 5}),
            groups={"tone": str(drawn.drawn["tone"]), "view": drawn.drawn["view"]},
        )


@trial(
    "hands.wrong",
    domain="suite hands",
    count=1000,
    quick=100,
    planted="hands that the prompts of the suite `hands` ask for, in every other one of which the studio adds a finger "
    "or takes one away",
    limits="Most prompts fold some fingers, and one more folded finger hardly shows: more is missed than among hands "
    "at large, where whole hands of 3, 4 and 7 digits are easy. It is this card that corrects rates.",
    goals={"specificity": ">= 0.95"},
    said=lambda score: score.evidence["digits"][0],
    measure=lambda cases, scores: _by_defect(cases, scores),
)
def one_finger_off(count: int) -> Iterator[Case]:
    """The suite's prompts in turn: as they are, with a finger more, as they are, with a finger less."""
    from audit.suites import load
    from generators.studio.drawing import draw
    from generators.studio.generator import understood

    prompts = load("hands").prompts
    for place, seed in enumerate(seeds("hands.wrong suite", count)):
        prompt = prompts[place // 4 % len(prompts)]
        name, wish = understood(prompt.text) or ("hands", {})
        defect = ("none", "extra_finger", "none", "missing_finger")[place % 4]
        drawn = draw(name, wish, seed=seed, defects={defect: 1.0}, size=SIZE)
        yield Case(
            pixels=drawn.image,
            planted=drawn.drawn["digits"] != 5,
            truth=int(drawn.drawn["digits"]),
            prompt=prompt,
            groups={"defect": defect, "raised": str(drawn.asked["raised"]), "tone": str(drawn.drawn["tone"])},
        )


def _by_defect(cases: Sequence[Case], scores: Sequence[Score]) -> dict[str, Interval]:
    """Sensitivity to either defect."""
    found = {}
    for defect in ("extra_finger", "missing_finger"):
        mine = [
            s.value == 1
            for c, s in zip(cases, scores, strict=True)
            if s.status == "ok" and c.groups["defect"] == defect
        ]
        found[f"found_{defect}"] = wilson(sum(mine), len(mine))
    return found
