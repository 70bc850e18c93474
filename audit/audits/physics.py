"""Physics: do all shadows fall away from one light, that which lights the objects; does a mirror show what is there?

Objects, shadows and reflections are found by our own network, trained on rendered tables; the geometry is a camera with
the studio's field of view. Nothing here knows whether a picture is real: it says which constraint fails, by how much.
"""

from __future__ import annotations

import numpy as np

from audit.api import ScoreOne, View, audit
from audit.audits.count import boxed
from audit.audits.tasks import pixels
from audit.features.mirrors import MISSING, Pair, pairs
from audit.features.objects import ObjectFinder, finder, seen
from audit.features.shading import Shading, shading
from audit.features.shadows import Light, Lit, Shadow
from audit.features.standing import Standing
from audit.types import Json, Score

LEAST_PAIRS = 3
LEAST_MARGIN = 0.1  # of brightness that a light explains better than any from the other side
MOST_MIRRORED = 3  # objects, more of which stand before each other in a mirror
WRONG_TURN = 19.0  # degrees, by `audit.train.object_bounds` for the finder that ships
WRONG_LIGHT = 45.0  # degrees, likewise
WRONG_PLACE = 13.0  # pixels at 128 a side, likewise


@audit(
    "physics.shadow",
    version=1,
    better="lower",
    unit="degrees",
    source="shadow, object and light on one line (Kee, O'Brien & Farid 2013), solved for one light of whole outlines",
    headline=False,
)
def shadow() -> ScoreOne:
    """How far one object's shadow turns away from where the light of all others throws it: the greatest such angle.

    Of a badly seen shadow's angle six tenths count. Fewer than three objects with a shadow in sight say nothing.
    """
    find = finder()

    def score(view: View) -> Score:
        thrown = shadows_in(view, find)
        if isinstance(thrown, str):
            return Score.skipped(thrown)
        return Score.of(worst(thrown), **_shadow_evidence(thrown))

    return score


@audit(
    "physics.shadow_wrong",
    version=1,
    better="lower",
    unit="share of pictures",
    source="ours: physics.shadow above an angle that one in twenty consistent scenes reaches",
    statistic="rate",
)
def shadow_wrong(angle: float = WRONG_TURN) -> ScoreOne:
    """Whether some shadow contradicts the others: it turns away from the common light by more than `angle` degrees."""
    find = finder()

    def score(view: View) -> Score:
        thrown = shadows_in(view, find)
        if isinstance(thrown, str):
            return Score.skipped(thrown)
        return Score.of(float(worst(thrown) > angle), **_shadow_evidence(thrown))

    return score


@audit(
    "physics.light",
    version=1,
    better="lower",
    unit="degrees",
    source="light by the shading of solids (Johnson & Farid 2005) against the light of all shadows",
    headline=False,
)
def light() -> ScoreOne:
    """How far the light that shades the objects lies from the one that throws their shadows, around the table.

    Where shading or shadows do not tell a side there is nothing to say. One object is enough.
    """
    find = finder()

    def score(view: View) -> Score:
        found = lights_in(view, find)
        return Score.skipped(found) if isinstance(found, str) else Score.of(_apart(*found), **_light_evidence(*found))

    return score


@audit(
    "physics.light_wrong",
    version=1,
    better="lower",
    unit="share of pictures",
    source="ours: physics.light above an angle that one in twenty consistent scenes reaches",
    statistic="rate",
)
def light_wrong(angle: float = WRONG_LIGHT) -> ScoreOne:
    """Whether objects are lit from one side and throw shadows as if from another, by more than `angle` degrees."""
    find = finder()

    def score(view: View) -> Score:
        found = lights_in(view, find)
        if isinstance(found, str):
            return Score.skipped(found)
        return Score.of(float(_apart(*found) > angle), **_light_evidence(*found))

    return score


@audit(
    "physics.mirror",
    version=1,
    better="lower",
    unit="pixels at 128 a side",
    source="ours: plane mirror square to the table, its trace found along the lower edge of the glass",
    headline=False,
)
def mirror() -> ScoreOne:
    """How far the worst reflection lies from where the mirror should show its object; a missing one counts as 40."""
    find = finder()

    def score(view: View) -> Score:
        found = pairs_in(view, find)
        if isinstance(found, str):
            return Score.skipped(found)
        return Score.of(max(_error(pair) for pair in found), **_mirror_evidence(found))

    return score


@audit(
    "physics.mirror_wrong",
    version=1,
    better="lower",
    unit="share of pictures",
    source="ours: physics.mirror beyond a distance that one in twenty true mirrors reaches, or another colour",
    statistic="rate",
)
def mirror_wrong(place: float = WRONG_PLACE) -> ScoreOne:
    """Whether a reflection is missing, more than `place` pixels out of place, or of another colour than its object."""
    find = finder()

    def score(view: View) -> Score:
        found = pairs_in(view, find)
        if isinstance(found, str):
            return Score.skipped(found)
        wrong = any(_error(pair) > place or pair.colour_differs for pair in found)
        return Score.of(float(wrong), **_mirror_evidence(found))

    return score


def shadows_in(view: View, find: ObjectFinder) -> list[Shadow] | str:
    """The shadows that can be used, or why they say nothing."""
    stood = standing_in(view, find)
    if stood is None:
        return "no objects on a table were found"
    if len(stood.table.objects) < LEAST_PAIRS:
        return f"{len(stood.table.objects)} objects on the table; three are needed"
    thrown = view.once("shadows", lit_in(view, stood).shadows)
    usable = [each for each in thrown if each.usable]
    if len(usable) < LEAST_PAIRS:
        return f"{len(usable)} objects with a shadow in sight; three are needed"
    return usable


def lights_in(view: View, find: ObjectFinder) -> tuple[Light, Shading] | str:
    """The light of all shadows and that of the shading, or why one of them is not told."""
    stood = standing_in(view, find)
    if stood is None:
        return "no objects on a table were found"
    lit = lit_in(view, stood)
    if not stood.solids or not lit.told:
        return "no shadow is in sight"
    shaded = view.once("shading", lambda: shading(pixels(view), stood))
    if shaded is None or shaded.margin < LEAST_MARGIN:
        return "shading does not tell a side"
    return lit.light, shaded


def pairs_in(view: View, find: ObjectFinder) -> list[Pair] | str:
    """Objects with their reflections, or why there are none."""
    stood = standing_in(view, find)
    if stood is None:
        return "no objects on a table were found"
    if len(stood.table.objects) > MOST_MIRRORED:
        return f"{len(stood.table.objects)} objects: reflections of more than {MOST_MIRRORED} cannot be told apart"
    found = view.once("mirror pairs", lambda: pairs(seen(view, find), stood))
    if found is None:
        return "no mirror was found"
    return found or "the mirror should show none of the objects"


def lit_in(view: View, stood: Standing) -> Lit:
    """The table with its shadows."""
    return view.once("lit", lambda: Lit(stood))


def worst(thrown: list[Shadow]) -> float:
    """The greatest turn in degrees, 0..180; of shadows that are badly seen only a part counts."""
    return max(each.counted for each in thrown)


def standing_in(view: View, find: ObjectFinder) -> Standing | None:
    """The objects of a picture as solids; None where there are none."""
    height, width = view.image.shape[1:]
    stood = view.once("standing", lambda: Standing(seen(view, find), width, height))
    return stood if stood.table.objects else None


def _error(pair: Pair) -> float:
    return MISSING if pair.error is None else pair.error


def _apart(thrown: Light, shaded: Shading) -> float:
    return abs((thrown.azimuth - shaded.azimuth + 180) % 360 - 180)


def _light_evidence(thrown: Light, shaded: Shading) -> dict[str, Json]:
    return {
        "apart": round(_apart(thrown, shaded), 1),
        "shadows_point": round(thrown.azimuth % 360, 1),
        "shading_says": round(shaded.azimuth, 1),
        "explained": round(shaded.explained, 3),
        "margin": round(shaded.margin, 3),
    }


def _shadow_evidence(thrown: list[Shadow]) -> dict[str, Json]:
    """Lines run from an object's foot to the tip of its shadow and say how far it turns from its due."""
    lines = []
    for each in thrown:
        foot, tip = list(each.solid.found.foot), list(each.tip)
        if np.isfinite(tip).all():
            lines.append({"points": [foot, tip, foot], "label": f"{each.turn:+.0f} degrees"})
    return {
        "pairs": len(thrown),
        "turns": [round(each.turn, 1) for each in thrown],
        "counted": [round(each.counted, 1) for each in thrown],
        "boxes": [boxed(each.solid.found) for each in thrown],
        "lines": lines,
    }


def _mirror_evidence(found: list[Pair]) -> dict[str, Json]:
    """Lines run from where a reflection is due to where it is."""
    lines, told = [], []
    for pair in found:
        name = f"{pair.found.colour} {pair.found.shape}"
        if pair.shown is None:
            told.append(f"{name}: no reflection")
            continue
        told.append(f"{name}: {pair.error or 0:.1f} pixels" + (f", {pair.shown.colour}" if pair.colour_differs else ""))
        lines.append({"points": [list(pair.due), list(pair.shown.middle), list(pair.due)], "label": name})
    shown = [boxed(pair.shown) for pair in found if pair.shown is not None]
    return {
        "pairs": len(found),
        "reflections": told,
        "boxes": [*(boxed(pair.found) for pair in found), *shown],
        "lines": lines,
    }
