"""Pieces of training: data, tokens, checkpoints, losses."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

from generators.studio.drawing import halved
from generators.train.autoencoder import reconstruction_loss, to_signal, unit_loss
from generators.train.checkpoint import Average, restore, resume, save, snapshot
from generators.train.clip import batch_rows
from generators.train.ldm import Batch, Latents, Model, batch_of, earlier, export, frequency, loss_of, odds_of
from generators.train.loop import PRECISIONS, Recipe, train_for
from generators.train.tokenizer import CONTEXT, byte_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore")


def test_halving_takes_the_rounded_mean_of_each_block():
    image = np.zeros((2, 4, 3), dtype=np.uint8)
    image[:, 2:] = np.array([[0, 255], [255, 0]], dtype=np.uint8)[..., None]
    assert halved(image)[0, :, 0].tolist() == [0, 128]


def test_the_tokenizer_spells_every_letter():
    ids = byte_tokenizer()('says "OPEN"')["input_ids"]
    assert byte_tokenizer().convert_ids_to_tokens(ids)[1:-1] == [*"say", "s</w>", '"</w>', *"ope", "n</w>", '"</w>']


def test_the_end_token_has_the_highest_id_because_pooling_relies_on_it():
    ids = byte_tokenizer()("ÿ ~ ü")["input_ids"]
    assert max(ids) == ids[-1] == len(byte_tokenizer()) - 1


def test_to_signal_spans_minus_one_to_one():
    signal = to_signal(np.array([[[[0, 255, 0]]]], dtype=np.uint8))
    assert signal.flatten().tolist() == [-1, 1, -1]


def test_a_sharp_picture_costs_less_than_a_blurred_one_of_the_same_mean_error():
    wanted = torch.zeros(1, 3, 8, 8)
    flat, checkered = wanted + 0.1, wanted + 0.1 * torch.where(torch.arange(8) % 2 == 0, 1.0, -1.0)
    assert reconstruction_loss(flat, wanted) < reconstruction_loss(checkered, wanted)


def test_unit_loss_is_least_for_unit_latents():
    latent = torch.randn(64, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert unit_loss(latent) < 0.01 < unit_loss(2 * latent) < unit_loss(2 * latent + 3)


def test_checkpoints_come_back_as_they_were(tmp_path):
    state = {"weight": torch.arange(3.0), "step": 7, "losses": [[1, 0.5]]}
    save(tmp_path / "deep" / "state.pt", state)
    back = restore(tmp_path / "deep" / "state.pt")
    assert back is not None
    assert back["step"] == 7
    assert torch.equal(back["weight"], state["weight"])
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["state.pt"]
    assert restore(tmp_path / "nowhere.pt") is None


def test_a_state_that_could_not_be_read_back_is_refused_and_the_last_one_stays(tmp_path):
    save(tmp_path / "state.pt", {"step": 1})
    with pytest.raises(Exception, match="scalar"):
        save(tmp_path / "state.pt", {"rate": np.float64(0.5)})
    assert restore(tmp_path / "state.pt") == {"step": 1}


def test_training_goes_on_from_its_snapshot(tmp_path):
    def parts():
        model = nn.Linear(2, 1)
        return model, torch.optim.AdamW(model.parameters(), lr=0.1), Average(model.parameters(), 0.9)

    model, optimiser, average = parts()
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    average.update()
    save(tmp_path / "state.pt", snapshot(model, optimiser, average, step=3, seconds=1.5, losses=[[1, 0.5]]))
    other, its_optimiser, its_average = parts()
    assert resume(tmp_path / "nowhere.pt", other, its_optimiser, its_average) == (0, 0.0, [])
    assert resume(tmp_path / "state.pt", other, its_optimiser, its_average) == (3, 1.5, [[1, 0.5]])
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(its_average.shadow[0], average.shadow[0])
    assert its_average.updates == 1
    assert its_optimiser.state_dict()["state"][0]["step"] == 1


def test_swapping_averages_twice_comes_back():
    weight = nn.Parameter(torch.zeros(3))
    average = Average([weight], 0.9)
    with torch.no_grad():
        weight += 1
    average.update()
    average.swap()
    assert 0 < weight[0].item() < 1
    average.swap()
    assert weight.tolist() == [1, 1, 1]


def latents() -> Latents:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 512, (4, 2, CONTEXT), generator=generator)
    clean = torch.randn(4, 4, 1, 1, generator=generator).expand(4, 4, 16, 16).contiguous()
    return Latents(clean, tokens, torch.full((CONTEXT,), 513))


def test_a_batch_depends_on_its_step_alone():
    first, again, other = (batch_of(latents(), step, 8) for step in (5, 5, 6))
    told = [each.name for each in fields(first) if each.name != "places"]  # these latents have no letters
    assert all(torch.equal(getattr(first, name), getattr(again, name)) for name in told)
    assert first.places is again.places is None
    assert not torch.equal(first.noise, other.noise)


def test_every_batch_sees_all_noise_levels():
    timestep = batch_of(latents(), 3, 10).timestep
    assert (timestep // 100).tolist() == list(range(10))


def test_some_captions_are_dropped_and_most_are_not():
    empty = latents().empty
    dropped = [(batch_of(latents(), step, 50).tokens == empty).all(dim=1).float().mean().item() for step in range(20)]
    assert 0.05 < np.mean(dropped) < 0.16  # 1,000 draws at 0.1: four standard errors are 0.04


def recipe(precision: str = "fp32", minutes: float = 1.0) -> Recipe:
    return Recipe(minutes=minutes, batch=8, rate=1e-3, precision=precision)


def loss_on(model: Model, batch: Batch, precision: str = "fp32") -> torch.Tensor:
    with recipe(precision).forward():
        return loss_of(batch, lambda noisy: model(noisy, batch.timestep, batch.tokens)).mean()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_loss_falls_on_flat_latents(precision):
    torch.manual_seed(0)
    model = Model()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    held = batch_of(latents(), 999, 16)
    before = loss_on(model, held).item()
    for step in range(12):
        loss = loss_on(model, batch_of(latents(), step, 8), precision)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss_on(model, held).item() < 0.7 * before


def test_half_precision_moves_the_loss_by_less_than_a_hundredth():
    torch.manual_seed(0)
    model, held = Model(), batch_of(latents(), 999, 16)
    exact, rough = (loss_on(model, held, name).item() for name in ("fp32", "bf16"))
    assert exact != rough
    assert rough == pytest.approx(exact, rel=0.01)


def test_the_rate_warms_up_holds_and_cools_down_to_nothing():
    plan = Recipe(minutes=1, batch=8, rate=1e-3, warm=100, cooling=0.4)
    assert [plan.rate_at(*at) for at in ((0, 0.0), (99, 0.1), (500, 0.6))] == pytest.approx([1e-5, 1e-3, 1e-3])
    assert [plan.rate_at(500, progress) for progress in (0.8, 1.0, 1.1)] == pytest.approx([5e-4, 0, 0])


def test_training_ends_with_its_averages_and_a_state_to_go_on_from(tmp_path):
    def line():
        model = nn.Linear(1, 1)
        nn.init.zeros_(model.weight)
        nn.init.zeros_(model.bias)
        return model, torch.optim.AdamW(model.parameters(), lr=0.1), Average(model.parameters(), 0.99)

    seen, progress = [], []
    model, optimiser, average = line()

    def loss(step):
        seen.append(step)
        return (model(torch.ones(4, 1)) - 1).square().mean()

    state = tmp_path / "state.pt"
    facts = train_for(
        recipe(minutes=0.01),
        model,
        optimiser,
        average,
        state=state,
        loss=loss,
        after=lambda share: progress.append(share),
    )
    kept = restore(state)
    assert kept is not None
    assert seen == list(range(facts["steps"]))
    assert progress == sorted(progress)
    assert not torch.equal(model.weight, kept["model"]["weight"])
    assert torch.equal(model.weight, kept["average"]["shadow"][0])
    assert facts["losses"][-1][1] < facts["losses"][0][1]

    model, optimiser, average = line()
    again = train_for(recipe(minutes=0.012), model, optimiser, average, state=state, loss=loss)
    assert seen == list(range(again["steps"]))  # the step after the last one, none twice
    assert again["steps"] > facts["steps"]


def test_training_can_begin_from_a_shipped_folder(tmp_path):
    from diffusers import AutoencoderTiny

    from generators.train.autoencoder import CONFIG

    AutoencoderTiny(**CONFIG).save_pretrained(tmp_path / "vae")
    trained, fresh = Model(), Model()
    export(trained, tmp_path / "vae", tmp_path / "ldm")
    fresh.begin_from(tmp_path / "ldm")
    rounded = trained.state_dict()
    assert all(torch.equal(value, rounded[name].half().float()) for name, value in fresh.state_dict().items())


def test_most_contrastive_batches_hold_one_family():
    families = np.array(["hands", "signs"] * 50)
    alone = [len(set(families[batch_rows(families, step, 16)])) == 1 for step in range(200)]
    assert 0.55 < np.mean(alone) < 0.85  # 200 draws at 0.7: four standard errors are 0.13


def test_a_training_that_goes_on_tells_of_the_one_before(tmp_path):
    assert earlier(None) == earlier(tmp_path) == {}
    (tmp_path / "training.json").write_text('{"steps": 5, "scenes": 7, "losses": [[25, 0.5]], "before": {"steps": 3}}')
    assert earlier(tmp_path) == {"before": {"steps": 5, "scenes": 7, "before": {"steps": 3}}}


def test_families_are_shown_as_often_as_asked():
    often = dict([frequency("signs=2"), frequency("tabletop=3.5")])
    odds = odds_of(("signs", "hands", "signs", "tabletop"), often)
    assert odds.sum() == pytest.approx(1)
    assert odds / odds[1] == pytest.approx([2, 1, 2, 3.5])


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("sign=2", "no family 'sign'; there are hands"),
        ("signs", "no number above 0"),
        ("signs=-1", "no number above 0"),
        ("signs=inf", "no number above 0"),
        ("signs=nan", "no number above 0"),
    ],
)
def test_a_frequency_that_is_none_says_why(said, told):
    with pytest.raises(ArgumentTypeError, match=told):
        frequency(said)
