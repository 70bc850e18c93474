"""Every walk against the scheduler of the same name in diffusers, and against what it must do on known ground."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)

from generators.rng import noise_stream
from generators.samplers import SAMPLERS, heun, walked
from generators.schedule import Schedule, cosine, trailing

THEIRS = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "heun": HeunDiscreteScheduler,
    "euler_a": EulerAncestralDiscreteScheduler,
    "dpm++2m": DPMSolverMultistepScheduler,
}
SHAPE = (4, 8, 8)


def scheduler(name: str):
    """With Stable Diffusion's noise schedule, which all five are made for."""
    options = {"clip_sample": False} if name == "ddim" else {}
    return THEIRS[name](
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        **options,
    )


def schedule_of(theirs) -> Schedule:
    signal = theirs.alphas_cumprod.double()
    return Schedule(alpha=signal.sqrt(), sigma=(1 - signal).sqrt())


def velocity(latent: torch.Tensor, timestep: float) -> torch.Tensor:
    """A made-up network, curved in both arguments."""
    return torch.sin(3 * latent) * (0.5 + timestep / 1000)


def denoiser(schedule: Schedule):
    def denoise(latent: torch.Tensor, timestep: int) -> torch.Tensor:
        return schedule.alpha[timestep].item() * latent - schedule.sigma[timestep].item() * velocity(latent, timestep)

    return denoise


def gaussian(schedule: Schedule, mean: float, spread: float):
    """The exact denoiser of data N(mean, spread^2)."""

    def denoise(latent: torch.Tensor, timestep: int) -> torch.Tensor:
        alpha, sigma = schedule.alpha[timestep].item(), schedule.sigma[timestep].item()
        gain = alpha * spread**2 / (alpha**2 * spread**2 + sigma**2)
        return mean + gain * (latent - alpha * mean)

    return denoise


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "steps", [1, 2, 8, 20]
)  # divisors of 1000: elsewhere DDIM of diffusers misses its own timesteps
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_walk_is_that_of_diffusers(name, steps):
    theirs = scheduler(name)
    theirs.set_timesteps(steps)
    stream = torch.Generator().manual_seed(5)
    latent = torch.randn(1, *SHAPE, generator=stream) * theirs.init_noise_sigma
    for timestep in theirs.timesteps:
        scaled = theirs.scale_model_input(latent, timestep)
        extra = {"generator": stream} if name == "euler_a" else {}
        latent = theirs.step(velocity(scaled, timestep), timestep, latent, **extra).prev_sample

    fresh, schedule = noise_stream(5, SHAPE), schedule_of(theirs)
    # Schedulers in Karras' coordinates begin at s * noise: at alpha * s * noise = sigma * noise in ours.
    start = fresh() * (1 if name in ("ddim", "dpm++2m") else schedule.sigma[-1].item())
    ours = walked(SAMPLERS[name](start, schedule, trailing(steps), fresh), denoiser(schedule))
    assert torch.allclose(ours, latent[0], atol=1e-5 * max(1.0, float(latent.abs().max())))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_model_that_knows_the_picture_is_believed(name):
    picture = torch.linspace(-1, 1, 4 * 8 * 8).view(SHAPE)
    fresh = noise_stream(1, SHAPE)
    walk = SAMPLERS[name](fresh(), cosine(), trailing(9), fresh)
    assert torch.allclose(walked(walk, lambda latent, timestep: picture), picture, atol=1e-6)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_walk_draws_a_gaussian_with_its_mean_and_spread(name):
    """With the exact denoiser the walk's end must have the data's mean and nearly their spread."""
    schedule, mean, spread = cosine(), 0.7, 0.3
    shape = (1, 100, 100)
    fresh = noise_stream(2, shape)
    drawn = walked(SAMPLERS[name](fresh(), schedule, trailing(200), fresh), gaussian(schedule, mean, spread))
    assert drawn.mean().item() == pytest.approx(mean, abs=0.02)
    assert drawn.std().item() == pytest.approx(spread, rel=0.06)


def test_second_order_walks_end_nearer_to_the_limit_than_first_order_ones():
    schedule = schedule_of(scheduler("ddim"))
    denoise = gaussian(schedule, 0.7, 0.3)

    levels = [schedule.noise(timestep) for timestep in range(1000)]
    even = np.geomspace(
        levels[-1], levels[0], 20
    )  # equal steps in log s, where the multistep walk takes its memory from
    coarse = [int(np.abs(np.log(levels) - np.log(level)).argmin()) for level in even]

    def end(name: str, timesteps: list[int]) -> torch.Tensor:
        fresh = noise_stream(3, SHAPE)
        return walked(SAMPLERS[name](fresh(), schedule, timesteps, fresh), denoise)

    limit = end("ddim", trailing(1000))
    errors = {name: (end(name, coarse) - limit).abs().mean().item() for name in ("ddim", "heun", "dpm++2m")}
    assert errors["heun"] < 0.5 * errors["ddim"]
    assert errors["dpm++2m"] < 0.5 * errors["ddim"]


def test_ancestral_noise_comes_from_the_pictures_own_stream():
    def draw(seed: int) -> torch.Tensor:
        fresh = noise_stream(seed, SHAPE)
        walk = SAMPLERS["euler_a"](fresh(), cosine(), trailing(5), fresh)
        return walked(walk, lambda latent, timestep: 0.5 * latent)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_heun_asks_once_where_the_noise_is_boundless_and_in_its_last_step():
    asked: list[int] = []

    def denoise(latent: torch.Tensor, timestep: int) -> torch.Tensor:
        asked.append(timestep)
        return torch.zeros(SHAPE)

    walked(heun(torch.ones(SHAPE), cosine(), [999, 600, 200], noise_stream(0, SHAPE)), denoise)
    assert asked == [999, 600, 200, 200]
