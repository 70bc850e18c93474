"""Super-resolution: invented detail is measured, wrong letters are found, and a blur is no lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from audit.api import View
from audit.audits.upscale import (
    LUMA,
    SAME,
    consistency,
    detail,
    disagreement,
    letters,
    places,
    reread,
    wrong,
)
from audit.images import resize
from audit.trials.upscale import plates, projected, swapped
from audit.types import Prompt
from generators.api import Settings
from generators.downsample import block_mean, exact_block_mean, finer
from reports.sections.limits import LIMITS
from tests.audits.toys import plain, written


def view(made: np.ndarray, small: np.ndarray | None = None, text: str | None = None, task: str = "upscale") -> View:
    """An enlarged picture, the small one it was made of, and the string that the scene really shows."""
    brought = {} if small is None else {"source": small}
    prompt = Prompt(
        id="p",
        text="a plate",
        expect={} if text is None else {"text": text},
        inputs={role: role for role in brought},
    )
    image = torch.from_numpy(made.transpose(2, 0, 1).copy())
    return View(image=image, prompt=prompt, settings=Settings(task=task), look=brought.__getitem__)


def scene(seed: int = 0, size: int = 128) -> np.ndarray:
    """Blocks of colour under a little grain."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(60, 196, (8, 8, 3)).repeat(size // 8, axis=0).repeat(size // 8, axis=1)
    return np.clip(blocks + rng.normal(0, 2, blocks.shape), 0, 255).astype(np.uint8)


def value(scorer, shown: View) -> float:
    [score] = scorer()([shown])
    assert score.status == "ok", score.reason
    return float(score.value)


def reason(scorer, shown: View) -> str:
    [score] = scorer()([shown])
    assert score.status == "skipped"
    return score.reason


def test_an_enlarged_picture_that_came_of_the_small_one_is_consistent_and_noise_is_not():
    large = scene()
    small = block_mean(large, 4)
    grain = np.random.default_rng(3).normal(0, 1, (32, 32, 1, 3)).repeat(16, axis=2).reshape(32, 32, 4, 4, 3)
    coarse = grain.transpose(0, 2, 1, 3, 4).reshape(128, 128, 3)
    scores = [
        value(consistency, view(np.clip(large + spread * coarse, 0, 255).astype(np.uint8), small))
        for spread in (0, 4, 12, 30)
    ]
    assert scores[0] > 45
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 25


def test_consistency_is_blind_to_what_is_finer_than_the_small_picture():
    large = scene()
    small = block_mean(large, 4)
    checks = np.where(np.indices((128, 128)).sum(axis=0) % 2, 12, -12)[..., None]
    made = np.clip(large.astype(int) + checks, 0, 255).astype(np.uint8)
    assert value(consistency, view(made, small)) > 40
    exact = np.repeat(np.repeat(small, 4, axis=0), 4, axis=1)
    assert value(consistency, view(exact, small)) == SAME


def invented(amount: float, seed: int = 0) -> np.ndarray:
    """Noise (128, 128, 3) of which a small picture, 4 times smaller, tells nothing; `amount` grey levels strong."""
    return finer(np.random.default_rng(seed).normal(0, amount, (128, 128, 3)), 4)


def test_more_invented_detail_has_more_energy_while_consistency_sees_nothing():
    base = scene()
    small = block_mean(base, 4)
    made = [np.rint(base + invented(amount)).astype(np.uint8) for amount in (0, 4, 8, 16)]
    energies = [value(detail, view(each, small)) for each in made]
    assert energies == sorted(energies)
    known = [np.sqrt(energies[0] ** 2 + 15 / 16 * amount**2) for amount in (4, 8, 16)]
    assert energies[1:] == pytest.approx(known, rel=0.05)
    consistent = [value(consistency, view(each, small)) for each in made]
    assert min(consistent) > 45
    assert max(consistent) - min(consistent) < 4


def test_interpolation_invents_nothing():
    small = block_mean(scene(), 4)
    blurred = np.rint(resize(small.astype(np.float32), 128, "clean")).astype(np.uint8)
    assert value(detail, view(blurred, small)) < 0.5  # rounding to whole grey levels
    assert value(detail, view(np.full_like(blurred, 90), np.full_like(small, 90))) == 0


def samples(amount: float, prompts: int = 6, each: int = 3) -> tuple[np.ndarray, list[str]]:
    """Feature rows of several enlargements of each of several small pictures, and whose they are."""
    rows, names = [], []
    for prompt in range(prompts):
        base = scene(prompt)
        small = block_mean(base, 4)
        for sample in range(each):
            made = np.clip(np.rint(base + invented(amount, 100 * prompt + sample)), 0, 255).astype(np.uint8)
            [score] = places()([view(made, small)])
            rows.append(score.vector)
            names.append(f"p{prompt}")
    return np.array(rows), names


def test_samples_that_differ_more_disagree_more_and_by_how_much_is_known():
    found = [disagreement.set_scorer()(*samples(amount)) for amount in (0, 4, 12)]
    assert found[0].value == pytest.approx(0, abs=1e-9)
    grain = np.linalg.norm(LUMA) * np.sqrt(15 / 16)
    assert [each.value for each in found[1:]] == pytest.approx([4 * grain, 12 * grain], rel=0.05)
    for each in found[1:]:
        assert each.low < each.value < each.high


def test_one_sample_a_prompt_cannot_disagree():
    rows, names = samples(4, prompts=3, each=1)
    found = disagreement.set_scorer()(rows, names)
    assert found.value is None
    assert "replicates" in found.note


@pytest.mark.parametrize(("drawn", "distance"), [("HOTEL", 0), ("HOTAL", 1), ("BOTAL", 2), ("BATAL", 3)])
def test_every_wrong_letter_that_can_be_read_takes_a_string_further_from_the_truth(drawn, distance):
    [score] = wrong()([view(written(drawn, size=16), text="Hotel")])
    assert score.value == float(distance > 0), score.evidence
    assert score.evidence["distance"] == pytest.approx(distance / 5)
    assert len(score.evidence["confusions"]) == distance
    assert score.evidence["lines"][0]["confidence"] > 0.8


@pytest.mark.parametrize("swaps", [0, 1, 4])
def test_the_rate_is_the_share_of_pictures_with_a_swapped_letter(swaps):
    pairs = [("OPEN", "OFEN"), ("TAXI", "TAXT"), ("7421", "7427"), ("CAFE", "CAPE")]
    shown = [
        view(written(other if place < swaps else true, size=20), text=true) for place, (true, other) in enumerate(pairs)
    ]
    assert np.mean([score.value for score in wrong()(shown)]) == swaps / 4


def test_a_blur_claims_nothing_and_is_no_lie():
    blurred = np.asarray(Image.fromarray(written("HOTEL", size=16)).filter(ImageFilter.GaussianBlur(5)))
    assert reason(wrong, view(blurred, text="HOSTEL")) == "nothing legible was read"
    assert reason(wrong, view(plain(), text="OPEN")) == "nothing legible was read"


def test_what_is_legible_is_right_where_the_rest_is_missing():
    assert value(wrong, view(written("OPEN", size=20), text="OPEN DAILY")) == 0
    assert value(wrong, view(written("OPEN", size=20), text="PEN")) == 1


def test_strings_are_compared_by_letters_that_can_be_told_apart():
    assert letters("[m0-12 Ifg]") == letters("MO12 1FG") == "m0121fg"
    assert letters("D8") != letters("08")


def test_a_letter_that_the_small_picture_contradicts_is_found_without_a_truth():
    small = block_mean(written("HOTEL", size=32, side=128), 4)
    doses = [
        reread()([view(written(drawn, size=32, side=128), small)])[0] for drawn in ("HOTEL", "HOTAL", "BOTAL", "BATAL")
    ]
    assert [score.value for score in doses] == pytest.approx([0, 0.2, 0.4, 0.6]), [score.evidence for score in doses]
    assert doses[1].evidence["contradicted"] == [["e", "a"]]


def test_letters_out_of_nothing_are_invented():
    [score] = reread()([view(written("HOTEL", size=32, side=128), block_mean(plain(height=128, width=128), 4))])
    assert score.value == 1
    assert score.evidence["invented"] == "h0tel"


def test_letters_that_appear_beside_those_of_the_small_picture_are_invented_in_part():
    small = block_mean(written("HOTEL", size=32, side=128), 4)
    [score] = reread()([view(written("HOTEL", "OPEN", size=32, side=128), small)])
    assert 0.2 < score.value < 0.7, score.evidence


@pytest.mark.parametrize(
    ("scorer", "shown", "words"),
    [
        (consistency, view(scene(), scene(), task="img2img"), "no super-resolution"),
        (consistency, view(scene(), scene()[:50, :50]), "no whole number of times larger"),
        (detail, view(scene()), "no super-resolution"),
        (places, view(scene(), scene()[:50, :50]), "no whole number of times larger"),
        (reread, view(scene()), "no super-resolution"),
        (reread, view(plain(), plain(height=16, width=16)), "nothing legible was read"),
        (wrong, view(written("OPEN"), text="OPEN", task="text2img"), "no super-resolution"),
        (wrong, view(written("OPEN")), "the prompt expects no text"),
    ],
)
def test_where_there_is_nothing_to_say_the_reason_is_given(scorer, shown, words):
    assert words in reason(scorer, shown)


def test_another_picture_can_have_the_same_small_picture_to_the_last_grey_level():
    rng = np.random.default_rng(0)
    true, other = scene(1), scene(2)
    true[:16], other[:16] = rng.choice([0, 255], (16, 128, 3)), 255  # where there is little room
    made = projected(other, true, 4, seed=0)
    assert (block_mean(made, 4) == block_mean(true, 4)).all()
    assert (exact_block_mean(made, 4) == exact_block_mean(true, 4)).all()
    assert np.abs(made.astype(int) - true).mean() > 1


def test_a_swapped_plate_is_read_as_swapped_and_is_as_consistent_as_the_true_one():
    true, small, text, other = plates(31, 0.6)
    shown = view(true, small, text), view(projected(other, true, 4, seed=31), small, text)
    assert value(consistency, shown[0]) == value(consistency, shown[1])
    assert [score.value for score in wrong()(shown)] == [0, 1]


def test_the_trial_pairs_each_plate_with_its_twin():
    clean, planted = swapped.cases(2)
    assert (clean.planted, planted.planted) == (False, True)
    assert clean.prompt == planted.prompt
    assert clean.truth == clean.prompt.expect["text"] != planted.truth
    assert (block_mean(clean.pixels, 4) == block_mean(planted.pixels, 4)).all()


@pytest.mark.parametrize("name", ["upscale.consistency", "upscale.wrong", "upscale.reread", "upscale.detail"])
def test_the_report_says_in_words_that_detail_is_invented(name):
    assert "invented and is no evidence" in LIMITS[name]
