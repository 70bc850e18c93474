"""Randomness belongs to the picture: a stream depends on its seed alone, never on batch, order or device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def noise_stream(seed: int, shape: tuple[int, ...], device: torch.device | str = "cpu") -> Callable[[], Tensor]:
    """Each call gives the next standard normal noise of that shape, float32: first the start, then what walks add.

    Drawn on the CPU, so that every device gets the same numbers.
    """
    stream = torch.Generator("cpu").manual_seed(seed)

    def fresh() -> Tensor:
        return torch.randn(shape, generator=stream, dtype=torch.float32).to(device)

    return fresh
