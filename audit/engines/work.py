"""What every engine does with a shard: make the pictures that are missing, and see those that are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from threading import Lock

from audit import images
from audit.config import RunConfig
from audit.engines.depot import Depot
from audit.generate import drawn, picture_of
from audit.plan import Shard
from audit.progress import Watch
from audit.score import Choice, Look
from audit.store import RunFolder
from audit.survey import Survey
from audit.tables import Identity
from audit.types import Artifact, Score
from generators.api import Generator, Pixels


class EngineError(ValueError):
    """A run that an engine cannot do here; the message says what would work."""


@dataclass
class Clock:
    """Wall seconds per stage, of all threads and workers together."""

    seconds: dict[str, float] = field(default_factory=dict)
    _adding: Lock = field(default_factory=Lock, init=False, repr=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds inside towards the stage."""
        begun = time.monotonic()
        try:
            yield
        finally:
            with self._adding:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun


@dataclass(frozen=True, kw_only=True)
class Work:
    """A planned run in a folder that is open for writing.

    Attributes:
        held: what the folder holds already.
        generators: by their names in the plan, which are free of secrets.
        reusable: scores of another plan that may be taken over.
        depot: where shards travel through, if nodes need not share the run folder.
    """

    config: RunConfig
    folder: RunFolder
    shards: Sequence[Shard]
    held: Survey
    generators: Mapping[str, Generator]
    choices: Sequence[Choice]
    reusable: Mapping[Identity, Score]
    watch: Watch
    clock: Clock
    depot: Depot | None = None


Engine = Callable[[Work], None]
"""Brings every shard's pictures and scores up to date."""


Committed = tuple[list[Artifact], Look]
"""A shard's artifacts, and a way to see each picture."""


def pictures(folder: RunFolder, held: Survey, generator: Generator, shard: Shard) -> Callable[[], Committed]:
    """Make the shard's pictures that are missing; calling the result, from any thread, encodes and commits them.

    Fresh pictures are then seen from memory.
    """
    if held.complete(shard):
        return lambda: (folder.read_artifacts(folder.image_file(shard.number)), stored_look(folder, shard))
    kept = held.kept(shard)
    missing = [job for job in shard.jobs if job.key not in kept]
    answers = drawn(generator, missing, shard.batch, folder.input)

    def commit() -> Committed:
        made = {job.key: picture_of(job, answer) for job, answer in zip(missing, answers, strict=True)}
        stored = [kept[key] if key in kept else made[key].stored for key in shard.keys]
        folder.write_pictures(shard.number, stored)

        def look(key: str) -> Pixels:
            fresh = made[key].pixels if key in made else None
            return images.decode(kept[key].image) if fresh is None else fresh

        return [each.artifact for each in stored], look

    return commit


def stored_look(folder: RunFolder, shard: Shard) -> Look:
    """Pictures of a committed shard, read when the first is looked at."""
    read = cache(lambda: {each.artifact.key: each for each in folder.read_pictures(folder.image_file(shard.number))})
    return lambda key: images.decode(read()[key].image)
