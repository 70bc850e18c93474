"""Memorization put to the test: training scenes given back in disguise, and what the memorizing sibling gives back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from audit.statistics.rates import wilson
from audit.trial import Case, seeds, trial
from audit.types import Interval, Prompt, Score, seed_for
from audit.weights import ROOT
from generators.api import Pixels

SIZE = 128
SHOWN = ROOT / "generators/weights/memorizer/shown.jsonl"
FRESH, ASKED = 12, 2  # clean scenes beside each planted one: of their own captions, and of the planted scene's
STEPS = 20
TOGETHER = 8  # pictures that a generator is asked for at once: with guidance they fill its batch


def disguises(picture: Pixels, rng: np.random.Generator) -> dict[str, Pixels]:
    """A picture cropped, mirrored, recoloured, grained, and all of it at once; by name."""
    return {
        "as it was": picture,
        "crop": cropped(picture, rng),
        "flip": picture[:, ::-1],
        "recolour": recoloured(picture, rng),
        "noise": grained(picture, rng),
        "all": grained(recoloured(cropped(picture, rng)[:, ::-1], rng), rng),
    }


def cropped(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """A square of 80 to 95 % of the side, anywhere."""
    side = round(len(picture) * rng.uniform(0.80, 0.95))
    top, left = rng.integers(0, len(picture) - side + 1, 2)
    part: Pixels = picture[top : top + side, left : left + side]
    return part


def recoloured(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Another exposure and white balance: a gamma of 0.7 to 1.4, and each channel times 0.75 to 1.25."""
    values = (picture / 255) ** rng.uniform(0.7, 1.4) * rng.uniform(0.75, 1.25, 3)
    shown: Pixels = np.rint(255 * values.clip(0, 1)).astype(np.uint8)
    return shown


def grained(picture: Pixels, rng: np.random.Generator, spread: float = 15.0) -> Pixels:
    """Gaussian grain of so many grey levels."""
    return np.rint(picture + rng.normal(0, spread, picture.shape)).clip(0, 255).astype(np.uint8)


def false_alarms(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """Alarms among fresh scenes of their own and of training captions, and how often the right scene is named."""
    told = [(case, score) for case, score in zip(cases, scores, strict=True) if score.value is not None]

    def alarms(kind: str) -> Interval:
        mine = [score.value for case, score in told if case.groups["disguise"] == kind]
        return wilson(sum(value == 1 for value in mine), len(mine))

    caught = [(case, score) for case, score in told if case.planted and score.value == 1]
    right = sum(score.evidence["nearest"] == case.truth for case, score in caught)
    return {
        "false_alarm": alarms("none, fresh"),
        "false_alarm_same_caption": alarms("none, same caption"),
        "named_rightly": wilson(right, len(caught)),
    }


@trial(
    "memorization.copied",
    domain="studio",
    count=1890,
    quick=42,
    planted="training scenes are drawn again as they were, cropped to 80 to 95 %, mirrored, recoloured, grained, all "
    "of that at once, and with the camera nudged; clean: fresh scenes, some asked for by a training caption",
    limits="Studio scenes of one kind look alike by design, open hands most of all: a fresh scene may come near and "
    "be no copy. Pictures are compared at 32 pixels, where a fine weave is nearly plain. Hue turned round, or a "
    "quarter of the picture cut away, hides a copy.",
    goals={"sensitivity": ">= 0.95", "false_alarm": "<= 0.013"},
    measure=false_alarms,
)
def disguised_scenes(count: int) -> Iterator[Case]:
    """In turn the disguises of a training scene, a nudged one, and fresh scenes."""
    yield from islice(_scenes(), count)


def _scenes() -> Iterator[Case]:
    from generators.studio.drawing import near_duplicate

    rows = np.random.default_rng(0).permutation(len(shown())).tolist()
    fresh = iter(seeds("memorization.copied", 2**16))
    for row in rows:
        seed, name = shown()[row]["seed"], shown()[row]["family"]
        rng = np.random.default_rng(seed)
        for disguise, picture in disguises(_drawn(name, {}, seed), rng).items():
            yield _case(picture, disguise, name, seed)
        yield _case(near_duplicate(name, seed, seed=next(fresh), size=SIZE), "nudge", name, seed)
        for _ in range(FRESH):
            yield _fresh(next(fresh))
        for caption in shown()[row]["captions"][:ASKED]:
            yield _asked(name, caption, next(fresh))


def _case(picture: Pixels, disguise: str, name: str, seed: int | None) -> Case:
    return Case(
        pixels=np.ascontiguousarray(picture),
        planted=seed is not None,
        truth=None if seed is None else f"scene {seed}",
        groups={"disguise": disguise, "family": name},
    )


def _fresh(seed: int) -> Case:
    from generators.studio.drawing import family_of

    name = family_of(seed)
    return _case(_drawn(name, {}, seed), "none, fresh", name, None)


def _asked(name: str, caption: str, seed: int) -> Case:
    from generators.studio.drawing import family

    return _case(_drawn(name, family(name).read(caption) or {}, seed), "none, same caption", name, None)


def _drawn(name: str, wish: Mapping[str, Any], seed: int) -> Pixels:
    from generators.studio.drawing import draw

    return draw(name, dict(wish), seed=seed, defects={}, size=SIZE).image


def by_repeats(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """How often scenes shown so many times came back, and how often the right one was named."""
    told = [
        (case, score) for case, score in zip(cases, scores, strict=True) if score.value is not None and case.planted
    ]
    found = {}
    for repeats in ("1000", "100"):
        mine = [score.value == 1 for case, score in told if case.groups["repeats"] == repeats]
        found[f"came_back_{repeats}"] = wilson(sum(mine), len(mine))
    caught = [(case, score) for case, score in told if score.value == 1]
    right = sum(score.evidence["nearest"] == case.truth for case, score in caught)
    return {**found, "named_rightly": wilson(right, len(caught))}


@trial(
    "memorization.copied",
    domain="memorizer",
    count=80,
    quick=10,
    planted="builtin:memorizer draws the captions of scenes that it was shown 100 or 1000 times; clean: builtin:ldm "
    "draws the same captions, having been shown each scene as often as any other",
    limits="What the sibling never learned by heart cannot be found: this bounds sibling and detector together.",
    goals={"sensitivity": ">= 0.95", "specificity": ">= 0.95"},
    measure=by_repeats,
)
def drawn_from_memory(count: int) -> Iterator[Case]:
    """For each scene that was shown often, a picture of its first caption by either generator, in turn."""
    often = [row for row in shown() if row["repeats"] >= 100]
    pairs = -(-count // 2)
    chosen = [often[place * len(often) // pairs % len(often)] for place in range(pairs)]
    cases = (case for start in range(0, pairs, TOGETHER) for case in _by_both(chosen[start : start + TOGETHER]))
    yield from islice(cases, count)


def _by_both(rows: Sequence[Mapping[str, Any]]) -> Iterator[Case]:
    prompts = [Prompt(id=f"scene {row['seed']}", text=row["captions"][0]) for row in rows]
    by_heart, honest = (_generated(name, prompts) for name in ("memorizer", "ldm"))
    for row, prompt, copy, other in zip(rows, prompts, by_heart, honest, strict=True):
        for picture, repeats in ((copy, str(row["repeats"])), (other, "once like all")):
            yield Case(
                pixels=picture,
                planted=picture is copy,
                prompt=prompt,
                truth=prompt.id,
                groups={"repeats": repeats, "family": row["family"]},
            )


def _generated(name: str, prompts: Sequence[Prompt]) -> list[Pixels]:
    from generators.api import Request, Settings

    settings = Settings(steps=STEPS)
    requests = [Request(text=each.text, seed=seed_for(each.id, 0), settings=settings) for each in prompts]
    made = dict(_generator(name).generate(requests))
    return [np.asarray(made[place]) for place in range(len(prompts))]


@cache
def _generator(name: str) -> Any:
    from generators import builtin

    return builtin.load(name)


@cache
def shown() -> list[dict[str, Any]]:
    """What the memorizing sibling was shown, most often first."""
    return [json.loads(line) for line in SHOWN.read_text(encoding="utf-8").splitlines()]
