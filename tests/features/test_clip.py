import numpy as np
import pytest
import torch

from audit.features import models as module
from audit.features.clip import Clip, Preprocess, image_rows
from audit.features.models import load
from audit.features.studio import StudioClip
from audit.weights import MissingWeightsError
from tests.audits.toys import MODEL, noise, plain, save_clip, view


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def model(folder):
    return StudioClip.load(folder)


def tensors(*pixels):
    return [torch.from_numpy(p.transpose(2, 0, 1).copy()) for p in pixels]


def test_the_loaded_towers_are_open_clips_own(folder, model):
    """The same folder through open_clip's factory gives the same embeddings of a picture that needs no resizing."""
    import open_clip

    theirs, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    pixels = noise(0, 32, 32)
    from PIL import Image

    with torch.inference_mode():
        want = theirs.eval().encode_image(preprocess(Image.fromarray(pixels))[None])
        words = theirs.encode_text(model._tokenize(["a red cube"])[0])
    torch.testing.assert_close(model.image_features(tensors(pixels)), want, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.text_features(["a red cube"]), words, atol=1e-5, rtol=1e-5)
    assert model.dim == MODEL["embed_dim"]


@pytest.mark.parametrize("company", [1, 5, 8, 19])
def test_an_embedding_has_the_same_bits_in_any_company(model, company):
    """Padded to one batch shape, every row must come out of the same arithmetic, wherever it stands."""
    pictures = tensors(*(noise(i, 40, 56) for i in range(company)))
    together = model.image_features(pictures)
    alone = torch.cat([model.image_features([each]) for each in pictures])
    assert torch.equal(together, alone)
    assert torch.equal(model.image_features(pictures[::-1]), together.flip(0))


def test_pictures_are_resized_by_the_named_filter_and_rounded(model):
    from audit.images import resize

    pixels = noise(1, 50, 50)
    small = np.rint(resize(pixels, 32, "clean")).astype(np.uint8)
    assert torch.equal(model.image_features(tensors(pixels)), model.image_features(tensors(small)))


@pytest.mark.parametrize("fit", ["squash", "shortest", "longest"])
def test_every_fit_gives_a_square_of_the_right_middle(fit):
    pixels = plain((0, 0, 0), 40, 80)
    pixels[:, 30:50] = 255
    made = Preprocess(20, (0, 0, 0), (1, 1, 1), fit, "clean")(tensors(pixels)[0])
    assert made.shape == (3, 20, 20)
    assert made[0, 10, 10] == 1
    assert made[0, 10, 0] == 0
    white = {"squash": 1 / 4, "shortest": 1 / 2, "longest": 1 / 8}[fit]
    assert made.mean().item() == pytest.approx(white, abs=0.03)


def test_long_texts_are_cut_and_counted(model):
    assert model.context == 24
    assert model.tokens("open") == 6
    long = "a very long caption that goes on and on"
    assert model.tokens(long) > 24
    same_start = "a very long caption that says something else"
    assert model.tokens(same_start) > 24
    assert torch.equal(model.text_features([long[:30]]), model.text_features([long[:30] + " and more"]))


def test_texts_are_read_once(folder, monkeypatch):
    fresh = StudioClip.load(folder)
    calls = []
    inner = fresh._network.encode_text
    monkeypatch.setattr(fresh._network, "encode_text", lambda ids: calls.append(1) or inner(ids))
    fresh.text_features(["a", "b", "a", "b", "a"])
    fresh.tokens("a")
    assert len(calls) == 2


def test_audits_of_one_model_share_a_pictures_embedding(model, monkeypatch):
    seen = []
    inner = Clip.image_features
    monkeypatch.setattr(Clip, "image_features", lambda self, images: seen.extend(images) or inner(self, images))
    views = [view(noise(i)) for i in range(3)]
    first = image_rows(model, views)
    again = image_rows(model, [*views, view(noise(3))])
    assert len(seen) == 4
    assert torch.equal(first, again[:3])
    assert image_rows(model, []).shape == (0, model.dim)


def test_a_folder_that_lacks_something_says_what(tmp_path, folder):
    with pytest.raises(ValueError, match=r"no open_clip_config\.json"):
        load(str(tmp_path))
    other = save_clip(tmp_path / "other", model={**MODEL, "embed_dim": 8})
    (other / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    with pytest.raises(ValueError, match="does not fit"):
        StudioClip.load(other)


def test_missing_published_weights_come_with_the_command_that_fetches_them(monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(MissingWeightsError, match="hf download laion/CLIP-ViT-B-32-laion2B-s34B-b79K open_clip_model"):
        load("ViT-B-32", "laion2b_s34b_b79k")


def test_unknown_names_offer_near_ones():
    with pytest.raises(ValueError, match="did you mean laion2b_s34b_b79k"):
        load("ViT-B-32", "laion2b_s34b_b79")
    with pytest.raises(ValueError, match="ViT-B-32"):
        load("ViT-B-3", "")


def test_published_weights_on_disk_are_loaded_with_their_own_preprocessing(monkeypatch, tmp_path):
    """A registered tiny architecture stands for a published one; its file lies where the hub's cache would have it."""
    import json

    import open_clip
    from safetensors.torch import save_file

    config = tmp_path / "Toy-9.json"
    tower = {**MODEL, "text_cfg": {**MODEL["text_cfg"], "vocab_size": 49408, "context_length": 77}}
    config.write_text(json.dumps(tower), encoding="utf-8")
    before = dict(open_clip.factory._MODEL_CONFIGS)
    open_clip.add_model_config(config)
    try:
        network = open_clip.create_model("Toy-9", pretrained=None)
        path = tmp_path / "open_clip_model.safetensors"
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
        monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda model: ["toys"])
        monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *_: {"hf_hub": "toys/toy-9/"})
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(path))
        found = module._published("Toy-9", "toys")
    finally:
        open_clip.factory._MODEL_CONFIGS.clear()
        open_clip.factory._MODEL_CONFIGS.update(before)
    assert found.name == "Toy-9:toys"
    assert found.preprocess.protocol == "uint8-bicubic"
    assert found.tokens("a red cube") == 5
    with torch.inference_mode():
        want = network.eval().encode_text(open_clip.get_tokenizer("ViT-B-32")(["a red cube"]))
    torch.testing.assert_close(found.text_features(["a red cube"]), want, atol=1e-5, rtol=1e-5)
