"""Training scenes in memory: pictures at 128 or 64 pixels and several wordings of each caption."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
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
    """images (n, size, size, 3) uint8; captions: WORDINGS a scene, the recorded one first; family names; seeds (n,)."""

    images: NDArray[np.uint8]
    captions: tuple[tuple[str, ...], ...]
    families: tuple[str, ...]
    seeds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> Scenes:
        """Its first scenes."""
        return Scenes(self.images[:count], self.captions[:count], self.families[:count], self.seeds[:count])


def read_scenes(folder: Path, split: str, *, size: int = 128, limit: int | None = None) -> Scenes:
    """Every scene of a split ("train" or "held_out"), box-halved down to `size` pixels; cached beside the shards."""
    cache = folder / f"{split}-{size}{'' if limit is None else f'-{limit}'}.npz"
    if _fresh(cache, folder / split):
        kept = np.load(cache)
        captions = tuple(tuple(words) for words in json.loads(str(kept["captions"])))
        return Scenes(kept["images"], captions, tuple(kept["families"].tolist()), kept["seeds"])
    from generators.studio.dataset import load  # here: where the cache is enough, no renderer is needed
    from generators.studio.drawing import halved

    images, captions_, families, seeds = [], [], [], []
    for table in load(folder, split, columns=["seed", "family", "caption", "image", "annotations"]):
        for row in table.to_pylist():
            image = np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB"))
            while len(image) > size:
                image = halved(image)
            images.append(image)
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


def joined(parts: Sequence[Scenes]) -> Scenes:
    """The scenes of several, one after another."""
    return Scenes(
        np.concatenate([part.images for part in parts]),
        tuple(words for part in parts for words in part.captions),
        tuple(family for part in parts for family in part.families),
        np.concatenate([part.seeds for part in parts]),
    )


def read_facts(folder: Path, split: str) -> list[dict[str, Any]]:
    """`scene_record`'s of every scene of a split."""
    from generators.studio.dataset import load

    tables = load(folder, split, columns=["annotations"])
    return [json.loads(said) for table in tables for said in table["annotations"].to_pylist()]


@dataclass(frozen=True)
class Controls:
    """edges (n, 128, 128) bool; points: `scene_record`'s, of each scene."""

    edges: NDArray[np.bool_]
    points: tuple[dict[str, Any], ...]


def read_controls(folder: Path, split: str) -> Controls:
    """What the control pictures of every scene of a split are drawn from; cached beside the shards."""
    cache = folder / f"{split}-controls.npz"
    if _fresh(cache, folder / split):
        kept = np.load(cache)
        return Controls(np.unpackbits(kept["edges"], axis=2).astype(bool), tuple(json.loads(str(kept["points"]))))
    from generators.studio.controls import edge_map
    from generators.studio.dataset import load

    edges, points = [], []
    for table in load(folder, split, columns=["annotations", "depth", "normals", "ids"]):
        for row in table.to_pylist():
            depth, normals, ids = (np.asarray(Image.open(io.BytesIO(row[key]))) for key in ("depth", "normals", "ids"))
            edges.append(edge_map(depth.astype(np.float64), normals / 127.5 - 1, ids))
            points.append(json.loads(row["annotations"])["points"])
    np.savez(cache, edges=np.packbits(np.stack(edges), axis=2), points=json.dumps(points))
    return Controls(np.stack(edges), tuple(points))


def _fresh(cache: Path, shards: Path) -> bool:
    """Whether a cache is there and no shard came after it; where there are no shards it is all there is."""
    if not cache.is_file():
        return False
    written = cache.stat().st_mtime_ns
    return all(shard.stat().st_mtime_ns <= written for shard in shards.glob("*.parquet"))


def wordings(family: str, recorded: str, asked: dict[str, Any], seed: int) -> tuple[str, ...]:
    """The recorded caption and WORDINGS - 1 other wordings of the same scene."""
    caption = import_module(f"generators.studio.{family}").caption
    others = [caption(asked, np.random.default_rng([seed, 77, k])) for k in range(1, WORDINGS)]
    return (recorded, *others)
