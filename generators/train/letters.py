"""Teach the text attention to look: each place of the picture at the letter of the caption that stands there.

Without it a model of this size draws strokes of the right number and colour and never learns which letter goes where.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generators.studio import lettering
from generators.train.checkpoint import restore, save
from generators.train.data import Scenes
from generators.train.tokenizer import CONTEXT

NONE = -1
HEADS = 2  # of four: those that are taught
CELL = 8  # pixels of the picture a latent place
ABOVE = 0.15  # how far beyond its box, in heights of a line, a letter still counts
LOOKED = 0.1  # weight of looking right, against the error of the velocity
DRAWN = 2.0  # what an error under a letter weighs more than one elsewhere
READ = 0.05  # weight of drawing what a reader can read
BLUR = 0.6  # most noise in what a reader learns from: a model makes latents out by and by
BYTES = 256


class Watched:
    """A plain attention processor that keeps its probabilities (B * heads, places, tokens)."""

    def __init__(self) -> None:
        self.seen: Tensor | None = None

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """Attend as `diffusers.models.attention_processor.AttnProcessor` does, inside a transformer block."""
        said = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        asked, keys, values = attn.to_q(hidden_states), attn.to_k(said), attn.to_v(said)
        query, key, value = (attn.head_to_batch_dim(part) for part in (asked, keys, values))
        self.seen = attn.get_attention_scores(query, key, attention_mask)
        made: Tensor = attn.to_out[1](attn.to_out[0](attn.batch_to_head_dim(torch.bmm(self.seen, value))))
        return made


def watch(unet: nn.Module) -> tuple[Watched, ...]:
    """Watch a U-Net's text attention on its way up; training only: what is saved knows nothing of it."""
    watched = []
    for block in unet.up_blocks:
        for attention in getattr(block, "attentions", ()):
            for layer in attention.transformer_blocks:
                layer.attn2.set_processor(eye := Watched())
                watched.append(eye)
    return tuple(watched)


def looking(watched: Sequence[Watched], places: Tensor, weight: Tensor) -> Tensor:
    """Mean negative log probability that a place looks at its letter; 0 where no place of the batch has one.

    Args:
        places: token index of the letter at each place (B, rows, columns) int64, NONE where there is none.
        weight: of each sample (B,).

    Where the attention is coarser than the places, all places under one of its own ask the same of it.
    """
    there = (places != NONE) * weight[:, None, None]
    index = places.clamp(min=0)[:, None, None].expand(-1, HEADS, -1, -1, -1)
    total = weight.new_zeros(())
    for eye in watched:
        seen, eye.seen = eye.seen, None  # kept, it would be copied along with the model
        assert seen is not None
        heads = seen.unflatten(0, (len(places), -1))[:, :HEADS].float()
        side = math.isqrt(heads.shape[2])
        coarse = heads.transpose(2, 3).unflatten(3, (side, side))
        fine = coarse.repeat_interleave(places.shape[1] // side, 3).repeat_interleave(places.shape[2] // side, 4)
        said = fine.gather(2, index).squeeze(2).clamp(min=1e-6).log()
        total = total - (said.mean(dim=1) * there).sum()
    return total / len(watched) / there.sum().clamp(min=1.0)


def places_of(scenes: Scenes, facts: Sequence[Mapping[str, Any]], side: int = 16) -> Tensor:
    """Token of the letter at each place, for every wording (n, wordings, side, side) int8; NONE where there is none.

    Args:
        facts: `scene_record`'s of each scene.
    """
    made = np.full((len(scenes), len(scenes.captions[0]), side, side), NONE, dtype=np.int8)
    for row, (captions, record) in enumerate(zip(scenes.captions, facts, strict=True)):
        if scenes.families[row] != "signs":
            continue
        text, font = record["drawn"]["drawn"], record["drawn"]["font"]
        letters = letter_map(text, font, np.array(record["points"]["quad"])[:, :2], side)
        for wording, caption in enumerate(captions):
            tokens = letter_tokens(caption, text)
            made[row, wording] = np.where(letters == NONE, NONE, tokens[letters])
    return torch.from_numpy(made)


def letter_tokens(caption: str, text: str) -> NDArray[np.int8]:
    """Index of each character of a quoted text (n,) among the caption's tokens: one a character that is no space.

    NONE where the caption is cut off before it.
    """
    start = caption.index(f'"{text}"') + 1
    before = 1 + sum(not c.isspace() for c in caption[:start])
    inside = np.cumsum([0] + [not c.isspace() for c in text[:-1]])
    index = before + inside
    return np.where(index < CONTEXT - 1, index, NONE).astype(np.int8)


def letter_map(text: str, font: str, corners: NDArray[np.float64], side: int = 16) -> NDArray[np.int64]:
    """Index into the text of the letter that covers each place's middle (side, side); NONE where there is none.

    Args:
        corners: of the text's box in pixels (4, 2): top-left, top-right, bottom-right, bottom-left.
    """
    edges = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    boxes = _boxes(text, font, float((edges[0] + edges[2]) / max(edges[1] + edges[3], 1e-6)))
    middles = (np.arange(side) + 0.5) * CELL
    x, y = np.meshgrid(middles, middles)
    flat = np.stack([x.ravel(), y.ravel(), np.ones(side * side)])
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=np.float32)
    u, v, w = cv2.getPerspectiveTransform(corners.astype(np.float32), square) @ flat
    u, v = u / w, v / w
    made = np.full(side * side, NONE)
    for index, (left, top, right, low) in enumerate(boxes):
        if text[index] != " ":
            reach = ABOVE * (low - top)
            made[(u >= left) & (u < right) & (v >= top - reach) & (v < low + reach)] = index
    return made.reshape(side, side)


def _boxes(text: str, font: str, aspect: float) -> list[tuple[float, float, float, float]]:
    """left, top, right, bottom of each character as shares of the text's box, whose lines are broken to its aspect."""
    best, least = [], np.inf
    words = text.split()
    for breaks in lettering.partitions(len(words)):
        lines = lettering.lines_of(words, breaks)
        widths = [lettering.line_width(line, font) for line in lines]
        tall = 1 + lettering.LEADING * (len(lines) - 1)
        miss = abs(np.log(max(widths) / tall / aspect))
        if miss < least:
            best, least = [(line, width, max(widths), tall) for line, width in zip(lines, widths, strict=True)], miss
    boxes = []
    for number, (line, width, widest, tall) in enumerate(best):
        top = lettering.LEADING * number / tall
        left = (widest - width) / 2 / widest
        for character in line:
            wide = (lettering.glyph(character, font)[1] / lettering.CAP + lettering.TRACKING) / widest
            boxes.append((left, top, left + wide, top + 1 / tall))
            left += wide
        boxes.append((0.0, 0.0, 0.0, 0.0))  # the space at which the line was broken
    return boxes[:-1]


class Reader(nn.Module):
    """Says which letter stands at each place of a clean latent."""

    def __init__(self, channels: int = 4, width: int = 96) -> None:
        super().__init__()
        sizes = (channels, width // 2, width, width)
        layers = [
            part for a, b in pairwise(sizes) for part in (nn.Conv2d(a, b, 3, padding=1), nn.GroupNorm(8, b), nn.SiLU())
        ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, BYTES, 1))

    def forward(self, latent: Tensor) -> Tensor:
        """Logits (B, BYTES, rows, columns)."""
        logits: Tensor = self.layers(latent)
        return logits


def taught(clean: Tensor, tokens: Tensor, places: Tensor, file: Path, *, steps: int = 900, batch: int = 64) -> Reader:
    """A reader that has learnt from the letters of these latents, kept in a file beside the training.

    Args:
        clean: latents (n, C, rows, columns).
        tokens: of each wording (n, wordings, CONTEXT) int64.
        places: as `places_of` gives them.
    """
    torch.manual_seed(0)
    reader = Reader(clean.shape[1])
    reader.to(clean.device)
    if kept := restore(file):
        reader.load_state_dict(kept)
        reader.eval().requires_grad_(False)
        return reader
    lettered = (places != NONE).flatten(1).any(dim=1).nonzero().squeeze(1)
    optimiser = torch.optim.AdamW(reader.parameters(), lr=2e-3, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        rng = np.random.default_rng([11, step])
        rows = lettered[torch.from_numpy(rng.integers(0, len(lettered), batch)).to(lettered.device)]
        stream = torch.Generator(clean.device).manual_seed(step)
        blur = torch.rand((batch, 1, 1, 1), generator=stream, device=rows.device) * BLUR
        noise = torch.randn(clean[rows].shape, generator=stream, device=rows.device)
        letters = letters_at(tokens[rows, 0], places[rows, 0].long())
        error = nn.functional.cross_entropy(reader(clean[rows] + blur * noise), letters, ignore_index=NONE)
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        plan.step()
    save(file, reader.state_dict())
    reader.eval().requires_grad_(False)
    return reader


def letters_at(tokens: Tensor, places: Tensor) -> Tensor:
    """The byte that stands at each place (B, rows, columns), NONE where there is none.

    Args:
        tokens: of each caption (B, CONTEXT) int64; those that end a word come `BYTES` later.
        places: as in `looking`.
    """
    found = tokens.gather(1, places.clamp(min=0).flatten(1)).view_as(places) % BYTES
    return torch.where(places == NONE, NONE, found)


def misread(reader: Reader, clean: Tensor, letters: Tensor, weight: Tensor) -> Tensor:
    """Mean cross entropy of what the reader sees at places with letters; 0 where there is none.

    Source: Chen et al. 2023 (TextDiffuser), equation 4: a frozen recogniser of characters in latents.

    Args:
        clean: the latents as the model makes them out (B, C, rows, columns).
        letters: as `letters_at` gives them.
        weight: of each sample (B,).
    """
    errors = nn.functional.cross_entropy(reader(clean), letters, ignore_index=NONE, reduction="none")
    there = (letters != NONE) * weight[:, None, None]
    return (errors * there).sum() / there.sum().clamp(min=1.0)
