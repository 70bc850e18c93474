"""An example plugin: generator "flat:LEVEL" paints one grey, audit "flat.same" sees it, suite "greys" asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from audit.api import ScoreOne, View, audit
from audit.types import Prompt, Score, Suite
from generators.api import GeneratorError, Pixels, Refusal, Request, Task


class Flat:
    """Every picture is one grey; "flat:200" says which."""

    tasks: frozenset[Task] = frozenset({"text2img"})
    knobs = frozenset({"height", "width"})
    batch = 8

    def __init__(self, level: int) -> None:
        self.level = level
        self.name = f"flat:{level}"

    def fingerprint(self) -> str:
        return f"flat-1-{self.level}"

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        for index, request in enumerate(requests):
            size = (request.settings.height or 64, request.settings.width or 64, 3)
            yield index, np.full(size, self.level, np.uint8)


def flat(rest: str, *, device: str = "auto") -> Flat:
    """The entry point of the scheme "flat": what follows the colon is the grey level."""
    if not rest.isdecimal() or int(rest) > 255:
        raise GeneratorError(f"flat: wanted a grey level from 0 to 255, as in flat:128; found {rest!r}")
    return Flat(int(rest))


@audit("flat.same", version=1, better="lower", unit="share of pixels", source="example plugin")
def same() -> ScoreOne:
    """Share of pixels that equal the first one."""

    def score(view: View) -> Score:
        return Score.of((view.image == view.image[:, :1, :1]).all(dim=0).float().mean().item())

    return score


def greys() -> Suite:
    """The entry point of the suite "greys"."""
    return Suite(
        name="greys", version="1", prompts=(Prompt(id="dark", text="dark grey"), Prompt(id="light", text="grey"))
    )
