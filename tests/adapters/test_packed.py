"""Packed pipelines against themselves, unpacked; and low-rank adapters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from generators.adapters.diffusers import DiffusersGenerator
from generators.api import GeneratorError, Refusal, Request, Settings
from tests import tiny

pytestmark = pytest.mark.filterwarnings("ignore")
QUICK = Settings(steps=3, guidance=3.0, height=64, width=64)
KINDS = ("sd15", "sdxl")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("packed")
    return {name: tiny.BUILDERS[name](root / name) for name in (*KINDS, "sd3")}


@pytest.fixture(scope="module")
def plain(folders):
    return {name: DiffusersGenerator.load(str(folders[name]), "cpu") for name in KINDS}


@pytest.fixture(scope="module")
def packed(folders):
    return {name: DiffusersGenerator.load(f"{folders[name]}?packed=true", "cpu") for name in KINDS}


def ask(seed=1, text="a red ball", negative_text="", **settings):
    return Request(text=text, negative_text=negative_text, seed=seed, settings=replace(QUICK, **settings))


def pictures(generator, *requests):
    answers = dict(generator.generate(requests))
    return [answers[index] for index in range(len(requests))]


def apart(one, other):
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize("kind", KINDS)
def test_packed_pictures_are_those_of_the_pipeline_whatever_they_are_asked(plain, packed, kind):
    requests = [
        ask(),
        ask(2, "a blue cone", guidance=1.0),
        ask(3, guidance=6.0, negative_text="blurry"),
        ask(4, steps=5),
        ask(5, height=32, width=64),
        ask(6, ""),
        *(ask(7 + place, sampler=name) for place, name in enumerate(plain[kind].samplers)),
    ]
    for one, other, request in zip(
        pictures(packed[kind], *requests), pictures(plain[kind], *requests), requests, strict=True
    ):
        assert apart(one, other) <= 1, request


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_pipeline_would_choose_is_chosen(plain, packed, kind):
    request = replace(ask(), settings=Settings(steps=2))
    assert apart(pictures(packed[kind], request)[0], pictures(plain[kind], request)[0]) <= 1


def test_cells_of_a_sweep_share_their_first_step(folders):
    generator = DiffusersGenerator.load(f"{folders['sd15']}?packed=true", "cpu")
    pictures(generator, *(ask(guidance=scale, sampler="ddim") for scale in (1.0, 3.0, 6.0)))
    count = generator.packed.count
    assert (count.asked, count.computed) == (3 + 6 + 6, 2 + 2 * (1 + 2 + 2))


def test_packing_adds_window_and_rescale(plain, packed):
    assert packed["sd15"].knobs - plain["sd15"].knobs == {"guidance_window", "guidance_rescale"}
    guided, windowed, never, unguided = pictures(
        packed["sd15"], ask(), ask(guidance_window=(0.0, 0.9)), ask(guidance_window=(2.0, 3.0)), ask(guidance=1.0)
    )
    assert apart(never, unguided) <= 1
    assert apart(windowed, guided) > 2


def test_packed_and_plain_are_told_apart_by_their_fingerprints(plain, packed):
    assert plain["sd15"].fingerprint() != packed["sd15"].fingerprint()


def test_other_tasks_go_the_pipelines_way(plain, packed):
    source = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    request = replace(ask(task="img2img", strength=0.5), source=source)
    assert apart(pictures(packed["sd15"], request)[0], pictures(plain["sd15"], request)[0]) <= 1


def test_flagged_pictures_are_skipped(tmp_path):
    folder = tiny.sd15(tmp_path / "prudish", **tiny.prudish())
    [refused] = pictures(DiffusersGenerator.load(f"{folder}?packed=true", "cpu"), ask())
    assert isinstance(refused, Refusal)
    assert refused.status == "skipped"


def test_batches_too_large_for_the_memory_are_halved(folders, monkeypatch):
    generator = DiffusersGenerator.load(f"{folders['sd15']}?packed=true", "cpu")
    inner, seen = generator.packed.predict, []

    def tight(latents, *rest):
        seen.append(len(latents))
        if len(latents) > 2:
            raise torch.OutOfMemoryError("8 rows are too many")
        return inner(latents, *rest)

    monkeypatch.setattr(generator.packed, "predict", tight)
    assert all(isinstance(each, np.ndarray) for each in pictures(generator, ask(1), ask(2)))
    assert seen[:3] == [8, 4, 2]


@pytest.mark.parametrize(
    ("options", "words"),
    [("packed=perhaps", "no packed 'perhaps'"), ("packed=true", "works with StableDiffusionPipeline and")],
)
def test_what_cannot_be_packed_says_so(folders, options, words):
    with pytest.raises(GeneratorError, match=words):
        DiffusersGenerator.load(f"{folders['sd3']}?{options}", "cpu")


def test_an_adapter_changes_the_picture_as_much_as_its_scale(folders, tmp_path):
    adapter = tiny.lora(tmp_path / "lora")

    def drawn(options: str) -> np.ndarray:
        return pictures(DiffusersGenerator.load(f"{folders['sd15']}{options}", "cpu"), ask())[0].astype(int)

    base, none, half, whole = (
        drawn(each)
        for each in ("", f"?lora={adapter}&lora_scale=0", f"?lora={adapter}&lora_scale=0.5", f"?lora={adapter}")
    )
    assert np.abs(none - base).max() <= 1
    assert 0 < np.abs(half - base).mean() < np.abs(whole - base).mean()


def test_an_adapter_is_what_diffusers_makes_of_it(folders, tmp_path):
    from diffusers import StableDiffusionPipeline

    adapter = tiny.lora(tmp_path / "lora")
    pipeline = StableDiffusionPipeline.from_pretrained(folders["sd15"], torch_dtype=torch.float32, safety_checker=None)
    pipeline.load_lora_weights(str(adapter))
    theirs = pipeline(
        "a red ball",
        height=64,
        width=64,
        num_inference_steps=3,
        guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(1),
        output_type="np",
    ).images[0]
    for options in ("", "&packed=true"):
        [ours] = pictures(DiffusersGenerator.load(f"{folders['sd15']}?lora={adapter}{options}", "cpu"), ask())
        assert apart(ours, (theirs * 255).round()) <= 1


def test_the_adapter_is_part_of_the_fingerprint(folders, tmp_path):
    one, other = tiny.lora(tmp_path / "one"), tiny.lora(tmp_path / "other", spread=0.2)
    specs = ["", f"?lora={one}", f"?lora={other}", f"?lora={one}&lora_scale=0.5"]
    marks = [DiffusersGenerator.load(f"{folders['sd15']}{each}", "cpu").fingerprint() for each in specs]
    assert len(set(marks)) == 4


def test_unusable_adapters_say_why(folders, tmp_path):
    pickle = tmp_path / "lora.bin"
    pickle.write_bytes(b"x")
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"x" * 20)
    good = tiny.lora(tmp_path / "good")
    for options, words in (
        (f"lora={pickle}", "is no safetensors file"),
        (f"lora={empty}", "must hold one safetensors file, found none"),
        ("lora=nowhere", "does not exist; download it first"),
        (f"lora={broken}", "does not fit StableDiffusionPipeline"),
        (f"lora={good}&lora_scale=-1", "lora_scale must be a number from 0, found '-1'"),
    ):
        with pytest.raises(GeneratorError, match=words):
            DiffusersGenerator.load(f"{folders['sd15']}?{options}", "cpu")
