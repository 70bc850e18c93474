"""Textures: surfaces in close-up that fill the picture and carry real detail."""

import json

import numpy as np
import pytest

from generators.studio import textures
from generators.studio.palette import COLOURS
from generators.studio.render import render


def sampled(seed, **wish):
    return textures.sample(np.random.default_rng([seed, 0]), wish)


def pixels(attributes, seed=0):
    [surface] = textures.build(attributes, np.random.default_rng(seed)).parts
    return surface.material.texture


def test_attributes_survive_json_and_the_same_seed_gives_the_same_pixels():
    for seed in range(8):
        attributes = sampled(seed)
        assert json.loads(json.dumps(attributes)) == attributes
        assert np.array_equal(pixels(attributes, seed), pixels(attributes, seed))
        assert not np.array_equal(pixels(attributes, seed), pixels(attributes, seed + 1))


def test_captions_never_contradict_the_scene():
    wordings = set()
    for seed in range(500):
        attributes = sampled(seed)
        text = textures.caption(attributes, np.random.default_rng([seed, 1]))
        assert len(text) <= 90, text
        assert text.isascii()
        assert text.islower()
        wish = textures.read(text)
        assert wish is not None, text
        assert {key: attributes[key] for key in wish} == wish, text
        assert "kind" in wish
        words = text.replace(",", "").split()
        assert ("colour" in wish) == any(word in COLOURS for word in words), text
        assert ("scale" in wish) == ("fine" in words or "coarse" in words), text
        wordings.add(" ".join(word for word in words if word not in COLOURS))
    assert len(wordings) > 50


@pytest.mark.parametrize("kind", textures.KINDS)
def test_what_is_wished_is_kept(kind):
    wish = {"kind": kind, "colour": "purple", "scale": "fine"}
    attributes = sampled(1, **wish)
    assert {key: attributes[key] for key in wish} == wish
    assert textures.SCALES["fine"][0] <= attributes["count"] <= textures.SCALES["fine"][1]


@pytest.mark.parametrize("kind", textures.KINDS)
def test_a_red_surface_is_redder_than_it_is_green_or_blue(kind):
    attributes = sampled(2, kind=kind, colour="red", pattern=textures.PATTERNS.get(kind, ("plain",))[0])
    red, green, blue = pixels(attributes).mean(axis=(0, 1))
    assert red > 1.2 * green
    assert red > 1.2 * blue


@pytest.mark.parametrize("kind", textures.KINDS)
def test_a_fine_surface_changes_faster_than_a_coarse_one(kind):
    def detail(scale, count):
        """Share of the variation left after each 8 x 8 block's mean is taken away."""
        shared = {"rough": 0.3, "pattern": textures.PATTERNS.get(kind, ("plain",))[-1]}
        attributes = sampled(3, kind=kind, colour="green", scale=scale, count=count, **shared)
        grey = pixels(attributes).mean(axis=2)
        return 1 - grey.reshape(32, 8, 32, 8).mean(axis=(1, 3)).var() / grey.var()

    assert detail("fine", 13.0) > 1.1 * detail("coarse", 5.0)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("a close-up of a red brick wall", {"kind": "brick wall", "colour": "red"}),
        ("green knitted wool, fine pattern", {"kind": "knitted wool", "colour": "green", "scale": "fine"}),
        ("plaid cloth", {"kind": "woven fabric", "pattern": "plaid"}),
        ("blue tartan fabric", {"kind": "woven fabric", "pattern": "plaid", "colour": "blue"}),
        ("autumn leaves", {"kind": "foliage"}),
        ("gray gravel", {"kind": "gravel", "colour": "grey"}),
        ("an old stone wall", {"kind": "stone wall"}),
        ("checkered kitchen tiles", {"kind": "tiles", "pattern": "chequered"}),
        ("weathered wood", {"kind": "wooden planks"}),
        ("a hand in front of a brick wall", None),
        ("a red cube on wooden planks", None),
        ("a portrait of a farmer against a stone wall", None),
        ('a sign that says "WOOD"', None),
        ("a yellow number plate", None),
        ("a blue sky", None),
    ],
)
def test_prompts_are_read(text, wish):
    assert textures.read(text) == wish


def test_unknown_kinds_and_defects_are_refused():
    with pytest.raises(ValueError, match="brick wall"):
        sampled(0, kind="lava")
    with pytest.raises(ValueError, match="misspelt"):
        textures.plant(sampled(0), np.random.default_rng(0), "misspelt")


@pytest.mark.parametrize("corner", [-1.0, 1.0])
def test_the_surface_fills_the_picture_and_is_well_exposed(corner):
    """At the extremes of tilt, turn and roll."""
    tipped = {"tilt": 15.0 * corner, "turn": 20.0 * corner, "roll": 8.0}
    drawn = render(
        textures.build(sampled(4, kind="tiles", colour="white", pattern="plain", **tipped), np.random.default_rng(0)),
        size=64,
        samples=4,
    )
    assert (drawn.ids == 1).all()
    assert 60 < drawn.image.mean() < 215
    assert drawn.image.astype(float).std() > 8
