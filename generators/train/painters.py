"""What the trainings of the adversarial and the variational baseline share: texts read once, and the folder written."""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from generators.baselines.painter import Painter
from generators.train.autoencoder import to_signal
from generators.train.checkpoint import Average
from generators.train.data import Scenes, read_scenes
from generators.train.loop import Recipe, recipe_arguments, train_for
from generators.train.text import text_tower, tokens_of
from generators.train.tokenizer import byte_tokenizer

SIZE = 64  # pixels a side
CLIP = Path("generators/weights/studio_clip")


class Learner(Protocol):
    """Networks that are trained together, one of which paints."""

    painter: Painter

    def parameters(self) -> Iterator[nn.Parameter]:
        """Of all of them."""
        ...

    def loss(self, pictures: Tensor, texts: Tensor, noise: Tensor) -> Tensor:
        """A scalar, of pictures (B, 3, 64, 64) in -1..1, texts (B, 128) of unit length, noise (B, 128)."""
        ...


@dataclass(frozen=True)
class Pairs:
    """images (n, 64, 64, 3) uint8; texts (n, wordings, 128), embeddings of unit length."""

    images: Tensor
    texts: Tensor

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor, np.random.Generator]:
        """Pictures (size, 3, 64, 64) in -1..1, texts (size, 128), and more chance: a function of the step alone."""
        rng = np.random.default_rng([8, step])
        chosen = np.stack([rng.integers(0, len(self.images), size), rng.integers(0, self.texts.shape[1], size)])
        rows, words = torch.from_numpy(chosen).to(self.images.device)
        return to_signal(self.images[rows]), self.texts[rows, words], rng


@torch.inference_mode()
def embedded(scenes: Scenes, clip: Path, device: str = "cpu") -> Tensor:
    """(n, wordings, 128): every wording as the studio CLIP's text tower embeds it, of unit length."""
    tower, tokens = text_tower(clip).to(device), tokens_of(scenes).to(device)
    parts = [tower(part).text_embeds for part in tokens.flatten(0, 1).split(512)]
    texts: Tensor = nn.functional.normalize(torch.cat(parts), dim=-1)
    return texts.view(*tokens.shape[:2], -1).clone()


def learn(
    learner: Learner, *, description: str | None, minutes: float, rate: float, betas: tuple[float, float]
) -> None:
    """Parse the command line, train, save `out/folder`; the numbers are defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=minutes, batch=32, rate=rate)
    parser.add_argument("--clip", type=Path, default=CLIP, help="open_clip folder whose text tower reads the texts")
    chosen = vars(parser.parse_args())
    data, out, clip = (chosen.pop(key) for key in ("data", "out", "clip"))
    recipe = Recipe(**chosen)
    if recipe.start is not None:
        learner.painter = Painter.from_pretrained(recipe.start / "painter").float()
    scenes = read_scenes(data, "train", size=SIZE)
    pairs = Pairs(torch.from_numpy(scenes.images).to(recipe.device), embedded(scenes, clip, recipe.device))
    assert isinstance(learner, nn.Module)
    learner.to(recipe.device)

    def loss(step: int) -> Tensor:
        pictures, texts, rng = pairs.batch(step, recipe.batch)
        with recipe.forward():
            return learner.loss(pictures, texts, noise_of(rng, *texts.shape).to(recipe.device))

    parameters = list(learner.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=0.0, betas=betas, fused=True)
    average = Average(parameters, 0.999)
    facts = train_for(recipe, learner, optimiser, average, state=out / "state.pt", loss=loss)
    export(learner.painter, clip, out / "folder", {**facts, "scenes": len(scenes)})


def noise_of(rng: np.random.Generator, size: int, width: int) -> Tensor:
    """(size, width) standard normal."""
    return torch.from_numpy(rng.standard_normal((size, width), dtype=np.float32))


def export(painter: Painter, clip: Path, folder: Path, facts: dict[str, Any]) -> None:
    """Write a folder in the manner of diffusers, in half precision: painter, text encoder, tokenizer, an index."""
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(painter).cpu().half().save_pretrained(folder / "painter", safe_serialization=True)
    text_tower(clip).half().save_pretrained(folder / "text_encoder", safe_serialization=True)
    byte_tokenizer().save_pretrained(folder / "tokenizer")
    index = {
        "_class_name": "PainterGenerator",
        "painter": ["generators.baselines.painter", "Painter"],
        "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    (folder.parent / "training.json").write_text(json.dumps(facts))
