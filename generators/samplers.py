"""Walks from noise to picture. Each is a pure function of a denoiser, a latent and the timesteps to visit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from generators.guidance import Denoise
from generators.schedule import Schedule

Sampler = Callable[[Denoise, Tensor, Schedule, Sequence[int]], Tensor]


def ddim(denoise: Denoise, latent: Tensor, schedule: Schedule, timesteps: Sequence[int]) -> Tensor:
    """Deterministic walk: at each step split the latent into picture and noise, and mix them again with less noise.

    Source: Song et al. 2020 (DDIM), equation 12 with eta = 0.

    Args:
        latent: (B, C, h, w), standard normal noise.
        timesteps: falling; after the last one the latent is clean.
    """
    for here, there in zip(timesteps, [*timesteps[1:], None], strict=True):
        clean = denoise(latent, here)
        noise = (latent - schedule.alpha[here].item() * clean) / schedule.sigma[here].item()
        if there is None:
            return clean
        latent = schedule.alpha[there].item() * clean + schedule.sigma[there].item() * noise
    return latent


SAMPLERS: dict[str, Sampler] = {"ddim": ddim}
