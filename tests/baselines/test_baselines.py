"""The older kinds of generator: their folders, and what they do with text, seed and company."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from generators import builtin
from generators.api import GeneratorError, Refusal, Request, Settings
from generators.baselines.painter import Painter
from generators.baselines.pixel import PATCH, patched, unpatched
from generators.builtin import WEIGHTS
from generators.rng import noise_stream
from generators.schedule import cosine, trailing
from generators.train import painters, pixel
from generators.train.gan import Rivals
from generators.train.ldm import Model
from generators.train.vae import Variational

pytestmark = pytest.mark.filterwarnings("ignore")
CLIP = WEIGHTS / "studio_clip"


@pytest.fixture(scope="module")
def painted(tmp_path_factory) -> Path:
    torch.manual_seed(1)
    root = tmp_path_factory.mktemp("painted")
    painters.export(Painter(), CLIP, root / "gan", {"steps": 0})
    return root / "gan"


@pytest.fixture(scope="module")
def pixels(tmp_path_factory) -> Path:
    torch.manual_seed(2)
    root = tmp_path_factory.mktemp("pixels")
    pixel.export(Model(pixel.UNET), root / "pixel")
    return root / "pixel"


@pytest.fixture(params=["painted", "pixels"])
def folder(request) -> Path:
    return request.getfixturevalue(request.param)


def ask(text: str = "a red mug", seed: int = 3, **settings) -> Request:
    return Request(text=text, seed=seed, settings=Settings(**{"steps": 3, "guidance": 2.0, **settings}))


def draw(folder: Path, *requests: Request) -> list:
    made = dict(builtin.load(f"x@{folder}", device="cpu").generate(requests))
    return [made[index] for index in range(len(requests))]


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def test_text_and_seed_matter_and_company_does_not(folder):
    requests = [ask(), ask("a blue sign"), ask(seed=4), ask()]
    base, other_text, other_seed, again = draw(folder, *requests)
    assert base.shape == (64, 64, 3)
    assert base.dtype == np.uint8
    assert np.array_equal(base, again)
    assert apart(base, other_seed) > 5
    assert apart(base, other_text) > 0
    assert apart(base, draw(folder, ask())[0]) <= 1


def test_they_do_text_to_image_and_say_so(folder):
    [refused] = draw(folder, ask(task="control"))
    assert isinstance(refused, Refusal)
    assert "not control" in refused.reason


def test_a_painter_listens_to_no_knob_and_pixels_to_all_of_diffusion(painted, pixels):
    assert builtin.load(f"x@{painted}").knobs == set()
    assert builtin.load(f"x@{pixels}").knobs >= {"guidance", "steps", "sampler", "strength"}


def test_folders_hold_safetensors_alone_and_half_precision(folder):
    weights = [path for path in folder.rglob("*") if path.stat().st_size > 100_000]
    assert {path.suffix for path in weights} == {".safetensors"}
    assert sum(path.stat().st_size for path in weights) < 16e6


def test_a_folder_of_another_class_is_refused_with_a_hint(tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(GeneratorError, match=r"'FluxPipeline' is none of .*diffusers:"):
        builtin.load(f"ldm@{tmp_path}")
    with pytest.raises(GeneratorError, match=r"no model_index\.json"):
        builtin.load(f"ldm@{tmp_path / 'nowhere'}")


def test_patches_hold_the_same_numbers_and_come_back():
    pictures = torch.randn(2, 3, 8, 12)
    assert patched(pictures).shape == (2, 3 * PATCH**2, 4, 6)
    assert torch.equal(unpatched(patched(pictures)), pictures)


def test_pixels_walk_as_the_plain_loop_does(pixels):
    """DDIM written out, one picture at a time, guidance by hand."""
    generator = builtin.load(f"x@{pixels}", device="cpu")
    networks, schedule = generator.networks, cosine()
    latent = noise_stream(3, networks.latent_shape)()[None]
    steps = trailing(3)
    with torch.inference_mode():
        for place, here in enumerate(steps):
            at = torch.tensor([here])
            told, untold = (networks.predict(latent, at, [text], [None]) for text in ("a red mug", ""))
            noise = untold + 2.0 * (told - untold)
            alpha, sigma = schedule.alpha[here].item(), schedule.sigma[here].item()
            clean = ((latent - sigma * noise) / alpha).clamp(-1, 1)
            if place + 1 < len(steps):
                there = steps[place + 1]
                slope = (latent - alpha * clean) / sigma
                latent = schedule.alpha[there].item() * clean + schedule.sigma[there].item() * slope
        [expected] = networks.decode(clean)
    [made] = draw(pixels, ask())
    assert apart(made, expected) <= 1


def test_pixels_edit_what_they_are_shown(pixels):
    source = np.full((64, 64, 3), 90, np.uint8)
    mask = np.zeros_like(source)
    mask[:32] = 255
    request = replace(ask(task="inpaint"), source=source, mask=mask)
    [made] = draw(pixels, request)
    assert np.array_equal(made[32:], source[32:])
    assert apart(made[:32], source[:32]) > 5


def learns(loss, parameters, steps: int = 30, rate: float = 2e-3) -> tuple[float, float]:
    """The loss before and after a few steps."""
    optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.5, 0.99))
    values = []
    for _ in range(steps):
        error = loss()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        values.append(error.item())
    return float(np.mean(values[:3])), float(np.mean(values[-3:]))


def flat(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of one colour each, and texts that tell which."""
    texts = nn.functional.normalize(torch.randn(count, 128, generator=torch.Generator().manual_seed(0)), dim=1)
    return texts[:, :3, None, None].mul(5).tanh().expand(count, 3, 64, 64).contiguous(), texts


def test_the_variational_model_learns_to_paint_what_it_saw():
    torch.manual_seed(3)
    model, (pictures, texts) = Variational(), flat()
    before, after = learns(
        lambda: model.loss(pictures, texts, torch.randn(4, 128)), model.parameters(), steps=20, rate=5e-4
    )
    assert after < before - 0.2


def test_the_detector_learns_from_its_own_loss_and_the_forger_from_his():
    torch.manual_seed(4)
    rivals, (pictures, texts) = Rivals().eval(), flat()
    noise = torch.randn(4, 128)

    def slopes(loss) -> dict[str, torch.Tensor]:
        rivals.zero_grad()
        loss.backward()
        return {name: value.grad.clone() for name, value in rivals.named_parameters() if value.grad is not None}

    together = slopes(rivals.loss(pictures, texts, noise))
    forged = rivals.painter(noise, texts)
    detectors = slopes(rivals.caught(pictures, forged.detach(), texts))
    forgers = slopes(rivals.fooled(rivals.painter(noise, texts), texts))
    for name, slope in together.items():
        alone = (forgers if name.startswith("painter") else detectors)[name]
        assert torch.allclose(slope, alone, atol=1e-5 * float(alone.abs().max()) + 1e-9), name
    assert len(together) == len(list(rivals.parameters()))


def test_a_forger_learns_to_please_a_fixed_detector():
    torch.manual_seed(5)
    rivals, (_, texts) = Rivals(), flat()
    noise = torch.randn(4, 128)
    before, after = learns(
        lambda: rivals.fooled(rivals.painter(noise, texts), texts), rivals.painter.parameters(), steps=6
    )
    assert after < before
