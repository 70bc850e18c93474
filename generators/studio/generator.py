"""`studio:` as a generator: it reads a prompt, draws what it says, and plants the defects it was told to plant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from generators.adapters.options import OptionError, split_options
from generators.api import GeneratorError, Pixels, Refusal, Request, Task
from generators.studio.drawing import FAMILY_SHARES, SAMPLES, Drawn, draw, family, scene_record
from generators.studio.scene import Attributes

__all__ = ["Drawn", "StudioGenerator", "draw", "scene_record"]

VERSION = 1
"""Goes up when pictures change for a reason that the source text does not show."""
SIZES = (16, 512)


class StudioGenerator:
    """Rendered scenes with known truth; the honest `studio:` is the reference that others are compared with.

    Options, as in `studio:?extra_finger=0.2&size=64`:

        rates in 0..1       every family's own defects, such as extra_finger, misspelt, wrong_shadow
        duplicate=RATE      a training scene of the family is drawn again, the camera nudged, whatever was asked
        saturation=GAIN     chroma times this, above 0; 1 is honest
        size=PIXELS         64 unless told; up to 64 a scene is rendered at twice the size and box-halved, beyond that
                            at its size with twice the samples; an even number from 16 to 512

    `Settings` are not listened to: steps and guidance mean nothing here, and the size is part of the specification.
    """

    tasks: frozenset[Task] = frozenset({"text2img"})
    knobs: frozenset[str] = frozenset()
    batch = 8

    def __init__(self, *, defects: Mapping[str, float], size: int = 64, name: str = "studio:") -> None:
        self.name = name
        self.defects = dict(defects)
        self.size = size

    @classmethod
    def parse(cls, rest: str) -> StudioGenerator:
        """The generator of what follows "studio:".

        Raises:
            GeneratorError: an unknown option (near matches are named), a rate outside 0..1, a gain or size that
                cannot be.
        """
        rates = ("duplicate", *(defect for name in FAMILY_SHARES for defect in rates_of(name)))
        try:
            subject, options = split_options(rest, (*rates, "saturation", "size"))
        except OptionError as error:
            raise GeneratorError(f"studio:{error}") from error
        if subject:
            raise GeneratorError(f"studio:{rest}: the studio takes options only; write studio:?{rates[1]}=0.2")
        size = _number("size", options.get("size", "64"))
        if size % 2 or not SIZES[0] <= size <= SIZES[1]:
            raise GeneratorError(f"size={options['size']}: not an even number from {SIZES[0]} to {SIZES[1]}")
        defects = {name: _number(name, value) for name, value in options.items() if name != "size"}
        for name, value in defects.items():
            if name == "saturation" and not 0 < value <= 10:
                raise GeneratorError(f"saturation={value:g}: a gain lies above 0 and up to 10; 1 changes nothing")
            if name != "saturation" and not 0 <= value <= 1:
                raise GeneratorError(f"{name}={value:g}: a rate lies between 0 and 1")
        return cls(defects=defects, size=int(size), name=f"studio:{rest}")

    def fingerprint(self) -> str:
        """Hash of the options, the renderer, and the source text of the studio."""
        options = sorted((name, value) for name, value in self.defects.items() if value != HONEST.get(name, 0.0))
        return hashlib.sha256(f"{options} {self.size} {studio_fingerprint()}".encode()).hexdigest()

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        """Pictures one by one, in order; a prompt about anything else is skipped, an impossible one fails."""
        for index, request in enumerate(requests):
            yield index, self._picture(request)

    def _picture(self, request: Request) -> Pixels | Refusal:
        if request.settings.task not in self.tasks:
            return Refusal("skipped", f"the studio draws from text alone, not {request.settings.task}")
        try:
            found = understood(request.text)
        except ValueError as error:
            return Refusal("failed", str(error))
        if found is None:
            *most, last = FAMILY_SHARES
            return Refusal("skipped", f"the studio cannot draw this prompt; it knows {', '.join(most)} and {last}")
        name, wish = found
        samples = SAMPLES if self.size <= 64 else 2 * SAMPLES
        return draw(name, wish, seed=request.seed, defects=self.defects, size=self.size, samples=samples).image


HONEST: Mapping[str, float] = {"saturation": 1.0}
"""Values that change nothing, where that is not 0."""


def understood(text: str) -> tuple[str, Attributes] | None:
    """The family that a prompt is about, and what it wishes; None where none of them can draw it.

    Raises:
        ValueError: where a family understands the prompt but cannot draw it.
    """
    for name in FAMILY_SHARES:
        wish = family(name).read(text)
        if wish is not None:
            return name, wish
    return None


def rates_of(name: str) -> tuple[str, ...]:
    """The defects of a family that strike with a rate."""
    return tuple(defect for defect, kind in family(name).DEFECTS.items() if kind == "rate")


def studio_fingerprint() -> str:
    """Hash of the studio's source text, its renderer and its version: what shapes a scene apart from seed and wish."""
    from generators.studio.render import mitsuba

    renderer = mitsuba()
    digest = hashlib.sha256(f"{VERSION} {renderer.__version__} {renderer.variant()}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise GeneratorError(f"{name}={text}: not a number") from error
