"""Edits and controls: an autoencoder's floor is no leak, planted faults are found, and more of each scores worse."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from audit.api import View
from audit.audits.control import edges_kept, skeleton_kept
from audit.audits.editing import leaked, seam, structure
from audit.audits.tasks import edges
from audit.images import decode
from audit.suites import BUILTIN, load
from audit.trial import Case
from audit.trials.editing import shifted, tinted
from audit.types import Prompt, Score, seed_for
from generators import builtin
from generators.api import Request, Settings
from generators.studio.controls import lines_picture

RED = np.array([255.0, 0, 0])


def view(made: np.ndarray, task: str, expect: dict | None = None, **brought: np.ndarray) -> View:
    prompt = Prompt(id="p", text="", inputs={role: role for role in brought}, expect=expect or {})
    settings = Settings(task=task)
    return Case(pixels=made, planted=False, prompt=prompt, settings=settings, inputs=brought).view()


def scene(seed: int = 0, size: int = 128) -> np.ndarray:
    """Blocks of colour in soft light, under a little grain."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(40, 216, (8, 8, 3)).repeat(size // 8, axis=0).repeat(size // 8, axis=1)
    light = np.linspace(0.8, 1.2, size)[None, :, None]
    return np.clip(cv2.GaussianBlur(blocks * light, (0, 0), 1) + rng.normal(0, 3, blocks.shape), 0, 255).astype(
        np.uint8
    )


def wall(size: int = 128) -> np.ndarray:
    return np.full((size, size, 3), (150, 140, 130), np.uint8)


def mask(size: int = 128) -> np.ndarray:
    wanted = np.zeros((size, size, 3), np.uint8)
    wanted[: size // 2] = 255
    return wanted


def smeared(picture: np.ndarray) -> np.ndarray:
    """What a decoder makes of a picture: grain gone, a grey level off, noise of its own."""
    soft = cv2.GaussianBlur(picture, (0, 0), 1).astype(float)
    return np.clip(soft + 0.8 + np.random.default_rng(9).normal(0, 2, soft.shape), 0, 255).astype(np.uint8)


def edited(outside: np.ndarray) -> np.ndarray:
    """Another scene in the mask, and the outside given."""
    return np.where(mask() > 127, scene(1), outside)


def score_of(audit, shown: View) -> Score:
    [score] = audit()([shown])
    return score


def leak(outside: np.ndarray) -> Score:
    return score_of(leaked, view(edited(outside), "inpaint", source=scene(), mask=mask()))


@pytest.mark.parametrize("outside", [scene, lambda: smeared(scene())])
def test_an_untouched_outside_is_no_leak_even_after_a_decoder(outside):
    score = leak(outside())
    assert score.value == 0
    assert score.evidence["why"] == []


@pytest.mark.parametrize("base", [scene, lambda: smeared(scene())])
@pytest.mark.parametrize("way", [(2, 0), (0, -2), (3, 0), (2, 2)])
def test_a_shift_is_found_and_measured(base, way):
    score = leak(shifted(base(), *way))
    assert score.value == 1
    assert "shift" in score.evidence["why"]
    assert score.evidence["shift"] == [way[1], way[0]]


@pytest.mark.parametrize("base", [scene, lambda: smeared(scene())])
def test_a_tint_of_five_percent_is_found(base):
    score = leak(tinted(base(), RED, 0.05))
    assert score.value == 1
    assert score.evidence["why"] == ["colour"]


def test_more_tint_is_more_colour():
    found = [leak(tinted(scene(), RED, share)).evidence["colour"] for share in (0, 0.01, 0.03, 0.05, 0.1)]
    assert found == sorted(found)
    assert found[0] == 0
    assert found[-1] == pytest.approx(10 * found[1], rel=0.25)


def test_the_more_pictures_leak_the_higher_the_rate():
    shares = [
        np.mean([leak(tinted(scene(), RED, share * number)).value for number in range(6)]) for share in (0, 0.01, 0.04)
    ]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] > 0.7


def test_something_painted_outside_is_found_where_it_is():
    outside = scene().copy()
    outside[90:118, 20:48] = 255 - outside[90:118, 20:48]
    score = leak(outside)
    assert "patch" in score.evidence["why"]
    x, y = score.evidence["patch_at"]
    assert 15 <= x <= 53
    assert 85 <= y <= 123


def test_a_plain_wall_cannot_seem_to_move():
    made = np.clip(wall() + np.random.default_rng(0).normal(0, 3, wall().shape), 0, 255).astype(np.uint8)
    score = score_of(leaked, view(made, "inpaint", source=wall(), mask=mask()))
    assert score.value == 0


def test_a_floor_that_is_asked_for_is_kept_to():
    shown = view(edited(tinted(scene(), RED, 0.05)), "inpaint", source=scene(), mask=mask())
    assert leaked(colour=20.0)([shown])[0].value == 0
    assert leaked(colour=0.0, shift=0.0, patch=0.0)([shown])[0].value == 1


def test_a_mask_that_leaves_nothing_has_no_outside():
    whole = np.full((128, 128, 3), 255, np.uint8)
    assert "too little outside" in score_of(leaked, view(scene(), "inpaint", source=scene(), mask=whole)).reason
    assert "no border" in score_of(seam, view(scene(), "inpaint", source=scene(), mask=whole)).reason


def test_a_step_at_the_masks_border_is_a_seam_as_high_as_it_is():
    made = [np.where(mask() > 127, wall() + np.uint8(step), wall()) for step in (0, 5, 20, 60)]
    scores = [score_of(seam, view(each, "inpaint", source=wall(), mask=mask())).value for each in made]
    assert scores == pytest.approx([0, 5, 20, 60])


def test_what_the_source_has_on_that_line_is_no_seam():
    source = wall().copy()
    source[:64] += np.uint8(40)
    score = score_of(seam, view(source, "inpaint", source=source, mask=mask()))
    assert score.value == 0
    assert score.evidence["source"] == 40


def test_structure_is_kept_by_recolouring_and_lost_by_repainting():
    source = scene()
    recoloured = np.rint(source * 0.8 + 20).astype(np.uint8)
    mixed = [np.rint(source + share * (scene(1).astype(float) - source)).astype(np.uint8) for share in (0, 0.3, 0.6, 1)]
    kept = [score_of(structure, view(each, "img2img", source=source)).value for each in mixed]
    assert score_of(structure, view(recoloured, "img2img", source=source)).value > 0.98
    assert kept[0] == pytest.approx(1)
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] < 0.4


@pytest.mark.parametrize(
    ("scorer", "shown", "words"),
    [
        (leaked, view(scene(), "text2img"), "no inpainting"),
        (seam, view(scene(), "text2img"), "no inpainting"),
        (seam, view(scene(), "inpaint", source=scene()[:64], mask=mask()), "sizes differ"),
        (structure, view(scene(), "inpaint", source=scene()), "no image to image"),
        (structure, view(scene(), "img2img", source=scene()[:64]), "sizes differ"),
        (structure, view(wall(), "img2img", source=scene()), "without structure"),
        (edges_kept, view(scene(), "control", control=mask()), "no edge_ceiling"),
        (edges_kept, view(scene(), "control", {"edge_ceiling": 0.0}, control=mask()), "no edge_ceiling"),
        (edges_kept, view(scene(), "control", {"edge_ceiling": "high"}, control=mask()), "no edge_ceiling"),
        (edges_kept, view(scene(), "text2img", {"edge_ceiling": 0.8}), "no control picture"),
        (skeleton_kept, view(scene(), "control", control=scene(2)), "no skeleton_ceiling"),
    ],
)
def test_where_there_is_nothing_to_say_the_reason_is_given(scorer, shown, words):
    score = score_of(scorer, shown)
    assert score.status == "skipped"
    assert words in score.reason


def test_a_score_is_told_as_a_share_of_the_true_scenes_own():
    lines = np.zeros((128, 128), bool)
    lines[16::16] = lines[:, 16::16] = True
    control = lines_picture(lines)
    ceiling = score_of(edges, view(scene(), "control", control=control)).value
    kept = score_of(edges_kept, view(scene(), "control", {"edge_ceiling": ceiling}, control=control))
    moved = view(shifted(scene(), 6, 6), "control", {"edge_ceiling": ceiling}, control=control)
    assert kept.value == pytest.approx(1)
    assert kept.evidence["ceiling"] == ceiling
    assert score_of(edges_kept, moved).value < 0.8


@pytest.mark.parametrize(
    ("suite", "key", "fewest"), [("edges", "edge_ceiling", 18), ("skeletons", "skeleton_ceiling", 12)]
)
def test_the_control_suites_that_ship_know_their_ceilings(suite, key, fewest):
    rows = [json.loads(line) for line in (BUILTIN / f"{suite}.jsonl").read_text(encoding="utf-8").splitlines()]
    known = [row["expect"][key] for row in rows if key in row["expect"]]
    assert len(known) >= fewest
    assert all(0.3 < each <= 1 for each in known)


@pytest.mark.slow
def test_strength_lowers_the_structure_that_the_shipped_model_keeps():
    suite, generator = load("edit"), builtin.load("ldm")
    sources = [decode(suite.files[each.inputs["source"]].read_bytes()) for each in suite.prompts[:8]]
    kept = []
    for strength in (0.2, 0.5, 0.8, 1.0):
        settings = Settings(task="img2img", steps=10, guidance=3.0, strength=strength)
        requests = [
            Request(text=prompt.text, seed=seed_for(prompt.id, 0), settings=settings, source=source)
            for prompt, source in zip(suite.prompts, sources, strict=False)
        ]
        made = dict(generator.generate(requests))
        views = [view(np.asarray(made[place]), "img2img", source=source) for place, source in enumerate(sources)]
        kept.append(np.mean([score_of(structure, each).value for each in views]))
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > 0.8
    assert kept[-1] < kept[0] - 0.3
