"""DINOv2 (Oquab et al. 2023): features learnt without captions or classes, by transformers, from safetensors on disk.

As in dgm-eval (Stein et al. 2023): 224 x 224 whatever the shape, ImageNet's mean and deviation, the class token after
the last norm. transformers stretches the position embeddings a little differently than the authors' own code does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from audit.features.clip import Preprocess
from audit.weights import MissingWeightsError, require, sha256_of

SIDE = 224
BATCH = 4
"""Pictures in every call, blank ones filling up, so that company changes no bits."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILES = ("model.safetensors", "config.json")


class Dino:
    """The loaded network; digest: SHA-256 of its weights."""

    def __init__(self, network: Any, digest: str) -> None:
        self.digest = digest
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.eval().requires_grad_(False).to(self.device)
        self._prepare = Preprocess(SIDE, MEAN, DEVIATION, "squash", "uint8-bicubic")

    def features(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Class tokens (n, d), float32, of uint8 pictures (3, H, W) of any sizes."""
        rows = [self._prepare(image) for image in images]
        done = [torch.empty(0, int(self._network.config.hidden_size))]
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            blank = [torch.zeros_like(part[0])] * (BATCH - len(part))
            with torch.inference_mode():
                tokens = self._network(pixel_values=torch.stack([*part, *blank]).to(self.device)).last_hidden_state
            done.append(tokens[: len(part), 0].float().cpu())
        return torch.cat(done)


@cache
def load(folder: str = "") -> Dino:
    """DINOv2-L of the hub's cache, or another of its sizes from a folder in transformers' layout.

    Raises:
        MissingWeightsError: a file is not there; the message has the command that fetches it.
    """
    place = Path(folder) if folder else require("dinov2-vit-l-14").parent
    lacking = [name for name in FILES if not (place / name).is_file()]
    if lacking:
        raise MissingWeightsError(
            f"{place}: no {' and no '.join(lacking)}; get them: hf download facebook/dinov2-large {' '.join(FILES)}"
        )
    from transformers import Dinov2Model

    network = Dinov2Model.from_pretrained(place, local_files_only=True, use_safetensors=True)
    return Dino(network, sha256_of(place / FILES[0]))
