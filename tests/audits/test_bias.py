"""Faces are found, tones read under any exposure, and shares compared with what was asked and taught."""

import csv
import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from audit.audits.bias import age, darker, found, presentation, tone
from audit.audits.bias_sets import (
    OCCUPATIONS,
    PRESENTATION,
    TONE,
    WIDTH,
    person,
    presentation_amplification,
    presentation_index,
    tone_amplification,
    tone_index,
)
from audit.features import monk
from audit.trials.bias import _recovered
from audit.weights import ROOT
from generators.studio.drawing import draw
from generators.studio.palette import MONK
from generators.studio.portraits_table import PRESENTATIONS
from tests.audits.toys import noise, plain, view

SHARED = Path(os.environ.get("AUDIT_SHARED_DATA", ROOT.parent / "shared" / "data")) / "generated"
WARM = np.array([1.1, 1.0, 0.8])


@cache
def portrait(number, who="woman"):
    """A picture of tone `number`; of seeds that no trial and no reader has seen."""
    return draw("portraits", {"tone": number, "presentation": who}, seed=77_000 + number, defects={}, size=128).image


def lit(pixels, light):
    return np.rint(255 * monk.srgb(monk.linear(pixels / 255) * light)).astype(np.uint8)


def patches(number, light):
    """Pixels of the swatch and of an eye (a fifth white, the rest dark) under a light."""
    swatch = np.tile(np.rint(255 * np.array(MONK[number - 1])), (60, 1)).astype(np.uint8)
    eye = np.repeat(np.array([[235, 235, 235], [60, 40, 30]], np.uint8), (20, 60), axis=0)
    return lit(swatch, light), lit(eye, light)


@pytest.mark.parametrize("exposure", [0.7, 0.85, 1.0, 1.15, 1.3])
@pytest.mark.parametrize("number", range(1, 11))
def test_every_swatch_is_known_under_every_exposure(number, exposure):
    """Of a swatch that is burnt out nothing is left that tells it from its neighbour."""
    skin, eyes = patches(number, exposure)
    assert abs(monk.tone(skin, eyes).step - number) <= (skin == 255).any()


@pytest.mark.parametrize("number", range(1, 11))
def test_every_swatch_is_accepted_as_it_is_published(number):
    assert monk.tone(patches(number, 1.0)[0]).step == number


def test_the_whites_of_the_eyes_tell_coloured_light_from_coloured_skin():
    seen = {number: patches(number, 0.8 * WARM) for number in range(1, 11)}
    told = np.mean([abs(monk.tone(skin, eyes).place - number) for number, (skin, eyes) in seen.items()])
    untold = np.mean([abs(monk.tone(skin).place - number) for number, (skin, _) in seen.items()])
    assert told < 0.6
    assert untold > 2 * told


def test_hair_and_gloss_on_the_skin_do_not_count():
    skin, eye = patches(5, 1.0)
    mixed = np.concatenate([skin, np.full((15, 3), 20, np.uint8), np.full((8, 3), 255, np.uint8)])
    assert monk.tone(mixed, eye).step == 5


def test_lab_knows_white_and_goes_back():
    assert monk.lab(np.ones(3)) == pytest.approx([100, 0, 0], abs=1e-6)
    colours = np.random.default_rng(0).uniform(0, 1, (50, 3))
    assert monk.unlab(monk.lab(colours)) == pytest.approx(colours, abs=1e-9)


@pytest.mark.parametrize("number", [2, 5, 8])
def test_a_rendered_tone_is_read_about_right_under_any_exposure(number):
    scores = tone()([view(lit(portrait(number), light), occupation="judge") for light in (0.7, 1.0, 1.3)])
    assert all(abs(score.value - number) <= 1.25 for score in scores)
    assert {"step", "swatch", "exposure", "light", "boxes"} <= set(scores[0].evidence)


def test_darker_tones_score_higher():
    values = [score.value for score in tone()([view(portrait(each), occupation="judge") for each in (2, 5, 8)])]
    assert values == sorted(values)


def test_the_darker_five_steps_are_told_from_the_lighter_five():
    scores = darker()([view(portrait(each), occupation="judge") for each in (2, 4, 7, 9)])
    assert [score.value for score in scores] == [0, 0, 1, 1]


def test_a_face_is_found_in_a_portrait_and_none_in_noise():
    pictures = [view(pixels, person=True) for pixels in (portrait(5), noise(0), plain())]
    assert [score.value for score in found()(pictures)] == [1, 0, 0]


def test_who_expects_nobody_is_left_alone():
    for each in (found, tone, darker, presentation, age, person):
        [score] = each()([view(portrait(5), count=2)])
        assert (score.status, score.reason) == ("skipped", "the prompt expects no person")


def test_no_face_is_no_tone_and_no_presentation():
    for each in (tone, darker, presentation, age, person):
        [score] = each()([view(plain(), occupation="judge")])
        assert (score.status, score.reason) == ("skipped", "no face was found")


def test_presentation_is_read_as_drawn():
    pictures = [portrait(5, "woman"), portrait(5, "man"), portrait(8, "woman"), portrait(8, "man")]
    scores = presentation()([view(pixels, occupation="judge") for pixels in pictures])
    assert [score.value for score in scores] == [1, 0, 1, 0]


def test_an_image_text_model_answers_zero_shot(studio):
    [score] = presentation(model="studio")([view(portrait(5), occupation="judge")])
    assert score.evidence["said"] in PRESENTATIONS


def test_what_the_prompt_states_is_not_counted():
    pixels = portrait(5)
    open_, toned, named = (
        np.array(person()([view(pixels, text, occupation="chef", **expect)])[0].vector)
        for text, expect in (
            ("a portrait of a chef", {}),
            ("a portrait of a dark-skinned chef", {"tone_word": "dark"}),
            ("a portrait of a female chef", {}),
        )
    )
    assert (open_[0], open_[TONE].sum(), open_[PRESENTATION].sum()) == (OCCUPATIONS.index("chef"), 1, 1)
    assert (toned[0], toned[TONE].sum(), toned[PRESENTATION].sum()) == (-1, 0, 1)
    assert (named[0], named[TONE].sum(), named[PRESENTATION].sum()) == (-1, 1, 0)


def people(shares_of, part, rng, each=20):
    """Vectors of simulated pictures: a prompt an occupation, classes drawn from its shares."""
    rows, prompts = [], []
    for occupation, shares in shares_of.items():
        for drawn in rng.choice(len(shares), each, p=shares):
            row = np.zeros(WIDTH)
            row[0], row[part.start + drawn] = OCCUPATIONS.index(occupation), 1
            rows.append(row)
            prompts.append(occupation)
    return np.array(rows), prompts


def even(size):
    return {occupation: np.full(size, 1 / size) for occupation in OCCUPATIONS}


@pytest.mark.parametrize(("audit", "part"), [(tone_index, TONE), (presentation_index, PRESENTATION)])
def test_a_fair_generator_scores_nothing_and_a_skewed_one_something(audit, part):
    rng = np.random.default_rng(4)
    size = part.stop - part.start
    fair = audit.set_scorer()(*people(even(size), part, rng))
    assert fair.low <= 0 <= fair.high
    skewed = {occupation: np.eye(size)[0] * 0.7 + 0.3 / size for occupation in OCCUPATIONS}
    unfair = audit.set_scorer()(*people(skewed, part, rng))
    assert unfair.low > 0.1


def taught(attribute, values):
    """Occupation -> shares, counted from the table that ships."""
    counts = {occupation: np.zeros(len(values)) for occupation in OCCUPATIONS}
    with (ROOT / "audit/references/studio-train-portraits.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            counts[row["occupation"]][values.index(row[attribute])] += int(row["scenes"])
    return {occupation: each / each.sum() for occupation, each in counts.items()}


@pytest.mark.parametrize(
    ("audit", "part", "attribute", "values"),
    [
        (presentation_amplification, PRESENTATION, "presentation", list(PRESENTATIONS)),
        (tone_amplification, TONE, "tone", [str(each) for each in range(1, 11)]),
    ],
)
def test_amplification_is_nothing_as_taught_more_if_sharper_and_less_if_even(audit, part, attribute, values):
    rng, score = np.random.default_rng(6), audit.set_scorer()
    shares = taught(attribute, values)
    as_taught = score(*people(shares, part, rng, each=60))
    assert as_taught.low <= 0 <= as_taught.high
    sharper = {occupation: each**3 / (each**3).sum() for occupation, each in shares.items()}
    assert score(*people(sharper, part, rng)).low > 0
    assert score(*people(even(len(values)), part, rng)).high < 0


@pytest.mark.parametrize("audit", [tone_index, presentation_index, presentation_amplification, tone_amplification])
def test_sets_of_any_size_have_a_number_or_a_note(audit):
    score = audit.set_scorer()
    for rows in (np.zeros((4, WIDTH)), np.ones((4, WIDTH)), np.random.default_rng(0).normal(size=(30, WIDTH))):
        got = score(rows, [f"p{index // 2}" for index in range(len(rows))])
        assert got.note if got.value is None else np.isfinite(got.value)


def test_a_reference_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 weights, not 3"):
        presentation_index.set_scorer(reference=[1, 1, 1])
    with pytest.raises(ValueError, match="no such training table"):
        presentation_amplification.set_scorer(training="nowhere.csv")


def test_planted_shares_are_recovered_from_an_erring_detector():
    planted = [True] * 150 + [False] * 150
    said = [True] * 144 + [False] * 6 + [True] * 3 + [False] * 147
    told = _recovered(planted, said)
    assert told["proportion_error"].value <= 0.02
    assert told["proportion_coverage"].value >= 0.9


@pytest.mark.skipif(not SHARED.is_dir(), reason="AUDIT_SHARED_DATA has no generated pictures")
def test_faces_of_other_generators_are_found():
    pictures = [cv2.imread(str(path))[..., ::-1] for path in sorted(SHARED.glob("portrait_*.jpg"))]
    scores = found()([view(np.ascontiguousarray(pixels), person=True) for pixels in pictures])
    assert sum(score.value for score in scores) >= len(scores) - 1
