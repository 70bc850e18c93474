"""One light for all shadows, and a mirror that shows what stands before it: known turns, known displacements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.audits import physics
from audit.audits.physics import light, light_wrong, mirror, mirror_wrong, shadow, shadow_wrong
from audit.features.ground import Camera
from audit.features.objects import Table
from audit.features.shadows import Light, Shadow
from audit.trials.physics import carried
from audit.types import Score
from generators.studio import tabletop
from generators.studio.alike import alike
from generators.studio.drawing import stream
from generators.studio.render import project, render
from generators.studio.scene import Scene
from tests.audits.tables import Perfect, laid, table, view

FIVE = [{"count": 3}, {"count": 1}, {"count": 1}]
PAIR = [{"count": 1, "shape": "cone", "colour": "red"}, {"count": 1, "shape": "cube", "colour": "blue"}]


def told_of(monkeypatch: pytest.MonkeyPatch, scorer, seen: Table) -> Score:
    monkeypatch.setattr(physics, "finder", lambda: Perfect(seen))
    [score] = scorer()([view()])
    assert score.status == "ok", score.reason
    return score


def value(monkeypatch: pytest.MonkeyPatch, scorer, seen: Table) -> float:
    return float(told_of(monkeypatch, scorer, seen).value)


def reason(monkeypatch: pytest.MonkeyPatch, scorer, seen: Table) -> str:
    monkeypatch.setattr(physics, "finder", lambda: Perfect(seen))
    [score] = scorer()([view()])
    assert score.status == "skipped"
    return score.reason


def mirrored(seed: int, error: str = "none") -> Table:
    drawn = tabletop.sample(stream(seed, "asked"), {"mirror": True, "groups": PAIR})
    if error != "none":
        planted = (tabletop.plant(drawn, stream(n, "plant"), "wrong_reflection") for n in range(99))
        drawn = next(each for each in planted if each["reflection_error"] == error)
    return table(drawn, tabletop.build(drawn, stream(seed, "build")))


def test_the_camera_puts_places_back_where_they_are_seen():
    camera = Camera(pitch=28, fov=36, width=160, height=120)
    pixels = np.array([(10.0, 100.0), (80.0, 60.0), (150.0, 90.0)])
    places = camera.places(pixels)
    assert camera.pixels(np.column_stack([places, np.zeros(3)])) == pytest.approx(pixels)
    above = camera.pixels([(*places[1], 0.2)])[0]
    assert camera.height_above(places[1], above) == pytest.approx(0.2)
    assert np.isnan(camera.places([(80.0, -200.0)])).all()


def test_the_camera_sees_as_the_studios_does():
    drawn, scene = laid(1)
    wanted = project(scene.camera, scene.points["tops"], np.zeros((128, 128), np.float32))[:, :2]
    seen = table(drawn, scene)
    towards = np.subtract(scene.camera.target, scene.camera.origin)
    pitch = float(np.degrees(np.arcsin(-towards[2] / np.linalg.norm(towards))))
    camera = Camera(pitch, scene.camera.fov, 128, 128)
    for found in seen.objects:
        [foot] = camera.places([found.foot])
        top = camera.pixels([(*foot, camera.height_above(foot, found.top))])[0]
        assert np.abs(wanted - top).max(axis=1).min() < 0.1


def test_a_shadow_lies_on_the_line_from_the_light():
    light, corner = Light(azimuth=30, length=1.2, nearness=0.5), np.array([[0.3, 0.1, 0.4]])
    [thrown] = light.thrown(corner, np.zeros(2))
    way = np.array([np.cos(np.radians(30)), np.sin(np.radians(30))])
    lamp = np.array([*(-way / 0.5), 1 / (1.2 * 0.5)])
    down = lamp + (corner[0] - lamp) * lamp[2] / (lamp[2] - 0.4)
    assert thrown == pytest.approx(down[:2])


def test_the_more_a_shadow_is_turned_the_greater_the_angle(monkeypatch):
    drawn, scene = laid(7, groups=FIVE)
    told = [told_of(monkeypatch, shadow, table(drawn, scene, turn)) for turn in (0, 15, 30, 60)]
    turns = [max(np.abs(each.evidence["turns"])) for each in told]
    assert turns == pytest.approx([0, 15, 30, 60], abs=8)
    values = [each.value for each in told]
    assert values == sorted(values)


def test_of_a_badly_seen_shadow_less_of_its_turn_counts():
    made = {"solid": None, "azimuth": 0.0, "turn": -50.0, "due": 30.0, "due_fit": 0.0, "gain": 9.0, "tip": (0.0, 0.0)}
    well, badly = (Shadow(cells=30.0, fit=fit, **made) for fit in (0.8, 0.4))
    assert well.counted == 50
    assert badly.counted == pytest.approx(30)


def test_one_turned_shadow_is_called_wrong_and_true_ones_are_not(monkeypatch):
    drawn, scene = laid(5, groups=FIVE)
    assert value(monkeypatch, shadow_wrong, table(drawn, scene)) == 0
    assert value(monkeypatch, shadow_wrong, table(drawn, scene, 60, which=1)) == 1


def lit_by(monkeypatch, scorer, seen: Table, scene: Scene) -> Score:
    """The score of the table as its finder sees it, in the picture of a scene."""
    picture = render(alike(scene), size=128, samples=8).image
    monkeypatch.setattr(physics, "finder", lambda: Perfect(seen))
    [score] = scorer()([replace(view(), image=torch.from_numpy(picture.transpose(2, 0, 1).copy()))])
    return score


@pytest.mark.parametrize("shape", ["ball", "cylinder", "cone", "pyramid", "ring"])
def test_shading_and_shadows_tell_the_same_light_of_a_true_scene(monkeypatch, shape):
    drawn, scene = laid(3, groups=[{"count": 2, "shape": shape, "colour": "red"}])
    score = lit_by(monkeypatch, light, table(drawn, scene), scene)
    assert score.status == "ok", score.reason
    assert score.value < 30


def test_the_angle_between_two_lights_is_told(monkeypatch):
    drawn, scene = laid(3, groups=[{"count": 2, "shape": "ball", "colour": "red"}])
    turned = replace(scene, lights=(carried(scene.lights[0], scene.points["contacts"][0, :2], 100),))
    score = lit_by(monkeypatch, light, table(drawn, scene), turned)
    assert score.value == pytest.approx(100, abs=35)
    assert lit_by(monkeypatch, light_wrong, table(drawn, scene), turned).value == 1
    assert lit_by(monkeypatch, light_wrong, table(drawn, scene), scene).value == 0


def test_without_shading_no_light_is_told(monkeypatch):
    assert reason(monkeypatch, light, table(*laid(5, groups=FIVE))) == "shading does not tell a side"


def test_evidence_names_the_turned_one(monkeypatch):
    drawn, scene = laid(9, groups=FIVE)
    monkeypatch.setattr(physics, "finder", lambda: Perfect(table(drawn, scene, 30, which=2)))
    [score] = shadow()([view()])
    turned = int(np.abs(score.evidence["turns"]).argmax())
    feet = project(scene.camera, scene.points["contacts"], np.zeros((128, 128), np.float32))[:, :2]
    foot = score.evidence["lines"][turned]["points"][0]
    assert int(np.abs(feet - foot).sum(axis=1).argmin()) == 2


def test_fewer_than_three_shadows_say_nothing(monkeypatch):
    seen = table(*laid(4, groups=[{"count": 2}]))
    for scorer in (shadow, shadow_wrong):
        assert "three are needed" in reason(monkeypatch, scorer, seen)


def test_an_empty_table_says_nothing(monkeypatch):
    seen = table(*laid(4, groups=[{"count": 1}]))
    bare = Table((), (), np.zeros_like(seen.kinds), seen.presence * 0, seen.shadow, 1.0, (0.0, 0.0))
    for scorer in (shadow, shadow_wrong, mirror, mirror_wrong):
        assert reason(monkeypatch, scorer, bare) == "no objects on a table were found"


@pytest.mark.parametrize("seed", range(12))
def test_a_true_mirror_is_right_to_a_few_pixels(monkeypatch, seed):
    assert value(monkeypatch, mirror, mirrored(seed)) < 5
    assert value(monkeypatch, mirror_wrong, mirrored(seed)) == 0


@pytest.mark.parametrize("error", ["colour", "missing"])
def test_a_reflection_of_another_colour_or_none_is_called_wrong(monkeypatch, error):
    assert value(monkeypatch, mirror_wrong, mirrored(0, error)) == 1
    assert value(monkeypatch, mirror_wrong, mirrored(0)) == 0


def test_a_displaced_reflection_lies_further_off_than_a_true_one(monkeypatch):
    true, displaced = (value(monkeypatch, mirror, mirrored(0, error)) for error in ("none", "place"))
    assert displaced > true + 2


def test_a_table_without_a_mirror_says_nothing(monkeypatch):
    assert reason(monkeypatch, mirror, table(*laid(1))) == "no mirror was found"
