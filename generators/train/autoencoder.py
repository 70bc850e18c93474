"""Train the autoencoder: 64 x 64 x 3 pixels to 4 x 16 x 16 latents and back.

python -m generators.train.autoencoder --data DIR --out DIR/autoencoder --minutes 20
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from generators.train.checkpoint import Average, restore, save
from generators.train.data import read_scenes

CONFIG: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (16, 32, 64),
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "sample_size": 64,
    "mid_block_add_attention": False,
    "scaling_factor": 1.0,
}
KL_WEIGHT = 1e-5
EDGE_WEIGHT = 0.5


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute error of pixels plus that of their differences along both axes, so that letters stay sharp."""
    pixels = (made - wanted).abs().mean()
    across = (made.diff(dim=-1) - wanted.diff(dim=-1)).abs().mean()
    down = (made.diff(dim=-2) - wanted.diff(dim=-2)).abs().mean()
    return pixels + EDGE_WEIGHT * (across + down)


def to_signal(images: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """uint8 (n, H, W, 3) to float32 (n, 3, H, W) in -1..1, channels last in memory."""
    signal = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return signal.contiguous(memory_format=torch.channels_last)


def train(data: Path, out: Path, *, minutes: float, batch: int, rate: float) -> None:
    """Train for so many minutes in all, resumed time included; the rate falls to zero; then normalise and save."""
    from diffusers import AutoencoderKL

    images = read_scenes(data, "train").images
    torch.manual_seed(0)
    model = AutoencoderKL(**CONFIG).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4, betas=(0.9, 0.95), fused=True)
    average = Average(model.parameters(), 0.999)
    state = restore(out / "state.pt")
    step, spent, losses = 0, 0.0, []
    if state:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.load(state["average"])
        step, spent, losses = state["step"], state["seconds"], state["losses"]
    begin, saved = time.monotonic() - spent, time.monotonic()
    while (spent := time.monotonic() - begin) < minutes * 60:
        progress = spent / (minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 200) * min(1.0, (1 - progress) / 0.4)
        rows = np.random.default_rng([1, step]).integers(0, len(images), batch)
        wanted = to_signal(images[rows])
        posterior = model.encode(wanted).latent_dist
        made = model.decode(posterior.mean + posterior.std * torch.randn_like(posterior.mean)).sample
        loss = reconstruction_loss(made, wanted) + KL_WEIGHT * posterior.kl().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.update()
        step += 1
        if step % 50 == 0:
            losses.append([step, round(loss.item(), 5)])
            print(
                f"step {step} {spent / 60:.1f} min loss {loss.item():.4f} {step * batch / spent:.0f} images/s",
                flush=True,
            )
        if time.monotonic() - saved > 120:
            save(out / "state.pt", _state(model, optimiser, average, step, spent, losses))
            saved = time.monotonic()
    save(out / "state.pt", _state(model, optimiser, average, step, spent, losses))
    average.swap()
    normalise(model, images[np.random.default_rng(2).choice(len(images), min(2000, len(images)), replace=False)])
    model.save_pretrained(out / "vae", safe_serialization=True)
    facts = {"steps": step, "batch": batch, "minutes": round(spent / 60, 1), "losses": losses}
    (out / "training.json").write_text(json.dumps(facts))


def _state(
    model: Any, optimiser: Any, average: Average, step: int, seconds: float, losses: list[Any]
) -> dict[str, Any]:
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state()}
    return {**parts, "step": step, "seconds": seconds, "losses": losses}


@torch.no_grad()
def normalise(model: Any, images: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """Fold mean 0 and deviation 1 of every latent channel into the 1 x 1 convolutions on either side of the latent.

    So `scaling_factor` is 1 and any diffusers pipeline sees unit latents, channel by channel.
    """
    means = torch.cat([model.encode(to_signal(images[i : i + 64])).latent_dist.mean for i in range(0, len(images), 64)])
    centre, spread = means.mean(dim=(0, 2, 3)), means.std(dim=(0, 2, 3))
    channels = len(centre)
    into, back = model.quant_conv, model.post_quant_conv
    back.bias += back.weight[:, :, 0, 0] @ centre
    back.weight *= spread[None, :, None, None]
    into.bias[:channels] = (into.bias[:channels] - centre) / spread
    into.weight[:channels] /= spread[:, None, None, None]
    into.bias[channels:] -= 2 * spread.log()


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    chosen = parser.parse_args()
    train(chosen.data, chosen.out, minutes=chosen.minutes, batch=chosen.batch, rate=chosen.rate)


if __name__ == "__main__":
    main()
