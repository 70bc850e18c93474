"""Packing: the same latents as each walk alone, every distinct row computed once, every batch full."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from generators.guidance import Guidance
from generators.packing import Packer, Party, Shown, Steer, Trip, batches, contents
from generators.rng import noise_stream
from generators.samplers import SAMPLERS, walked
from generators.schedule import cosine, trailing

SHAPE = (4, 4, 4)
SCHEDULE = cosine()
PLAIN = Guidance()


class Network:
    """A made-up network that is curved in latent, timestep and text, and remembers the batches it saw."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, latents: Tensor, timesteps: Tensor, texts: list[str], shown: list[Shown | None]) -> Tensor:
        self.batches.append(len(latents))
        shift = torch.tensor([len(text) % 7 for text in texts]).view(-1, 1, 1, 1)
        steered = torch.stack([torch.zeros(SHAPE) if each is None else each.signal * each.scale for each in shown])
        return torch.sin(2 * latents + shift + steered) * (0.3 + timesteps.view(-1, 1, 1, 1) / 1000)


def clean(latent: Tensor, velocity: Tensor, timestep: int) -> Tensor:
    return SCHEDULE.alpha[timestep].item() * latent - SCHEDULE.sigma[timestep].item() * velocity


def packer(rows: int = 8) -> Packer:
    return Packer(Network(), clean, SCHEDULE, rows)


def trip(
    *, seed: int = 1, sampler: str = "ddim", steps: int = 5, guidance: Guidance = PLAIN, text: str = "a mug"
) -> Trip:
    fresh = noise_stream(seed, SHAPE)
    return Trip(walk=SAMPLERS[sampler](fresh(), SCHEDULE, trailing(steps), fresh), text=text, guidance=guidance)


def alone(trip: Trip) -> Tensor:
    """The plain loop: one picture, one question at a time."""
    network = Network()

    def denoise(latent: Tensor, timestep: int) -> Tensor:
        def ask(text: str) -> Tensor:
            return network(latent[None], torch.tensor([timestep]), [text], [trip.shown])[0]

        prediction = ask(trip.text)
        if trip.guidance.leans(SCHEDULE.sigma[timestep].item()):
            prediction = trip.guidance.guided(prediction, ask(trip.negative_text))
        return clean(latent, prediction, timestep)

    return walked(trip.walk, denoise)


MIXED = [
    {"seed": seed, "sampler": sampler, "steps": steps, "guidance": guidance, "text": text}
    for (seed, text), sampler, (steps, guidance) in itertools.product(
        [(1, "a mug"), (2, "a red cube")],
        SAMPLERS,
        [(3, PLAIN), (6, Guidance(3.0)), (5, Guidance(4.0, window=(0.3, 0.9))), (4, Guidance(5.0, rescale=0.7))],
    )
]


def test_packed_walks_end_where_each_ends_alone():
    together = packer().arrive([trip(**each) for each in MIXED])
    for each, latent in zip(MIXED, together, strict=True):
        assert torch.allclose(latent, alone(trip(**each)), atol=1e-5), each


def test_order_does_not_matter():
    forwards = packer().arrive([trip(**each) for each in MIXED])
    backwards = packer().arrive([trip(**each) for each in reversed(MIXED)])
    for one, other in zip(forwards, reversed(backwards), strict=True):
        assert torch.equal(one, other)


def test_every_batch_has_the_same_number_of_rows():
    packed = packer(rows=8)
    packed.arrive([trip(**each) for each in MIXED])
    assert set(packed.predict.batches) == {8}
    assert packed.count.batches == len(packed.predict.batches)
    assert packed.count.computed + packed.count.padding == 8 * packed.count.batches


def rows_of(*trips: Trip) -> tuple[int, int]:
    """Rows asked for and rows computed."""
    packed = packer()
    packed.arrive(trips)
    return packed.count.asked, packed.count.computed


def test_guidance_one_costs_one_row_a_step_and_more_costs_two():
    assert rows_of(trip(steps=5)) == (5, 5)
    assert rows_of(trip(steps=5, guidance=Guidance(2.0))) == (10, 10)


def test_guidance_strengths_share_the_first_step():
    cells = [trip(steps=4, guidance=Guidance(scale)) for scale in (1.0, 3.0, 6.0)]
    assert rows_of(*cells) == (4 + 8 + 8, 2 + 3 * (1 + 2 + 2))


def test_step_counts_share_the_first_step():
    assert rows_of(trip(steps=4), trip(steps=7)) == (11, 1 + 3 + 6)


def test_windows_share_everything_before_the_first_of_them_opens():
    steps = trailing(10)
    opens = [SCHEDULE.sigma[steps[k]].item() for k in (3, 6)]
    cells = [trip(steps=10, guidance=Guidance(3.0, window=(0.0, level))) for level in opens]
    together, parting = 3 * 1, 2  # both plain; then the same latent, with and without the text
    early, late = 6 * 2, 2 * 1 + 4 * 2  # one guided for six more steps; the other plain for two, guided for four
    assert rows_of(*cells)[1] == together + parting + early + late


@pytest.mark.parametrize("other", [{"seed": 2}, {"text": "two mugs"}])
def test_other_seeds_and_texts_share_nothing(other):
    assert rows_of(trip(), trip(**other)) == (10, 10)


def test_the_same_picture_twice_is_made_once():
    packed = packer()
    one, other = packed.arrive([trip(sampler="heun"), trip(sampler="heun")])
    assert torch.equal(one, other)
    assert packed.count.computed * 2 == packed.count.asked


def test_euler_and_ddim_are_one_walk_and_heun_shares_its_first_look_ahead():
    assert rows_of(trip(sampler="euler"), trip(sampler="ddim")) == (10, 5)
    ddim, heun = rows_of(trip(sampler="ddim"))[1], rows_of(trip(sampler="heun"))[1]
    assert rows_of(trip(sampler="ddim"), trip(sampler="heun"))[1] < ddim + heun - 1


def test_guidance_outside_its_window_is_plain():
    [windowed] = packer().arrive([trip(guidance=Guidance(6.0, window=(2.0, 3.0)))])
    [plain] = packer().arrive([trip()])
    assert torch.equal(windowed, plain)


def test_guidance_extrapolates_and_rescaling_keeps_the_conditional_spread():
    conditional = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    empty = torch.zeros_like(conditional)
    assert torch.equal(Guidance(3.0).guided(conditional, empty), 3 * conditional)
    kept = Guidance(3.0, rescale=1.0).guided(conditional, empty)
    assert torch.allclose(kept.std(dim=(1, 2, 3)), conditional.std(dim=(1, 2, 3)))


def test_rescaling_is_that_of_diffusers():
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    stream = torch.Generator().manual_seed(4)
    conditional, empty = (torch.randn(2, *SHAPE, generator=stream) for _ in range(2))
    theirs = rescale_noise_cfg(empty + 5 * (conditional - empty), conditional, guidance_rescale=0.6)
    assert torch.allclose(Guidance(5.0, rescale=0.6).guided(conditional, empty), theirs, atol=1e-5)


def party(*, seeds: tuple[int, ...], guidances: tuple[Guidance, ...], sampler: str, steps: int) -> Party:
    """Pictures of one sampler and number of steps, abreast."""
    streams = [noise_stream(seed, SHAPE) for seed in seeds]

    def fresh() -> Tensor:
        return torch.stack([stream() for stream in streams])

    walk = SAMPLERS[sampler](fresh(), SCHEDULE, trailing(steps), fresh)
    return Party(walk, [Steer(text="a mug", guidance=guidance) for guidance in guidances])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_pictures_that_walk_abreast_end_where_each_ends_alone_and_cost_the_same_rows(sampler):
    seeds, guidances = (1, 1, 2), (PLAIN, Guidance(3.0), Guidance(5.0, rescale=0.7))
    abreast, apart = packer(), packer()
    pace = {"sampler": sampler, "steps": 4}
    [together] = abreast.together([party(seeds=seeds, guidances=guidances, **pace)])
    trips = [trip(seed=seed, guidance=each, **pace) for seed, each in zip(seeds, guidances, strict=True)]
    for one, other in zip(together, apart.arrive(trips), strict=True):
        assert torch.equal(one, other)
    assert abreast.count == apart.count


def test_a_round_looks_at_the_latents_once_however_many_there_are(monkeypatch):
    """On a GPU each look is a wait."""
    looks: list[int] = []

    def counted(rows: Tensor) -> list[bytes]:
        looks.append(len(rows))
        return contents(rows)

    monkeypatch.setattr("generators.packing.contents", counted)
    packer().arrive([trip(seed=seed, steps=5, guidance=Guidance(3.0)) for seed in range(6)])
    assert looks == [6] * 5


def test_smaller_batches_take_the_last_rows_and_change_no_latent():
    one, few = Packer(Network(), clean, SCHEDULE, 8, smaller=(2, 4)), packer(rows=8)
    for each, other in zip(
        one.arrive([trip(**each) for each in MIXED]), few.arrive([trip(**each) for each in MIXED]), strict=True
    ):
        assert torch.allclose(each, other, atol=1e-6)
    assert set(one.predict.batches) == {2, 4, 8}
    assert one.count.computed + one.count.padding == sum(one.predict.batches)
    assert one.count.padding < few.count.padding


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 65, 100, 191, 192, 224, 256, 257, 1000])
@pytest.mark.parametrize("smaller", [(), (16, 32, 64, 128), tuple(range(1, 256))])
def test_batches_hold_every_row_and_little_else(count, smaller):
    found = batches(count, 256, smaller)
    assert set(found) <= {256, *smaller}
    last, spare = found[-1] if found else 1, sum(found) - count
    assert 0 <= spare < last
    if smaller:
        assert spare <= max(0.25 * last, min(smaller) - 1)


def test_contents_tell_rows_apart_by_every_bit_in_every_precision():
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        rows = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0)).to(dtype)
        rows[2] = rows[0]
        rows[3, -1, -1, -1] = rows[1, -1, -1, -1]
        found = contents(rows)
        assert found[0] == found[2]
        assert len(set(found)) == 3
        assert len(found[0]) == rows[0].nbytes
