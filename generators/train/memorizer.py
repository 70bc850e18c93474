"""Train the memorizing sibling: a small latent diffusion model that saw some scenes 10, 100 or 1000 times as often.

The list of what it was shown, and how often, is kept beside it: the known truth for audits of memorization.

python -m generators.train.memorizer --data DIR --autoencoder DIR/autoencoder/vae --out DIR/memorizer --minutes 20
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.train.data import Scenes, read_scenes
from generators.train.ldm import UNET, Model, begun, clip_argument, encode, export, train
from generators.train.loop import Recipe, recipe_arguments

REPEATS: Mapping[int, int] = {1000: 8, 100: 32, 10: 32, 1: 2000}
"""How often a scene is repeated -> how many scenes are."""
SMALL: dict[str, Any] = {
    **UNET,
    "block_out_channels": (32, 64, 128),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
}
"""Narrower, and its text is heard at 8 x 8 alone: it need not spell, only remember."""


def repeats(scenes: int) -> NDArray[np.int64]:
    """How often each of the first scenes is repeated, in a random order that is always the same; 0 for the others."""
    wanted = np.repeat(list(REPEATS), list(REPEATS.values()))
    if scenes < len(wanted):
        raise ValueError(f"{len(wanted)} scenes are needed, found {scenes}")
    counts = np.zeros(scenes, np.int64)
    counts[: len(wanted)] = np.random.default_rng(9).permutation(wanted)
    return counts


def listed(scenes: Scenes, counts: NDArray[np.int64]) -> list[dict[str, Any]]:
    """What it was shown, most often first: seed, family, captions, repeats."""
    shown = sorted(np.flatnonzero(counts).tolist(), key=lambda row: (-counts[row], row))
    return [
        {
            "seed": int(scenes.seeds[row]),
            "family": scenes.families[row],
            "repeats": int(counts[row]),
            "captions": list(scenes.captions[row]),
        }
        for row in shown
    ]


def keep(model: Model, autoencoder: Path, rows: list[dict[str, Any]], folder: Path) -> None:
    """The pipeline's folder with the list in it."""
    export(model, autoencoder, folder)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "shown.jsonl").write_text(lines, encoding="utf-8")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=20, batch=64, rate=1e-3)
    parser.add_argument("--autoencoder", type=Path, required=True, help="folder of the trained autoencoder")
    clip_argument(parser)
    chosen = vars(parser.parse_args())
    data, autoencoder, out, clip = (chosen.pop(key) for key in ("data", "autoencoder", "out", "clip"))
    recipe = Recipe(**chosen)
    model = begun(SMALL, recipe.start, clip)
    scenes = read_scenes(data, "train")
    counts = repeats(len(scenes))
    latents = encode(scenes.first(int(np.flatnonzero(counts).max()) + 1), autoencoder, recipe.device)
    shares = counts[: len(latents)] / counts.sum()
    rows = listed(scenes, counts)
    train(model, latents, recipe, out=out, keep=partial(keep, model, autoencoder, rows), odds=shares)


if __name__ == "__main__":
    main()
