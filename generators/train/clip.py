"""Train the studio feature model: a small CLIP on studio pictures and captions, with open_clip.

python -m generators.train.clip --data DIR --out generators/weights/studio_clip --minutes 20
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generators.train.autoencoder import to_signal
from generators.train.data import Scenes, read_scenes
from generators.train.loop import Recipe, recipe_arguments, train_for
from generators.train.text import tokens_of
from generators.train.tokenizer import CONTEXT, byte_tokenizer

SIZE = 64  # pixels a side that it sees
CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": SIZE, "layers": [1, 2, 2, 1], "width": 32, "patch_size": None},
    "text_cfg": {"context_length": CONTEXT, "vocab_size": 514, "width": 128, "heads": 4, "layers": 3},
}
PREPROCESS = {"size": SIZE, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"}
WEIGHTS = "open_clip_model.safetensors"
SAME_FAMILY = 0.7  # share of batches whose scenes are all of one family: there the details must tell them apart


def batch_rows(families: NDArray[np.str_], step: int, size: int) -> NDArray[np.int64]:
    """Rows of one step, a function of the step alone."""
    rng = np.random.default_rng([4, step])
    rows = np.arange(len(families))
    if rng.random() < SAME_FAMILY:
        rows = np.flatnonzero(families == families[rng.integers(len(families))])
    return rng.choice(rows, size, replace=len(rows) < size)


def jitter(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Shift by up to 2 pixels, alike for the whole batch: nothing else, for colour and side are in the captions."""
    dy, dx = rng.integers(-2, 3, 2)
    padded = nn.functional.pad(images, (2, 2, 2, 2), mode="replicate")
    return padded[:, :, 2 + dy : 2 + dy + images.shape[2], 2 + dx : 2 + dx + images.shape[3]]


def train(data: Path, out: Path, recipe: Recipe) -> None:
    """Train, save in open_clip's format, print held-out retrieval; the state lies under `data/studio_clip`."""
    import open_clip
    from safetensors.torch import load_file

    scenes = read_scenes(data, "train", size=SIZE)
    families, tokens = np.array(scenes.families), tokens_of(scenes)
    torch.manual_seed(0)
    model = open_clip.CLIP(**CONFIG)
    if recipe.start is not None:
        model.load_state_dict(load_file(recipe.start / WEIGHTS))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98), fused=True)
    criterion = open_clip.ClipLoss()

    def loss(step: int) -> Tensor:
        rows = batch_rows(families, step, recipe.batch)
        rng = np.random.default_rng([5, step])
        images = jitter(to_signal(scenes.images[rows]), rng)
        texts = tokens[rows, torch.from_numpy(rng.integers(0, tokens.shape[1], recipe.batch))]
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        with recipe.forward():
            pictures, words, scale = model(images, texts)[:3]
        error: Tensor = criterion(pictures.float(), words.float(), scale)
        return error

    facts = train_for(recipe, model, optimiser, None, state=data / "studio_clip" / "state.pt", loss=loss)
    export(model, out)
    facts["scenes"] = len(scenes)
    facts["held_out"] = retrieval(model, read_scenes(data, "held_out", size=SIZE))
    (out / "training.json").write_text(json.dumps(facts))
    print(facts["held_out"])


def export(model: nn.Module, folder: Path) -> None:
    """open_clip's hub layout: open_clip_config.json, open_clip_model.safetensors, and the tokenizer's files."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": CONFIG, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2))
    state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    save_file({name: value.contiguous() for name, value in state.items()}, folder / WEIGHTS)
    byte_tokenizer().save_pretrained(folder)


@torch.inference_mode()
def retrieval(model: Any, scenes: Scenes) -> dict[str, float]:
    """Share of held-out pictures whose own caption wins among 64, over all scenes and within each family."""
    tokens = tokens_of(scenes)[:, 0]
    parts = [slice(i, i + 64) for i in range(0, len(scenes), 64)]
    images = torch.cat([model.encode_image(to_signal(scenes.images[p]), normalize=True) for p in parts])
    texts = torch.cat([model.encode_text(tokens[p], normalize=True) for p in parts])
    families = np.array(scenes.families)
    groups = {
        "all": np.arange(len(scenes)),
        **{name: np.flatnonzero(families == name) for name in sorted(set(scenes.families))},
    }
    return {name: round(_top_one(images[rows], texts[rows]), 4) for name, rows in groups.items()}


def _top_one(images: Tensor, texts: Tensor) -> float:
    chunks = [slice(i, i + 64) for i in range(0, len(images) - 63, 64)] or [slice(None)]
    hits = [(images[c] @ texts[c].T).argmax(dim=1) == torch.arange(len(images[c])) for c in chunks]
    return float(torch.cat(hits).float().mean())


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=20, batch=128, rate=1e-3)
    chosen = vars(parser.parse_args())
    train(chosen.pop("data"), chosen.pop("out"), Recipe(**chosen, cooling=1.0))


if __name__ == "__main__":
    main()
