"""Tables on which one shadow, or all, fall as if from another light, and mirrors that show another scene."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.auroc import auroc
from audit.statistics.means import mean_interval
from audit.statistics.rates import wilson
from audit.trial import Case, seeds, trial
from audit.types import Interval, Prompt, Score
from generators.api import Pixels

if TYPE_CHECKING:
    from generators.studio.scene import Light, Scene

SIZE = 128
TURNS = (15, 30, 60, 90)
OBJECTS = (3, 4, 5, 6)
GREY, SEEN, TRIES = 24, 60, 3
"""A turned shadow is in sight where it changes SEEN pixels by more than GREY levels; so many objects are tried."""


def shadow_figures(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """Detection at each angle, the mean residual there in degrees, and the AUROC of the residual."""
    told: dict[str, Interval] = {}
    residuals: dict[int, list[float]] = {}
    for case, score in zip(cases, scores, strict=True):
        if score.status == "ok":
            residuals.setdefault(int(case.truth), []).append(max(score.evidence["counted"]))
    said = [(int(case.truth), score.value) for case, score in zip(cases, scores, strict=True) if score.status == "ok"]
    for turn in sorted(residuals):
        flagged = [value for truth, value in said if truth == turn]
        told[f"flagged_at_{turn}"] = wilson(sum(value == 1 for value in flagged), len(flagged))
        told[f"residual_at_{turn}"] = mean_interval(residuals[turn], [str(n) for n in range(len(residuals[turn]))])
    clean, planted = residuals.get(0, []), [each for turn, some in residuals.items() if turn for each in some]
    if len(clean) > 1 and len(planted) > 1:
        told["auroc"] = auroc(planted, clean)
    return told


@trial(
    "physics.shadow_wrong",
    domain="studio",
    count=240,
    quick=24,
    planted="rendered tables with three to six objects; in every other one the shadow of one object, in sight, is that "
    "of a light carried around it by 15, 30, 60 or 90 degrees, either way",
    limits="Rings lie low and their shadows hardly show a direction. A shadow that falls behind an object or out of "
    "the picture is not seen. With three objects one shadow in three is wrong, and which one is a matter of majority. "
    "The field of view and the pitch are taken to be the studio's.",
    goals={"sensitivity": ">= 0.90", "specificity": ">= 0.95", "flagged_at_15": ">= 0.90"},
    measure=shadow_figures,
)
def turned_shadows(count: int) -> Iterator[Case]:
    """Consistent tables and tables with one shadow turned, in turns."""
    for place, seed in enumerate(seeds("physics.shadow", count)):
        turn = TURNS[place // 2 % len(TURNS)] if place % 2 else 0
        picture, objects = turned(seed, turn)
        prompt = Prompt(id=str(seed), text=f"{objects} objects on a table")
        groups = {"objects": str(objects), "turn": str(turn)}
        yield Case(pixels=picture, planted=turn > 0, truth=turn, prompt=prompt, groups=groups)


def turned(seed: int, turn: float) -> tuple[Pixels, int]:
    """A table (128, 128, 3) on which one shadow, in sight, is turned by so many degrees, and its number of objects.

    A shadow is the share of light that it leaves: that of the object alone under the other light, times the table of
    all others under the true one. Objects are lit as they were.
    """
    from generators.studio import tabletop
    from generators.studio.alike import alike
    from generators.studio.drawing import stream
    from generators.studio.render import encode, linear, render

    rng = stream(seed, "trial")
    objects, sign = int(rng.choice(OBJECTS)), int(rng.choice((-1, 1)))
    wish = {"groups": _groups(objects, rng), "mirror": False}
    scene = tabletop.build(tabletop.sample(stream(seed, "asked"), wish), stream(seed, "build"))
    order, noise = rng.permutation(objects).tolist(), int(rng.integers(2**31))

    def drawn(part: Scene) -> Pixels:
        return render(alike(part), size=SIZE, seed=noise).image

    true = render(alike(scene), size=SIZE, seed=noise)
    if turn == 0:
        return true.image, objects
    table = true.ids == 1 + true.names.index("table")
    surroundings = tuple(part for part in scene.parts if not part.name.startswith("object"))
    best, most = true.image, 0
    for chosen in order[:TRIES]:
        name = f"object{chosen}"
        lamp = carried(scene.lights[0], scene.points["contacts"][chosen, :2], sign * turn)
        others = replace(scene, parts=tuple(part for part in scene.parts if part.name != name))
        bare = replace(scene, parts=surroundings, lights=(lamp,))
        alone = replace(bare, parts=(*surroundings, next(part for part in scene.parts if part.name == name)))
        share = linear(drawn(alone) / 255.0) / np.maximum(linear(drawn(bare) / 255.0), 1e-4)
        made = encode(linear(drawn(others) / 255.0) * np.minimum(share, 1))
        picture = np.where(table[..., None], made, true.image)
        changed = int((np.abs(picture.astype(int) - true.image).max(axis=2) > GREY).sum())
        if changed > most:
            best, most = picture, changed
        if most >= SEEN:
            break
    return best, objects


def carried(light: Light, around: np.ndarray, degrees: float) -> Light:
    """The light carried around a place (2,), at its height, counter-clockwise as seen from above."""
    angle = np.radians(degrees)
    x, y = np.asarray(light.position[:2]) - around
    turned_x, turned_y = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    return replace(light, position=(float(around[0] + turned_x), float(around[1] + turned_y), light.position[2]))


def light_figures(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """Mean angle between the two lights on clean and on planted tables, and its AUROC."""
    told = [(case, score) for case, score in zip(cases, scores, strict=True) if score.status == "ok"]
    clean, planted = (
        [score.evidence["apart"] for case, score in told if case.planted == struck] for struck in (False, True)
    )
    if min(len(clean), len(planted)) < 2:
        return {}
    means = {
        f"apart_{name}": mean_interval(some, [str(n) for n in range(len(some))])
        for name, some in (("clean", clean), ("planted", planted))
    }
    return {**means, "auroc": auroc(planted, clean)}


@trial(
    "physics.light_wrong",
    domain="studio",
    count=240,
    quick=24,
    planted="rendered tables of one to six objects; in every other one all shadows fall as if from another light, 40 "
    "to 180 degrees around the table",
    limits="Solids with flat faces tell few sides: a cube seen straight on, or pyramids alone, can be off by 45 "
    "degrees. Solids are those the finder knows, light is one lamp.",
    goals={"sensitivity": ">= 0.90", "specificity": ">= 0.95"},
    measure=light_figures,
)
def shadows_of_another_light(count: int) -> Iterator[Case]:
    """Tables as they are, and with the shadows of another light, in turn."""
    from generators.studio.drawing import draw

    for place, seed in enumerate(seeds("physics.light", count)):
        drawn = draw("tabletop", {"mirror": False}, seed=seed, defects={"wrong_shadow": float(place % 2)}, size=SIZE)
        yield Case(
            pixels=drawn.image,
            planted=bool(place % 2),
            truth=drawn.drawn["shadow_error"],
            prompt=Prompt(id=str(seed), text=drawn.caption),
            groups={"objects": str(len(drawn.drawn["objects"]))},
        )


def mirror_figures(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """Detection of each kind of wrong reflection."""
    told: dict[str, Interval] = {}
    for kind in sorted({str(case.truth) for case in cases}):
        mine = [s.value for c, s in zip(cases, scores, strict=True) if str(c.truth) == kind and s.status == "ok"]
        told[f"flagged_{kind}"] = wilson(sum(value == 1 for value in mine), len(mine))
    return told


@trial(
    "physics.mirror_wrong",
    domain="studio",
    count=120,
    quick=16,
    planted="rendered tables of one or two objects before a mirror; in every other one the mirror shows another scene: "
    "an object is missing from it, has another colour, or everything is displaced because the mirror is turned",
    limits="Reflections that objects hide are not judged. The trace of the mirror is found along the lower edge of its "
    "glass, and how high the glass begins is fitted to the reflections themselves, so a shift straight towards the "
    "mirror can be explained away. Two dark colours pass for one another.",
    goals={"sensitivity": ">= 0.90", "specificity": ">= 0.95"},
    measure=mirror_figures,
)
def wrong_mirrors(count: int) -> Iterator[Case]:
    """True mirrors and mirrors of another scene, in turns."""
    from generators.studio.drawing import draw, stream

    for place, seed in enumerate(seeds("physics.mirror", count)):
        groups = _groups(1 + int(stream(seed, "trial").integers(2)), stream(seed, "trial groups"))
        wish = {"groups": groups, "mirror": True}
        drawn = draw("tabletop", wish, seed=seed, defects={"wrong_reflection": float(place % 2)}, size=SIZE)
        kind = str(drawn.drawn["reflection_error"])
        prompt = Prompt(id=str(seed), text=drawn.caption)
        objects = str(len(drawn.drawn["objects"]))
        yield Case(
            pixels=drawn.image,
            planted=kind != "none",
            truth=kind,
            prompt=prompt,
            groups={"kind": kind, "objects": objects},
        )


def _groups(objects: int, rng: np.random.Generator) -> list[dict[str, int]]:
    """So many objects in groups of random size."""
    groups = []
    while objects:
        count = int(rng.integers(1, objects + 1))
        groups.append({"count": count})
        objects -= count
    return groups
