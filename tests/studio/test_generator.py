"""The studio as a generator: options, twins, refusals, and the truth it hands out."""

import json
import subprocess
import sys

import numpy as np
import pytest

from generators.api import Generator, GeneratorError, Refusal, Request, Settings
from generators.studio import drawing
from generators.studio.drawing import draw, facts, family_of, halved, scene_record, stream
from generators.studio.generator import StudioGenerator

MIRROR = {"mirror": True, "groups": [{"shape": "ball", "colour": "red"}]}


def struck(rate, seeds=range(200), defect="wrong_shadow", wish=MIRROR):
    return {seed for seed in seeds if defect in facts("tabletop", wish, seed=seed, defects={defect: rate})[2]}


def test_importing_the_generator_loads_no_renderer():
    code = (
        "import sys; import generators.studio.generator; "
        "assert not {'mitsuba', 'skimage', 'torch'} & set(sys.modules), set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_options_are_read():
    generator = StudioGenerator.parse("?wrong_shadow=0.2&saturation=1.4&size=32")
    assert isinstance(generator, Generator)
    assert generator.defects == {"wrong_shadow": 0.2, "saturation": 1.4}
    assert generator.size == 32
    assert generator.name == "studio:?wrong_shadow=0.2&saturation=1.4&size=32"
    assert StudioGenerator.parse("").defects == {}


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("?extra_fingers=0.2", "did you mean extra_finger"),
        ("?wrong_shadow=1.5", "between 0 and 1"),
        ("?wrong_shadow=often", "not a number"),
        ("?saturation=0", "above 0"),
        ("?saturation=nan", "above 0"),
        ("?size=63", "even number"),
        ("?size=nan", "even number"),
        ("fingers", "options only"),
    ],
)
def test_options_that_cannot_be_are_refused_with_what_would_work(rest, message):
    with pytest.raises(GeneratorError, match=message):
        StudioGenerator.parse(rest)


def test_a_higher_rate_strikes_everything_that_a_lower_one_does_and_about_as_often_as_it_says():
    some, more, everything = struck(0.1), struck(0.4), struck(1.0)
    assert some < more < everything == set(range(200))
    assert len(some) == pytest.approx(20, abs=13)
    assert len(more) == pytest.approx(80, abs=21)
    assert struck(0.0) == set()


def test_a_defect_leaves_what_was_asked_and_the_other_defects_alone():
    both = {"wrong_shadow": 0.5, "wrong_reflection": 0.5}
    for seed in range(40):
        asked, drawn, planted = facts("tabletop", MIRROR, seed=seed, defects=both)
        assert asked == facts("tabletop", MIRROR, seed=seed, defects={})[0]
        assert ("wrong_shadow" in planted) == (seed in struck(0.5, [seed]))
        assert (asked == drawn) == (not planted)


def test_a_defect_that_cannot_be_drawn_is_not_reported_as_planted():
    plain = {"mirror": False}
    asked, drawn, planted = facts("tabletop", plain, seed=1, defects={"wrong_reflection": 1.0})
    assert planted == ()
    assert drawn == asked


def test_a_duplicate_is_a_training_scene_of_the_family():
    _, drawn, planted = facts("tabletop", MIRROR, seed=7, defects={"duplicate": 1.0})
    original = drawn["duplicate_of"]
    assert planted == ("duplicate",)
    assert family_of(original) == "tabletop"
    assert 0 <= original < drawing.TRAINING_SEEDS
    assert drawn["objects"] == facts("tabletop", {}, seed=original, defects={})[0]["objects"]


def test_a_duplicate_looks_like_its_training_scene_but_is_not_the_same_picture():
    copy = draw("tabletop", {}, seed=2**62, defects={"duplicate": 1.0}, size=32, samples=4)
    original = draw("tabletop", {}, seed=copy.drawn["duplicate_of"], defects={}, size=32, samples=4)
    other = draw("tabletop", {}, seed=3, defects={}, size=32, samples=4)
    near = np.abs(copy.image.astype(int) - original.image).mean()
    assert 0 < near < 0.4 * np.abs(copy.image.astype(int) - other.image).mean()


def test_the_same_request_gives_the_same_picture_in_any_company():
    generator = StudioGenerator.parse("?size=32")
    red, blue = Request(text="a red cube", seed=2**63 - 1), Request(text="two blue cones", seed=5)
    alone = dict(generator.generate([red]))
    together = dict(generator.generate([blue, red]))
    assert alone[0].shape == (32, 32, 3)
    assert alone[0].dtype == np.uint8
    assert np.array_equal(alone[0], together[1])
    assert not np.array_equal(together[0], together[1])


def test_saturation_changes_nothing_but_chroma():
    grey = np.array([0.299, 0.587, 0.114])
    honest, vivid = (
        draw("tabletop", {}, seed=11, defects=defects, size=32, samples=4) for defects in ({}, {"saturation": 0.5})
    )
    assert vivid.defects == ("saturation",)
    assert vivid.drawn == honest.drawn
    assert vivid.image.std(axis=-1).mean() < 0.6 * honest.image.std(axis=-1).mean()
    assert (vivid.image @ grey).mean() == pytest.approx((honest.image @ grey).mean(), abs=1)


def test_prompts_the_studio_cannot_draw_are_refused():
    requests = [
        Request(text="a dragon"),
        Request(text="nine red balls"),
        Request(text="a red ball", settings=Settings(task="inpaint")),
    ]
    skipped, failed, other = (answer for _, answer in StudioGenerator.parse("").generate(requests))
    assert skipped == Refusal(
        "skipped",
        "the studio cannot draw this prompt; it knows hands, portraits, signs, tabletop and textures",
    )
    assert failed.status == "failed"
    assert "9 objects" in failed.reason
    assert other.status == "skipped"
    assert "inpaint" in other.reason


def test_the_fingerprint_knows_options_but_not_their_order_or_defaults():
    prints = [StudioGenerator.parse(rest).fingerprint() for rest in ("", "?wrong_shadow=0&saturation=1&size=64")]
    assert prints[0] == prints[1]
    others = {
        StudioGenerator.parse(rest).fingerprint()
        for rest in ("?wrong_shadow=0.1", "?wrong_shadow=0.2", "?duplicate=0.1", "?size=32", "?saturation=2")
    }
    assert len(others | set(prints)) == 6


def test_annotations_are_json_in_pixels_of_the_picture():
    drawn = draw("tabletop", MIRROR, seed=4, defects={"wrong_shadow": 1.0}, size=32, samples=4)
    record = json.loads(json.dumps(scene_record(drawn)))
    assert record["defects"] == ["wrong_shadow"]
    assert record["asked"] == drawn.asked
    assert record["drawn"]["shadow_error"] != 0
    assert record["objects"] == ["object0", "table", "wall", "mirror", "frame"]
    [[x, y, visible]] = record["points"]["objects"]
    red = drawn.image[round(y), round(x)].astype(int)
    assert visible == 1
    assert red[0] > red[1] + 30
    assert record["size"] == 32


def test_halving_takes_means():
    image = np.array([[0, 1, 10, 10], [1, 1, 10, 11]], dtype=np.uint8)[..., None].repeat(3, axis=-1)
    assert halved(image)[..., 0].tolist() == [[1, 10]]


def test_streams_differ_by_name_and_seed():
    values = {float(stream(seed, name).uniform()) for seed in (0, 1, 2**63 - 1) for name in ("asked", "build")}
    assert len(values) == 6
