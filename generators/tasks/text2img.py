"""Text to image: from pure noise."""

from __future__ import annotations

from generators.samplers import Walk
from generators.tasks.start import Start


def walk(start: Start) -> Walk:
    """Every step, from noise."""
    return start.sampler(start.fresh(), start.schedule, start.timesteps, start.fresh)
