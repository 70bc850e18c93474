"""Small things that audits of pictures are tested with: views, rendered words, a tiny random CLIP in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from audit.api import View
from audit.types import Prompt
from generators.api import Pixels
from generators.train.tokenizer import byte_tokenizer

MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 24, "vocab_size": 514, "width": 32, "heads": 2, "layers": 2},
}


def view(pixels: Pixels, text: str = "a sign", /, **expect: Any) -> View:
    """A view of (height, width, 3) uint8."""
    return View(
        image=torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))),
        prompt=Prompt(id=text, text=text, expect=expect),
    )


def plain(colour: tuple[int, int, int] = (128, 128, 128), height: int = 64, width: int = 64) -> Pixels:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def noise(seed: int, height: int = 64, width: int = 64) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def written(*lines: str, size: int = 17, side: int = 64) -> Pixels:
    """Dark words on a light card, centred, in the font that Pillow ships."""
    picture = Image.new("RGB", (side, side), (228, 224, 210))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size)
    top = (side - len(lines) * size * 1.3) / 2
    for line in lines:
        left, _, right, _ = draw.textbbox((0, 0), line, font=font, stroke_width=0.4)
        draw.text(((side - right + left) / 2, top), line, font=font, fill=(25, 30, 70), stroke_width=0.4)
        top += size * 1.3
    return np.asarray(picture).copy()


def save_clip(folder: Path, seed: int = 0, model: dict[str, Any] = MODEL) -> Path:
    """A random CLIP in open_clip's layout with a byte tokenizer beside it."""
    import open_clip
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = open_clip.CLIP(**model)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    config = {"model_cfg": model, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    byte_tokenizer(model["text_cfg"]["context_length"]).save_pretrained(folder)
    return folder
