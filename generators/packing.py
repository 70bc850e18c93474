"""Packing: many pictures' walks share the model's batches, row by row, whatever their steps, sampler or guidance.

A row is one question to the network: this latent, at this timestep, under this text. Cells of a sweep ask many of them
twice (the first step of every guidance strength; whole prefixes before a guidance window opens), so equal rows are
computed once. Every batch has the same number of rows, the last one being padded: compiled code and CUDA graphs hold,
and no picture depends on its company.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from generators.guidance import Guidance
from generators.samplers import Query, Walk
from generators.schedule import Schedule


def bytes_of(tensor: Tensor) -> bytes:
    """A tensor's content, of whatever precision."""
    return bytes(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture that the network is shown beside the latent (C, H, W), and how strongly it steers."""

    signal: Tensor
    scale: float = 1.0

    @cached_property
    def key(self) -> bytes:
        """Equal for equal pictures and scales."""
        return hashlib.sha256(struct.pack("d", self.scale) + bytes_of(self.signal)).digest()


Predict = Callable[[Tensor, Tensor, list[str], list[Shown | None]], Tensor]
"""The network: latents (R, C, h, w), timesteps (R,), R texts and R pictures to its raw predictions."""
Clean = Callable[[Tensor, Tensor, float], Tensor]
"""Latent, raw prediction, timestep -> the clean latent the prediction means."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trip:
    """One picture on its way: its walk, and the texts and the picture that steer it."""

    walk: Walk
    text: str
    negative_text: str = ""
    guidance: Guidance = field(default_factory=Guidance)
    shown: Shown | None = None


@dataclass
class Count:
    """What packing did: rows asked for, rows computed, batches, padding rows."""

    asked: int = 0
    computed: int = 0
    batches: int = 0
    padding: int = 0


Row = tuple[float, str, bytes, bytes]
"""Timestep, text, the latent's bytes, what is shown: rows that are equal here have equal answers."""


@dataclass
class Packer:
    """Drives trips together through one network.

    Attributes:
        rows: of every batch the network sees.
    """

    predict: Predict
    clean: Clean
    schedule: Schedule
    rows: int
    count: Count = field(default_factory=Count)

    def arrive(self, trips: Sequence[Trip]) -> list[Tensor]:
        """The finished latents, in the order of the trips."""
        finished: dict[int, Tensor] = {}
        answers: dict[int, Tensor | None] = dict.fromkeys(range(len(trips)))
        while answers:
            asking: dict[int, Query] = {}
            for index, answer in answers.items():
                try:
                    asking[index] = next(trips[index].walk) if answer is None else trips[index].walk.send(answer)
                except StopIteration as stop:
                    finished[index] = stop.value
            found = self._answers([(trips[index], query) for index, query in asking.items()])
            answers = dict(zip(asking, found, strict=True))
        return [finished[index] for index in range(len(trips))]

    def _answers(self, asked: Sequence[tuple[Trip, Query]]) -> list[Tensor]:
        """The clean latent for each query, all the network's rows being computed in full batches, equal ones once."""
        wanted: dict[Row, tuple[Tensor, Shown | None]] = {}
        pairs: list[tuple[Row, Row | None]] = []
        for trip, query in asked:
            place = bytes_of(query.latent)
            shown = b"" if trip.shown is None else trip.shown.key
            conditional: Row = (query.timestep, trip.text, place, shown)
            leans = trip.guidance.leans(self.schedule.sigma[round(query.timestep)].item())
            unconditional: Row | None = (query.timestep, trip.negative_text, place, shown) if leans else None
            for row in (conditional, unconditional):
                if row is not None:
                    wanted.setdefault(row, (query.latent, trip.shown))
            pairs.append((conditional, unconditional))
        self.count.asked += sum(1 + (other is not None) for _, other in pairs)
        predictions = self._predictions(wanted)
        made = []
        for (trip, query), (conditional, other) in zip(asked, pairs, strict=True):
            prediction = predictions[conditional]
            if other is not None:
                prediction = trip.guidance.guided(prediction, predictions[other])
            made.append(self.clean(query.latent, prediction, query.timestep))
        return made

    def _predictions(self, wanted: dict[Row, tuple[Tensor, Shown | None]]) -> dict[Row, Tensor]:
        rows = list(wanted)
        predictions: dict[Row, Tensor] = {}
        for start in range(0, len(rows), self.rows):
            chunk = rows[start : start + self.rows]
            spare = self.rows - len(chunk)
            padded = [*chunk, *[chunk[-1]] * spare]
            latents = torch.stack([wanted[row][0] for row in padded])
            timesteps = torch.tensor([timestep for timestep, *_ in padded], device=latents.device)
            found = self.predict(latents, timesteps, [row[1] for row in padded], [wanted[row][1] for row in padded])
            predictions |= zip(chunk, found, strict=False)
            self.count.computed += len(chunk)
            self.count.batches += 1
            self.count.padding += spare
        return predictions
