"""More of a planted defect, a worse score; pictures without it stay clean. Every defect that the studio plants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from audit.api import View
from audit.registry import find_audit
from audit.types import Json
from generators.studio.drawing import FAMILY_SHARES, draw, family
from generators.studio.scene import Attributes
from tests.audits.toys import view

DOSES = (0.0, 0.5, 1.0)
FIRST = 9_200_000  # seeds of no data set, training or calibration


@dataclass(frozen=True)
class Dose:
    """A defect of a family, the audit that must see it, and what is drawn.

    Attributes:
        sign: +1 where the audit's mean rises with the defect, -1 where it falls.
        clean: how far the mean may lie from `honest` without the defect.
        least: how much the mean must change from no defect to nothing but.
    """

    defect: str
    family: str
    audit: str
    sign: int = 1
    honest: float = 0.0
    clean: float = 0.15
    least: float = 0.5
    pictures: int = 12
    wish: Attributes | None = None


PLANTS = (
    Dose("extra_finger", "hands", "hands.wrong", wish={"raised": 5}),
    Dose("missing_finger", "hands", "hands.wrong", wish={"raised": 5}),
    Dose("misspelt", "signs", "text.exact", sign=-1, honest=1.0),
    Dose("malformed", "signs", "text.cer", least=0.1),
    Dose("duplicate", "tabletop", "memorization.copied"),
    Dose("light_bias", "portraits", "bias.darker", sign=-1, honest=1.0, wish={"tone": 8}),
    Dose("man_bias", "portraits", "bias.presentation", sign=-1, honest=1.0, wish={"presentation": "woman"}),
    Dose("wrong_shadow", "tabletop", "physics.light_wrong", wish={"mirror": False}),
    Dose("wrong_reflection", "tabletop", "physics.mirror_wrong", wish={"groups": [{"count": 2}], "mirror": True}),
)


def expected(drawn: Attributes) -> dict[str, Json]:
    """What the prompt of a scene expects, as suites write it."""
    told: dict[str, Json] = {"person": True} if "occupation" in drawn else {}
    return told | ({"text": drawn["text"]} if "text" in drawn else {})


def pictured(plant: Dose, rate: float) -> list[View]:
    """The same scenes whatever the rate; the higher it is, the more of them are struck."""
    made = [
        draw(plant.family, plant.wish or {}, seed=seed, defects={plant.defect: rate}, size=128)
        for seed in range(FIRST, FIRST + plant.pictures)
    ]
    return [view(each.image, each.caption, **expected(each.asked)) for each in made]


def mean(audit: str, views: Sequence[View]) -> float:
    values = [each.value for each in find_audit(audit)()(views) if each.value is not None]
    assert len(values) >= len(views) / 3, f"{audit} said something about {len(values)} of {len(views)} pictures"
    return float(np.mean(values))


def test_every_defect_has_a_dose() -> None:
    rates = {name for each in FAMILY_SHARES for name, kind in family(each).DEFECTS.items() if kind == "rate"}
    assert {each.defect for each in PLANTS} == {*rates, "duplicate"}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.defect} {plant.audit}")
def test_more_defect_scores_worse_and_clean_stays_clean(plant: Dose) -> None:
    clean, half, full = (plant.sign * mean(plant.audit, pictured(plant, rate)) for rate in DOSES)
    assert abs(clean - plant.sign * plant.honest) <= plant.clean
    assert clean < half < full
    assert full - clean >= plant.least


def test_saturation_rises_with_its_gain_and_is_untouched_at_one() -> None:
    drawn = [
        [draw("textures", {}, seed=seed, defects={"saturation": gain}, size=128) for seed in range(FIRST, FIRST + 6)]
        for gain in (1.0, 1.25, 1.5)
    ]
    plain = [draw("textures", {}, seed=seed, defects={}, size=128) for seed in range(FIRST, FIRST + 6)]
    apart = [one.image.astype(int) - other.image for one, other in zip(drawn[0], plain, strict=True)]
    assert np.abs(apart).max() <= 2  # renderers add light in whatever order their threads come
    means = [mean("tone.saturation", [view(each.image) for each in some]) for some in drawn]
    assert means[0] < means[1] < means[2]
