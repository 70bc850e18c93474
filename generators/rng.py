"""Randomness belongs to the picture: a stream depends on its seed and name alone, never on batch, order or device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def initial_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise (len(seeds), *shape), float32, drawn on the CPU: one generator a picture."""
    drawn = [
        torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32) for seed in seeds
    ]
    return torch.stack(drawn)
