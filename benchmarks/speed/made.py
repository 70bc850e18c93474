"""A generator of fixed duration, audits that cost nothing and a suite of any length, for timing what lies between."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from audit.api import Audit, ScoreOne, View, audit
from audit.config import RunConfig
from audit.progress import Watch
from audit.run import Chosen, Outcome, walk
from audit.score import Choice
from audit.types import Prompt, Score, Suite
from generators.api import Pixels, Request, Task


class TimedGenerator:
    """Sleeps for so many seconds a picture, as if an accelerator worked, and returns a flat colour with its seed."""

    name = "timed:"
    knobs: frozenset[str] = frozenset()
    tasks: frozenset[Task] = frozenset({"text2img"})

    def __init__(self, *, seconds: float, side: int, batch: int = 32) -> None:
        self.seconds = seconds
        self.side = side
        self.batch = batch

    def fingerprint(self) -> str:
        return f"timed {self.side}"

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels]]:
        if self.seconds:
            time.sleep(self.seconds * len(requests))
        for index, request in enumerate(requests):
            yield (
                index,
                np.full((self.side, self.side, 3), np.frombuffer(request.seed.to_bytes(8, "big")[-3:], np.uint8)),
            )


@audit("made.grey", version=1, better="neither", unit="grey levels", source="made up")
def grey() -> ScoreOne:
    """Mean of the picture."""
    return lambda view: Score.of(float(view.image.double().mean()), seen=view.key)


@audit("made.dark", version=1, better="lower", unit="share of pictures", source="made up", statistic="rate")
def dark() -> ScoreOne:
    """Whether the first pixel is dark."""

    def score(view: View) -> Score:
        return Score.of(float(view.image[0, 0, 0] < 128))

    return score


FREE: tuple[Audit, ...] = (dark, grey)


def suite_of(count: int) -> Suite:
    """`count` prompts."""
    prompts = tuple(Prompt(id=f"p{n:06d}", text=f"made-up scene number {n}") for n in range(count))
    return Suite(name="made-up", version="1", prompts=prompts)


def walked(out: Path, generator: TimedGenerator, count: int, choices: Sequence[Choice] = ()) -> Outcome:
    """A run of `count` pictures in this process; without choices, with the audits that cost nothing."""
    config = RunConfig(out=str(out), generators=(generator.name,), report=False, device="cpu")
    free = [Choice(each, {}) for each in FREE]
    with Watch() as watch:
        return walk(config, Chosen(suite_of(count), (generator,), tuple(choices or free)), watch)
