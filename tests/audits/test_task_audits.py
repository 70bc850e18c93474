"""Edits and controls: clean ones score well, planted faults worse the larger they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.api import View
from audit.audits.tasks import edges, leak, skeleton
from audit.images import decode
from audit.registry import audits
from audit.score import choose
from audit.suites import load
from audit.types import Prompt
from generators.api import Settings
from generators.studio.controls import lines_picture


def view(made: np.ndarray, task: str, **brought: np.ndarray) -> View:
    image = torch.from_numpy(made.transpose(2, 0, 1).copy())
    prompt = Prompt(id="p", text="a hand", inputs={role: role for role in brought})
    return View(image=image, prompt=prompt, settings=Settings(task=task), look=brought.__getitem__)


def scene(seed: int = 0, size: int = 128) -> np.ndarray:
    """Blocks of colour under a little grain."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(40, 216, (8, 8, 3)).repeat(size // 8, axis=0).repeat(size // 8, axis=1)
    return np.clip(blocks + rng.normal(0, 2, blocks.shape), 0, 255).astype(np.uint8)


def mask(size: int = 128) -> np.ndarray:
    wanted = np.zeros((size, size, 3), np.uint8)
    wanted[: size // 2] = 255
    return wanted


def value(scorer, shown: View) -> float:
    [score] = scorer()([shown])
    assert score.status == "ok", score.reason
    return float(score.value)


def reason(scorer, shown: View) -> str:
    [score] = scorer()([shown])
    assert score.status == "skipped"
    return score.reason


def leaked(share: float) -> np.ndarray:
    """The source with its masked half made anew, and so much of another picture mixed into the known half."""
    made, other = scene().astype(float), scene(1)
    made[:64] = other[:64]
    made[64:] += share * (other[64:] - made[64:])
    return np.rint(made).astype(np.uint8)


def test_an_edit_that_keeps_to_its_mask_leaks_nothing_and_more_leak_scores_worse():
    scores = [value(leak, view(leaked(share), "inpaint", source=scene(), mask=mask())) for share in (0, 0.05, 0.1, 0.3)]
    assert scores[0] == 0
    assert scores == sorted(scores)
    assert scores[1] > 1  # a twentieth of another picture is found


def test_a_shift_of_two_pixels_is_a_leak():
    shifted = np.roll(scene(), 2, axis=1)
    assert value(leak, view(shifted, "inpaint", source=scene(), mask=mask())) > 3


def outlines(seed: int = 0) -> np.ndarray:
    """Where the blocks of `scene` meet."""
    lines = np.zeros((128, 128), bool)
    lines[16::16] = lines[:, 16::16] = True
    return lines_picture(lines)


def test_edges_that_were_followed_score_better_the_nearer_they_are():
    scores = [
        value(edges, view(np.roll(scene(), (shift, shift), axis=(0, 1)), "control", control=outlines()))
        for shift in (0, 2, 4, 7)
    ]
    assert scores[0] > 0.75
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < scores[0] - 0.3


def hands() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """True scenes of hands and their skeletons, from the suites that ship."""
    edit, bones = load("edit"), load("skeletons")
    sources = [decode(edit.files[p.inputs["source"]].read_bytes()) for p in edit.prompts if p.tags[0] == "hands"]
    controls = [decode(bones.files[p.inputs["control"]].read_bytes()) for p in bones.prompts if p.tags[0] == "hands"]
    return sources[1:3], controls[1:3]


def test_hands_lie_on_their_own_bones_and_off_others():
    shown, bones = hands()
    own = [value(skeleton, view(hand, "control", control=bone)) for hand, bone in zip(shown, bones, strict=True)]
    moved = [
        value(skeleton, view(hand, "control", control=np.roll(bone, 40, axis=1)))
        for hand, bone in zip(shown, bones, strict=True)
    ]
    assert min(own) > 0.9
    assert max(moved) < 0.7


@pytest.mark.parametrize(
    ("scorer", "shown", "words"),
    [
        (leak, view(scene(), "text2img"), "no inpainting"),
        (leak, view(scene(), "inpaint", source=scene()), "no inpainting"),
        (leak, view(scene(), "inpaint", source=scene()[:64], mask=mask()), "source 64 x 128, mask 128 x 128"),
        (leak, view(scene(), "inpaint", source=scene(), mask=np.full((128, 128, 3), 255, np.uint8)), "everything"),
        (edges, view(scene(), "control"), "no control picture"),
        (edges, view(scene(), "control", control=scene(2)), "it has colours"),
        (skeleton, view(scene(), "control", control=outlines()), "it has no colours"),
        (skeleton, view(scene(), "control", control=scene(2)), "no hand was found"),
    ],
)
def test_where_there_is_nothing_to_say_the_reason_is_given(scorer, shown, words):
    assert words in reason(scorer, shown)


def test_a_run_takes_the_audits_of_its_task_alone_unless_they_are_named():
    def names(task: str, *named: str) -> set[str]:
        return {choice.audit.name for choice in choose(named, {}, audits(), task)}

    assert not {"edit.leak", "control.edges", "upscale.consistency"} & names("text2img")
    assert names("inpaint") - names("text2img") == {"edit.leak", "edit.leaked"}
    assert "edit.structure" in names("img2img") - names("text2img")
    steered = {"control.edges", "control.edges_kept", "control.skeleton", "control.skeleton_kept"}
    assert names("control") - names("text2img") == steered
    assert names("upscale") - names("text2img") == {"upscale.consistency", "upscale.wrong"}
    assert names("text2img", "edit.leak") == {"edit.leak"}
