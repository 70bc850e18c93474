"""The workers of a cluster: each loads what it needs where it starts, and commits whole shards to the run folder."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from audit.config import RunConfig
from audit.engines.depot import INPUTS, Depot
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
        depot: where shards travel through, if nodes need not share the run folder.
    """

    config: RunConfig
    folder: Path
    home: Path
    host: str
    identities: Mapping[str, str]
    reusable: Mapping[Identity, Score]
    depot: Depot | None = None

    def arrive(self) -> RunFolder:
        """Take up the driver's place on this node: its run folder, or with a depot one that is this worker's alone.

        Raises:
            EngineError: the run folder is not there.
        """
        if self.depot:
            scratch = Path(tempfile.mkdtemp(prefix="audit-"))
            for name in self.depot.names(INPUTS):
                self.depot.fetch(scratch, name)
            return RunFolder(scratch)
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

    @contextmanager
    def lent(self, folder: RunFolder, names: Sequence[str], sent: list[str]) -> Iterator[None]:
        """Files of the run at hand on this node; with a depot, what is new or changed after is sent there and told.

        Args:
            names: those that are needed, from the root of the run folder.
            sent: is given the names of those that were sent.
        """
        if not self.depot:
            yield
            return
        root = folder.path
        known = {name: _mark(self.depot.fetch(root, name)) for name in names}
        try:
            yield
            for path in folder.shard_files():
                name = path.relative_to(root).as_posix()
                if _mark(path) != known.get(name):
                    self.depot.send(root, name)
                    sent.append(name)
        finally:
            for path in [*folder.shard_files(), *folder.earlier_files()]:
                path.unlink()


def _mark(path: Path) -> tuple[int, int]:
    """What changes when a file is replaced."""
    told = path.stat()
    return told.st_ino, told.st_mtime_ns


@dataclass(frozen=True)
class Done:
    """A worker is through with a shard: the seconds it took, what is to be told, and the files it sent to the depot."""

    seconds: float
    lines: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()


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

    def work(self, shard: Shard, finished: dict[str, str]) -> Done:
        """Make and commit the shard's pictures, but for those `finished`: key -> file, from the run folder's root."""
        begun, sent, root = time.monotonic(), list[str](), self.folder.path
        with self.errand.lent(self.folder, sorted(set(finished.values())), sent):
            held = Survey(self.folder, {key: root / name for key, name in finished.items()})
            commit = pictures(self.folder, held, self.generators[shard.jobs[0].generator], shard)
            commit()
        return Done(time.monotonic() - begun, sent=tuple(sent))


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

    def work(self, shard: Shard, names: Sequence[str]) -> Done:
        """Bring the shard's scores up to date.

        Args:
            names: its files, from the run folder's root.
        """
        begun, sent = time.monotonic(), list[str]()
        with self.errand.lent(self.folder, names, sent):
            artifacts = self.folder.read_artifacts(self.folder.image_file(shard.number))
            self.bench.score(self.folder, shard, artifacts, stored_look(self.folder, shard))
        lines = tuple(self.lines)
        self.lines.clear()
        return Done(time.monotonic() - begun, lines, tuple(sent))


def identity_of(choice: Choice) -> str:
    """All that decides an audit's scores beside the picture."""
    return f"version {choice.audit.version} with {choice.options_text}"
