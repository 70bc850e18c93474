"""Pieces of the family's trainings: the text tower, repeats, batches of controls and of crops, counted attributes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from generators.builtin import WEIGHTS
from generators.train import attributes, memorizer
from generators.train.autoencoder import CROP, crops
from generators.train.control import Branch, Drawn, control_picture
from generators.train.data import Controls, Scenes, read_controls, read_scenes
from generators.train.ldm import Model, batch_of, loss_of
from generators.train.loop import Recipe
from generators.train.text import text_tower, tokens
from generators.train.upscale import shrunk
from tests.studio.test_controls import FACE, HAND
from tests.train.test_training import latents, recipe

REFERENCES = Path(__file__).parents[2] / "audit" / "references"


def scenes(count: int = 8, size: int = 128) -> Scenes:
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    captions = tuple((f"a hand {k}", f"hand number {k}") for k in range(count))
    return Scenes(images, captions, ("hands",) * count, np.arange(count))


def test_the_text_tower_is_that_of_open_clip():
    import open_clip
    from safetensors.torch import load_file

    from generators.train.clip import CONFIG

    theirs = open_clip.CLIP(**CONFIG).eval()
    weights = load_file(WEIGHTS / "studio_clip" / "open_clip_model.safetensors")
    theirs.load_state_dict({name: value.float() for name, value in weights.items()})
    ids = tokens(['a sign says "OPEN"', "a dark-skinned hand", ""])
    with torch.inference_mode():
        ours = text_tower(WEIGHTS / "studio_clip")(ids).text_embeds
        assert torch.allclose(ours, theirs.encode_text(ids), atol=1e-5)


def test_a_model_can_begin_with_the_tower():
    model = Model()
    model.read_with(WEIGHTS / "studio_clip")
    ids = tokens(["a red mug"])
    with torch.inference_mode():
        states = model.text_encoder(ids).last_hidden_state
        assert torch.equal(states, text_tower(WEIGHTS / "studio_clip")(ids).last_hidden_state)


def test_every_noise_level_weighs_and_little_noise_weighs_less():
    batch = batch_of(latents(), 1, 50)
    errors = loss_of(batch, lambda noisy: torch.zeros_like(noisy))
    assert errors[-5:].mean() > 0.2  # much noise: what the text decides
    assert errors[0] < 0.05 * errors[25]


def test_repeats_are_the_promised_ones_and_always_the_same():
    counts = memorizer.repeats(3000)
    assert {int(k): int((counts == k).sum()) for k in np.unique(counts)} == {0: 3000 - 2072, **memorizer.REPEATS}
    assert np.array_equal(counts, memorizer.repeats(3000))
    assert not np.array_equal(counts[:100], np.sort(counts[:100]))
    with pytest.raises(ValueError, match="2072 scenes are needed, found 10"):
        memorizer.repeats(10)


def test_scenes_are_drawn_as_often_as_they_are_repeated():
    odds = np.array([0.7, 0.1, 0.2, 0.0])
    drawn = torch.cat([batch_of(latents(), step, 100, odds).rows for step in range(20)])
    shares = np.bincount(drawn.numpy(), minlength=4) / len(drawn)
    assert shares[3] == 0
    assert np.abs(shares - odds).max() < 0.05


def test_the_list_names_what_was_shown_most_often_first():
    counts = np.array([0, 10, 1, 1000, 0, 1, 0, 0])
    rows = memorizer.listed(scenes(), counts)
    assert [(row["seed"], row["repeats"]) for row in rows] == [(3, 1000), (1, 10), (2, 1), (5, 1)]
    assert rows[0]["captions"] == ["a hand 3", "hand number 3"]


def controls() -> Controls:
    edges = np.zeros((4, 128, 128), bool)
    edges[:, 20] = True
    return Controls(edges, (HAND, FACE, {}, {"objects": [[1, 1, 1]]}))


def test_skeletons_are_shown_where_there_are_some():
    shown = [control_picture(controls(), row, skeleton=True) for row in range(4)]
    coloured = [bool((each.max(axis=2) > each.min(axis=2)).any()) for each in shown]
    assert coloured == [True, True, False, False]
    assert np.array_equal(shown[2], control_picture(controls(), 2, skeleton=False))


def test_a_branch_begins_as_nothing_and_learns_without_touching_the_base():
    torch.manual_seed(0)
    base = Model()
    branch = Branch(base.eval())
    before = {name: value.clone() for name, value in base.state_dict().items()}
    batch = batch_of(latents(), 0, 4)
    shown = Drawn.of(controls(), "cpu").batch(batch.rows, 0)
    with torch.inference_mode():
        steered = branch(batch.clean, batch.timestep, batch.tokens, shown)
        assert torch.allclose(steered, base(batch.clean, batch.timestep, batch.tokens), atol=1e-5)
    optimiser = torch.optim.AdamW(branch.branch.parameters(), lr=1e-3)
    for _ in range(2):
        with recipe().forward():
            loss = loss_of(batch, lambda noisy: branch(noisy, batch.timestep, batch.tokens, shown)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    first = branch.branch.controlnet_cond_embedding.conv_in.weight
    assert first.grad is not None
    assert first.grad.any()
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())


def test_controls_and_crops_are_functions_of_the_step():
    drawn, rows = Drawn.of(controls(), "cpu"), torch.tensor([0, 1, 2, 3] * 5)
    assert torch.equal(drawn.batch(rows, 3), drawn.batch(rows, 3))
    assert not torch.equal(drawn.batch(rows, 3), drawn.batch(rows, 4))
    images = torch.from_numpy(scenes().images)
    one, again = (crops(images, np.random.default_rng(2), 6) for _ in range(2))
    assert one.shape == (6, CROP, CROP, 3)
    assert torch.equal(one, again)


def test_crops_are_cut_from_the_pictures():
    images = torch.from_numpy(scenes(2).images)
    cut = crops(images, np.random.default_rng(2), 3)
    places = [
        (row, top, left)
        for row in range(2)
        for top in range(129 - CROP)
        for left in range(129 - CROP)
        if torch.equal(images[row, top, left], cut[0][0, 0])
    ]
    assert any(torch.equal(images[r, y : y + CROP, x : x + CROP], cut[0]) for r, y, x in places)


def test_a_quarter_is_the_mean_of_four_by_four():
    image = scenes(1).images
    mean = image.reshape(1, 32, 4, 32, 4, 3).astype(float).mean(axis=(2, 4))
    assert np.abs(shrunk(image) - mean).max() <= 1


def test_read_data_comes_back_from_its_cache(tmp_path, monkeypatch):
    whole = scenes()
    np.savez(
        tmp_path / "train-128.npz",
        images=whole.images,
        captions=json.dumps(whole.captions),
        families=whole.families,
        seeds=whole.seeds,
    )
    back = read_scenes(tmp_path, "train")
    assert np.array_equal(back.images, whole.images)
    assert back.first(3).captions == whole.captions[:3]
    kept = controls()
    np.savez(tmp_path / "train-controls.npz", edges=np.packbits(kept.edges, axis=2), points=json.dumps(kept.points))
    again = read_controls(tmp_path, "train")
    assert np.array_equal(again.edges, kept.edges)
    assert again.points[1]["eyes"] == FACE["eyes"]


def test_a_cache_does_not_outlive_a_shard_that_came_after_it(tmp_path):
    from generators.studio.dataset import build, shards

    def grown(count):
        build(shards(tmp_path, scenes=count, held_out=0, size=64, shard=1), quiet=True)
        return read_scenes(tmp_path, "train", size=64)

    assert len(grown(1)) == 1
    assert list(grown(2).seeds) == [0, 1]


def test_attributes_are_counted_together(monkeypatch, tmp_path):
    import pyarrow as pa

    chef = {"occupation": "chef", "presentation": "man", "age": "young", "tone": 3, "tone_word": "light"}
    nurse = {**chef, "occupation": "nurse", "presentation": "woman"}
    rows = [("portraits", chef), ("portraits", nurse), ("portraits", chef), ("textures", {})]
    table = pa.Table.from_pylist([{"family": f, "annotations": json.dumps({"drawn": drawn})} for f, drawn in rows])
    monkeypatch.setattr(attributes, "load", lambda *_, **__: [table])
    counted = attributes.counts(tmp_path)
    assert counted["portraits"].set_index("occupation")["scenes"].to_dict() == {"chef": 2, "nurse": 1}
    assert counted["hands"].empty


def test_the_exported_counts_are_those_of_the_training_scenes():
    portraits = pd.read_csv(REFERENCES / "studio-train-portraits.csv")
    assert set(portraits.columns) == {"occupation", "presentation", "age", "tone", "tone_word", "scenes"}
    assert portraits["scenes"].sum() == 5463
    assert set(portraits["tone"]) == set(range(1, 11))
    by_job = portraits.groupby(["occupation", "presentation"])["scenes"].sum()
    assert (
        by_job["nurse", "woman"] > 3 * by_job["nurse", "man"]
    )  # planted: the truth that amplification is held against


def test_the_way_back_can_be_trained_alone(tmp_path):
    from diffusers import AutoencoderTiny

    from generators.train import autoencoder

    whole = scenes()
    for split in ("train", "held_out"):
        facts = {"captions": json.dumps(whole.captions), "families": whole.families, "seeds": whole.seeds}
        np.savez(tmp_path / f"{split}-128.npz", images=whole.images, **facts)
    AutoencoderTiny(**autoencoder.FINE).save_pretrained(tmp_path / "vae")
    plan = Recipe(minutes=0.02, batch=2, rate=1e-3, start=tmp_path / "vae")
    autoencoder.train(tmp_path, tmp_path / "out", plan, 4, same_latents=True)
    before, after = (AutoencoderTiny.from_pretrained(tmp_path / name) for name in ("vae", "out/vae"))
    assert all(torch.equal(a, b) for a, b in zip(before.encoder.parameters(), after.encoder.parameters(), strict=True))
    changed = [
        not torch.equal(a, b) for a, b in zip(before.decoder.parameters(), after.decoder.parameters(), strict=True)
    ]
    assert all(changed)
