"""Suite x sweep x replicates -> jobs in a fixed order, cut into shards. Values only, no IO."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from audit.types import Job, Prompt, Suite, cell_name
from generators.api import NEEDS, Settings, Task

SMALLEST_SHARD = 16
STRONG: tuple[Task, ...] = ("img2img", "inpaint")


class PlanError(ValueError):
    """A sweep that cannot be planned; the message says what would work."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The values to try for each knob; an empty tuple leaves the knob at the generator's own default."""

    guidance: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    samplers: tuple[str, ...] = ()
    guidance_windows: tuple[tuple[float, float], ...] = ()
    guidance_rescales: tuple[float, ...] = ()
    replicates: int = 1
    task: Task = "text2img"
    strengths: tuple[float, ...] = ()
    control_scales: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.replicates < 1:
            raise PlanError(f"replicates must be 1 or more, got {self.replicates}")
        for steps in self.steps:
            if steps < 1:
                raise PlanError(f"steps must be 1 or more, got {steps}")
        for guidance in self.guidance:
            if not math.isfinite(guidance) or guidance < 0:
                raise PlanError(f"guidance must be a number of 0 or more, got {guidance}")
        for low, high in self.guidance_windows:
            if not 0 <= low < high <= 1:
                raise PlanError(f"a guidance window must rise within 0 to 1, such as 0.3:0.9, got {low:g}:{high:g}")
        if self.strengths and self.task not in STRONG:
            raise PlanError(f"strength means nothing for {self.task}; it goes with {' and '.join(STRONG)}")
        if self.control_scales and self.task != "control":
            raise PlanError(f"control scale means nothing for {self.task}; it goes with control")
        for scale in self.control_scales:
            if not math.isfinite(scale) or scale < 0:
                raise PlanError(f"control scale must be a number of 0 or more, got {scale}")
        for strength in self.strengths:
            if not 0 <= strength <= 1:
                raise PlanError(f"strength must lie in 0 to 1, got {strength:g}")
        for rescale in self.guidance_rescales:
            if not 0 <= rescale <= 1:
                raise PlanError(f"guidance rescale must lie in 0 to 1, got {rescale:g}")


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a plan needs to know of a generator; `packs`: it gains from a picture's cells being asked for together."""

    name: str
    fingerprint: str
    knobs: frozenset[str]
    batch: int
    packs: bool = False


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The unit of commitment: consecutive jobs of one generator."""

    number: int
    batch: int
    jobs: tuple[Job, ...]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The jobs' keys in plan order, hashed once: a run of a million asks for them several times."""
        return tuple(job.key for job in self.jobs)


def cells(sweep: Sweep, knobs: Collection[str]) -> list[Settings]:
    """The sweep's product over the knobs that exist, duplicates dropped, in the order given."""
    values: dict[str, tuple[Any, ...]] = {
        "guidance": sweep.guidance,
        "steps": sweep.steps,
        "sampler": sweep.samplers,
        "guidance_window": sweep.guidance_windows,
        "guidance_rescale": sweep.guidance_rescales,
        "strength": sweep.strengths,
        "control_scale": sweep.control_scales,
    }
    swept = {knob: tried for knob, tried in values.items() if tried and knob in knobs}
    product = (dict(zip(swept, each, strict=True)) for each in itertools.product(*swept.values()))
    found = list(dict.fromkeys(Settings(task=sweep.task, **each) for each in product))
    named: dict[str, Settings] = {}
    for settings in found:
        other = named.setdefault(cell_name(settings), settings)
        if other != settings:
            raise PlanError(f"{other} and {settings} would both be called {cell_name(settings)!r}; drop one of them")
    return found


def plan(suite: Suite, sources: Sequence[Source], sweep: Sweep) -> list[Job]:
    """Every job in order: generator, cell, replicate, prompt, so that neighbours share settings and batch well.

    Of a generator that packs, the cells come last: neighbours share prompt and noise, and so the work.
    """
    if not suite.prompts:
        raise PlanError(f"suite {suite.name!r} has no prompts")
    if not sources:
        raise PlanError("no generator to run")
    _all_different(sources)
    for role in NEEDS.get(sweep.task, ()):
        without = next((prompt for prompt in suite.prompts if role not in prompt.inputs), None)
        if without is not None:
            where = without.origin or without.id
            raise PlanError(f"{where}: {sweep.task} needs a {role}, and the prompt has none; name one under inputs")
    return [
        Job(generator=each.name, fingerprint=each.fingerprint, prompt=prompt, settings=settings, replicate=replicate)
        for each in sources
        for settings, replicate, prompt in _places(suite, cells(sweep, each.knobs), sweep.replicates, each.packs)
    ]


def _places(
    suite: Suite, settings: Sequence[Settings], replicates: int, packs: bool
) -> Iterator[tuple[Settings, int, Prompt]]:
    if packs:
        for replicate, prompt, cell in itertools.product(range(replicates), suite.prompts, settings):
            yield cell, replicate, prompt
    else:
        yield from itertools.product(settings, range(replicates), suite.prompts)


def shard_size(batch: int, wanted: int | None = None) -> int:
    """A multiple of the batch: `wanted` or 16, rounded up, so that a shard holds whole batches."""
    if batch < 1 or (wanted is not None and wanted < 1):
        raise PlanError(f"batch and shard must be 1 or more, got batch {batch}, shard {wanted}")
    return math.ceil((wanted or SMALLEST_SHARD) / batch) * batch


def shards(jobs: Iterable[Job], sources: Sequence[Source], wanted: int | None = None) -> list[Shard]:
    """The jobs cut at each change of generator and after every `shard_size` of them."""
    batches = {each.name: each.batch for each in sources}
    cut: list[Shard] = []
    for name, group in itertools.groupby(jobs, key=lambda job: job.generator):
        mine = list(group)
        size = shard_size(batches[name], wanted)
        for start in range(0, len(mine), size):
            cut.append(Shard(number=len(cut), batch=batches[name], jobs=tuple(mine[start : start + size])))
    return cut


def _all_different(sources: Sequence[Source]) -> None:
    names: dict[str, str] = {}
    for each in sources:
        if each.name in names.values():
            raise PlanError(f"generator {each.name!r} is named twice; name it once and use replicates for repeats")
        if each.fingerprint in names:
            raise PlanError(
                f"generators {names[each.fingerprint]!r} and {each.name!r} have the same fingerprint, so they would "
                f"make the same pictures; drop one of them"
            )
        names[each.fingerprint] = each.name
