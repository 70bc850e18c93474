"""Tables with one to six objects against prompts that ask for them, for one more or less, or for the other side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.rates import wilson
from audit.trial import Case, seeds, trial
from audit.types import Interval, Json, Prompt, Score

if TYPE_CHECKING:
    from generators.studio.drawing import Drawn

SIZE = 128
MOST = 6
OTHER_WAY = {"left of": "right of", "right of": "left of", "in front of": "behind", "behind": "in front of"}


def found_count(score: Score) -> Json:
    """How many objects were found."""
    return score.evidence["objects"]


def exactness(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """Share of pictures whose objects were counted exactly, in all and by their number, and the mean absolute error."""
    found = [(int(case.truth), int(score.evidence["objects"])) for case, score in zip(cases, scores, strict=True)]
    right = [truth == said for truth, said in found]
    told = {"exact": wilson(sum(right), len(right))}
    for number in range(1, MOST + 1):
        mine = [each for each, (truth, _) in zip(right, found, strict=True) if truth == number]
        told[f"exact_{number}"] = wilson(sum(mine), len(mine))
    told["mean_error"] = Interval(value=float(np.mean([abs(truth - said) for truth, said in found])), note="objects")
    return told


@trial(
    "count.exact",
    domain="studio",
    count=300,
    quick=48,
    planted="rendered tables with one to six objects in one to three kinds; for every other one the prompt asks for "
    "one object of a kind more or less than there is",
    limits="The finder knows six solids in eleven colours on a table, from rendered scenes. Objects of one colour that "
    "hide each other are told apart by their outlines alone; a dark object on a dark table can be missed; brown and "
    "orange, grey and white can be confused in strong light or shade.",
    goals={"exact": ">= 0.95", "sensitivity": ">= 0.90", "specificity": ">= 0.90"},
    said=found_count,
    measure=exactness,
)
def counted(count: int) -> Iterator[Case]:
    """As many tables of each number; the kinds on a table differ in shape or colour."""
    from generators.studio.drawing import stream

    for place, seed in enumerate(seeds("count.exact", count)):
        rng = stream(seed, "wrong number")
        objects = 1 + place % MOST
        wrong = place // MOST % 2 == 1
        drawn = arranged(seed, objects)
        kinds = [{name: each[name] for name in ("shape", "colour", "count")} for each in drawn.drawn["groups"]]
        if wrong:
            chosen = kinds[int(rng.integers(len(kinds)))]
            chosen["count"] += int(rng.choice((-1, 1))) if chosen["count"] > 1 else 1
        prompt = Prompt(id=str(seed), text=drawn.caption, expect={"objects": kinds})
        groups = {"objects": str(objects), "kinds": str(len(kinds)), "table": str(drawn.drawn["table"])}
        yield Case(pixels=drawn.image, planted=wrong, truth=objects, prompt=prompt, groups=groups)


def arranged(seed: int, objects: int) -> Drawn:
    """A table with so many objects."""
    from generators.studio.drawing import draw, stream

    return draw("tabletop", {"groups": _groups(objects, stream(seed, "trial"))}, seed=seed, defects={}, size=SIZE)


@trial(
    "count.relation",
    domain="studio",
    count=160,
    quick=32,
    planted="rendered pairs of objects in one of four relations; for every other one the prompt asks for the opposite",
    limits="Directions are those on the table as the camera sees it, within 60 degrees. An object that is not found, "
    "or is taken for another shape or colour, makes any relation fail.",
    goals={"sensitivity": ">= 0.95", "specificity": ">= 0.95"},
)
def related(count: int) -> Iterator[Case]:
    """Pairs of objects, with what is true of them or its opposite asked for."""
    from generators.studio.drawing import draw

    for place, seed in enumerate(seeds("count.relation", count)):
        drawn = draw("tabletop", {"groups": [{"count": 1}, {"count": 1}]}, seed=seed, defects={}, size=SIZE)
        true, wrong = str(drawn.drawn["relation"]), place % 2 == 1
        kinds = [{name: each[name] for name in ("shape", "colour", "count")} for each in drawn.drawn["groups"]]
        expect = {"objects": kinds, "relation": OTHER_WAY[true] if wrong else true}
        prompt = Prompt(id=str(seed), text=drawn.caption, expect=expect)
        yield Case(pixels=drawn.image, planted=wrong, truth=true, prompt=prompt, groups={"relation": true})


def _groups(objects: int, rng: np.random.Generator) -> list[dict[str, Json]]:
    """So many objects in one to three groups; their colours differ, as the studio draws them."""
    kinds = int(rng.integers(1, min(3, objects) + 1))
    cuts = np.sort(rng.choice(np.arange(1, objects), kinds - 1, replace=False)) if kinds > 1 else np.array([], int)
    return [{"count": int(count)} for count in np.diff([0, *cuts.tolist(), objects])]
