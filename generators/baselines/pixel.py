"""Diffusion in pixels: the same walk as the latent model's, with no autoencoder before or after it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from generators.api import Pixels
from generators.latent import Networks, pixels_of, signal_of

PATCH = 2  # pixels a side of what the U-Net takes as one place: 64 x 64 x 3 numbers arrive as 32 x 32 x 12


class PixelNetworks(Networks):
    """A U-Net that predicts the noise in a picture. Source: Ho et al. 2020, with the text's states attended to."""

    factor: Any = PATCH  # no autoencoder to ask

    def clean(self, latent: Tensor, noise: Tensor, timestep: float) -> Tensor:
        """Source: Ho et al. 2020, equation 15, kept to -1..1: at the noisiest steps the division would run away."""
        alpha, sigma = (weights[int(timestep)].item() for weights in (self.schedule.alpha, self.schedule.sigma))
        return ((latent - sigma * noise) / alpha).clamp(-1, 1)

    def encode(self, image: Pixels) -> Tensor:
        """A picture as the U-Net takes it (C, h, w)."""
        return patched(signal_of(image).to(self.unet.device)[None])[0]

    def decode(self, latent: Tensor) -> NDArray[np.uint8]:
        """(B, C, h, w) to pictures (B, H, W, 3) uint8."""
        return pixels_of(unpatched(latent))


def patched(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 3 * PATCH^2, H / PATCH, W / PATCH): the same numbers, laid out as the U-Net takes them."""
    return nn.functional.pixel_unshuffle(pictures, PATCH)


def unpatched(patches: Tensor) -> Tensor:
    """The way back."""
    return nn.functional.pixel_shuffle(patches, PATCH)
