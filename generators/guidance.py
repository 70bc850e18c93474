"""Classifier-free guidance: lean away from what the model would draw without the text."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Denoise = Callable[[Tensor, int], Tensor]
"""(latent (B, C, h, w), timestep) -> the clean latent the model believes in, same shape."""


def guided(with_text: Denoise, without: Denoise, guidance: float) -> Denoise:
    """Source: Ho & Salimans 2022, equation 6; guidance 1 is plain conditional sampling and never runs `without`."""
    if guidance == 1:
        return with_text

    def denoise(latent: Tensor, timestep: int) -> Tensor:
        empty = without(latent, timestep)
        return empty + guidance * (with_text(latent, timestep) - empty)

    return denoise
