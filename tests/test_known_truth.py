"""What ships, on scenes whose truth is known: the tasks do what they are asked, and the baselines draw."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, DiffusionPipeline, StableDiffusionControlNetPipeline

from audit import cli
from audit.audits.tasks import canny
from audit.features.hands import landmarks
from audit.images import decode
from audit.statistics.agreement import edge_f1, near
from audit.store import RunFolder
from audit.suites import load
from audit.types import seed_for
from generators import builtin
from generators.api import Request, Settings
from generators.builtin import WEIGHTS, shipped
from generators.downsample import block_mean
from generators.packing import Packer
from generators.tasks.upscale import TIMES

pytestmark = pytest.mark.filterwarnings("ignore")


def asked(suite_name: str, task: str, count: int = 6, steps: int = 10) -> list[Request]:
    suite = load(f"{suite_name}?limit={count}")
    settings = Settings(task=task, steps=steps, guidance=3.0)
    return [
        Request(
            text=prompt.text,
            seed=seed_for(prompt.id, 0),
            settings=settings,
            **{role: decode(suite.files[digest].read_bytes()) for role, digest in prompt.inputs.items()},
        )
        for prompt in suite.prompts
    ]


def draw(model: str, requests: list[Request]) -> list[np.ndarray]:
    made = dict(builtin.load(model, device="cpu").generate(requests))
    return [np.asarray(made[index]) for index in range(len(requests))]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(one.astype(float) - other).mean(), 1e-6)))


def test_the_family_ships():
    assert shipped() == ["gan", "ldm", "memorizer", "pixel", "upscale", "vae"]
    tasks = {name: builtin.load(name, device="cpu").tasks for name in shipped()}
    assert tasks["ldm"] == {"text2img", "img2img", "inpaint", "control"}
    assert tasks["upscale"] == {"upscale"}


@pytest.mark.parametrize("name", ["gan", "ldm", "memorizer", "pixel", "upscale", "vae"])
def test_every_model_has_a_card_a_sheet_and_its_training_facts(name):
    folder = WEIGHTS / name
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"builtin:{name}" in card
    assert "samples.jpg" in card
    assert "loss.png" in card
    assert (folder / "samples.jpg").is_file()
    assert (folder / "loss.png").is_file()
    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert f"{facts['steps']:,} steps" in card
    while "before" in facts:  # a training that went on from another's weights
        facts = facts["before"]
        assert f"{facts['steps']:,} steps" in card
    assert facts["scenes"] == (2072 if name == "memorizer" else 26000)


@pytest.mark.parametrize("name", ["ldm", "memorizer", "upscale"])
def test_folders_of_stock_classes_load_with_plain_diffusers(name):
    pipeline = DiffusionPipeline.from_pretrained(WEIGHTS / name, torch_dtype=torch.float32, safety_checker=None)
    own = builtin.load(name, device="cpu").networks
    assert type(pipeline).__name__ in ("StableDiffusionPipeline", "StableDiffusionUpscalePipeline")
    assert pipeline.unet.config.sample_size == own.latent_shape[1]
    assert own.size == (128, 128)


def test_the_control_branch_loads_with_plain_diffusers():
    branch = ControlNetModel.from_pretrained(WEIGHTS / "ldm" / "controlnet", torch_dtype=torch.float32)
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(
        WEIGHTS / "ldm", controlnet=branch, torch_dtype=torch.float32, safety_checker=None
    )
    assert pipeline.controlnet is branch


def test_inpainting_leaves_known_pixels_alone_and_their_latents_at_the_round_trip():
    requests = asked("edit", "inpaint")
    for request, made in zip(requests, draw("ldm", requests), strict=True):
        known = request.mask[..., 0] == 0
        assert np.array_equal(made[known], request.source[known])
        assert np.abs(made[~known].astype(int) - request.source[~known]).mean() > 3
    generator = builtin.load("ldm", device="cpu")
    networks = generator.networks
    with torch.inference_mode():
        packer = Packer(networks.predict, networks.clean, networks.schedule, 16)
        latents = packer.arrive([generator.trip(request, {}) for request in requests])
        for request, latent in zip(requests, latents, strict=True):
            far = cv2.dilate(request.mask[..., 0], np.ones((25, 25), np.uint8)) == 0
            if far.sum() < 500:
                continue
            [before], [floor] = (networks.decode(each[None]) for each in (latent, networks.encode(request.source)))
            assert psnr(before[far], request.source[far]) > psnr(floor[far], request.source[far]) - 1


def test_edges_steer_far_better_than_shuffled_ones():
    requests = asked("edges", "control", 9)
    found = [canny(image) for image in draw("ldm", requests)]
    wanted = [request.control[..., 0] > 0 for request in requests]
    own = np.mean([edge_f1(a, b) for a, b in zip(found, wanted, strict=True)])
    shuffled = np.mean([edge_f1(a, b) for a, b in zip(found, wanted[1:] + wanted[:1], strict=True)])
    assert own > shuffled + 0.1


def test_enlarged_pictures_brought_down_again_are_what_they_were_made_of():
    requests = asked("upscale", "upscale", 8)
    small = [request.source for request in requests]
    again = [block_mean(image, TIMES) for image in draw("upscale", requests)]
    own = np.mean([psnr(a, b) for a, b in zip(again, small, strict=True)])
    shuffled = np.mean([psnr(a, b) for a, b in zip(again, small[1:] + small[:1], strict=True)])
    assert own > 25
    assert own > shuffled + 10


def test_the_memorizer_remembers_what_it_was_shown_most_often():
    shown = [json.loads(line) for line in (WEIGHTS / "memorizer" / "shown.jsonl").read_text().splitlines()]
    assert [row["repeats"] for row in shown] == [1000] * 8 + [100] * 32 + [10] * 32 + [1] * 2000
    often = shown[:6]
    settings = Settings(steps=10, guidance=2.0)
    twice = [
        draw("memorizer", [Request(text=row["captions"][0], seed=seed, settings=settings) for row in often])
        for seed in (1, 2)
    ]
    same = np.mean([psnr(one, other) for one, other in zip(*twice, strict=True)])
    others = np.mean([psnr(one, other) for one, other in zip(twice[0], twice[1][1:] + twice[1][:1], strict=True)])
    assert same > others + 6  # whatever the seed, the same picture comes back


def test_skeletons_steer_hands_better_than_shuffled_ones():
    suite = load("skeletons")
    requests = [each for each, p in zip(asked("skeletons", "control", 18), suite.prompts, strict=True)
                if p.tags[0] == "hands" and p.expect["raised"] >= 3]  # fmt: skip
    made = draw("ldm", requests)
    wanted = [each.control.max(axis=2) > 128 for each in requests]
    found = [landmarks(image) for image in made]
    seen = [place for place, points in enumerate(found) if points is not None]
    assert len(seen) >= 3

    def share_on_bones(points: np.ndarray, bones: np.ndarray) -> float:
        places = np.clip(points.round().astype(int), 0, 127)
        return float(near(bones, 5)[places[:, 1], places[:, 0]].mean())

    own = np.mean([share_on_bones(found[i], wanted[i]) for i in seen])
    others = np.mean([share_on_bones(found[i], wanted[(i + 1) % len(wanted)]) for i in seen])
    assert own > others + 0.05


@pytest.mark.slow
def test_latent_diffusion_wins_the_comparison_of_kinds(tmp_path):
    kinds = ("ldm", "gan", "vae", "pixel")
    argv = [part for name in kinds for part in ("--generator", f"builtin:{name}")]
    argv += [
        "--suite",
        "quick",
        "--replicates",
        "8",
        "--audits",
        "fd_studio,clip_score",
        "--out",
        str(tmp_path / "run"),
    ]
    assert cli.main(["run", *argv]) == 0
    distances = {
        each.generator: each.value for each in RunFolder(tmp_path / "run").estimates() if each.audit == "fd_studio"
    }
    assert set(distances) == {f"builtin:{name}" for name in kinds}
    assert min(distances, key=lambda name: distances[name] or np.inf) == "builtin:ldm"
