"""The loop all trainings share: so many minutes in all, resumable at any kill, the rate warmed up and cooled down."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from generators.train.checkpoint import Average, resume, save, snapshot

SAVE_EVERY = 150.0  # seconds
PRECISIONS = ("bf16", "fp32")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train.

    Attributes:
        minutes: wall time in all, that of interrupted runs included.
        batch: samples a step.
        rate: the highest learning rate.
        warm: steps until it is reached.
        cooling: share of the minutes, at the end, over which it falls to 0.
        precision: "bf16" runs matrix products in bfloat16 (weights, sums and losses stay float32); "fp32" none.
        start: folder of a trained model to begin from, or None for fresh weights; a saved state goes before it.
        compiled: fuse the small operations of the network that does most of the work.
        device: where it trains, "cpu" or "cuda".
    """

    minutes: float
    batch: int
    rate: float
    warm: int = 200
    cooling: float = 0.4
    precision: str = "bf16"
    start: Path | None = None
    compiled: bool = False
    device: str = "cpu"

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Run networks inside, losses outside.

        On a CPU attention takes its plain path: the fused one is several times slower backwards at our sizes.
        """
        from torch.nn.attention import SDPBackend, sdpa_kernel

        attention = sdpa_kernel(SDPBackend.MATH) if self.device == "cpu" else nullcontext()
        with attention, torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            yield

    def rate_at(self, step: int, progress: float) -> float:
        """Learning rate of a step; progress in 0..1 is the share of the minutes that is spent."""
        return self.rate * min(1.0, (step + 1) / self.warm) * min(1.0, max(0.0, 1 - progress) / self.cooling)


def train_for(
    recipe: Recipe,
    model: nn.Module,
    optimiser: Any,
    average: Average | None,
    *,
    state: Path,
    loss: Callable[[int], Tensor],
    after: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Train until the minutes are spent; the averages end up in the model.

    Args:
        state: file of the snapshot, written every few minutes and read at the start.
        loss: of a step, a scalar; a function of the step alone, so that a resumed run sees what it would have seen.
        after: called after each step with the share of the minutes spent.

    Returns:
        Facts for the model card: steps, batch, minutes, precision, losses as rows (step, mean since the row before).
    """
    step, spent, losses = resume(state, model, optimiser, average)
    begin, saved = time.monotonic() - spent, time.monotonic()
    recent: list[Tensor] = []
    model.train()
    while (spent := time.monotonic() - begin) < recipe.minutes * 60:
        progress = spent / (recipe.minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate_at(step, progress)
        error = loss(step)
        optimiser.zero_grad()
        error.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if average is not None:
            average.update()
        step += 1
        recent.append(error.detach())  # read later: asking a GPU for a number makes it wait
        if step % 25 == 0:
            losses.append([step, round(torch.stack(recent).mean().item(), 5)])
            speed = step * recipe.batch / spent
            print(f"step {step} {spent / 60:.1f} min loss {losses[-1][1]:.4f} {speed:.0f} samples/s", flush=True)
            recent = []
        if after is not None:
            after(progress)
        if time.monotonic() - saved > SAVE_EVERY:
            save(state, snapshot(model, optimiser, average, step=step, seconds=spent, losses=losses))
            saved = time.monotonic()
    save(state, snapshot(model, optimiser, average, step=step, seconds=spent, losses=losses))
    if average is not None:
        average.swap()
    model.eval()
    facts = {"steps": step, "batch": recipe.batch, "minutes": round(spent / 60, 1), "precision": recipe.precision}
    facts["device"] = torch.cuda.get_device_name() if recipe.device == "cuda" else "cpu"
    return {**facts, "losses": losses}


def recipe_arguments(parser: argparse.ArgumentParser, *, minutes: float, batch: int, rate: float) -> None:
    """Add what every training's command line takes; the numbers are the defaults."""
    parser.add_argument("--data", type=Path, required=True, help="folder of a studio dataset")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=minutes, help="wall time in all, resumed runs included")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0])
    parser.add_argument("--start", type=Path, help="folder of a trained model of the same shape to begin from")
    faster = "fuse the network's small operations: a third faster after minutes of compiling; needs a C++ compiler"
    parser.add_argument("--compiled", action="store_true", help=faster)
    found = "cuda" if torch.cuda.is_available() else "cpu"
    told = "where to train (default: here %(default)s)"
    parser.add_argument("--device", choices=("cpu", "cuda"), default=found, help=told)
