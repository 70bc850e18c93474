"""Train the pixel baseline: a U-Net that predicts the noise in a picture, with no autoencoder before it.

python -m generators.train.pixel --data DIR --out DIR/pixel --minutes 40
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from generators.baselines.pixel import PATCH, patched
from generators.train.autoencoder import to_signal
from generators.train.checkpoint import Average
from generators.train.data import read_scenes
from generators.train.ldm import (
    DEEP,
    Batch,
    Latents,
    Model,
    batch_of,
    begun,
    clip_argument,
    optimiser_of,
    scheduler,
    weights_at,
)
from generators.train.loop import Recipe, recipe_arguments, train_for
from generators.train.text import empty_tokens, tokens_of
from generators.train.tokenizer import byte_tokenizer

SIZE = 64  # pixels a side
UNET: dict[str, Any] = {
    **DEEP,
    "in_channels": 3 * PATCH**2,
    "out_channels": 3 * PATCH**2,
    "block_out_channels": (48, 80, 128),
}
PREDICTION = "epsilon"


def noise_loss(model: Model, batch: Batch) -> Tensor:
    """Squared error of the predicted noise, a scalar. Source: Ho et al. 2020, equation 14."""
    alpha, sigma = weights_at(batch.timestep)
    made: Tensor = model(alpha * batch.clean + sigma * batch.noise, batch.timestep, batch.tokens)
    return (made.float() - batch.noise).square().mean()


def export(model: Model, folder: Path) -> None:
    """Write a folder in the manner of diffusers, in half precision; no stock pipeline draws pixels from CLIP text."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("unet", "text_encoder"):
        copy.deepcopy(getattr(model, name)).cpu().half().save_pretrained(folder / name, safe_serialization=True)
    byte_tokenizer().save_pretrained(folder / "tokenizer")
    scheduler(PREDICTION).save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "PixelNetworks",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=40, batch=32, rate=8e-4)
    clip_argument(parser)
    chosen = vars(parser.parse_args())
    data, out, clip = (chosen.pop(key) for key in ("data", "out", "clip"))
    recipe = Recipe(**chosen)
    model = begun(UNET, recipe.start, clip)
    scenes = read_scenes(data, "train", size=SIZE)
    pictures = Latents(patched(to_signal(scenes.images)), tokens_of(scenes), empty_tokens()).to(recipe.device)
    model.to(recipe.device)
    average = Average(model.parameters(), 0.999)
    if recipe.compiled:
        model.unet.compile()

    def loss(step: int) -> Tensor:
        batch = batch_of(pictures, step, recipe.batch)
        with recipe.forward():
            return noise_loss(model, batch)

    optimiser = optimiser_of(model.parameters(), recipe.rate)
    facts = train_for(recipe, model, optimiser, average, state=out / "state.pt", loss=loss)
    export(model, out / "folder")
    (out / "training.json").write_text(json.dumps({**facts, "scenes": len(scenes)}))


if __name__ == "__main__":
    main()
