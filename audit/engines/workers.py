"""The workers of a cluster: each loads what it needs where it starts, and commits whole shards to the run folder."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audit.config import RunConfig
from audit.engines.work import EngineError, pictures, stored_look
from audit.plan import Shard
from audit.redact import redact
from audit.run import audits_of
from audit.score import Bench, Choice
from audit.store import RunFolder
from audit.survey import Survey
from audit.tables import Identity
from audit.types import Score


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What a worker must know of the run, wherever it starts.

    Attributes:
        folder: the run folder, absolute.
        home: the driver's working directory, from which relative paths count.
        host: the driver's machine.
        identities: generator -> fingerprint and audit -> version, options and weights, as the driver has them.
        reusable: scores of another plan that may be taken over.
    """

    config: RunConfig
    folder: Path
    home: Path
    host: str
    identities: Mapping[str, str]
    reusable: Mapping[Identity, Score]

    def arrive(self) -> RunFolder:
        """Take up the driver's place on this node.

        Raises:
            EngineError: the run folder is not there.
        """
        if not (self.folder / "manifest.json").is_file():
            raise EngineError(f"{platform.node()} does not see {self.folder}; give an --out that all nodes share")
        if self.home.is_dir():
            os.chdir(self.home)
        return RunFolder(self.folder)

    def compare(self, found: Mapping[str, str]) -> None:
        """Hold what this node has against what the driver has.

        Raises:
            EngineError: something differs, and so would its results.
        """
        for name, identity in found.items():
            if identity != self.identities[name]:
                raise EngineError(
                    f"{name} is {identity} on {platform.node()} and {self.identities[name]} on {self.host}; all nodes "
                    f"need the same program and weights"
                )


@dataclass(frozen=True)
class Done:
    """A worker is through with a shard: the seconds it took, and what is to be told."""

    seconds: float
    lines: tuple[str, ...] = ()


class Maker:
    """Makes pictures, on its own GPU if it was given one."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand

    def ready(self) -> None:
        """Load the generators here, since weights are too large to send."""
        from generators.load import load

        self.folder = self.errand.arrive()
        config = self.errand.config
        self.generators = {redact(spec): load(spec, device=config.device) for spec in config.generators}
        self.errand.compare({name: each.fingerprint() for name, each in self.generators.items()})

    def work(self, shard: Shard, finished: dict[str, Path]) -> Done:
        """Make and commit the shard's pictures, but for those `finished`, which lie where it says, by key."""
        begun = time.monotonic()
        commit = pictures(self.folder, Survey(self.folder, finished), self.generators[shard.jobs[0].generator], shard)
        commit()
        return Done(time.monotonic() - begun)


class Scorer:
    """Scores the pictures of committed shards."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.lines: list[str] = []

    def ready(self) -> None:
        """Settle the audits; their models load with the first picture."""
        self.folder = self.errand.arrive()
        choices = audits_of(self.errand.config)
        self.errand.compare({each.audit.name: identity_of(each) for each in choices})
        self.bench = Bench(choices, self.errand.reusable, self.lines.append, self.errand.config.timeout)

    def work(self, shard: Shard) -> Done:
        """Bring the shard's scores up to date."""
        begun = time.monotonic()
        artifacts = self.folder.read_artifacts(self.folder.image_file(shard.number))
        self.bench.score(self.folder, shard, artifacts, stored_look(self.folder, shard))
        lines = tuple(self.lines)
        self.lines.clear()
        return Done(time.monotonic() - begun, lines)


def identity_of(choice: Choice) -> str:
    """All that decides an audit's scores beside the picture."""
    return f"version {choice.audit.version} with {choice.options_text}"
