"""Tabletop scenes: what is asked stands there, words and facts agree, planted defects change only what they must."""

from itertools import combinations

import numpy as np
import pytest

from generators.studio import tabletop
from generators.studio.alike import alike, without_unseen
from generators.studio.render import render
from generators.studio.tabletop_place import FOOTPRINT, HIDDEN, SCALE, hidden_shares
from generators.studio.tabletop_text import LONGEST


def stream(*key):
    return np.random.default_rng(key)


def one(shape, colour, count=1):
    return {"count": count, "shape": shape, "colour": colour}


def sampled(seed, **wish):
    return tabletop.sample(stream(seed, 1), wish)


def with_mirror(seed):
    return sampled(seed, mirror=True, groups=[{"shape": "ball", "colour": "red"}])


def test_a_caption_fits_and_reading_it_back_never_contradicts_the_scene():
    wordings = set()
    for seed in range(500):
        attributes = sampled(seed)
        text = tabletop.caption(attributes, stream(seed, 2))
        assert len(text) <= LONGEST, text
        assert text.isascii()
        assert text == text.lower()
        wish = tabletop.read(text)
        assert wish is not None, text
        assert len(wish["groups"]) == len(attributes["groups"]), text
        for said, true in zip(wish.pop("groups"), attributes["groups"], strict=True):
            assert {"count", "colour", "shape"} <= said.keys(), text
            assert said.items() <= true.items(), text
        assert wish.items() <= attributes.items(), text
        wordings.add(text.split()[0] + text.split()[1])
    assert len(wordings) > 20


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        (
            "a red cube to the left of a blue ball",
            {"groups": [one("cube", "red"), one("ball", "blue")], "relation": "left of"},
        ),
        ("Three green cones on a wooden table", {"groups": [one("cone", "green", 3)], "table": "wood"}),
        (
            "a glossy yellow cylinder in front of a mirror",
            {"groups": [{**one("cylinder", "yellow"), "material": "shiny"}], "mirror": True},
        ),
        (
            "two small white spheres and a big violet box.",
            {"groups": [{**one("ball", "white", 2), "size": "small"}, {**one("cube", "purple"), "size": "large"}]},
        ),
        ("4 gray donuts, behind them a green wall", {"groups": [one("ring", "grey", 4)], "wall": "green"}),
        ("a red apple next to a blue block", {"groups": [one("cube", "blue")]}),
        ("a metal pyramid", {"groups": [{"count": 1, "shape": "pyramid", "material": "metal"}]}),
    ],
)
def test_prompts_are_read(text, wish):
    assert tabletop.read(text) == wish


@pytest.mark.parametrize("text", ["a red apple", "a dragon", "a left hand in front of a blue wall", ""])
def test_prompts_about_something_else_are_not_read(text):
    assert tabletop.read(text) is None


@pytest.mark.parametrize(
    ("text", "word"), [("nine red balls", "9"), ("0 cubes", "0"), ("a cone on top of a cube", "side by side")]
)
def test_tables_that_cannot_be_laid_are_refused_with_a_reason(text, word):
    with pytest.raises(ValueError, match=word):
        tabletop.read(text)


def test_a_wish_is_fulfilled():
    wish = tabletop.read("two small white balls and a large purple cube on a yellow table")
    attributes = sampled(3, **wish)
    kinds = [(item["size"], item["colour"], item["shape"]) for item in attributes["objects"]]
    assert kinds == [("small", "white", "ball")] * 2 + [("large", "purple", "cube")]
    assert attributes["table"] == "yellow"


@pytest.mark.parametrize(
    ("relation", "axis", "sign"),
    [("left of", "x", -1), ("right of", "x", 1), ("in front of", "y", -1), ("behind", "y", 1)],
)
def test_relations_hold_on_the_table_and_in_the_picture(relation, axis, sign):
    for seed in range(15):
        attributes = sampled(seed, relation=relation, groups=[{"shape": "cube"}, {"shape": "ball"}])
        first, second = attributes["objects"]
        assert sign * (first[axis] - second[axis]) > 0.4


def test_objects_keep_apart_and_hide_little_of_each_other():
    for seed in range(60):
        attributes = sampled(seed)
        objects = attributes["objects"]
        for this, other in combinations(objects, 2):
            radii = [FOOTPRINT[item["shape"]] * SCALE[item["size"]] for item in (this, other)]
            assert np.hypot(this["x"] - other["x"], this["y"] - other["y"]) > sum(radii)
        assert max(hidden_shares(objects, attributes["pitch"])) <= HIDDEN


def test_a_ball_right_behind_another_is_hidden_and_one_beside_it_is_not():
    front = {"shape": "ball", "size": "large", "x": 0.0, "y": 0.0, "turn": 0.0}
    shares = hidden_shares([front, {**front, "size": "small", "y": 1.2}, {**front, "x": 2.0}], pitch=20)
    assert shares[0] == 0
    assert shares[1] > 0.8
    assert shares[2] == 0


def test_the_same_streams_build_the_same_scene():
    first, second = (tabletop.build(sampled(5), stream(5, 2)) for _ in range(2))
    assert first.camera == second.camera
    assert first.lights == second.lights
    for this, other in zip(first.parts, second.parts, strict=True):
        assert np.array_equal(this.mesh.vertices, other.mesh.vertices)
        assert np.array_equal(this.material.texture, other.material.texture)


def test_a_wrong_shadow_is_far_off_and_leaves_the_rest_of_the_scene_alone():
    for seed in range(40):
        asked = sampled(seed)
        drawn = tabletop.plant(asked, stream(seed, 3), "wrong_shadow")
        assert drawn["planted"] is True
        assert 40 <= abs(drawn["shadow_error"]) <= 180
        honest, planted = (tabletop.build(attributes, stream(seed, 2)) for attributes in (asked, drawn))
        assert planted.camera == honest.camera
        assert planted.lights == honest.lights
        assert planted.swapped == {"table"}
        assert planted.swap.lights != honest.lights


def test_a_wrong_reflection_needs_a_mirror():
    assert tabletop.plant(sampled(1, mirror=False), stream(1), "wrong_reflection")["planted"] is False
    kinds = set()
    for seed in range(30):
        drawn = tabletop.plant(with_mirror(seed), stream(seed), "wrong_reflection")
        assert drawn["planted"] is True
        kinds.add(drawn["reflection_error"])
        assert tabletop.build(drawn, stream(seed, 2)).swapped == {"mirror"}
    assert kinds == {"colour", "missing", "place"}


def test_an_unknown_defect_is_named():
    with pytest.raises(ValueError, match="wrong_glyph"):
        tabletop.plant(sampled(1), stream(1), "wrong_glyph")


def test_both_defects_change_pixels_of_table_and_mirror_and_nothing_else():
    asked = with_mirror(2)
    mirrored = tabletop.plant(asked, stream(1), "wrong_reflection")
    drawn = tabletop.plant(mirrored, stream(0), "wrong_shadow")
    honest, reflected, planted = (
        without_unseen(render(alike(tabletop.build(attributes, stream(2))), size=64, samples=4))
        for attributes in (asked, mirrored, drawn)
    )
    changed = np.any(honest.image != planted.image, axis=-1)
    names = np.array(["nothing", *planted.names])[planted.ids]
    assert set(np.unique(names[changed])) == {"table", "mirror"}
    assert np.array_equal(planted.image[names == "mirror"], reflected.image[names == "mirror"])
    assert np.array_equal(honest.ids, planted.ids)


def test_every_object_is_in_the_picture_where_the_annotations_say():
    attributes = sampled(4, mirror=False, groups=[{"count": 3, "shape": "ball", "colour": "red"}])
    picture = without_unseen(render(alike(tabletop.build(attributes, stream(4))), size=64, samples=4))
    assert picture.names == ("object0", "object1", "object2", "table", "wall")
    for index, (x, y, visible) in enumerate(picture.points["objects"]):
        rows, columns = np.nonzero(picture.ids == 1 + index)
        assert visible
        assert 2 < x < 62
        assert np.hypot(columns.mean() - x, rows.mean() - y) < 4
        assert rows.min() > 0
        assert rows.max() < 63
