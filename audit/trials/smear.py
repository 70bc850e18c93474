"""Round trips that lose nothing worth speaking of, and round trips that lose everything, at three sizes of subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.statistics.means import mean_interval
from audit.trial import Case, Trial, Verdict, seeds, trial
from audit.types import Interval, Prompt, Score
from generators.api import Pixels, Settings

SMEARED = 14  # pixels a side that a smeared picture was brought down to: a letter is left with two or three
PLANTED = f"the picture brought down to {SMEARED} pixels a side and enlarged again; clean ones went through JPEG at 95"
GOALS = {"sensitivity": ">= 0.95", "specificity": ">= 0.95"}
LIMITS = (
    "The truth is plain: all is lost or next to nothing is. What lies between is a matter of degree that the audit "
    "reports as a number. "
)


def _family(name: str, family: str, verdict: Verdict, limits: str) -> Trial:
    def cases(count: int) -> Iterator[Case]:
        from generators.studio.smear_suite import SIDES, shown

        sizes = list(SIDES)
        for place, seed in enumerate(seeds(name, count)):
            size = sizes[place // 2 % len(sizes)]
            scene = shown(family, seed, SIDES[size])
            made = smeared(scene.image, SMEARED) if place % 2 else harmless(scene.image)
            expect = {"text": scene.drawn["text"]} if family == "signs" else {}
            yield Case(
                pixels=made,
                planted=bool(place % 2),
                prompt=Prompt(id=f"{family}-{seed}", text=scene.caption, expect=expect, inputs={"source": "source"}),
                groups={"size": size},
                settings=Settings(task="img2img", strength=0.0),
                inputs={"source": scene.image},
            )

    register = trial(
        name,
        domain="studio",
        count=90,
        quick=18,
        planted=PLANTED,
        limits=LIMITS + limits,
        goals=GOALS,
        verdict=verdict,
        measure=_means,
    )
    return register(cases)


def smeared(image: Pixels, side: int) -> Pixels:
    """The picture brought down to `side` pixels a side (mean of areas) and enlarged again (bicubic)."""
    import cv2

    height, width = image.shape[:2]
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def harmless(image: Pixels) -> Pixels:
    """The picture through JPEG at quality 95: losses that nobody sees."""
    import cv2

    _, packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[..., ::-1])


def _above(threshold: float) -> Verdict:
    return lambda score: None if score.value is None else score.value > threshold


def _means(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """The mean score of clean and of smeared pictures."""
    found = {}
    for planted, name in ((False, "mean_clean"), (True, "mean_smeared")):
        some = [
            (case.prompt.id, score.value)
            for case, score in zip(cases, scores, strict=True)
            if case.planted is planted and score.value is not None
        ]
        found[name] = mean_interval([value for _, value in some], [prompt for prompt, _ in some])
    return found


letters = _family(
    "smear.text", "signs", _above(0.0), "A reader's slip in either picture looks like a loss or hides one."
)
hands = _family(
    "smear.hand", "hands", _above(0.5), "The landmarks are a template of 21: a finger lost may keep its own."
)
faces = _family("smear.face", "portraits", _above(0.5), "A mesh is fitted to anything like a face, however blurred.")
