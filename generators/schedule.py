"""Noise schedules: how much signal and how much noise a latent holds at each timestep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TRAIN_STEPS = 1000


@dataclass(frozen=True)
class Schedule:
    """latent = alpha[t] * clean + sigma[t] * noise, for t = 0..TRAIN_STEPS-1; alpha^2 + sigma^2 = 1.

    alpha, sigma: float64 (TRAIN_STEPS,).
    """

    alpha: Tensor
    sigma: Tensor

    def noise(self, timestep: int) -> float:
        """sigma / alpha: the noise level where the signal has weight 1 (the "sigma" of Karras et al. 2022)."""
        return float(self.sigma[timestep] / self.alpha[timestep])


def of_signal(signal: Tensor) -> Schedule:
    """The schedule whose squared weights of the signal (TRAIN_STEPS,) are these: diffusers' `alphas_cumprod`."""
    exact = signal.double()
    return Schedule(alpha=exact.sqrt(), sigma=(1 - exact).sqrt())


def cosine(train_steps: int = TRAIN_STEPS) -> Schedule:
    """Source: Nichol & Dhariwal 2021, equation 17, with betas capped at 0.999 (`squaredcos_cap_v2` in diffusers)."""

    def kept(at: NDArray[np.float64]) -> NDArray[np.float64]:
        level: NDArray[np.float64] = np.cos((at + 0.008) / 1.008 * np.pi / 2) ** 2
        return level

    steps = np.arange(train_steps) / train_steps
    betas = np.minimum(1 - kept(steps + 1 / train_steps) / kept(steps), 0.999)
    return of_signal(torch.from_numpy(np.cumprod(1 - betas)))


def trailing(steps: int, train_steps: int = TRAIN_STEPS) -> list[int]:
    """`steps` timesteps, falling, the first being pure noise. Source: Lin et al. 2023, table 2, "trailing"."""
    if not 1 <= steps <= train_steps:
        raise ValueError(f"steps must be between 1 and {train_steps}, got {steps}")
    return [int(t) for t in np.round(np.arange(train_steps, 0, -train_steps / steps)) - 1][:steps]
