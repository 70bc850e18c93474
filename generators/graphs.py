"""CUDA graphs: a network's kernels recorded once per shape of its batch, and replayed without launching each anew.

A small U-Net is some hundreds of kernels that take less time to run than to launch. Batches come in few shapes
(`generators/packing.py`), so each is recorded at its first use. Rows that a control branch steers are not replayed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from generators.latent import Networks

WARM_UP = 3  # calls before recording, in which libraries choose their kernels and take their memory


@dataclass(frozen=True)
class Sample:
    """What a U-Net answers, as diffusers wraps it."""

    sample: Tensor


@dataclass(frozen=True)
class Recording:
    """A graph, the tensors it reads and the one it writes."""

    graph: Any
    inputs: tuple[Tensor, ...]
    output: Tensor

    def replay(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The network's answer to inputs of the recorded shapes, in memory of its own."""
        for mine, given in zip(self.inputs, inputs, strict=True):
            mine.copy_(given)
        self.graph.replay()
        return self.output.clone()


@dataclass(eq=False)
class Graphed:
    """A diffusers U-Net, called as it is, that replays plain calls on CUDA.

    Attributes:
        record: how a call is recorded; only CUDA has graphs.
    """

    network: Any
    record: Callable[[Callable[..., Tensor], tuple[Tensor, ...]], Recording]
    recordings: dict[tuple[object, ...], Recording] = field(default_factory=dict)

    def __call__(self, latents: Tensor, timesteps: Tensor, *, encoder_hidden_states: Tensor, **steered: Any) -> Any:
        """The raw predictions, as `.sample`."""
        if steered:
            return self.network(latents, timesteps, encoder_hidden_states=encoder_hidden_states, **steered)
        inputs = latents, timesteps, encoder_hidden_states
        shapes = tuple((each.shape, each.dtype) for each in inputs)
        if shapes not in self.recordings:
            self.recordings[shapes] = self.record(self._plain, inputs)
        return Sample(self.recordings[shapes].replay(inputs))

    def _plain(self, latents: Tensor, timesteps: Tensor, states: Tensor) -> Tensor:
        answer: Tensor = self.network(latents, timesteps, encoder_hidden_states=states).sample
        return answer

    @property
    def config(self) -> Any:
        """The network's own."""
        return self.network.config

    @property
    def device(self) -> torch.device:
        """The network's own."""
        place: torch.device = self.network.device
        return place


def graphed(networks: Networks) -> Networks:
    """The same networks, their U-Net replayed where it lies on CUDA; elsewhere the networks themselves."""
    if networks.unet.device.type != "cuda":
        return networks
    return replace(networks, unet=Graphed(networks.unet, recorded))


def recorded(call: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Recording:
    """Record a call on CUDA. Source: PyTorch's notes on CUDA graphs, "whole-network capture"."""
    held = tuple(each.clone(memory_format=torch.contiguous_format) for each in inputs)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            call(*held)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = call(*held)
    return Recording(graph, held, output)
