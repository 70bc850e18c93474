"""Training scenes in memory: pictures at 64 pixels and several wordings of each caption."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WORDINGS = 4


@dataclass(frozen=True)
class Scenes:
    """images (n, 64, 64, 3) uint8; captions: WORDINGS a scene, the recorded one first; family names; seeds (n,)."""

    images: NDArray[np.uint8]
    captions: tuple[tuple[str, ...], ...]
    families: tuple[str, ...]
    seeds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


def read_scenes(folder: Path, split: str, *, limit: int | None = None) -> Scenes:
    """Every scene of a split ("train" or "held_out"), box-halved from 128 to 64 pixels; cached beside the shards."""
    from generators.studio.dataset import load
    from generators.studio.drawing import halved

    cache = folder / f"{split}-64{'' if limit is None else f'-{limit}'}.npz"
    if cache.is_file():
        kept = np.load(cache)
        captions = tuple(tuple(words) for words in json.loads(str(kept["captions"])))
        return Scenes(kept["images"], captions, tuple(kept["families"].tolist()), kept["seeds"])
    images, captions_, families, seeds = [], [], [], []
    for table in load(folder, split, columns=["seed", "family", "caption", "image", "annotations"]):
        for row in table.to_pylist():
            images.append(halved(np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB"))))
            captions_.append(
                wordings(row["family"], row["caption"], json.loads(row["annotations"])["asked"], row["seed"])
            )
            families.append(row["family"])
            seeds.append(row["seed"])
    chosen = slice(None, limit)
    scenes = Scenes(
        np.stack(images[chosen]), tuple(captions_[chosen]), tuple(families[chosen]), np.array(seeds[chosen])
    )
    np.savez(
        cache, images=scenes.images, captions=json.dumps(scenes.captions), families=scenes.families, seeds=scenes.seeds
    )
    return scenes


def wordings(family: str, recorded: str, asked: dict[str, Any], seed: int) -> tuple[str, ...]:
    """The recorded caption and WORDINGS - 1 other wordings of the same scene."""
    caption = import_module(f"generators.studio.{family}").caption
    others = [caption(asked, np.random.default_rng([seed, 77, k])) for k in range(1, WORDINGS)]
    return (recorded, *others)
