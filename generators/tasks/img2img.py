"""Image to image: the source, noised part of the way, is walked back; strength says how far it was noised.

Source: SDEdit (Meng et al. 2022); the share of the steps is counted as diffusers counts it.
"""

from __future__ import annotations

from torch import Tensor

from generators.samplers import Query, Walk, mixed
from generators.tasks.start import Start


def walk(start: Start) -> Walk:
    """The last `strength` of the steps, from the source noised to the first of them; strength 0 keeps its latent."""
    assert start.source is not None
    steps = len(start.timesteps)
    timesteps = start.timesteps[steps - min(int(steps * start.strength), steps) :]
    if not timesteps:
        return _standing(start.source)
    noisy = mixed(start.schedule, timesteps[0], start.source, start.fresh())
    return start.sampler(noisy, start.schedule, timesteps, start.fresh)


def _standing(latent: Tensor) -> Walk:
    """A walk of no steps."""
    no_queries: list[Query] = []
    yield from no_queries
    return latent
