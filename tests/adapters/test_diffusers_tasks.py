"""Diffusers pipelines beyond text to image: siblings that share weights, ControlNets, upscalers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from generators.adapters.diffusers import DiffusersGenerator
from generators.adapters.tasks import own_task
from generators.api import GeneratorError, Refusal, Request, Settings
from tests import tiny


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("tasks")
    made = {name: build(root / name) for name, build in tiny.BUILDERS.items()}
    return made | {"controlnet": tiny.controlnet(root / "controlnet"), "upscaler": tiny.upscaler(root / "upscaler")}


@pytest.fixture(scope="module")
def plain(folders):
    return {name: DiffusersGenerator.load(str(folders[name]), "cpu") for name in tiny.BUILDERS}


@pytest.fixture(scope="module")
def controlled(folders):
    return DiffusersGenerator.load(f"{folders['sd15']}?controlnet={folders['controlnet']}", "cpu")


def picture(seed: int = 0, side: int = 64) -> np.ndarray:
    return (
        np.random.default_rng(seed)
        .integers(0, 256, (8, 8, 3), dtype=np.uint8)
        .repeat(side // 8, 0)
        .repeat(side // 8, 1)
    )


def ask(task: str, seed: int = 1, **settings) -> Request:
    sized = {"height": 64, "width": 64} if task in ("text2img", "control") else {}
    chosen = Settings(task=task, **{"steps": 4, **sized, **settings})
    mask = np.zeros((64, 64, 3), dtype=np.uint8)
    mask[:, 32:] = 255
    return Request(text="a red ball", seed=seed, settings=chosen, source=picture(), mask=mask, control=picture(5))


def draw(generator, *requests):
    answers = dict(generator.generate(requests))
    assert sorted(answers) == list(range(len(requests)))
    return [answers[index] for index in range(len(requests))]


def apart(one, other) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("kind", tiny.BUILDERS)
def test_a_text_to_image_pipeline_does_the_tasks_of_its_family_on_shared_weights(plain, kind):
    generator = plain[kind]
    assert generator.tasks == {"text2img", "img2img", "inpaint"}
    assert "strength" in generator.knobs
    assert len({id(each.vae) for each in generator.pipelines.values()}) == 1
    for task in sorted(generator.tasks):
        [made] = draw(generator, ask(task))
        assert not isinstance(made, Refusal), (task, made)
        assert made.shape == (64, 64, 3), task
        assert made.std() > 3, task


def test_strength_says_how_far_the_source_is_left(plain):
    [little, much] = draw(plain["sd15"], ask("img2img", strength=0.25), ask("img2img", strength=1.0))
    assert apart(little, much) > 1


@pytest.mark.parametrize("kind", tiny.BUILDERS)
def test_strength_nothing_is_the_autoencoders_round_trip(plain, kind):
    generator = plain[kind]
    kept, again, other = draw(
        generator,
        ask("img2img", strength=0.0),
        ask("img2img", seed=2, strength=0.0),
        replace(ask("img2img", strength=0.0), source=picture(9)),
    )
    coder = generator.pipeline.vae
    with torch.inference_mode():
        pixels = torch.from_numpy(picture()).permute(2, 0, 1)[None] / 127.5 - 1
        decoded = coder.decode(coder.encode(pixels).latent_dist.mode()).sample[0].permute(1, 2, 0).numpy()
    assert np.abs(kept - np.clip(decoded * 127.5 + 127.5, 0, 255)).max() <= 1
    assert np.abs(kept.astype(int) - again).max() <= 1  # a batch adds up in another order
    assert apart(kept, other) > 0.1


def test_a_round_trip_needs_an_autoencoder_of_pictures(plain, monkeypatch):
    monkeypatch.setattr(plain["sd15"].pipelines["img2img"], "vae", None)
    [refused] = draw(plain["sd15"], ask("img2img", strength=0.0))
    assert "strength 0 is a round trip of AutoencoderKL or -Tiny; here is NoneType" in refused.reason


def test_the_source_and_the_mask_matter(plain):
    base = ask("img2img", strength=0.5)
    one, other = draw(plain["sd15"], base, replace(base, source=picture(9)))
    assert apart(one, other) > 1
    masked = ask("inpaint")
    one, other = draw(plain["sd15"], masked, replace(masked, mask=masked.mask[:, ::-1].copy()))
    assert apart(one, other) > 1


def test_a_controlnet_is_listened_to_as_much_as_it_is_told(controlled):
    assert controlled.tasks == {"control"}
    assert "control_scale" in controlled.knobs
    scales = (0.0, 1.0, 2.0)
    off, once, twice = draw(controlled, *(ask("control", control_scale=scale) for scale in scales))
    [other] = draw(controlled, replace(ask("control", control_scale=1.0), control=picture(6)))
    assert 0 < apart(off, once) < apart(off, twice)
    assert apart(once, other) > 0
    [other_off] = draw(controlled, replace(ask("control", control_scale=0.0), control=picture(6)))
    assert np.array_equal(off, other_off)


def test_a_controlnet_is_part_of_the_fingerprint(folders, plain, controlled, tmp_path):
    same = DiffusersGenerator.load(f"{folders['sd15']}?controlnet={tiny.controlnet(tmp_path / 'again')}", "cpu")
    assert same.fingerprint() == controlled.fingerprint() != plain["sd15"].fingerprint()


def test_an_upscaler_makes_four_times_the_side(folders):
    generator = DiffusersGenerator.load(f"{folders['upscaler']}?class=StableDiffusionUpscalePipeline", "cpu")
    assert generator.tasks == {"upscale"}
    [made] = draw(generator, replace(ask("upscale"), source=picture(side=16)))
    assert made.shape == (64, 64, 3)


@pytest.mark.parametrize("task", ["img2img", "inpaint"])
def test_the_seed_alone_chooses_the_noise_whatever_the_batch(plain, task):
    requests = [ask(task, seed) for seed in (1, 2, 3)]
    together = draw(plain["sd15"], *requests)
    for request, made in zip(requests, together, strict=True):
        assert np.abs(draw(plain["sd15"], request)[0].astype(int) - made.astype(int)).max() <= 1
    assert apart(together[0], together[1]) > 1


def test_sources_of_different_sizes_go_in_different_batches(plain):
    small = replace(ask("img2img"), source=picture(side=32))
    large, little = draw(plain["sd15"], ask("img2img"), small)
    assert (large.shape, little.shape) == ((64, 64, 3), (32, 32, 3))


def test_a_missing_picture_is_named_and_spares_the_rest(plain):
    refused, made = draw(plain["sd15"], replace(ask("inpaint"), mask=None), ask("inpaint"))
    assert refused == Refusal("failed", "inpaint needs a mask; give the prompt one under inputs")
    assert made.shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("StableDiffusionXLPipeline", "text2img"),
        ("StableDiffusionImg2ImgPipeline", "img2img"),
        ("FluxFillPipeline", "text2img"),
        ("StableDiffusionControlNetInpaintPipeline", "inpaint"),
        ("StableDiffusionXLControlNetPipeline", "control"),
        ("StableDiffusionUpscalePipeline", "upscale"),
    ],
)
def test_a_class_says_by_its_name_what_it_is_for(name, task):
    assert own_task(name) == task


@pytest.mark.parametrize(("folder", "words"), [("nowhere", "no config.json there"), ("sd15/unet", "ControlNetModel")])
def test_what_is_no_controlnet_is_refused(folders, folder, words):
    root = folders["sd15"].parent
    with pytest.raises(GeneratorError, match=words):
        DiffusersGenerator.load(f"{folders['sd15']}?controlnet={root / folder}", "cpu")
