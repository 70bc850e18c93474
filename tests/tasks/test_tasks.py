"""Image to image and inpainting: against diffusers' pipelines, and on what they must leave alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline
from PIL import Image

from generators import builtin
from generators.api import Generator, Refusal, Request, Settings
from generators.rng import noise_stream
from generators.samplers import SAMPLERS
from generators.tasks.inpaint import latent_mask
from tests import tiny

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny.ours(tmp_path_factory.mktemp("model"), seed=6)[0]


@pytest.fixture(scope="module")
def generator(folder) -> Generator:
    return builtin.load(f"ldm@{folder}", device="cpu")


def picture(seed: int = 0) -> np.ndarray:
    """Coloured blocks of 16 pixels."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return small.repeat(16, axis=0).repeat(16, axis=1)


def right_half() -> np.ndarray:
    mask = np.zeros((128, 128, 3), dtype=np.uint8)
    mask[:, 64:] = 255
    return mask


def ask(task: str, **settings) -> Request:
    chosen = Settings(task=task, **{"steps": 4, "guidance": 2.0, **settings})
    mask = right_half() if task == "inpaint" else None
    return Request(text="a red mug", seed=3, settings=chosen, source=picture(), mask=mask)


def draw(generator: Generator, *requests: Request) -> list:
    made = dict(generator.generate(requests))
    return [made[index] for index in range(len(requests))]


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_image_to_image_is_that_of_diffusers(folder, generator, strength, monkeypatch):
    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None)
    ours_noise = noise_stream(3, (4, 16, 16))()[None]
    module = "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img.randn_tensor"
    monkeypatch.setattr(module, lambda *_, **__: ours_noise)
    theirs = pipeline(
        "a red mug",
        image=Image.fromarray(picture()),
        strength=strength,
        num_inference_steps=4,
        guidance_scale=2.0,
        output_type="np",
    ).images[0]
    ours, other = draw(generator, ask("img2img", strength=strength), replace(ask("img2img", strength=strength), seed=4))
    assert apart(ours, (theirs * 255).round()) <= 1
    assert apart(ours, other) > 10


def test_inpainting_is_that_of_diffusers_where_the_mask_keeps_to_latent_cells(folder, generator, monkeypatch):
    """They noise the source with the first noise at every step; with us that follows from the corrected answer."""
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None)
    ours_noise = noise_stream(3, (4, 16, 16))()[None]
    module = "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_inpaint.randn_tensor"
    monkeypatch.setattr(module, lambda *_, **__: ours_noise)
    theirs = pipeline(
        "a red mug",
        image=Image.fromarray(picture()),
        mask_image=Image.fromarray(right_half()[..., 0]),
        height=128,
        width=128,
        strength=1.0,
        num_inference_steps=4,
        guidance_scale=2.0,
        output_type="np",
    ).images[0]
    ours, other = draw(generator, ask("inpaint"), replace(ask("inpaint"), seed=4))
    assert apart(ours[:, 80:], (theirs * 255).round()[:, 80:]) <= 2
    assert apart(ours[:, 80:], other[:, 80:]) > 10


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_inpainting_leaves_the_known_pixels_alone_and_draws_the_others_anew(generator, sampler):
    [made] = draw(generator, ask("inpaint", sampler=sampler))
    assert np.array_equal(made[:, :64], picture()[:, :64])
    assert apart(made[:, 64:], picture()[:, 64:]) > 20


def test_before_the_overlay_known_pixels_stay_within_the_round_trip(generator):
    """Away from the edge the decoded latent is the source's own, whatever was drawn beside it."""
    networks = generator.networks
    request = ask("inpaint")
    trip = generator.trip(request, {})
    from generators.packing import Packer

    with torch.inference_mode():
        [latent] = Packer(networks.predict, networks.clean, networks.schedule, 16).arrive([trip])
        assert torch.allclose(latent[:, :, :8], networks.encode(picture())[:, :, :8], atol=1e-5)
        assert not torch.allclose(latent[:, :, 8:], networks.encode(picture())[:, :, 8:], atol=1e-2)


def test_strength_nothing_is_the_round_trip_and_more_strength_goes_further(generator):
    with torch.inference_mode():
        [round_trip] = generator.networks.decode(generator.networks.encode(picture())[None])
    kept, some, all_of_it = draw(generator, *(ask("img2img", strength=share) for share in (0.0, 0.5, 1.0)))
    assert np.array_equal(kept, round_trip)
    distance = [np.abs(each.astype(int) - round_trip).mean() for each in (kept, some, all_of_it)]
    assert distance[0] < distance[1] < distance[2]


def test_tasks_share_a_call_and_the_first_noise(generator):
    requests = [ask("img2img"), ask("inpaint"), ask("text2img")]
    together = draw(generator, *requests)
    alone = [draw(generator, request)[0] for request in requests]
    assert all(apart(one, other) <= 1 for one, other in zip(together, alone, strict=True))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (replace(ask("img2img"), source=None), ["img2img needs a source", "inputs"]),
        (replace(ask("inpaint"), mask=None), ["inpaint needs a mask"]),
        (replace(ask("img2img"), source=picture()[:64]), ["source has 64 x 128 pixels", "takes 128 x 128"]),
        (ask("upscale"), ["does img2img, inpaint, text2img, not upscale"]),
    ],
)
def test_what_cannot_be_served_says_why_and_spares_the_others(generator, request_, words):
    refused, made = draw(generator, request_, ask("img2img"))
    assert isinstance(refused, Refusal)
    assert refused.status == "failed"
    assert all(word in refused.reason for word in words)
    assert made.shape == (128, 128, 3)


def test_a_latent_cell_is_made_anew_where_any_of_its_pixels_is():
    wanted = torch.zeros(1, 8, 8)
    wanted[0, 0, 3] = 1
    assert latent_mask(wanted, 4).tolist() == [[[1, 0], [0, 0]]]
