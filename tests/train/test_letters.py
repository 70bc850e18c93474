"""Where letters stand, and a text attention that is taught to look at them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generators.studio import signs
from generators.studio.drawing import draw, scene_record
from generators.train.data import Scenes, wordings
from generators.train.ldm import Latents, Model, batch_of, loss_of, train, weights_at
from generators.train.letters import (
    CELL,
    HEADS,
    NONE,
    Watched,
    letter_map,
    letter_tokens,
    letters_at,
    looking,
    misread,
    places_of,
    taught,
    watch,
)
from generators.train.loop import Recipe
from generators.train.text import empty_tokens, tokens, tokens_of
from generators.train.tokenizer import CONTEXT, byte_tokenizer

FLAT = {"carrier": "shopfront", "yaw": 0.0, "pitch": 0.0, "font": "mono"}


@pytest.mark.parametrize("text", ["STOP", "AB12 CDE", "ROCK'N ROLL", "GO!"])
def test_letters_are_found_among_the_tokens_of_every_wording(text):
    asked = signs.sample(np.random.default_rng(0), {"text": text})
    for number in range(20):
        caption = signs.caption(asked, np.random.default_rng(number))
        ids = tokens([caption])[0]
        read = byte_tokenizer().convert_ids_to_tokens(ids[torch.from_numpy(letter_tokens(caption, text).astype(int))])
        inked = [token.removesuffix("</w>") for token, letter in zip(read, text, strict=True) if letter != " "]
        assert "".join(inked) == text.replace(" ", "").lower()


def test_letters_of_a_caption_that_is_cut_off_have_no_token():
    found = letter_tokens("x" * (CONTEXT - 4) + '"STOP"', "STOP")
    assert found.tolist() == [CONTEXT - 2, NONE, NONE, NONE]


@pytest.mark.parametrize(("one", "other", "changed"), [("HAM", "HUM", 1), ("OLD DOWN", "OLD DAWN", 5)])
def test_another_letter_changes_the_picture_where_the_map_says_that_it_stands(one, other, changed):
    scenes = [draw("signs", {**FLAT, "text": text}, seed=4, defects={}, size=128) for text in (one, other)]
    corners = np.array(scene_record(scenes[0])["points"]["quad"])[:, :2]
    places = np.kron(letter_map(one, "mono", corners), np.ones((CELL, CELL), dtype=int))
    differs = np.abs(scenes[0].image.astype(int) - scenes[1].image.astype(int)).max(axis=2) > 100
    assert differs.any()
    assert (places[differs] == changed).mean() > 0.8


def test_a_line_is_broken_as_the_box_is_shaped():
    wide, tall = (np.array([(8, 8), (120, 8), (120, low), (8, low)], dtype=float) for low in (24, 56))
    assert letter_map("OLD DOWN", "mono", wide)[1].tolist()[1] == 0
    assert set(letter_map("OLD DOWN", "mono", wide)[1]) == {NONE, 0, 1, 2, 4, 5, 6, 7}
    assert set(letter_map("OLD DOWN", "mono", tall)[1]) == {NONE, 0, 1, 2}
    assert set(letter_map("OLD DOWN", "mono", tall)[5]) == {NONE, 4, 5, 6, 7}


def test_only_signs_have_letters():
    drawn = [draw(name, {}, seed=3, defects={}, size=128) for name in ("signs", "textures")]
    captions = tuple(wordings(each.family, each.caption, each.asked, each.seed) for each in drawn)
    scenes = Scenes(
        np.stack([each.image for each in drawn]), captions, tuple(each.family for each in drawn), np.array([3, 3])
    )
    places = places_of(scenes, [scene_record(each) for each in drawn])
    assert places.shape == (2, 4, 16, 16)
    assert (places[1] == NONE).all()
    for caption, found in zip(captions[0], places[0], strict=True):
        expected = letter_tokens(caption, drawn[0].asked["text"])
        inked = {int(token) for token, letter in zip(expected, drawn[0].asked["text"], strict=True) if letter != " "}
        assert set(found.unique().tolist()) == inked | {NONE}


def _said(probability: float, places: torch.Tensor) -> Watched:
    """Both taught heads look at the letter with this probability, the others nowhere."""
    eye, rest = Watched(), (1 - probability) / (CONTEXT - 1)
    seen = torch.full((len(places), 4, places[0].numel(), CONTEXT), rest)
    seen.scatter_(3, places.flatten(1).clamp(min=0)[:, None, :, None].expand(-1, 4, -1, 1), probability)
    seen[:, HEADS:] = 1 / CONTEXT
    eye.seen = seen.flatten(0, 1)
    return eye


def test_looking_is_the_mean_surprise_where_letters_stand():
    places = torch.full((2, 16, 16), NONE)
    places[0, 4:6, 3:9] = 7
    weight = torch.ones(2)
    assert looking([_said(0.5, places)], places, weight) == pytest.approx(np.log(2), rel=1e-5)
    assert looking([_said(0.5, places), _said(0.25, places)], places, weight) == pytest.approx(
        1.5 * np.log(2), rel=1e-5
    )
    assert looking([_said(0.5, places)], torch.full_like(places, NONE), weight) == 0
    assert looking([_said(0.5, places)], places, torch.zeros(2)) == 0


def test_a_coarser_attention_is_asked_by_all_places_under_it():
    places = torch.full((1, 16, 16), NONE)
    places[0, 0, :2] = torch.tensor([5, 9])
    eye = Watched()
    seen = torch.zeros(4, 64, CONTEXT)
    seen[:, 0, 5], seen[:, 0, 9] = 0.5, 0.25
    eye.seen = seen
    assert looking([eye], places, torch.ones(1)) == pytest.approx(1.5 * np.log(2), rel=1e-5)


@pytest.fixture(scope="module")
def lettered() -> Latents:
    """Two signs' latents of noise, with their letters' places."""
    drawn = [draw("signs", {**FLAT, "text": text}, seed=5, defects={}, size=128) for text in ("HAM", "STOP")]
    captions = tuple(wordings(each.family, each.caption, each.asked, each.seed) for each in drawn)
    images = np.stack([each.image for each in drawn])
    scenes = Scenes(images, captions, ("signs", "signs"), np.array([5, 5]))
    clean = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    return Latents(clean, tokens_of(scenes), empty_tokens(), places_of(scenes, [scene_record(each) for each in drawn]))


def test_watching_changes_nothing_and_training_teaches_to_look(lettered):
    torch.manual_seed(0)
    model = Model()
    batch = batch_of(lettered, 1, 8)
    with torch.no_grad():
        before = model(batch.clean, batch.timestep, batch.tokens)
        watched = watch(model.unet)
        assert len(watched) == 4
        assert torch.allclose(model(batch.clean, batch.timestep, batch.tokens), before, atol=1e-5)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    surprises = []
    for step in range(8):
        batch = batch_of(lettered, step, 8)
        assert batch.places is not None
        error = loss_of(batch, lambda noisy, told=batch: model(noisy, told.timestep, told.tokens)).mean()
        surprise = looking(watched, batch.places, weights_at(batch.timestep)[0].flatten())
        optimiser.zero_grad()
        (error + surprise).backward()
        optimiser.step()
        surprises.append(surprise.item())
    assert np.mean(surprises[-2:]) < 0.9 * np.mean(surprises[:2])


def test_a_dropped_caption_has_no_letters_to_look_at(lettered):
    dropped = [
        (sample, places)
        for step in range(20)
        for batch in [batch_of(lettered, step, 8)]
        for sample, places in zip(batch.tokens, batch.places, strict=True)
        if torch.equal(sample, lettered.empty)
    ]
    assert dropped
    assert all((places == NONE).all() for _, places in dropped)


def test_errors_under_letters_count_more(lettered):
    batch = batch_of(lettered, 2, 4)
    alpha, sigma = weights_at(batch.timestep)
    right = alpha * batch.noise - sigma * batch.clean
    under = (batch.places != NONE)[:, None].float()
    there = under.mean(dim=(1, 2, 3)) > 0
    assert there.any()
    costs = []
    for wrong in (under, 1 - under):
        errors = loss_of(batch, lambda _, made=right + wrong: made) / wrong.mean(dim=(1, 2, 3)).clamp(min=1e-6)
        costs.append(errors[there].numpy())
    assert costs[0] == pytest.approx(2 * costs[1], rel=1e-4)


def test_bytes_of_letters_are_those_of_the_caption_wherever_a_word_ends():
    ids = tokens(['says "IT"'])
    places = torch.full((1, 16, 16), NONE)
    found = torch.from_numpy(letter_tokens('says "IT"', "IT").astype(int))
    places[0, 0, :2] = found
    letters = letters_at(ids, places)
    assert letters[0, 0, :2].tolist() == [ord("i"), ord("t")]
    assert (letters.flatten()[2:] == NONE).all()


def spelt(count: int) -> Latents:
    """Latents in which a letter shows as a number of its own, in every place."""
    texts = [chr(ord("a") + number % 4) for number in range(count)]
    ids = tokens([f'"{text}"' for text in texts])
    shades = torch.tensor([[-1.5, 1.0], [-0.5, -1.0], [0.5, 1.0], [1.5, -1.0]])
    clean = shades[torch.arange(count) % 4].repeat(1, 2)[:, :, None, None].expand(-1, -1, 16, 16).contiguous()
    places = torch.full((count, 1, 16, 16), 2, dtype=torch.int8)
    return Latents(clean, ids[:, None], empty_tokens(), places)


def test_a_reader_learns_to_read_and_is_kept(tmp_path):
    latents = spelt(16)
    reader = taught(latents.clean, latents.tokens, latents.places, tmp_path / "reader.pt", steps=150, batch=8)
    letters = letters_at(latents.tokens[:, 0], latents.places[:, 0].long())
    assert (reader(latents.clean).argmax(dim=1) == letters).float().mean() > 0.95
    again = taught(latents.clean, latents.tokens, latents.places, tmp_path / "reader.pt", steps=0)
    assert torch.equal(again(latents.clean), reader(latents.clean))
    assert not any(each.requires_grad for each in again.parameters())
    weight = torch.ones(16)
    right, wrong = (misread(reader, latents.clean.roll(by, dims=0), letters, weight) for by in (0, 1))
    assert right < 0.2 < 1 < wrong
    assert misread(reader, latents.clean, torch.full_like(letters, NONE), weight) == 0
    assert misread(reader, latents.clean.roll(1, dims=0), letters, torch.zeros(16)) == 0


def test_training_with_letters_leaves_an_ordinary_model(tmp_path, lettered):
    kept = []
    taught(lettered.clean, lettered.tokens, lettered.places, tmp_path / "reader.pt", steps=1, batch=2)
    recipe = Recipe(minutes=0.03, batch=2, rate=1e-4)
    model = Model()
    train(model, lettered, recipe, out=tmp_path, keep=lambda folder: kept.append(folder.name))
    assert kept == ["folder"]
    assert not any("seen" in name for name in model.state_dict())
