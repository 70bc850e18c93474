"""Walks from noise to picture, each as a pure coroutine: it asks what the model believes, and goes on from the answer.

A walk yields a `Query` (a latent and its timestep), is sent the clean latent that the model believes in, and returns
the finished latent. Whoever drives it decides in what company the question reaches the model: alone (`walked`), or
packed with those of other pictures (`generators/packing.py`). All walks take latents as the schedule mixes them,
alpha * clean + sigma * noise, and write s = sigma / alpha for the noise level that Karras et al. 2022 call sigma.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from generators.guidance import Denoise
from generators.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Query:
    """What does the model believe at this latent (..., C, h, w) and timestep?"""

    latent: Tensor
    timestep: float


NOISIEST = 80.0
Walk = Generator[Query, Tensor, Tensor]
Fresh = Callable[[], Tensor]
"""Standard normal noise of the latent's shape, from the picture's own stream."""
Sampler = Callable[[Tensor, Schedule, Sequence[int], Fresh], Walk]
"""Args: latent, standard normal noise; schedule; timesteps, falling; fresh noise for walks that need it."""


def ddim(latent: Tensor, schedule: Schedule, timesteps: Sequence[int], fresh: Fresh) -> Walk:
    """Deterministic: split the latent into picture and noise, and mix them again with less noise.

    Source: Song et al. 2020 (DDIM), equation 12 with eta = 0. Euler's method on dx/ds is the same walk, so "euler" is
    another name for it.
    """
    for here, there in pairwise(timesteps):
        clean = yield Query(latent, here)
        latent = mixed(schedule, there, clean, _slope(schedule, here, latent, clean))
    clean = yield Query(latent, timesteps[-1])
    return clean


def heun(latent: Tensor, schedule: Schedule, timesteps: Sequence[int], fresh: Fresh) -> Walk:
    """Second order: step, look back, average the two slopes; two questions a step, one in the last.

    Source: Karras et al. 2022, algorithm 1, with t = s. Their walk begins at s = 80; above that, where a cosine
    schedule begins, a step of thousands would multiply the second slope's error, so it stays first order.
    """
    for here, there in pairwise(timesteps):
        clean = yield Query(latent, here)
        slope = _slope(schedule, here, latent, clean)
        # x' = x + (s' - s) * slope, written about the clean latent: exact where s is huge.
        ahead = mixed(schedule, there, clean, slope)
        if schedule.noise(here) > NOISIEST:
            latent = ahead
            continue
        clean_ahead = yield Query(ahead, there)
        change = (_slope(schedule, there, ahead, clean_ahead) - slope) / 2
        latent = ahead + schedule.alpha[there].item() * (schedule.noise(there) - schedule.noise(here)) * change
    clean = yield Query(latent, timesteps[-1])
    return clean


def euler_ancestral(latent: Tensor, schedule: Schedule, timesteps: Sequence[int], fresh: Fresh) -> Walk:
    """Step below the next noise level, then add fresh noise up to it.

    Source: k-diffusion's `sample_euler_ancestral` (Crowson 2022) with eta = 1; variance as in Song et al. 2020.
    """
    for here, there in pairwise(timesteps):
        clean = yield Query(latent, here)
        s, after = schedule.noise(here), schedule.noise(there)
        down = after**2 / s
        added = math.sqrt(after**2 - down**2)
        alpha = schedule.alpha[there].item()
        latent = alpha * clean + alpha * down * _slope(schedule, here, latent, clean) + alpha * added * fresh()
    clean = yield Query(latent, timesteps[-1])
    return clean


def dpm_solver_2m(latent: Tensor, schedule: Schedule, timesteps: Sequence[int], fresh: Fresh) -> Walk:
    """Second order by memory of the last answer; one question a step, first order in the first and the last.

    Source: Lu et al. 2022 (DPM-Solver++), algorithm 2, midpoint variant, lambda = -log s.
    """
    before: tuple[float, Tensor] | None = None
    for here, there in pairwise(timesteps):
        clean = yield Query(latent, here)
        step = math.log(schedule.noise(here)) - math.log(schedule.noise(there))
        aim = clean if before is None else clean + step / (2 * before[0]) * (clean - before[1])
        keep = schedule.sigma[there].item() / schedule.sigma[here].item()
        latent = keep * latent - schedule.alpha[there].item() * math.expm1(-step) * aim
        before = step, clean
    clean = yield Query(latent, timesteps[-1])
    return clean


SAMPLERS: dict[str, Sampler] = {
    "ddim": ddim,
    "euler": ddim,
    "heun": heun,
    "euler_a": euler_ancestral,
    "dpm++2m": dpm_solver_2m,
}


def mixed(schedule: Schedule, timestep: int, clean: Tensor, noise: Tensor) -> Tensor:
    """The latent at a timestep: alpha * clean + sigma * noise."""
    return schedule.alpha[timestep].item() * clean + schedule.sigma[timestep].item() * noise


def walked(walk: Walk, denoise: Denoise) -> Tensor:
    """Drive one walk alone: the plain loop that packing must agree with."""
    query = next(walk)
    while True:
        try:
            query = walk.send(denoise(query.latent, query.timestep))
        except StopIteration as finished:
            latent: Tensor = finished.value
            return latent


def _slope(schedule: Schedule, timestep: int, latent: Tensor, clean: Tensor) -> Tensor:
    """dx/ds in Karras' coordinates, which is the noise the latent holds beside the clean one."""
    return (latent - schedule.alpha[timestep].item() * clean) / schedule.sigma[timestep].item()
