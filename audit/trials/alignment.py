"""Trial of the swap test: rendered pairs of things that show the prompt, or the prompt with two words exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.statistics.auroc import auroc
from audit.trial import Case, seeds, trial
from audit.types import Interval, Prompt, Score

_SIDE = 64


def separation(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """AUROC of the margin between the prompt and its nearest swap, over all and for either kind of swap."""
    kinds = sorted({case.groups["swap"] for case in cases})
    found = {"auroc": _auroc(cases, scores)}
    for kind in kinds:
        mine = [(case, score) for case, score in zip(cases, scores, strict=True) if case.groups["swap"] == kind]
        found[f"auroc_{kind}"] = _auroc(*zip(*mine, strict=True))
    return found


@trial(
    "align.swap",
    domain="studio",
    count=240,
    quick=24,
    planted="two rendered things with their colours exchanged, or each in the other's place, under an honest prompt",
    limits="The studio's image-text model is small and was trained on captions in which most words already give the "
    "scene away; which colour goes with which thing, and who stands on which side, it learnt only in part.",
    goals={"auroc": ">= 0.95", "sensitivity": ">= 0.90", "specificity": ">= 0.90"},
    measure=separation,
)
def swapped_pairs(count: int) -> Iterator[Case]:
    """Twins in turn: the scene as the prompt has it, and the same seed with the exchange."""
    from generators.studio.drawing import draw
    from generators.studio.palette import COLOURS
    from generators.studio.tabletop_text import RELATIONS, SHAPES

    for place, seed in enumerate(seeds("align.swap", count)):
        planted, pair = bool(place % 2), place // 2
        rng = np.random.default_rng([pair, seed - place])
        shapes = [str(each) for each in rng.choice(SHAPES, 2, replace=False)]
        colours = [str(each) for each in rng.choice([name for name in COLOURS if name != "wood"], 2, replace=False)]
        kind = ("attribute", "thing")[pair % 2]
        relation = str(rng.choice(RELATIONS))
        things = [_thing(colour, shape) for colour, shape in zip(colours, shapes, strict=True)]
        text = " ".join([things[0], relation if kind == "thing" else "and", things[1]])
        shown = list(zip(shapes, colours, strict=True))
        if planted:
            shown = shown[::-1] if kind == "thing" else list(zip(shapes, colours[::-1], strict=True))
        groups = [{"count": 1, "shape": shape, "colour": colour, "size": "large"} for shape, colour in shown]
        wish = {"groups": groups, "relation": relation, "mirror": False}
        drawn = draw("tabletop", wish, seed=seed - place + pair, defects={}, size=_SIDE)
        yield Case(
            pixels=drawn.image,
            planted=planted,
            prompt=Prompt(id=f"pair-{pair}", text=text),
            groups={"swap": kind} | ({"relation": relation} if kind == "thing" else {}),
        )


def _auroc(cases: Sequence[Case], scores: Sequence[Score]) -> Interval:
    margins = [
        (case.planted, -float(score.evidence["margin"]))
        for case, score in zip(cases, scores, strict=True)
        if score.status == "ok"
    ]
    return auroc([each for planted, each in margins if planted], [each for planted, each in margins if not planted])


def _thing(colour: str, shape: str) -> str:
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {shape}"
