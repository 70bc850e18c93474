"""Recorded networks: one recording a shape, the caller's own memory, and none where a picture steers or no GPU is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from generators import builtin
from generators.api import Request, Settings
from generators.graphs import Graphed, Recording, Sample, graphed, recorded
from tests import tiny
from tests.test_packing import SHAPE


class Unet:
    """Answers with a function of all that it is told, and counts its calls."""

    device, config = torch.device("cpu"), SimpleNamespace(sample_size=4)

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, latents, timesteps, *, encoder_hidden_states, **steered) -> Sample:
        self.calls += 1
        told = encoder_hidden_states.mean(dim=(1, 2)) + timesteps / 1000 + sum(steered.values())
        return Sample(torch.sin(latents + told.view(-1, 1, 1, 1)))


class Tape:
    """A graph's part on the CPU: runs the call again on the tensors it holds, into the tensor it wrote."""

    def __init__(self, call, inputs) -> None:
        self.held = tuple(each.clone() for each in inputs)
        self.output, self.call = call(*self.held), call

    def replay(self) -> None:
        self.output.copy_(self.call(*self.held))


def taped(call, inputs) -> Recording:
    tape = Tape(call, inputs)
    return Recording(tape, tape.held, tape.output)


def told(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, *SHAPE, generator=stream),
        torch.randint(0, 1000, (rows,), generator=stream),
        torch.randn(rows, 5, 3, generator=stream),
    )


def test_replays_answer_as_the_network_does_and_earlier_answers_stay():
    network, plain = Graphed(Unet(), taped), Unet()
    asked = [told(rows, seed) for seed, rows in enumerate([2, 4, 2, 4])]
    answers = [network(a, b, encoder_hidden_states=c).sample for a, b, c in asked]
    for (a, b, c), answer in zip(asked, answers, strict=True):
        assert torch.equal(answer, plain(a, b, encoder_hidden_states=c).sample)
    assert len(network.recordings) == 2


def test_steered_calls_are_not_recorded():
    network, plain = Graphed(Unet(), taped), Unet()
    latents, timesteps, states = told(2, 0)
    found = network(latents, timesteps, encoder_hidden_states=states, residual=0.5).sample
    assert torch.equal(found, plain(latents, timesteps, encoder_hidden_states=states, residual=0.5).sample)
    assert network.recordings == {}


def test_a_recorded_network_is_asked_for_its_shape_and_place_as_before():
    network = Graphed(Unet(), taped)
    assert (network.device, network.config.sample_size) == (torch.device("cpu"), 4)


def test_without_a_gpu_the_networks_stay_as_they_are():
    networks = SimpleNamespace(unet=Unet())
    assert graphed(networks) is networks


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_a_graph_answers_as_the_kernels_it_recorded():
    plain = Unet()
    network = Graphed(Unet(), recorded)
    for seed in range(3):
        latents, timesteps, states = (each.cuda() for each in told(2, seed))
        found = network(latents, timesteps, encoder_hidden_states=states).sample
        assert torch.allclose(found, plain(latents, timesteps, encoder_hidden_states=states).sample, atol=1e-6)
    assert network.network.calls == 4  # to warm up and to record; replays call nothing


def test_pictures_drawn_with_recordings_are_those_drawn_without(tmp_path):
    folder, _ = tiny.ours(tmp_path, 0)
    requests = [
        Request(text=text, seed=seed, settings=Settings(steps=steps, guidance=3.0))
        for seed, (text, steps) in enumerate([("a mug", 2), ("a red cube", 3)])
    ]
    plain, replayed = (builtin.load(f"ldm@{folder}", device="cpu") for _ in range(2))
    unet = Graphed(replayed.networks.unet, taped)
    replayed.graphs, replayed.recorded = True, replace(replayed.networks, unet=unet)
    for one, other in zip(replayed.draw(requests), plain.draw(requests), strict=True):
        assert np.array_equal(one, other)
    assert len(unet.recordings) == 1
