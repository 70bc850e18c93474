"""The sections on findings that show pictures beside one another, and what holds for all of them: size and escaping."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from audit.api import View
from audit.audits.bias_sets import PRESENTATION, TONE, WIDTH
from audit.audits.editing import leaked
from audit.images import digest
from audit.memorized import build, save
from audit.types import Prompt, Score
from generators.api import Settings
from generators.studio.palette import MONK_HEX
from generators.studio.portraits_table import TONES
from reports.load import load
from reports.render import page_of
from reports.sections.bias import bias
from reports.sections.editing import editing
from reports.sections.hands import hands
from reports.sections.memorization import memorization
from reports.sections.physics import physics
from reports.sections.text import text
from reports.sections.upscale import upscale
from tests.reports.found_run import hand, number_of, prompts, reading, shown_in, words_of, write_found

SECTIONS = (hands, text, bias, physics, upscale, editing, memorization)
NASTY = "</script><img src=x onerror=alert(1)>"


# physics


def shadow(turn: float, **more) -> dict:
    return {
        "turns": [turn],
        "counted": [abs(turn)],
        "boxes": [{"box": [1, 2, 11, 12], "label": "red cube", "score": 0.9}],
        "lines": [{"points": [[5, 12], [25, 14], [5, 12]], "label": f"{turn:+.0f} degrees"}],
        **more,
    }


@pytest.mark.parametrize("measured", [True, False])
def test_residuals_come_from_the_measure_or_else_from_the_verdicts_evidence(tmp_path, measured):
    turns = [3, 4, 12, 55]
    say = {
        "physics.shadow_wrong": lambda job: Score.of(float(turns[number_of(job)] > 30), **shadow(turns[number_of(job)]))
    }
    if measured:
        say["physics.shadow"] = lambda job: Score.of(turns[number_of(job)], **shadow(turns[number_of(job)]))
    options = {"physics.shadow_wrong": {"angle": 30.0}}
    part = physics.write(load([write_found(tmp_path / "run", say, prompts(4), options=options)]))
    figure = part.data["figures"]["physics.shadow"]
    assert figure["data"][0]["y"] == [0.5, 0.25, 0, 0, 0, 0.25, 0, 0, 0]
    assert figure["layout"]["shapes"][0]["x0"] == 30
    first = str(part.html).split('<li class="card">')[1]
    assert "55.0 degrees" in first
    assert "<dd>wrong</dd>" in first
    assert 'class="sure" points="1.0,2.0 11.0,2.0 11.0,12.0 1.0,12.0 "' in first
    assert 'class="sure line" points="5.0,12.0 25.0,14.0 5.0,12.0 "' in first


def test_what_light_and_mirrors_contradict_is_told_in_words(tmp_path):
    say = {
        "physics.light_wrong": lambda job: Score.of(1, apart=120.4, shadows_point=10.0, shading_says=130.4),
        "physics.mirror": lambda job: Score.of(40, reflections=["red cube: no reflection"], boxes=[], lines=[]),
    }
    words = words_of(physics.write(load([write_found(tmp_path / "run", say, prompts(1))])))
    assert "off by 120 degrees verdict wrong" in words
    assert "red cube: no reflection" in words


# super-resolution


def test_the_least_certain_is_the_one_whose_samples_lie_furthest_apart(tmp_path):
    small = np.full((16, 16, 3), 90, np.uint8)
    asked = [
        Prompt(id=f"p/{place}", text=f"plate {place}", expect={"text": "AB 1"}, inputs={"source": digest(small)})
        for place in range(10)
    ]
    noise = {place: np.random.default_rng(place).normal(size=(3, 8)) for place in range(10)}

    def reread(job):
        read = "AB 7" if number_of(job) == 6 else ""
        told = {"read": read, "lines": [], "unsure": []}
        return Score.of(0.25, small="A8 1", **told) if read else Score.skipped("nothing legible was read", **told)

    say = {
        "features.detail": lambda job: Score.features(
            tuple((1 + 10 * (number_of(job) == 6)) * noise[number_of(job)][job.replicate])
        ),
        "upscale.reread": reread,
    }
    folder = write_found(
        tmp_path / "run", say, asked, replicates=3, settings=[Settings(task="upscale")], brought={digest(small): small}
    )
    part = upscale.write(load([folder]))
    cards = str(part.html).split('<li class="card">')[1:]
    assert len(cards) == 8
    assert "plate 6" in cards[0]
    assert all(card.count("invented, not evidence</figcaption>") == 3 for card in cards)
    assert all("small picture, the evidence" in card for card in cards)
    assert "AB <del>1</del>" in cards[0]
    assert "A8 1" in cards[0]
    assert np.array_equal(shown_in(part)[0], small)


def test_one_sample_alone_is_ranked_by_what_the_small_picture_does_not_bear_out(tmp_path):
    told = {"read": "AB", "lines": [], "unsure": [], "small": "A"}
    say = {"upscale.reread": lambda job: Score.of(number_of(job) / 10, **told)}
    part = upscale.write(load([write_found(tmp_path / "run", say, prompts(6), settings=[Settings(task="upscale")])]))
    assert "picture 5" in str(part.html).split('<li class="card">')[1]
    assert "lie apart" not in words_of(part).split("Least certain")[1].split("Most certain")[1]
    assert "With several samples" in words_of(part)


# editing


def test_the_edit_that_leaked_is_shown_first_beside_its_source_and_mask(tmp_path):
    rng = np.random.default_rng(5)
    source = rng.integers(60, 200, (64, 64, 3)).astype(np.uint8)
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[20:44, 20:44] = 255
    brought = {digest(each): each for each in (source, mask)}
    inputs = {"source": digest(source), "mask": digest(mask)}
    asked = [Prompt(id=f"p/{place}", text=f"edit {place}", inputs=inputs) for place in range(4)]

    def draw(job):
        made = source.copy()
        made[20:44, 20:44] = 128
        if number_of(job) == 2:
            made[:, :] = np.clip(made.astype(int) + 9, 0, 255)
        return made

    def say(job):
        image = torch.from_numpy(np.ascontiguousarray(draw(job).transpose(2, 0, 1)))
        shown = View(image=image, prompt=job.prompt, settings=job.settings, look=brought.__getitem__)
        [score] = leaked()([shown])
        return score

    folder = write_found(
        tmp_path / "run", {"edit.leaked": say}, asked, draw=draw, brought=brought,
        settings=[Settings(task="inpaint")], options={"edit.leaked": {"colour": 3.0}},
    )  # fmt: skip
    part = editing.write(load([folder]))
    first = str(part.html).split('<li class="card">')[1]
    assert "edit 2" in first
    assert "leaked: colour" in first
    assert "9.00 grey levels, floor 3" in first
    captions = [re.sub(r"<[^>]+>", "", each) for each in re.findall("<figcaption>(.*?)</figcaption>", first)]
    assert captions == ["source", "mask: white is made anew", "result"]
    assert np.abs(shown_in(part)[0].astype(int) - source).max() == 0
    assert "above it 0.250" in words_of(part)


def test_an_edit_without_a_mask_is_told_by_the_structure_it_kept(tmp_path):
    say = {"edit.structure": lambda job: Score.of(0.9 - number_of(job) / 10)}
    part = editing.write(load([write_found(tmp_path / "run", say, prompts(3), settings=[Settings(task="img2img")])]))
    assert "picture 2" in str(part.html).split('<li class="card">')[1]
    assert "mask: white" not in part.html
    assert "structure kept 0.700" in words_of(part)


# memorization


def smooth(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return np.array(Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC))


def remembered(path: Path) -> Mapping[str, np.ndarray]:
    known = {f"scene {seed}": smooth(seed) for seed in range(4)}
    save(build(path.stem, known.items(), [smooth(seed) for seed in range(50, 90)], "four scenes"), path)
    return known


def copy_of(job, mirrored: bool = False) -> Score:
    place = number_of(job)
    told = {"nearest": f"scene {place}", "mirrored": mirrored, "among": "four scenes"}
    return Score.of(float(place == 3), similarity=0.6 + place / 10, threshold=0.85, chance=0.02, **told)


@pytest.mark.parametrize("mirrored", [False, True])
def test_each_picture_stands_beside_the_training_picture_it_is_nearest_to(tmp_path, mirrored):
    known = remembered(tmp_path / "mine.npz")
    options = {"memorization.copied": {"reference": str(tmp_path / "mine.npz")}}
    say = {"memorization.copied": lambda job: copy_of(job, mirrored)}
    part = memorization.write(load([write_found(tmp_path / "run", say, prompts(4), options=options)]))
    first = shown_in(part)[1].astype(int)
    due = known["scene 3"][:, ::-1] if mirrored else known["scene 3"]
    assert np.abs(first - due).mean() < 6, "the sheet is a JPEG"
    assert "counts as a copy above 0.850 fresh pictures that come as near 2.00%" in words_of(part)
    figure = part.data["figures"]["memorization.similarity"]
    assert figure["layout"]["shapes"][0]["x0"] == 0.85
    assert sum(figure["data"][0]["y"]) == pytest.approx(1)
    assert sum(figure["data"][1]["y"]) == pytest.approx(1), "the outline of fresh pictures"


def test_a_reference_that_is_gone_is_told_and_the_pictures_stand_alone(tmp_path):
    options = {"memorization.copied": {"reference": str(tmp_path / "gone.npz")}}
    part = memorization.write(
        load([write_found(tmp_path / "run", {"memorization.copied": copy_of}, prompts(4), options=options)])
    )
    assert "Training pictures are not shown" in words_of(part)
    assert "no reference at" in words_of(part)
    assert len(shown_in(part)) == 4
    assert len(part.data["figures"]["memorization.similarity"]["data"]) == 1


# what comes from prompts and models


def test_nasty_words_of_prompts_generators_and_readings_are_shown_and_not_obeyed(tmp_path):
    asked = [Prompt(id="p/0", text=NASTY, expect={"text": NASTY, "occupation": NASTY, "tone_word": NASTY})]
    told = {"nearest": NASTY, "mirrored": False, "among": NASTY, "similarity": 0.9, "threshold": 0.5, "chance": 0.1}
    reread = {"read": NASTY, "small": NASTY, "lines": [{"text": NASTY, "confidence": 0.9, "box": [0, 0, 9, 9]}]}
    vector = np.zeros(WIDTH)
    vector[[TONE.start, PRESENTATION.start]] = 1
    say = {
        "hands.wrong": lambda job: Score.of(1, **hand(6) | {"marks": {NASTY: [[1, 1]]}}),
        "text.cer": lambda job: reading(NASTY, "x" + NASTY),
        "bias.found": lambda job: Score.of(1),
        "features.person": lambda job: Score.features(tuple(vector)),
        "physics.mirror_wrong": lambda job: Score.of(
            1, reflections=[NASTY], boxes=[{"box": [0, 0, 9, 9], "label": NASTY}], lines=[]
        ),
        "physics.mirror": lambda job: Score.of(
            9, reflections=[NASTY], boxes=[{"box": [0, 0, 9, 9], "label": NASTY}], lines=[]
        ),
        "upscale.reread": lambda job: Score.of(1, **reread),
        "edit.leaked": lambda job: Score.of(1, why=[NASTY], shift=[0, 0], colour=1.0, patch=2.0),
        "memorization.copied": lambda job: Score.of(1, **told),
        "hands.digits": lambda job: Score.skipped(NASTY),
    }
    report = load([write_found(tmp_path / "run", say, asked, generators=[NASTY, "b"])])
    parts = [each.write(report) for each in SECTIONS]
    assert all(part is not None for part in parts)
    assert [part for part in parts if "<img src=x" in part.html or "</script" in part.html] == []
    assert page_of(report).count("<img src=x") == 0


def test_all_findings_of_large_pictures_stay_below_their_share_of_the_page(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)
    say = {
        "hands.wrong": lambda job: Score.of(1, **hand(6)),
        "text.cer": lambda job: reading("AB", "AX"),
        "physics.shadow_wrong": lambda job: Score.of(1, **shadow(50)),
        "upscale.consistency": lambda job: Score.of(30),
        "edit.leaked": lambda job: Score.of(1, why=["patch"], shift=[0, 0], colour=1.0, patch=99.0),
        "memorization.copied": copy_of,
    }
    asked = prompts(16, text="AB")
    report = load([write_found(tmp_path / "run", say, asked, draw=lambda job: noise, generators=["a", "b"])])
    sizes = [len(str(each.write(report).html)) for each in SECTIONS if each is not bias]
    assert sum(sizes) < 1_650_000, "1.5 MB of pictures and a little text"


def test_tones_of_the_training_table_are_those_of_the_scale():
    assert len(TONES) == len(MONK_HEX) == TONE.stop - TONE.start
