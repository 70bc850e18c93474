"""Control and super-resolution: against diffusers' pipelines, alone and packed with plain rows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderTiny,
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionUpscalePipeline,
)
from PIL import Image

from generators import builtin
from generators.api import Generator, Refusal, Request, Settings
from generators.latent import pixels_of
from generators.packing import Packer
from generators.rng import noise_stream
from generators.train import control, upscale
from generators.train.ldm import Model
from tests import tiny

OUR_FINE = {
    **tiny.OUR_VAE,
    "encoder_block_out_channels": (16,) * 3,
    "decoder_block_out_channels": (16,) * 3,
    "num_encoder_blocks": (0, 0, 1),
    "num_decoder_blocks": (1, 0, 0),
}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def controlled(tmp_path_factory) -> Path:
    """A base model and a branch whose zero layers were shaken awake."""
    folder, base = tiny.ours(tmp_path_factory.mktemp("controlled"), seed=6)
    torch.manual_seed(6)
    branch = control.Branch(base).branch
    for parameter in branch.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    control.export(branch, folder / "controlnet")
    return folder


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory) -> Path:
    torch.manual_seed(7)
    root = tmp_path_factory.mktemp("upscaler")
    AutoencoderTiny(**OUR_FINE).save_pretrained(root / "vae")
    upscale.export(Model({**upscale.UNET, "block_out_channels": (16, 32, 64)}), root / "vae", root / "upscale")
    return root / "upscale"


def picture(size: int, seed: int = 0) -> np.ndarray:
    """Coloured blocks, 8 a side."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return small.repeat(size // 8, axis=0).repeat(size // 8, axis=1)


def steer(seed: int = 0, text: str = "a red mug", **settings) -> Request:
    chosen = Settings(task="control", **{"steps": 3, "guidance": 2.0, **settings})
    return Request(text=text, seed=3, settings=chosen, control=picture(128, seed))


def enlarge(seed: int = 0) -> Request:
    settings = Settings(task="upscale", steps=3, guidance=2.0)
    return Request(text="a red mug", seed=3, settings=settings, source=picture(32, seed))


def draw(generator: Generator, *requests: Request) -> list:
    made = dict(generator.generate(requests))
    return [made[index] for index in range(len(requests))]


def latents(generator: Generator, *requests: Request) -> list[torch.Tensor]:
    """What `draw` would decode."""
    networks = generator.networks
    with torch.inference_mode():
        packer = Packer(networks.predict, networks.clean, networks.schedule, 4)
        return packer.arrive([generator.trip(request, {}) for request in requests])


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_control_is_that_of_diffusers(controlled, scale):
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(
        controlled,
        controlnet=ControlNetModel.from_pretrained(controlled / "controlnet", torch_dtype=torch.float32),
        torch_dtype=torch.float32,
        safety_checker=None,
    )
    theirs = pipeline(
        "a red mug",
        image=Image.fromarray(picture(128)),
        num_inference_steps=3,
        guidance_scale=2.0,
        controlnet_conditioning_scale=scale,
        latents=noise_stream(3, (4, 16, 16))()[None],
        output_type="latent",
    ).images[0]
    generator = builtin.load(f"ldm@{controlled}", device="cpu")
    ours, other, loose = latents(
        generator, steer(control_scale=scale), steer(seed=1, control_scale=scale), steer(control_scale=0.0)
    )
    assert torch.allclose(ours, theirs, atol=5e-3)
    assert (ours - other).abs().max() > 1e-2
    assert (ours - loose).abs().max() > 1e-2


def test_control_of_no_strength_is_text_to_image(controlled):
    generator = builtin.load(f"ldm@{controlled}", device="cpu")
    plain = replace(steer(), settings=Settings(steps=3, guidance=2.0), control=None)
    loose, free = draw(generator, steer(control_scale=0.0), plain)
    assert apart(loose, free) <= 1


def test_steered_and_plain_pictures_share_batches_and_keep_to_themselves(controlled):
    generator = builtin.load(f"ldm@{controlled}", device="cpu")
    plain = replace(steer(), settings=Settings(steps=3, guidance=2.0), control=None)
    requests = [steer(), plain, steer(seed=1), steer(control_scale=0.3)]
    together = draw(generator, *requests)
    assert generator.count.batches == 3
    for request, made in zip(requests, together, strict=True):
        assert apart(made, draw(generator, request)[0]) <= 1


def test_a_model_without_a_branch_does_no_control(upscaler, controlled, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(controlled, bare, ignore=shutil.ignore_patterns("controlnet"))
    [refused] = draw(builtin.load(f"ldm@{bare}", device="cpu"), steer())
    assert isinstance(refused, Refusal)
    assert "does img2img, inpaint, text2img, not control" in refused.reason
    assert "control_scale" in builtin.load(f"ldm@{controlled}").knobs - builtin.load(f"ldm@{bare}").knobs


def test_the_branch_is_part_of_the_fingerprint(controlled, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(controlled, bare, ignore=shutil.ignore_patterns("controlnet"))
    assert builtin.load(f"ldm@{bare}").fingerprint() != builtin.load(f"ldm@{controlled}").fingerprint()


def test_super_resolution_is_that_of_diffusers(upscaler):
    pipeline = StableDiffusionUpscalePipeline.from_pretrained(upscaler, torch_dtype=torch.float32)
    latents = pipeline(
        "a red mug",
        image=Image.fromarray(picture(32)),
        num_inference_steps=3,
        guidance_scale=2.0,
        noise_level=0,
        latents=noise_stream(3, (4, 32, 32))()[None],
        output_type="latent",
    ).images
    # The stock class decodes with AutoencoderKL alone, and scales for the one it knows.
    with torch.inference_mode():
        [theirs] = pixels_of(pipeline.vae.decode(latents).sample)
    ours, other = draw(builtin.load(f"upscale@{upscaler}", device="cpu"), enlarge(), enlarge(seed=1))
    assert ours.shape == (128, 128, 3)
    assert apart(ours, theirs) <= 1
    assert apart(ours, other) > 10


def test_super_resolution_takes_a_quarter_of_its_size_and_nothing_else(upscaler):
    generator = builtin.load(f"upscale@{upscaler}", device="cpu")
    assert generator.tasks == {"upscale"}
    large, plain, made = draw(generator, replace(enlarge(), source=picture(64)), Request(text="a mug"), enlarge())
    assert "the source has 64 x 64 pixels" in large.reason
    assert "takes 32 x 32 for upscale" in large.reason
    assert "does upscale, not text2img" in plain.reason
    assert made.shape == (128, 128, 3)
