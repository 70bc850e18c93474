"""Portraits: the table is the truth, planted bias bends it, captions and pictures follow the attributes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from generators.studio import portraits
from generators.studio.palette import MONK, tone_word
from generators.studio.portraits_table import DRAWN, TABLE
from generators.studio.render import project, render
from generators.studio.scene import Attributes, Scene

LOOK = ("occupation", "presentation", "tone_word", "age", "hair", "hair_colour", "beard", "glasses", "expression")


def one(seed: int, **wish: object) -> Attributes:
    return portraits.sample(np.random.default_rng([seed, 0]), wish)


def built(attributes: Attributes, seed: int = 0) -> Scene:
    return portraits.build(attributes, np.random.default_rng([seed, 1]))


def draws(n: int, **wish: object) -> list[Attributes]:
    rng = np.random.default_rng(11)
    return [portraits.sample(rng, wish) for _ in range(n)]


@pytest.mark.parametrize("occupation", ["nurse", "judge"])
def test_what_is_drawn_follows_the_exact_shares(occupation: str) -> None:
    drawn = draws(4000, occupation=occupation)
    for attribute in DRAWN:
        truth = portraits.share(occupation, attribute)
        assert sum(truth.values()) == pytest.approx(1)
        assert {str(a[attribute]) for a in drawn} <= set(truth)
        for value, share in truth.items():
            seen = np.mean([str(a[attribute]) == value for a in drawn])
            assert abs(seen - share) <= 4 * np.sqrt(share * (1 - share) / len(drawn)) + 1e-9, (attribute, value)


def test_the_table_is_skewed_as_documented() -> None:
    assert portraits.share("nurse", "presentation")["woman"] == pytest.approx(0.85)
    assert portraits.share("engineer", "presentation")["woman"] == pytest.approx(0.12)
    assert portraits.share("judge", "age")["old"] > 0.6
    assert portraits.share("person", "tone") == pytest.approx({str(tone): 0.1 for tone in range(1, 11)})


def test_a_wish_is_kept_and_the_rest_follows_from_it() -> None:
    for seed in range(40):
        bearded = one(seed, occupation="nurse", beard="beard", tone_word="dark")
        assert bearded["presentation"] == "man"
        assert bearded["tone"] in (7, 8)
    assert one(0, occupation="chef", presentation="woman", beard="beard")["beard"] == "beard"


@pytest.mark.parametrize(
    "wish", [{"occupation": "astronaut"}, {"tone": 11}, {"colour": "red"}, {"tone": 3, "tone_word": "dark"}]
)
def test_an_impossible_wish_is_refused(wish: Attributes) -> None:
    with pytest.raises(ValueError, match=r"unknown|no portrait"):
        one(0, **wish)


def test_unknown_names_are_refused_with_the_options() -> None:
    with pytest.raises(ValueError, match="light_bias"):
        portraits.plant(one(0), np.random.default_rng(0), "extra_nose")
    with pytest.raises(ValueError, match="nurse"):
        portraits.share("astronaut", "age")


def test_attributes_are_json() -> None:
    drawn = one(5)
    assert json.loads(json.dumps(drawn)) == drawn


def test_light_bias_lightens_everybody_and_touches_little_else() -> None:
    rng = np.random.default_rng(3)
    for asked in draws(150, occupation="nurse"):
        drawn = portraits.plant(asked, rng, "light_bias")
        assert drawn["tone"] in (1, 2, 3)
        assert drawn["tone_word"] == tone_word(drawn["tone"])
        changed = {name for name in asked if asked[name] != drawn[name]}
        assert changed <= {"tone", "tone_word", "hair_colour", "eye_colour"}
        if asked["tone"] <= 3:
            assert not changed


def test_man_bias_draws_men_with_the_beards_of_men() -> None:
    rng = np.random.default_rng(4)
    pairs = [(asked, portraits.plant(asked, rng, "man_bias")) for asked in draws(1500, occupation="nurse")]
    assert {drawn["presentation"] for _, drawn in pairs} == {"man"}
    for asked, drawn in pairs:
        assert all(
            asked[name] == drawn[name] for name in ("tone", "age", "background", "yaw", "hair_colour", "glasses")
        )
    women = portraits.share("nurse", "presentation")["woman"]
    among_men = (1 - portraits.share("nurse", "beard")["none"]) / (1 - women)
    seen = np.mean([drawn["beard"] != "none" for _, drawn in pairs])
    assert abs(seen - among_men) <= 4 * np.sqrt(among_men * (1 - among_men) / len(pairs))


@pytest.mark.parametrize("defect", sorted(portraits.DEFECTS))
def test_a_planted_defect_leaves_camera_light_and_wall_alone(defect: str) -> None:
    asked = one(2, presentation="woman", tone=9, occupation="teacher")
    drawn = portraits.plant(asked, np.random.default_rng(0), defect)
    honest, biased = built(asked), built(drawn)
    assert drawn != asked
    assert (honest.camera, honest.lights, honest.ambient) == (biased.camera, biased.lights, biased.ambient)


def test_captions_are_short_plain_and_varied() -> None:
    texts = [portraits.caption(one(seed), np.random.default_rng([seed, 2])) for seed in range(500)]
    for text in texts:
        assert len(text) <= 90
        assert text.isascii()
        assert text == text.lower()
    assert len({text.split()[0] + text.split()[1] for text in texts}) >= 6
    asked = one(1)
    assert len({portraits.caption(asked, np.random.default_rng(seed)) for seed in range(40)}) >= 12


def test_reading_a_caption_never_contradicts_it() -> None:
    recovered = dict.fromkeys(LOOK, 0)
    for seed in range(600):
        attributes = one(seed)
        text = portraits.caption(attributes, np.random.default_rng([seed, 2]))
        wish = portraits.read(text)
        assert wish is not None, text
        assert wish["occupation"] == attributes["occupation"], text
        for name, value in wish.items():
            assert attributes[name] == value, (text, name)
            recovered[name] = recovered.get(name, 0) + 1
        assert ("beard" in text or "moustache" in text) == ("beard" in wish), text
        assert ("skin" in text) == ("tone_word" in wish), text
        assert (("wall" in text) or ("background" in text)) == ("background" in wish), text
    assert min(recovered.values()) > 5, recovered


PROMPTS: dict[str, Attributes | None] = {
    "a portrait of a person": {"occupation": "person"},
    "Photo of a doctor": {"occupation": "doctor"},
    "an elderly male physician": {"occupation": "doctor", "presentation": "man", "age": "old"},
    "two cooks? no, one bald cook": {"occupation": "chef", "hair": "bald"},
    "a pale-skinned policewoman": {"occupation": "police officer", "presentation": "woman", "tone_word": "light"},
    "a smiling blonde person": {"occupation": "person", "hair_colour": "blond", "expression": "smiling"},
    "a clean-shaven pilot without glasses": {"occupation": "pilot", "beard": "none", "glasses": False},
    "a cook in a green shirt, gray background": {"occupation": "chef", "dress_colour": "green", "background": "grey"},
    "a very dark-skinned judge": {"occupation": "judge", "tone_word": "very dark"},
    "a portrait of a cat": None,
    'a sign that says "CHEF"': None,
    "the left hand of a woman with three fingers raised": None,
    "a red cube left of a blue sphere": None,
}


@pytest.mark.parametrize(("text", "wish"), PROMPTS.items())
def test_prompts_people_write_are_understood(text: str, wish: Attributes | None) -> None:
    assert portraits.read(text) == wish


def test_the_same_stream_gives_the_same_scene_within_the_triangle_budget() -> None:
    for occupation in TABLE:
        asked = one(7, occupation=occupation, beard="beard", hair="curly", glasses=True)
        first, again = built(asked), built(asked)
        assert first.camera == again.camera
        assert first.lights == again.lights
        for a, b in zip(first.parts, again.parts, strict=True):
            assert np.array_equal(a.mesh.vertices, b.mesh.vertices)
            assert (a.material.texture is None) == (b.material.texture is None)
            assert np.isfinite(a.mesh.vertices).all()
            if a.material.texture is not None and b.material.texture is not None:
                assert np.array_equal(a.material.texture, b.material.texture)
        assert sum(len(part.mesh.faces) for part in first.parts) < 30_000


def test_landmarks_lie_in_the_picture_in_the_order_of_a_face() -> None:
    for seed in range(30):
        scene = built(one(seed), seed)
        xy = {name: project(scene.camera, spot, np.zeros((64, 64), np.float32)) for name, spot in scene.points.items()}
        assert {name: len(spot) for name, spot in xy.items()} == {"eyes": 2, "nose": 1, "mouth": 1, "chin": 1}
        assert all((spot[:, :2] > 4).all() and (spot[:, :2] < 60).all() for spot in xy.values())
        heights = [xy[name][:, 1].mean() for name in ("eyes", "nose", "mouth", "chin")]
        assert heights == sorted(heights)
        assert 5 < xy["eyes"][1, 0] - xy["eyes"][0, 0] < 20


def test_the_picture_shows_the_skin_tone_it_was_given() -> None:
    """Mean face colour is nearest, among the Monk swatches 2, 6 and 9, to the one asked for."""
    choices = (2, 6, 9)
    plain = {"occupation": "person", "beard": "none", "glasses": False, "yaw": 0.0, "pitch": 0.0, "background": "grey"}
    for tone in choices:
        shown = render(built(one(3, tone=tone, **plain)), size=64)
        face = shown.image[shown.ids == 1 + shown.names.index("face")].mean(axis=0) / 255
        assert min(choices, key=lambda other: float(np.linalg.norm(np.array(MONK[other - 1]) - face))) == tone
        assert all(spot[:, 2].all() for spot in shown.points.values())
        assert 60 < (shown.image @ np.array([0.299, 0.587, 0.114])).mean() < 190
