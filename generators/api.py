"""What a generator is: requests go in, pictures come out, each tagged with the index of its request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Task = Literal["text2img", "img2img", "inpaint", "control", "upscale"]
NEEDS: Mapping[Task, tuple[str, ...]] = {
    "img2img": ("source",),
    "inpaint": ("source", "mask"),
    "control": ("control",),
    "upscale": ("source",),
}
"""What a request must bring for a task, beside its text."""
Pixels = NDArray[np.uint8]
"""A picture: (height, width, 3), sRGB, 0..255."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to generate. None means "the generator's own default"; a knob that a generator lacks stays None.

    Attributes:
        guidance_window: (low, high): guided only while the noise's weight in the latent, 0..1, lies between them.
        guidance_rescale: 0..1, how far guidance is kept from widening the prediction's spread (Lin et al. 2023).
    """

    task: Task = "text2img"
    sampler: str | None = None
    steps: int | None = None
    guidance: float | None = None
    height: int | None = None
    width: int | None = None
    strength: float | None = None
    control_scale: float | None = None
    guidance_window: tuple[float, float] | None = None
    guidance_rescale: float | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """One picture wanted.

    Attributes:
        name: the prompt's id, for generators that look pictures up (a folder) instead of making them.
        seed: 0 <= seed < 2**63; the picture's only source of randomness.
    """

    text: str
    negative_text: str = ""
    seed: int = 0
    settings: Settings = Settings()
    name: str = ""
    source: Pixels | None = None
    mask: Pixels | None = None
    control: Pixels | None = None


@dataclass(frozen=True)
class Refusal:
    """No picture, and why.

    "skipped": the generator declined (a safety checker, an unknown subject); "failed": it broke.
    """

    status: Literal["skipped", "failed"]
    reason: str


@runtime_checkable
class Generator(Protocol):
    """Anything that can be audited.

    Attributes:
        name: the specification it was loaded from, such as "builtin:ldm" or "studio:?extra_finger=0.2".
        tasks: what it can do.
        knobs: the names of the `Settings` fields it listens to; a sweep over any other knob collapses to one cell.
        batch: how many requests it likes to get in one call.
        packs: optional, true where requests that differ only in their knobs share work; they are then asked together.
    """

    name: str
    tasks: frozenset[Task]
    knobs: frozenset[str]
    batch: int

    def fingerprint(self) -> str:
        """Hash of everything that shapes its pictures apart from the request: weights, code version, precision."""
        ...

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        """Yield (index into `requests`, picture or refusal), each index exactly once, in any order."""
        ...


class GeneratorError(ValueError):
    """A generator that cannot be had: unknown name, missing weights, bad options. The message says what would work."""
