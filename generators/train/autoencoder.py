"""Train the autoencoder: 128 x 128 x 3 pixels to 4 x 16 x 16 latents, 48 times fewer numbers, and back.

    python -m generators.train.autoencoder --data DIR --out DIR/autoencoder --minutes 40
    python -m generators.train.autoencoder --data DIR --out DIR/fine --factor 4

Super-resolution has a finer one, which divides sides by 4, not by 8. With --start FOLDER --same-latents only the way
back is trained, so that diffusion models of those latents stay as they are.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.train.checkpoint import Average
from generators.train.data import read_scenes
from generators.train.loop import Recipe, recipe_arguments, train_for

CONFIG: dict[str, Any] = {
    "encoder_block_out_channels": (64,) * 4,
    "decoder_block_out_channels": (64,) * 4,
    "num_encoder_blocks": (0, 1, 3, 4),
    "num_decoder_blocks": (6, 3, 1, 0),
    "latent_channels": 4,
    "scaling_factor": 1.0,
}
"""AutoencoderTiny (TAESD, Bohan 2023): no normalisation layers, so colours pass, and most of the work at 16 x 16."""
FINE: dict[str, Any] = {
    **CONFIG,
    "encoder_block_out_channels": (32,) * 3,
    "decoder_block_out_channels": (32,) * 3,
    "num_encoder_blocks": (0, 1, 6),
    "num_decoder_blocks": (8, 1, 0),
}
CONFIGS = {8: CONFIG, 4: FINE}
"""How many times smaller a side gets -> the network."""
CROP = 96  # pixels a side of what it is trained on: it has no layer that knows where in a picture it is
EDGE_WEIGHT = 0.25
UNIT_WEIGHT = 0.05
NOISE = 0.05  # added to latents in training, so that the decoder forgives what the diffusion model leaves


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Absolute and squared error of pixels, plus that of their differences along both axes: letters stay sharp."""
    pixels = (made - wanted).abs().mean() + (made - wanted).square().mean()
    across = (made.diff(dim=-1) - wanted.diff(dim=-1)).abs().mean()
    down = (made.diff(dim=-2) - wanted.diff(dim=-2)).abs().mean()
    return pixels + EDGE_WEIGHT * (across + down)


def crops(images: Tensor, rng: np.random.Generator, count: int) -> Tensor:
    """(count, CROP, CROP, 3), each of a random picture at a random place; images (n, H, W, 3)."""
    rows = rng.integers(0, len(images), count)
    corners = rng.integers(0, images.shape[1] - CROP + 1, (2, count))
    tops, lefts = torch.from_numpy(corners[:, :, None] + np.arange(CROP)).to(images.device)
    return images[torch.from_numpy(rows).to(images.device)[:, None, None], tops[:, :, None], lefts[:, None, :]]


def unit_loss(latent: Tensor) -> Tensor:
    """How far each latent channel is from mean 0 and deviation 1 over the batch; latent (B, C, h, w)."""
    channels = latent.transpose(0, 1).flatten(1)
    return channels.mean(dim=1).square().mean() + (channels.std(dim=1) - 1).square().mean()


def to_signal(images: NDArray[np.uint8] | Tensor) -> Tensor:
    """uint8 (n, H, W, 3) to float32 (n, 3, H, W) in -1..1, on the same device, channels last in memory."""
    signal = torch.as_tensor(images).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return signal.contiguous(memory_format=torch.channels_last)


def train(data: Path, out: Path, recipe: Recipe, factor: int = 8, *, same_latents: bool = False) -> None:
    """Train one that divides sides by `factor`, or its decoder alone, then save `out/vae` and the facts beside it."""
    from diffusers import AutoencoderTiny

    images = torch.from_numpy(read_scenes(data, "train").images).to(recipe.device)
    torch.manual_seed(0)
    fresh = (
        AutoencoderTiny(**CONFIGS[factor]) if recipe.start is None else AutoencoderTiny.from_pretrained(recipe.start)
    )
    model = fresh.float().to(recipe.device, memory_format=torch.channels_last)
    model.encoder.requires_grad_(not same_latents)
    trained = [each for each in model.parameters() if each.requires_grad]
    if recipe.compiled:
        model.encoder.compile()
        model.decoder.compile()
    optimiser = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=1e-4, betas=(0.9, 0.95), fused=True)

    def loss(step: int) -> Tensor:
        wanted = to_signal(crops(images, np.random.default_rng([1, step]), recipe.batch))
        with recipe.forward():
            latent = model.encoder(wanted).float()
            made = model.decoder(latent + NOISE * torch.randn_like(latent)).float()
        return reconstruction_loss(made, wanted) + UNIT_WEIGHT * unit_loss(latent)

    facts = train_for(recipe, model, optimiser, Average(trained, 0.999), state=out / "state.pt", loss=loss)
    model.save_pretrained(out / "vae", safe_serialization=True)
    facts["held_out"] = report(model, read_scenes(data, "held_out").images[:512])
    print(facts["held_out"], flush=True)
    (out / "training.json").write_text(json.dumps(facts))


@torch.inference_mode()
def report(model: Any, images: NDArray[np.uint8]) -> dict[str, Any]:
    """PSNR in dB of pictures after the round trip, and the latents' mean and deviation by channel."""
    wanted = to_signal(images)
    device = next(model.parameters()).device
    latent = torch.cat([model.encoder(part.to(device)).cpu() for part in wanted.split(64)])
    made = torch.cat([model.decoder(part.to(device)).cpu() for part in latent.split(64)]).clamp(-1, 1)
    error = ((made - wanted) / 2).square().mean(dim=(1, 2, 3))
    return {
        "psnr": round(float((-10 * error.log10()).mean()), 2),
        "latent_mean": [round(float(value), 3) for value in latent.mean(dim=(0, 2, 3))],
        "latent_deviation": [round(float(value), 3) for value in latent.std(dim=(0, 2, 3))],
    }


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=40, batch=16, rate=2e-3)
    parser.add_argument(
        "--factor", type=int, choices=sorted(CONFIGS), default=8, help="sides get so many times smaller"
    )
    parser.add_argument("--same-latents", action="store_true", help="leave the encoder as --start has it")
    chosen = vars(parser.parse_args())
    data, out, factor, same = (chosen.pop(name) for name in ("data", "out", "factor", "same_latents"))
    recipe = Recipe(**chosen)
    if same and recipe.start is None:
        parser.error("--same-latents needs --start FOLDER, the autoencoder whose latents are kept")
    train(data, out, recipe, factor, same_latents=same)


if __name__ == "__main__":
    main()
