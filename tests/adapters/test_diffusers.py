"""Diffusers pipelines as generators, on tiny ones with random weights: two U-Nets and a flow-matching transformer."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from generators.adapters import pipelines
from generators.adapters.diffusers import DiffusersGenerator
from generators.api import Generator, GeneratorError, Refusal, Request, Settings
from tests import tiny

QUICK = Settings(steps=2, height=64, width=64)
KINDS = tuple(tiny.BUILDERS)
UNETS = ("sd15", "sdxl")
TEXTS = ("a red ball", 'a street sign that says "OPEN"', "a hand", "a chef", "gravel")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    return {name: build(root / name) for name, build in tiny.BUILDERS.items()}


@pytest.fixture(scope="session")
def generators(folders):
    return {name: DiffusersGenerator.load(str(folder), "cpu") for name, folder in folders.items()}


def pictures(generator, *requests):
    answers = dict(generator.generate(requests))
    assert sorted(answers) == list(range(len(requests)))
    return [answers[index] for index in range(len(requests))]


def ask(seed=1, text=TEXTS[0], negative_text="", **settings):
    return Request(text=text, negative_text=negative_text, seed=seed, settings=replace(QUICK, **settings))


def apart(one, other):
    """The largest difference in grey levels."""
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_folder_is_a_generator(generators, kind):
    generator = generators[kind]
    assert isinstance(generator, Generator)
    [picture] = pictures(generator, ask())
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_chooses_the_noise(generators, kind):
    one, again, other = pictures(generators[kind], ask(1), ask(1), ask(2))
    assert apart(one, again) <= 1
    assert apart(one, other) > 10


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_do_not_depend_on_their_batch(generators, kind):
    requests = [ask(seed=i, text=text) for i, text in enumerate(TEXTS)]
    together = pictures(generators[kind], *requests)
    for alone, grouped in zip([pictures(generators[kind], each)[0] for each in requests], together, strict=True):
        assert apart(alone, grouped) <= 1


@pytest.mark.parametrize("sampler", ["euler_a", "dpm++2m"])
def test_noisy_and_multistep_samplers_do_not_depend_on_batch_or_history(generators, sampler):
    requests = [ask(seed=i, text=text, sampler=sampler, steps=3) for i, text in enumerate(TEXTS)]
    together = pictures(generators["sd15"], *requests)
    backwards = pictures(generators["sd15"], *reversed(requests))
    for one, other in zip(together, reversed(backwards), strict=True):
        assert apart(one, other) <= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change", [{"guidance": 9.0}, {"steps": 3}, {"text": "a blue cone"}], ids=["guidance", "steps", "text"]
)
def test_what_is_asked_changes_the_picture(generators, kind, change):
    one, other = pictures(generators[kind], ask(guidance=2.0), ask(**{"guidance": 2.0, **change}))
    assert apart(one, other) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_negative_prompts_reach_the_pipeline_and_empty_ones_do_not_disturb(generators, kind):
    plain, negative, beside = pictures(
        generators[kind], ask(guidance=5.0), ask(guidance=5.0, negative_text="blurry"), ask(guidance=5.0)
    )
    assert apart(plain, negative) > 2
    assert apart(plain, beside) <= 1


def test_sizes_may_differ_within_one_call(generators):
    small, large, tall = pictures(generators["sd15"], ask(height=32, width=32), ask(), ask(height=64, width=32))
    assert (small.shape[:2], large.shape[:2], tall.shape[:2]) == ((32, 32), (64, 64), (64, 32))


@pytest.mark.parametrize("kind", UNETS)
def test_samplers_can_be_swapped_on_u_nets(generators, kind):
    generator = generators[kind]
    assert generator.knobs == {"steps", "guidance", "height", "width", "sampler", "strength"}
    drawn = pictures(generator, ask(), *(ask(sampler=name) for name in generator.samplers))
    assert all(isinstance(picture, np.ndarray) and picture.std() > 5 for picture in drawn)
    assert len({picture.tobytes() for picture in drawn[1:]}) >= 4
    assert type(generator.scheduler).__name__ in ("PNDMScheduler", "EulerDiscreteScheduler")
    assert apart(drawn[0], pictures(generator, ask())[0]) <= 1


def test_flow_matching_pipelines_have_only_their_own_sampler(generators):
    assert generators["sd3"].knobs == {"steps", "guidance", "height", "width", "strength"}
    [answer] = pictures(generators["sd3"], ask(sampler="ddim"))
    assert answer.status == "failed"
    assert "only its own, FlowMatchEulerDiscreteScheduler" in answer.reason


@pytest.mark.parametrize("kind", UNETS)
def test_an_unknown_sampler_fails_with_near_names_and_spares_the_rest(generators, kind):
    bad, good = pictures(generators[kind], ask(sampler="eulr"), ask())
    assert bad == Refusal("failed", "no sampler 'eulr'; did you mean euler, euler_a, heun?")
    assert good.shape == (64, 64, 3)


def test_what_a_pipeline_rejects_fails_with_its_words(generators):
    odd, good = pictures(generators["sd15"], ask(height=61), ask())
    assert odd.status == "failed"
    assert "61" in odd.reason
    assert good.shape == (64, 64, 3)


def test_other_tasks_are_not_done(generators):
    [answer] = pictures(generators["sd15"], Request(text="a hand", settings=Settings(task="upscale")))
    assert answer.status == "failed"
    assert "does img2img, inpaint, text2img only, not upscale" in answer.reason


def test_nan_is_a_failure_not_a_black_picture(folders):
    generator = DiffusersGenerator.load(str(folders["sd15"]), "cpu")
    with torch.no_grad():
        generator.pipeline.vae.decoder.conv_out.bias.fill_(float("nan"))
    [answer] = pictures(generator, ask())
    assert answer == Refusal("failed", "100% of the raw output is NaN; try dtype=float32 or bfloat16")


def test_running_out_of_memory_halves_the_batch(folders, monkeypatch):
    generator = DiffusersGenerator.load(str(folders["sd15"]), "cpu")
    whole = pictures(generator, *(ask(seed) for seed in range(4)))
    call = generator.call

    def narrow(requests):
        if len(requests) > 1:
            raise torch.OutOfMemoryError("no room")
        return call(requests)

    monkeypatch.setattr(generator, "call", narrow)
    for one, other in zip(whole, pictures(generator, *(ask(seed) for seed in range(4))), strict=True):
        assert apart(one, other) <= 1
    monkeypatch.setattr(generator, "call", lambda requests: narrow([*requests, *requests]))
    assert pictures(generator, ask()) == [Refusal("failed", "out of memory: no room")]


def test_flagged_pictures_are_skipped_unless_the_checker_is_off(tmp_path):
    folder = tiny.sd15(tmp_path / "prudish", **tiny.prudish())
    kept = DiffusersGenerator.load(str(folder), "cpu")
    off = DiffusersGenerator.load(f"{folder}?safety=off", "cpu")
    assert pictures(kept, ask()) == [Refusal("skipped", "safety checker flagged the picture")]
    [picture] = pictures(off, ask())
    assert picture.std() > 5
    assert kept.fingerprint() != off.fingerprint()


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_another_generator(folders, generators, kind):
    half = DiffusersGenerator.load(f"{folders[kind]}?dtype=bfloat16", "cpu")
    assert half.pipeline.vae.dtype == torch.bfloat16
    assert half.fingerprint() != generators[kind].fingerprint()
    [picture] = pictures(half, ask())
    assert picture.shape == (64, 64, 3)


def test_the_fingerprint_follows_contents_not_places(folders, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folders["sd15"], copy)

    def print_of(folder):
        return pipelines.fingerprint(folder, variant=None, choices={"dtype": "float32"})

    original = print_of(folders["sd15"])
    assert print_of(copy) == original
    (copy / "README.md").write_text("words do not count")
    assert print_of(copy) == original
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(1, 1))
    other_weights = print_of(copy)
    scheduler = copy / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"beta_end": 0.013}))
    assert len({original, other_weights, print_of(copy)}) == 3


def test_the_variants_weights_are_the_ones_loaded_and_hashed(folders, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folders["sd15"], copy)
    choices = {"dtype": "float32"}
    plain = pipelines.fingerprint(copy, variant=None, choices=choices)
    for weights in list(copy.rglob("*.safetensors")):
        shutil.copy(weights, weights.with_name(weights.name.replace(".safetensors", ".fp16.safetensors")))
    assert pipelines.fingerprint(copy, variant=None, choices=choices) == plain
    assert pipelines.fingerprint(copy, variant="fp16", choices=choices) != plain
    [picture] = pictures(DiffusersGenerator.load(f"{copy}?variant=fp16", "cpu"), ask())
    assert picture.std() > 5
    names = [path.name for path in pipelines.part_files(copy / "unet", "fp16")]
    assert names == ["config.json", "diffusion_pytorch_model.fp16.safetensors"]


def test_pickled_weights_are_refused(folders, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folders["sd15"], copy)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(GeneratorError, match=r"unet has its weights only as a pickle \(diffusion_pytorch_model\.bin\)"):
        DiffusersGenerator.load(str(copy), "cpu")


@pytest.mark.parametrize("where", ["class", "part"])
def test_code_in_the_folder_is_refused(folders, tmp_path, where):
    copy = tmp_path / "copy"
    shutil.copytree(folders["sd15"], copy)
    (copy / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    index = json.loads((copy / "model_index.json").read_text())
    index |= {"_class_name": ["mine", "Mine"]} if where == "class" else {"unet": ["mine", "Mine"]}
    (copy / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(GeneratorError, match=r"code of its own \(mine\.py\); refused"):
        DiffusersGenerator.load(str(copy), "cpu")
    assert not (tmp_path / "ran").exists()


def test_the_class_can_be_named(folders):
    generator = DiffusersGenerator.load(f"{folders['sd15']}?class=StableDiffusionPipeline&batch=2", "cpu")
    assert type(generator.pipeline).__name__ == "StableDiffusionPipeline"
    assert generator.batch == 2


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("{sd15}?dtyp=float16", "no option 'dtyp'; did you mean dtype?"),
        ("{sd15}?dtype=float61", "no dtype 'float61'; did you mean float16"),
        ("{sd15}?safety=no", "no safety 'no'"),
        ("{sd15}?batch=0", "batch must be a whole number from 1, found '0'"),
        ("{sd15}?class=StableDiffusionPipelin", "did you mean StableDiffusionPipeline"),
        ("{sd15}?class=UNet2DModel", "no pipeline class 'UNet2DModel'"),
        ("{sd15}?variant=fp16", "cannot be loaded"),
        ("{sd15}/unet", "no model_index.json in"),
        ("{sd15}/nowhere", "does not exist; give a folder"),
        ("{sd15}/model_index.json", "is a file; give a folder"),
        ("", "does not exist; give a folder"),
    ],
)
def test_bad_specifications_say_what_would_work(folders, rest, message):
    with pytest.raises(GeneratorError) as caught:
        DiffusersGenerator.load(rest.format(**folders), "cpu")
    assert message in str(caught.value)


def test_a_device_that_is_not_there_is_an_error(folders):
    missing = "cuda" if not torch.cuda.is_available() else "mps"
    with pytest.raises(GeneratorError, match=f"no device '{missing}' here; there is .*cpu"):
        DiffusersGenerator.load(str(folders["sd15"]), missing)


def test_a_hub_id_that_cannot_be_had_says_what_was_tried(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(GeneratorError) as caught:
        DiffusersGenerator.load("nobody/nothing@v2", "cpu")
    for part in ("'nobody/nothing'", "revision v2", "HF_HUB_OFFLINE", "hf download nobody/nothing --local-dir FOLDER"):
        assert part in str(caught.value)


def test_a_folder_with_an_at_sign_is_a_folder(folders, tmp_path):
    copy = tmp_path / "mine@home"
    shutil.copytree(folders["sd15"], copy)
    assert DiffusersGenerator.load(str(copy), "cpu").name == f"diffusers:{copy}"


def test_loading_prints_nothing_and_gives_the_libraries_their_bars_back(folders, capfd):
    from diffusers.utils import logging

    assert logging.is_progress_bar_enabled()
    DiffusersGenerator.load(str(folders["sd15"]), "cpu")
    assert capfd.readouterr().err == ""
    assert logging.is_progress_bar_enabled()
