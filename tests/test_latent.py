"""The built-in model against diffusers' own pipeline, and against itself in other company."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from generators import builtin
from generators.api import GeneratorError, Request, Settings
from generators.builtin import WEIGHTS
from generators.rng import noise_stream
from tests import tiny

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An untrained model, exported as training exports it."""
    return tiny.ours(tmp_path_factory.mktemp("model"), seed=5)[0]


def draw(folder: Path, *requests: Request) -> list[np.ndarray]:
    made = dict(builtin.load(f"ldm@{folder}", device="cpu").generate(requests))
    return [made[i] for i in range(len(requests))]


def asked(text: str = "an open hand", **settings) -> Request:
    return Request(text=text, seed=settings.pop("seed", 3), settings=Settings(steps=3, **settings))


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_pictures_are_those_of_the_diffusers_pipeline(folder, guidance):
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None)
    assert isinstance(pipeline.scheduler, DDIMScheduler)
    noise = noise_stream(3, (4, 16, 16))()[None]
    theirs = pipeline(
        "an open hand", num_inference_steps=3, guidance_scale=guidance, latents=noise, output_type="np"
    ).images[0]
    [ours] = draw(folder, asked(guidance=guidance))
    assert np.abs(ours.astype(int) - (theirs * 255).round().astype(int)).max() <= 1


def test_a_picture_does_not_depend_on_its_company(folder):
    one = asked("a red cube", seed=9, guidance=2.0)
    others = [asked(f"prompt {i}", seed=i, guidance=2.0 if i % 2 else 1.0) for i in range(5)]
    [alone] = draw(folder, one)
    *_, together = draw(folder, *others, one)
    assert np.abs(alone.astype(int) - together.astype(int)).max() <= 1


def test_seed_and_text_both_matter(folder):
    base, other_seed, other_text = draw(folder, asked(seed=1), asked(seed=2), asked("a blue mug", seed=1))
    assert not np.array_equal(base, other_seed)
    assert not np.array_equal(base, other_text)


def test_each_distinct_text_is_encoded_once(folder, monkeypatch):
    generator = builtin.load(f"ldm@{folder}", device="cpu")
    inner, seen = generator.networks.text_encoder.forward, []
    monkeypatch.setattr(generator.networks.text_encoder, "forward", lambda ids: seen.append(len(ids)) or inner(ids))
    for guidance in (1.0, 2.0):
        requests = [asked(text, seed=seed, guidance=guidance) for text in ("a hand", "a mug") for seed in range(3)]
        assert len(list(generator.generate(requests))) == 6
    assert seen == [1, 1, 1]  # two texts and the empty one


def test_unknown_sampler_names_the_known_ones(folder):
    with pytest.raises(GeneratorError, match="known: ddim"):
        draw(folder, asked(sampler="dimm"))


def test_unknown_model_names_what_ships():
    with pytest.raises(GeneratorError, match="no built-in model named 'lmd'"):
        builtin.load("lmd")


def test_fingerprint_follows_the_weights(folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert builtin.load(f"ldm@{copy}").fingerprint() == builtin.load(f"ldm@{folder}").fingerprint()
    config = copy / "unet" / "config.json"
    config.write_text(config.read_text() + "\n")
    assert builtin.load(f"ldm@{copy}").fingerprint() != builtin.load(f"ldm@{folder}").fingerprint()


def test_an_exported_folder_names_no_place_on_the_machine(folder):
    told = [path for path in folder.rglob("*.json") if str(folder.parent) in path.read_text(encoding="utf-8")]
    assert not told


def test_the_shipped_model_is_an_ordinary_diffusers_folder_of_safetensors():
    pipeline = StableDiffusionPipeline.from_pretrained(
        str(WEIGHTS / "ldm"), torch_dtype=torch.float32, safety_checker=None
    )
    assert pipeline.unet.config.sample_size == 16
    assert not [path for path in WEIGHTS.rglob("*") if path.suffix in {".bin", ".pt", ".pkl", ".ckpt"}]
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) <= 120e6
