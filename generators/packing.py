"""Packing: many pictures' walks share the model's batches, row by row, whatever their steps, sampler or guidance.

A row is one question to the network: this latent, at this timestep, under this text. Cells of a sweep ask many of them
twice (the first step of every guidance strength; whole prefixes before a guidance window opens), so equal rows are
computed once. Batches come in few sizes, the last one being padded: compiled code and CUDA graphs hold, and where
there is one size no picture depends on its company.

Each round looks at the latents once, all together, and sends the device all that the round needs before the network
is asked: between two rounds a GPU waits for one copy, however many pictures are on their way.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor

from generators.guidance import Guidance
from generators.samplers import Query, Walk
from generators.schedule import Schedule

T = TypeVar("T")
FULL = 0.75  # share of a batch that must be asked for before it is padded instead of cut into smaller ones


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture that the network is shown beside the latent (C, H, W), and how strongly it steers."""

    signal: Tensor
    scale: float = 1.0

    @cached_property
    def key(self) -> bytes:
        """Equal for equal pictures and scales."""
        return hashlib.sha256(struct.pack("d", self.scale) + contents(self.signal[None])[0]).digest()


Predict = Callable[[Tensor, Tensor, list[str], list[Shown | None]], Tensor]
"""The network: latents (R, C, h, w), timesteps (R,), R texts and R pictures to its raw predictions."""
Clean = Callable[[Tensor, Tensor, float], Tensor]
"""Latents, raw predictions (..., C, h, w), timestep -> the clean latents the predictions mean."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Steer:
    """What steers one picture: texts, guidance, and a picture that the network is shown."""

    text: str
    negative_text: str = ""
    guidance: Guidance = field(default_factory=Guidance)
    shown: Shown | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Trip(Steer):
    """One picture on its way: what steers it, and its walk over latents (C, h, w)."""

    walk: Walk


@dataclass(frozen=True, eq=False)
class Party:
    """Pictures that walk in step: one walk over latents (n, C, h, w), and what steers each of the n."""

    walk: Walk
    steers: Sequence[Steer]


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
class Round:
    """The rows that one round asks for, each once, and who asks for which.

    Attributes:
        rows: every distinct row: the place of its latent among the round's, and the picture it is shown.
        plain: for each picture of the round, the number of its conditional row.
        leaning: for pictures of one guidance: their places in the round, and the numbers of their unconditional rows.
    """

    rows: dict[Row, tuple[int, int, Shown | None]] = field(default_factory=dict)
    plain: list[int] = field(default_factory=list)
    leaning: dict[Guidance, list[tuple[int, int]]] = field(default_factory=dict)

    def number(self, row: Row, place: int, shown: Shown | None) -> int:
        """A row's number, which is that of an equal one asked for before."""
        return self.rows.setdefault(row, (len(self.rows), place, shown))[0]


@dataclass
class Packer:
    """Drives trips together through one network.

    Attributes:
        rows: of every batch the network sees, the largest if there are `smaller` ones.
        smaller: other sizes that a batch may have, where fewer rows are asked for.
    """

    predict: Predict
    clean: Clean
    schedule: Schedule
    rows: int
    count: Count = field(default_factory=Count)
    smaller: Sequence[int] = ()

    def arrive(self, trips: Sequence[Trip]) -> list[Tensor]:
        """The finished latents (C, h, w), in the order of the trips."""
        return [latents[0] for latents in self.together([Party(_alone(trip.walk), [trip]) for trip in trips])]

    def together(self, parties: Sequence[Party]) -> list[Tensor]:
        """The finished latents (n, C, h, w) of each party."""
        finished: dict[int, Tensor] = {}
        answers: dict[int, Tensor | None] = dict.fromkeys(range(len(parties)))
        while answers:
            asking: dict[int, Query] = {}
            for index, answer in answers.items():
                try:
                    asking[index] = next(parties[index].walk) if answer is None else parties[index].walk.send(answer)
                except StopIteration as stop:
                    finished[index] = stop.value
            found = self._answers([(parties[index].steers, query) for index, query in asking.items()])
            answers = dict(zip(asking, found, strict=True))
        return [finished[index] for index in range(len(parties))]

    def _answers(self, asked: Sequence[tuple[Sequence[Steer], Query]]) -> list[Tensor]:
        """The clean latents for each query, all the network's rows being computed in full batches, equal ones once."""
        if not asked:
            return []
        latents = torch.cat([query.latent for _, query in asked])
        now = self._round(asked, latents)

        # Every index is sent ahead of the network's work: sent after it, each would wait until that is done.
        def sent(numbers: list[int]) -> Tensor:
            return torch.tensor(numbers, device=latents.device)

        plain = sent(now.plain)
        leaning = [
            (guidance, sent([place for place, _ in some]), sent([number for _, number in some]))
            for guidance, pairs in now.leaning.items()
            # a spread is taken over one picture, whose bits must not depend on how many are reduced at once
            for some in ([pairs] if guidance.rescale == 0 else [[pair] for pair in pairs])
        ]
        predictions = self._predictions(now.rows, latents)
        answers = predictions[plain]
        for guidance, places, others in leaning:
            answers[places] = guidance.guided(answers[places], predictions[others])
        parts = answers.split([len(steers) for steers, _ in asked])
        return [self.clean(query.latent, part, query.timestep) for (_, query), part in zip(asked, parts, strict=True)]

    def _round(self, asked: Sequence[tuple[Sequence[Steer], Query]], latents: Tensor) -> Round:
        """What the pictures ask for; their latents lie one after another in `latents`."""
        now, seen = Round(), contents(latents)
        for steers, query in asked:
            sigma = self.schedule.sigma[round(query.timestep)].item()
            for steer in steers:
                place = len(now.plain)
                shown = b"" if steer.shown is None else steer.shown.key
                rest = seen[place], shown
                now.plain.append(now.number((query.timestep, steer.text, *rest), place, steer.shown))
                if steer.guidance.leans(sigma):
                    other = now.number((query.timestep, steer.negative_text, *rest), place, steer.shown)
                    now.leaning.setdefault(steer.guidance, []).append((place, other))
        self.count.asked += len(now.plain) + sum(map(len, now.leaning.values()))
        return now

    def _predictions(self, rows: dict[Row, tuple[int, int, Shown | None]], latents: Tensor) -> Tensor:
        """The network's answers, in the order of the rows."""
        places = torch.tensor([place for _, place, _ in rows.values()], device=latents.device)
        timesteps = torch.tensor([timestep for timestep, *_ in rows], device=latents.device)
        texts, shown = [row[1] for row in rows], [each for *_, each in rows.values()]
        predictions, start = [], 0
        for size in batches(len(rows), self.rows, self.smaller):
            end = min(start + size, len(rows))
            spare = size - (end - start)
            found = self.predict(
                latents[padded(places[start:end], spare)],
                padded(timesteps[start:end], spare),
                [*texts[start:end], *[texts[end - 1]] * spare],
                [*shown[start:end], *[shown[end - 1]] * spare],
            )
            predictions.append(found[: end - start])
            self.count.computed += end - start
            self.count.batches += 1
            self.count.padding += spare
            start = end
        return torch.cat(predictions)


def in_step(paces: Iterable[Hashable]) -> list[list[int]]:
    """The places of equal paces, a group for each: pictures whose walks can go abreast.

    >>> in_step(["ddim", "heun", "ddim"])
    [[0, 2], [1]]
    """
    groups: dict[Hashable, list[int]] = {}
    for place, pace in enumerate(paces):
        groups.setdefault(pace, []).append(place)
    return list(groups.values())


def in_order(groups: Iterable[Sequence[int]], found: Iterable[T]) -> list[T]:
    """What was found for groups of places, one group after another, in the order of the places.

    >>> in_order([[0, 2], [1]], "acb")
    ['a', 'b', 'c']
    """
    by_place = dict(zip(chain.from_iterable(groups), found, strict=True))
    return [by_place[place] for place in sorted(by_place)]


def batches(count: int, rows: int, smaller: Sequence[int] = ()) -> list[int]:
    """Sizes of the batches that hold `count` rows; only one that could be no smaller may be mostly padding.

    >>> batches(20, 16), batches(60, 256, (16, 32, 64, 128)), batches(140, 256, (16, 32, 64, 128))
    ([16, 16], [64], [128, 16])
    """
    sizes, made = sorted({rows, *smaller}), []
    while count > 0:
        size = next((each for each in sizes if each >= count), rows)
        filled = [each for each in sizes if each <= count]
        if filled and count < FULL * size:
            size = filled[-1]
        made.append(size)
        count -= size
    return made


def padded(rows: Tensor, spare: int) -> Tensor:
    """(n, ...) to (n + spare, ...): the last row, again and again."""
    return torch.cat([rows, rows[-1:].expand(spare, *rows.shape[1:])]) if spare else rows


def contents(rows: Tensor) -> list[bytes]:
    """Each row's content, of whatever precision; one copy from the device for all of them."""
    return [row.tobytes() for row in rows.detach().flatten(1).contiguous().view(torch.uint8).cpu().numpy()]


def _alone(walk: Walk) -> Walk:
    """A walk over (C, h, w) as a party of one."""
    answer: Tensor | None = None
    while True:
        try:
            query = next(walk) if answer is None else walk.send(answer)
        except StopIteration as finished:
            latent: Tensor = finished.value
            return latent[None]
        [answer] = yield Query(query.latent[None], query.timestep)
