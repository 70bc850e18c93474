import numpy as np
import pytest
import torch
from PIL import Image

from audit.audits import features
from audit.audits.features import clip_image, dino_class, inception_clean, inception_pool
from audit.audits.published import cmmd, fd_clip, fd_dino, fid, fid_clean
from audit.features import dino, inception, models
from audit.references import build, build_moments, save
from audit.weights import MissingWeightsError
from tests.audits.toys import noise, save_clip, view


def names(n):
    return [f"p{i}" for i in range(n)]


def rows_of(audit, pictures, **options):
    return np.array([score.vector for score in audit(**options)([view(p) for p in pictures])])


@pytest.fixture(scope="module")
def random_inception():
    """torch-fidelity's own network with random weights: what a protocol does to pictures needs no others."""
    package = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(package, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(package.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = package.FeatureExtractorInceptionV3("inception", ["2048"])
    return inception.Inception(network, "0" * 64)


def smooth(seed, height, width):
    small = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def test_both_protocols_are_one_where_nothing_is_resized(random_inception):
    image = view(smooth(0, 299, 299)).image
    clean, legacy = (random_inception.features(image, protocol) for protocol in ("clean", "legacy"))
    assert clean.shape == (2048,)
    torch.testing.assert_close(clean, legacy, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (400, 320)])
def test_clean_is_clean_fids_resizing_before_the_same_network(random_inception, size):
    resizer = pytest.importorskip("cleanfid.resize").make_resizer("PIL", False, "bicubic", (299, 299))
    pixels = smooth(1, *size)
    want = torch.from_numpy(resizer(pixels).transpose(2, 0, 1).copy())
    network = random_inception._network
    seen = []
    hook = network.Conv2d_1a_3x3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    random_inception.features(view(pixels).image, "clean")
    hook.remove()
    torch.testing.assert_close(seen[0][0], (want - 128) / 128, rtol=0, atol=1e-5)


def test_legacy_is_the_graphs_own_resizing_and_not_the_clean_one(random_inception):
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    image = view(smooth(2, 400, 320)).image
    seen = []
    hook = random_inception._network.Conv2d_1a_3x3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for protocol in ("legacy", "clean"):
        random_inception.features(image, protocol)
    hook.remove()
    want = interpolate_bilinear_2d_like_tensorflow1x(image[None].float(), size=(299, 299), align_corners=False)
    torch.testing.assert_close(seen[0], (want - 128) / 128, rtol=0, atol=0)
    assert (seen[0] - seen[1]).abs().max() > 0.01


def test_a_reference_of_one_protocol_is_refused_by_the_other(random_inception, monkeypatch, tmp_path):
    monkeypatch.setattr(inception, "load", lambda: random_inception)
    rows = np.random.default_rng(0).normal(size=(40, 2048)).astype(np.float32)
    save(build("legacy", rows, model=random_inception.identity("legacy"), text="rows"), tmp_path / "legacy.npz")
    fid.set_scorer(reference=str(tmp_path / "legacy.npz"))
    with pytest.raises(ValueError, match="made with a feature model"):
        fid_clean.set_scorer(reference=str(tmp_path / "legacy.npz"))
    with pytest.raises(MissingWeightsError, match="--model inception-clean --data DIR"):
        fid_clean.set_scorer()


def test_fid_takes_published_statistics_and_says_that_they_do_not_name_their_network(
    random_inception, monkeypatch, tmp_path
):
    monkeypatch.setattr(inception, "load", lambda: random_inception)
    rng = np.random.default_rng(1)
    mean, scale = rng.normal(size=2048), rng.uniform(1, 2, size=2048)
    np.savez(tmp_path / "stats.npz", mu=mean, sigma=np.diag(scale))
    found = fid.set_scorer(reference=str(tmp_path / "stats.npz"))(rng.normal(size=(6, 2048)) + mean, names(6))
    assert found.value > 0
    assert "do not say which network made them" in found.note
    assert "floor" not in found.note


@pytest.mark.parametrize(("audit", "of_pictures"), [(fid, inception_pool), (fid_clean, inception_clean)])
def test_fid_never_takes_other_weights(monkeypatch, audit, of_pictures):
    def missing(name):
        raise MissingWeightsError(f"weights {name!r} are missing")

    monkeypatch.setattr(inception, "require", missing)
    with pytest.raises(MissingWeightsError, match="fid-inception"):
        audit.set_scorer()
    with pytest.raises(MissingWeightsError, match="fid-inception"):
        of_pictures.scorer()


def test_a_wrong_inception_file_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "weights-inception-2015-12-05-6726825d.pth"
    path.write_bytes(b"not it")
    monkeypatch.setattr(inception, "require", lambda name: path)
    with pytest.raises(MissingWeightsError, match="is not the Inception of FID"):
        inception_pool.scorer()


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    return str(save_clip(tmp_path_factory.mktemp("clip"), seed=3))


def test_any_image_text_model_gives_distances_of_its_own(clip_folder, tmp_path):
    digest = models.load(clip_folder).digest
    real = rows_of(clip_image, [smooth(i, 32, 32) for i in range(60)], model=clip_folder)
    save(build("clip", real, model=digest, text="smooth"), tmp_path / "clip.npz")
    options = {"reference": str(tmp_path / "clip.npz"), "model": clip_folder, "pretrained": ""}
    fresh = rows_of(clip_image, [smooth(100 + i, 32, 32) for i in range(30)], model=clip_folder)
    pale = rows_of(clip_image, [np.maximum(noise(i, 32, 32), 200) for i in range(30)], model=clip_folder)
    for each in (fd_clip, cmmd):
        score = each.set_scorer(**options)
        assert score(pale, names(30)).low > score(fresh, names(30)).value
    save(build_moments("m", [real], model=digest, text="smooth"), tmp_path / "moments.npz")
    kept = options | {"reference": str(tmp_path / "moments.npz")}
    assert fd_clip.set_scorer(**kept)(fresh, names(30)).value == pytest.approx(
        fd_clip.set_scorer(**options)(fresh, names(30)).value, rel=1e-6
    )
    with pytest.raises(ValueError, match="this needs features"):
        cmmd.set_scorer(**kept)(fresh, names(30))


def test_missing_clip_weights_and_references_say_how_to_get_them(monkeypatch, clip_folder):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    for each in (fd_clip, cmmd):
        with pytest.raises(MissingWeightsError, match=r"hf download timm/vit_large_patch14_clip_336\.openai"):
            each.set_scorer()
        with pytest.raises(MissingWeightsError, match=r"python -m audit\.references --model .* --data DIR"):
            each.set_scorer(model=clip_folder, pretrained="")
    with pytest.raises(MissingWeightsError, match="hf download"):
        features.clip_image.scorer()


@pytest.fixture(scope="module")
def dino_folder(tmp_path_factory):
    from transformers import Dinov2Config, Dinov2Model

    with torch.random.fork_rng():
        torch.manual_seed(0)
        tiny = Dinov2Config(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=56, patch_size=14
        )
        network = Dinov2Model(tiny)
    folder = tmp_path_factory.mktemp("dino")
    network.save_pretrained(folder)
    return str(folder)


def test_dino_is_the_class_token_of_a_normalised_square(dino_folder):
    from transformers import Dinov2Model

    pixels = smooth(5, 90, 140)
    square = np.stack(
        [np.asarray(Image.fromarray(c).resize((224, 224), Image.Resampling.BICUBIC)) for c in pixels.transpose(2, 0, 1)]
    )
    mean, deviation = (np.array(each)[:, None, None] for each in (dino.MEAN, dino.DEVIATION))
    inputs = torch.from_numpy((square / 255 - mean) / deviation).float()[None]
    with torch.inference_mode():
        want = Dinov2Model.from_pretrained(dino_folder).eval()(pixel_values=inputs).last_hidden_state[0, 0]
    [score] = dino_class(folder=dino_folder)([view(pixels)])
    np.testing.assert_allclose(score.vector, want.numpy(), atol=1e-5)


def test_dino_sees_noise_and_company_changes_nothing(dino_folder, tmp_path):
    real = rows_of(dino_class, [smooth(i, 32, 32) for i in range(24)], folder=dino_folder)
    alone = rows_of(dino_class, [smooth(7, 32, 32)], folder=dino_folder)
    np.testing.assert_array_equal(real[7], alone[0])
    save(build("dino", real, model=dino.load(dino_folder).digest, text="smooth"), tmp_path / "dino.npz")
    score = fd_dino.set_scorer(reference=str(tmp_path / "dino.npz"), folder=dino_folder)
    grainy = rows_of(dino_class, [noise(i, 32, 32) for i in range(12)], folder=dino_folder)
    assert score(grainy, names(12)).value > score(real[:12], names(12)).value


def test_missing_dino_weights_say_how_to_get_them(tmp_path):
    with pytest.raises(MissingWeightsError, match=r"hf download facebook/dinov2-large model\.safetensors config\.json"):
        dino_class.scorer(folder=str(tmp_path))
    if not dino_on_disk():
        with pytest.raises(MissingWeightsError, match="hf download facebook/dinov2-large"):
            fd_dino.set_scorer()


def dino_on_disk():
    from audit.weights import find

    return find("dinov2-vit-l-14").present
