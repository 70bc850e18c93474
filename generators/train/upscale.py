"""Train super-resolution: latent diffusion that is shown the picture at a quarter of its size, 32 to 128 pixels.

python -m generators.train.upscale --data DIR --autoencoder DIR/fine/vae --out DIR/upscale --minutes 30
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

from generators.downsample import block_mean
from generators.tasks.upscale import TIMES
from generators.train.autoencoder import to_signal
from generators.train.checkpoint import Average
from generators.train.data import read_scenes
from generators.train.ldm import (
    DEEP,
    Latents,
    Model,
    batch_of,
    begun,
    clip_argument,
    encode,
    halves,
    loss_of,
    optimiser_of,
    save_pipeline,
    scheduler,
)
from generators.train.loop import Recipe, recipe_arguments, train_for
from generators.train.tokenizer import byte_tokenizer

UNET: dict[str, Any] = {**DEEP, "in_channels": 7, "block_out_channels": (32, 64, 128)}
"""Latents of an autoencoder that divides by 4 are as large as the small picture, so the two are laid on one another."""


def shrunk(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, H, W, 3) to a quarter of each side by the mean of blocks, halved twice: the declared downsampler."""
    return np.stack([block_mean(image, TIMES) for image in images])


def train(model: Model, latents: Latents, small: Tensor, recipe: Recipe, *, autoencoder: Path, out: Path) -> None:
    """Train, then save `out/folder` and the facts beside it; small (n, 32, 32, 3) uint8 are the scenes at a quarter."""
    model.to(recipe.device)
    average = Average(model.parameters(), 0.999)
    if recipe.compiled:
        model.unet.compile()

    def loss(step: int) -> Tensor:
        batch = batch_of(latents, step, recipe.batch)
        shown = to_signal(small[batch.rows])
        with recipe.forward():
            return loss_of(
                batch, lambda noisy: model(torch.cat([noisy, shown], dim=1), batch.timestep, batch.tokens)
            ).mean()

    optimiser = optimiser_of(model.parameters(), recipe.rate)
    facts = train_for(recipe, model, optimiser, average, state=out / "state.pt", loss=loss)
    export(model, autoencoder, out / "folder")
    (out / "training.json").write_text(json.dumps({**facts, "scenes": len(latents)}))


def export(model: Model, autoencoder: Path, folder: Path) -> None:
    """Write an ordinary StableDiffusionUpscalePipeline folder in half precision."""
    from diffusers import DDPMScheduler, StableDiffusionUpscalePipeline

    pipeline = StableDiffusionUpscalePipeline(
        **halves(model, autoencoder),
        tokenizer=byte_tokenizer(),
        scheduler=scheduler(),
        # The stock pipeline adds noise to the small picture; ours was trained on clean ones, so it adds next to none.
        low_res_scheduler=DDPMScheduler(beta_start=1e-9, beta_end=1e-9, beta_schedule="linear"),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
    )
    save_pipeline(pipeline, folder)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=30, batch=32, rate=8e-4)
    parser.add_argument("--autoencoder", type=Path, required=True, help="folder of one that divides sides by 4")
    clip_argument(parser)
    chosen = vars(parser.parse_args())
    data, autoencoder, out, clip = (chosen.pop(key) for key in ("data", "autoencoder", "out", "clip"))
    recipe = Recipe(**chosen)
    model = begun(UNET, recipe.start, clip)
    scenes = read_scenes(data, "train")
    latents = encode(scenes, autoencoder, recipe.device)
    small = torch.from_numpy(shrunk(scenes.images)).to(recipe.device)
    train(model, latents, small, recipe, autoencoder=autoencoder, out=out)


if __name__ == "__main__":
    main()
