"""Where a walk starts from, and what it knows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from generators.samplers import Fresh, Sampler
from generators.schedule import Schedule


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """All that a task makes a walk from.

    Attributes:
        fresh: the picture's own noise; its first draw is the walk's beginning in every task, so that they pair.
        source: the source picture's latent (C, h, w), for tasks that have one.
        mask: (1, h, w), 1 where the latent is to be made anew and 0 where it is known.
        strength: 0..1, the share of the steps that is walked.
    """

    schedule: Schedule
    sampler: Sampler
    timesteps: list[int]
    fresh: Fresh
    source: Tensor | None = None
    mask: Tensor | None = None
    strength: float = 1.0
