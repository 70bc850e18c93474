"""Suite x sweep x replicates -> jobs in a fixed order, cut into shards. Values only, no IO."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from audit.types import Job, Suite, cell_name
from generators.api import Settings

SMALLEST_SHARD = 16


class PlanError(ValueError):
    """A sweep that cannot be planned; the message says what would work."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The values to try for each knob; an empty tuple leaves the knob at the generator's own default."""

    guidance: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    samplers: tuple[str, ...] = ()
    replicates: int = 1

    def __post_init__(self) -> None:
        if self.replicates < 1:
            raise PlanError(f"replicates must be 1 or more, got {self.replicates}")
        for steps in self.steps:
            if steps < 1:
                raise PlanError(f"steps must be 1 or more, got {steps}")
        for guidance in self.guidance:
            if not math.isfinite(guidance) or guidance < 0:
                raise PlanError(f"guidance must be a number of 0 or more, got {guidance}")


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a plan needs to know of a generator."""

    name: str
    fingerprint: str
    knobs: frozenset[str]
    batch: int


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The unit of commitment: consecutive jobs of one generator."""

    number: int
    batch: int
    jobs: tuple[Job, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The jobs' keys in plan order."""
        return tuple(job.key for job in self.jobs)


def cells(sweep: Sweep, knobs: Collection[str]) -> list[Settings]:
    """The sweep's product over the knobs that exist, duplicates dropped, in the order given."""
    product = itertools.product(
        (sweep.guidance if "guidance" in knobs else ()) or (None,),
        (sweep.steps if "steps" in knobs else ()) or (None,),
        (sweep.samplers if "sampler" in knobs else ()) or (None,),
    )
    found = list(dict.fromkeys(Settings(guidance=g, steps=n, sampler=s) for g, n, s in product))
    named: dict[str, Settings] = {}
    for settings in found:
        other = named.setdefault(cell_name(settings), settings)
        if other != settings:
            raise PlanError(f"{other} and {settings} would both be called {cell_name(settings)!r}; drop one of them")
    return found


def plan(suite: Suite, sources: Sequence[Source], sweep: Sweep) -> list[Job]:
    """Every job in order: generator, cell, replicate, prompt, so that neighbours share settings and batch well."""
    if not suite.prompts:
        raise PlanError(f"suite {suite.name!r} has no prompts")
    if not sources:
        raise PlanError("no generator to run")
    _all_different(sources)
    return [
        Job(generator=each.name, fingerprint=each.fingerprint, prompt=prompt, settings=settings, replicate=replicate)
        for each in sources
        for settings in cells(sweep, each.knobs)
        for replicate in range(sweep.replicates)
        for prompt in suite.prompts
    ]


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
