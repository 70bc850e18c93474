"""Image–text models: a picture and a sentence to vectors whose cosine says how well they match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from audit.api import View
from audit.features.folded import folded
from audit.images import Protocol, resize

BATCH = 8
"""Pictures in every call of the tower, blank ones filling up: kernels depend on the shape, so it is always the same."""

_KEPT_TEXTS = 4096
Fit = Literal["squash", "shortest", "longest"]


@dataclass(frozen=True)
class Preprocess:
    """How uint8 pictures become a tower's input.

    Attributes:
        size: the tower's square input, in pixels.
        mean, std: per channel, of values in 0..1.
        fit: "squash" ignores the aspect ratio; "shortest" crops the middle; "longest" pads with black.
        protocol: the named filter of `audit.images.resize`; the result is rounded to whole grey levels.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fit: Fit
    protocol: Protocol

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(3, H, W) uint8 -> (3, size, size) float32."""
        pixels = self._square(image.permute(1, 2, 0).cpu().numpy())
        grey = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255
        return (grey - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]

    def _square(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = pixels.shape[:2]
        if (height, width) == (self.size, self.size):
            return pixels
        if self.fit == "squash":
            return self._resized(pixels, self.size, self.size)
        if self.fit == "shortest":
            scale = self.size / min(height, width)
            fitted = self._resized(pixels, max(self.size, int(height * scale)), max(self.size, int(width * scale)))
            top, left = (round((side - self.size) / 2) for side in fitted.shape[:2])
            return fitted[top : top + self.size, left : left + self.size]
        scale = self.size / max(height, width)
        fitted = self._resized(pixels, max(1, round(height * scale)), max(1, round(width * scale)))
        square = np.zeros((self.size, self.size, 3), dtype=np.uint8)
        top, left = ((self.size - side) // 2 for side in fitted.shape[:2])
        square[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
        return square

    def _resized(self, pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        return np.rint(resize(pixels, (height, width), self.protocol)).astype(np.uint8)


Tokenize = Callable[[Sequence[str]], tuple[torch.Tensor, list[int]]]
"""Texts -> token ids (n, context), cut off at the context length, and how many tokens each has uncut."""


class Clip:
    """A loaded model.

    Attributes:
        name: "studio", the folder, or "architecture:tag".
        digest: SHA-256 of the weights file.
        dim: length of both kinds of embedding.
        context: tokens of text it reads.
    """

    def __init__(self, name: str, digest: str, network: Any, preprocess: Preprocess, tokenize: Tokenize) -> None:
        self.name = name
        self.digest = digest
        self.preprocess = preprocess
        self.context = int(network.context_length)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = folded(network).requires_grad_(False).to(self.device)
        self._tokenize = tokenize
        self._texts: dict[str, tuple[torch.Tensor, int]] = {}
        self.dim = int(self.text_features([""]).shape[1])

    def image_features(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Embeddings (n, dim), float32, not normalised, of uint8 pictures (3, H, W) of any sizes.

        A picture's embedding has the same bits alone and in any company.
        """
        return self._padded([self.preprocess(image) for image in images], self._network.encode_image, BATCH)

    def text_features(self, texts: Sequence[str]) -> torch.Tensor:
        """Embeddings (n, dim), float32, not normalised; each text is read once a process."""
        return torch.stack([self._text(text)[0] for text in texts]) if texts else torch.empty(0, self.dim)

    def tokens(self, text: str) -> int:
        """Tokens of the whole text, start and end included; more than `context` means that its end is not read."""
        return self._texts[text][1] if text in self._texts else self._tokenize([text])[1][0]

    def _text(self, text: str) -> tuple[torch.Tensor, int]:
        if text not in self._texts:
            ids, counts = self._tokenize([text])
            if len(self._texts) >= _KEPT_TEXTS:
                self._texts.pop(next(iter(self._texts)))
            self._texts[text] = (self._padded(list(ids), self._network.encode_text, 1)[0], counts[0])
        return self._texts[text]

    def _padded(
        self, rows: list[torch.Tensor], encode: Callable[[torch.Tensor], torch.Tensor], batch: int
    ) -> torch.Tensor:
        if not rows:
            return torch.empty(0, self.dim)
        done = []
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            blank = [torch.zeros_like(part[0])] * (batch - len(part))
            with torch.inference_mode():
                done.append(encode(torch.stack([*part, *blank]).to(self.device))[: len(part)].float().cpu())
        return torch.cat(done)


def image_rows(model: Clip, views: Sequence[View]) -> torch.Tensor:
    """Embeddings (n, dim) of the views' pictures; audits of one model share them, so the tower sees a picture once."""
    name = f"clip.image.{model.digest}"
    waiting = [view for view in views if name not in view.shared]
    fresh = model.image_features([view.image for view in waiting])
    for view, row in zip(waiting, fresh, strict=True):
        view.shared[name] = row
    return torch.stack([view.shared[name] for view in views]) if views else fresh


def chunks(model: Clip, text: str) -> list[str]:
    """The text in as few pieces as the model can read whole, cut at spaces; a word too long on its own stays whole."""
    pieces: list[str] = []
    for word in text.split():
        longer = f"{pieces[-1]} {word}" if pieces else word
        if pieces and model.tokens(longer) <= model.context:
            pieces[-1] = longer
        else:
            pieces.append(word)
    return pieces or [text]


def preprocess_of(settings: dict[str, Any], size: int | tuple[int, int], protocol: Protocol) -> Preprocess:
    """From open_clip's preprocess configuration; what it leaves out is CLIP's own (Radford et al. 2021)."""
    side = size if isinstance(size, int) else size[0]
    mean = settings.get("mean") or (0.48145466, 0.4578275, 0.40821073)
    std = settings.get("std") or (0.26862954, 0.26130258, 0.27577711)
    fit: Fit = settings.get("resize_mode") or "shortest"
    return Preprocess(side, tuple(mean), tuple(std), fit, protocol)
