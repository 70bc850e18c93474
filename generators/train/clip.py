"""Train the studio feature model: a small CLIP on studio pictures and captions, with open_clip.

python -m generators.train.clip --data DIR --out generators/weights/studio_clip --minutes 20
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generators.train.autoencoder import to_signal
from generators.train.checkpoint import resume, save, snapshot
from generators.train.data import Scenes, read_scenes
from generators.train.tokenizer import CONTEXT, byte_tokenizer

CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 64, "layers": [1, 2, 2, 1], "width": 32, "patch_size": None},
    "text_cfg": {"context_length": CONTEXT, "vocab_size": 514, "width": 128, "heads": 4, "layers": 3},
}
PREPROCESS = {"size": 64, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"}
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


def tokens_of(scenes: Scenes) -> Tensor:
    """(n, wordings, CONTEXT) int64."""
    flat = [text for words in scenes.captions for text in words]
    made = byte_tokenizer()(flat, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt")
    ids: Tensor = made.input_ids
    return ids.view(len(scenes), -1, CONTEXT)


def train(data: Path, out: Path, work: Path, *, minutes: float, batch: int, rate: float) -> None:
    """Train for so many minutes in all, resumed time included; save in open_clip's format; print held-out retrieval."""
    import open_clip

    scenes = read_scenes(data, "train")
    families, tokens = np.array(scenes.families), tokens_of(scenes)
    torch.manual_seed(0)
    model = open_clip.CLIP(**CONFIG)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)
    criterion = open_clip.ClipLoss()
    step, spent, losses = resume(work / "state.pt", model, optimiser, None)
    begin, saved = time.monotonic() - spent, time.monotonic()
    model.train()
    while (spent := time.monotonic() - begin) < minutes * 60:
        progress = spent / (minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * progress))
        rows = batch_rows(families, step, batch)
        rng = np.random.default_rng([5, step])
        images = jitter(to_signal(scenes.images[rows]), rng)
        texts = tokens[rows, torch.from_numpy(rng.integers(0, tokens.shape[1], batch))]
        loss = criterion(*model(images, texts)[:3])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        step += 1
        if step % 25 == 0:
            losses.append([step, round(loss.item(), 4)])
            print(f"step {step} {spent / 60:.1f} min loss {loss.item():.3f} {step * batch / spent:.0f}/s", flush=True)
        if time.monotonic() - saved > 120:
            save(work / "state.pt", snapshot(model, optimiser, None, step=step, seconds=spent, losses=losses))
            saved = time.monotonic()
    save(work / "state.pt", snapshot(model, optimiser, None, step=step, seconds=spent, losses=losses))
    export(model.eval(), out)
    facts = {"steps": step, "batch": batch, "minutes": round(spent / 60, 1), "scenes": len(scenes), "losses": losses}
    facts["held_out"] = retrieval(model, read_scenes(data, "held_out"))
    (out / "training.json").write_text(json.dumps(facts))
    print(facts["held_out"])


def export(model: nn.Module, folder: Path) -> None:
    """open_clip's hub layout: open_clip_config.json, open_clip_model.safetensors, and the tokenizer's files."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": CONFIG, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2))
    state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "open_clip_model.safetensors")
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
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1e-3)
    chosen = parser.parse_args()
    work = chosen.data / "studio_clip"
    train(chosen.data, chosen.out, work, minutes=chosen.minutes, batch=chosen.batch, rate=chosen.rate)


if __name__ == "__main__":
    main()
