"""Generators that paint in one pass, noise and text to picture: the adversarial and the variational baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from generators.api import Pixels, Refusal, Request, Task
from generators.diffusion import fingerprint
from generators.latent import pixels_of, token_ids
from generators.quiet import without_loading_bars
from generators.rng import noise_stream


@dataclass(frozen=True)
class Parts:
    """Painter, and what reads the text, on one device, in eval mode."""

    painter: Any
    text_encoder: Any
    tokenizer: Any

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Parts:
        """Read a folder; weights are safetensors, computed in float32."""
        from transformers import CLIPTextModelWithProjection, CLIPTokenizer

        from generators.baselines.painter import Painter

        def part(network: Any, name: str, dtype: str) -> Any:
            options = {dtype: torch.float32, "use_safetensors": True, "local_files_only": True}
            return network.from_pretrained(folder / name, **options).to(device).eval()

        with without_loading_bars():
            return cls(
                painter=part(Painter, "painter", "torch_dtype"),
                text_encoder=part(CLIPTextModelWithProjection, "text_encoder", "dtype"),
                tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
            )

    def embedding(self, text: str) -> Tensor:
        """(1, width), of unit length."""
        ids = token_ids(self.tokenizer, text).to(self.painter.device)
        return nn.functional.normalize(self.text_encoder(ids).text_embeds, dim=-1)


class PainterGenerator:
    """`builtin:gan` and `builtin:vae`: no guidance, no steps, no sampler, so a sweep over those is one cell."""

    tasks: frozenset[Task] = frozenset({"text2img"})
    knobs: frozenset[str] = frozenset()
    batch = 32

    def __init__(self, name: str, folder: Path, device: torch.device) -> None:
        self.name = name
        self.folder = folder
        self.device = device

    @cached_property
    def parts(self) -> Parts:
        """Loaded at first use."""
        return Parts.load(self.folder, self.device)

    def fingerprint(self) -> str:
        """Hash over the folder's own files (not its card), the code's version and the precision."""
        return fingerprint(self.folder, "painter 1 float32")

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        """Pictures, each painted alone, so that none depends on its company."""
        for index, request in enumerate(requests):
            task = request.settings.task
            if task not in self.tasks:
                yield index, Refusal("failed", f"{self.name} does {', '.join(sorted(self.tasks))}, not {task}")
                continue
            noise = noise_stream(request.seed, (1, self.parts.painter.config.noise_size), self.device)()
            yield index, pixels_of(self.parts.painter(noise, self.parts.embedding(request.text)))[0]
