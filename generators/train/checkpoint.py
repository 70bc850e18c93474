"""Training state that survives a kill: written aside and renamed, read back with `weights_only=True`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def save(path: Path, state: dict[str, Any]) -> None:
    """Tensors, numbers and strings only: a state that could not be read back is an error now, not at the next start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    torch.save(state, aside)
    torch.load(aside, map_location="cpu", weights_only=True, mmap=True)
    os.replace(aside, path)


def restore(path: Path) -> dict[str, Any] | None:
    """The last state saved there, or None."""
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def snapshot(
    model: nn.Module, optimiser: Any, average: Average | None, *, step: int, seconds: float, losses: list[Any]
) -> dict[str, Any]:
    """All that training needs to go on: see `resume`."""
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    if average is not None:
        parts["average"] = average.state()
    return {**parts, "step": step, "seconds": seconds, "losses": losses}


def resume(path: Path, model: nn.Module, optimiser: Any, average: Average | None) -> tuple[int, float, list[Any]]:
    """Put the last snapshot back into what is trained; step, seconds and losses so far, or 0, 0 and none."""
    state = restore(path)
    if state is None:
        return 0, 0.0, []
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    if average is not None:
        average.load(state["average"])
    return state["step"], state["seconds"], state["losses"]


class Average:
    """Exponential moving average of parameters; its decay warms up as (1 + n) / (10 + n)."""

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self.parameters = list(parameters)
        self.decay = decay
        self.updates = 0
        self.shadow = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Take one step towards the parameters as they are now."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.shadow, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange parameters and averages, in place; call twice to come back."""
        for parameter, shadow in zip(self.parameters, self.shadow, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(shadow)
            shadow.copy_(kept)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"updates": self.updates, "shadow": self.shadow}

    def load(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.updates = state["updates"]
        shadow: list[Tensor] = state["shadow"]
        self.shadow = [tensor.to(kept.device, copy=True) for tensor, kept in zip(shadow, self.shadow, strict=True)]
