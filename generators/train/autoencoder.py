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
from numpy.typing import NDArray
from torch import Tensor

from generators.train.checkpoint import Average, resume, save, snapshot
from generators.train.data import read_scenes

WIDTH = 32
CONFIG: dict[str, Any] = {
    "encoder_block_out_channels": (WIDTH,) * 3,
    "decoder_block_out_channels": (WIDTH,) * 3,
    "num_encoder_blocks": (0, 1, 6),
    "num_decoder_blocks": (8, 1, 0),
    "latent_channels": 4,
    "scaling_factor": 1.0,
}
"""AutoencoderTiny (TAESD, Bohan 2023): no normalisation layers, so colours pass, and most of the work at 16 x 16."""
EDGE_WEIGHT = 0.25
UNIT_WEIGHT = 0.05
NOISE = 0.05  # added to latents in training, so that the decoder forgives what the diffusion model leaves


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Absolute and squared error of pixels, plus that of their differences along both axes: letters stay sharp."""
    pixels = (made - wanted).abs().mean() + (made - wanted).square().mean()
    across = (made.diff(dim=-1) - wanted.diff(dim=-1)).abs().mean()
    down = (made.diff(dim=-2) - wanted.diff(dim=-2)).abs().mean()
    return pixels + EDGE_WEIGHT * (across + down)


def unit_loss(latent: Tensor) -> Tensor:
    """How far each latent channel is from mean 0 and deviation 1 over the batch; latent (B, C, h, w)."""
    channels = latent.transpose(0, 1).flatten(1)
    return channels.mean(dim=1).square().mean() + (channels.std(dim=1) - 1).square().mean()


def to_signal(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (n, H, W, 3) to float32 (n, 3, H, W) in -1..1, channels last in memory."""
    signal = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return signal.contiguous(memory_format=torch.channels_last)


def train(data: Path, out: Path, *, minutes: float, batch: int, rate: float) -> None:
    """Train for so many minutes in all, resumed time included; the rate falls to zero; then save."""
    from diffusers import AutoencoderTiny

    images = read_scenes(data, "train").images
    torch.manual_seed(0)
    model = AutoencoderTiny(**CONFIG).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4, betas=(0.9, 0.95), fused=True)
    average = Average(model.parameters(), 0.999)
    step, spent, losses = resume(out / "state.pt", model, optimiser, average)
    begin, saved = time.monotonic() - spent, time.monotonic()
    while (spent := time.monotonic() - begin) < minutes * 60:
        progress = spent / (minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 200) * min(1.0, (1 - progress) / 0.4)
        rows = np.random.default_rng([1, step]).integers(0, len(images), batch)
        wanted = to_signal(images[rows])
        latent = model.encoder(wanted)
        made = model.decoder(latent + NOISE * torch.randn_like(latent))
        loss = reconstruction_loss(made, wanted) + UNIT_WEIGHT * unit_loss(latent)
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
            save(out / "state.pt", snapshot(model, optimiser, average, step=step, seconds=spent, losses=losses))
            saved = time.monotonic()
    save(out / "state.pt", snapshot(model, optimiser, average, step=step, seconds=spent, losses=losses))
    average.swap()
    model.save_pretrained(out / "vae", safe_serialization=True)
    facts = {"steps": step, "batch": batch, "minutes": round(spent / 60, 1), "losses": losses}
    facts["held_out"] = report(model, read_scenes(data, "held_out").images[:512])
    print(facts["held_out"], flush=True)
    (out / "training.json").write_text(json.dumps(facts))


@torch.inference_mode()
def report(model: Any, images: NDArray[np.uint8]) -> dict[str, Any]:
    """PSNR in dB of pictures after the round trip, and the latents' mean and deviation by channel."""
    wanted = to_signal(images)
    latent = torch.cat([model.encoder(part) for part in wanted.split(64)])
    made = torch.cat([model.decoder(part) for part in latent.split(64)]).clamp(-1, 1)
    error = ((made - wanted) / 2).square().mean(dim=(1, 2, 3))
    return {
        "psnr": round(float((-10 * error.log10()).mean()), 2),
        "latent_mean": [round(float(value), 3) for value in latent.mean(dim=(0, 2, 3))],
        "latent_deviation": [round(float(value), 3) for value in latent.std(dim=(0, 2, 3))],
    }


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    chosen = parser.parse_args()
    train(chosen.data, chosen.out, minutes=chosen.minutes, batch=chosen.batch, rate=chosen.rate)


if __name__ == "__main__":
    main()
