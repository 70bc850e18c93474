"""What the driver of a cluster has that its workers need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audit.engines.work import Work
from audit.plan import Shard
from audit.score import Bench


class Lender:
    """What the run folder holds already, for workers that need some of it, by names from its root."""

    def __init__(self, work: Work) -> None:
        self._folder = work.folder
        self._held = work.held
        self._depot = work.depot
        self._bench = Bench(work.choices, work.reusable, work.watch.line)
        self._choices = self._bench.choices
        self._lent: set[str] = set()
        if work.depot:
            self.lend([self._name(path) for path in work.folder.input_files()])

    def settled(self, shard: Shard) -> bool:
        """With a depot: whether a complete shard's scores all hold, so that it need not travel."""
        if not self._depot:
            return False
        path = self._folder.image_file(shard.number)
        return self._bench.settled(self._folder, shard, self._folder.read_artifacts(path))

    def files(self, shard: Shard) -> list[str]:
        """The shard's pictures and scores."""
        return [self._name(self._folder.image_file(shard.number)), *self.scores(shard)]

    def scores(self, shard: Shard) -> list[str]:
        """The shard's scores that are there."""
        paths = [self._folder.score_file(each.audit.name, shard.number) for each in self._choices]
        return [self._name(path) for path in paths if path.is_file()]

    def finished(self, shard: Shard) -> dict[str, str]:
        """Where the pictures lie that the shard need not make again, by key."""
        found = self._held.finished
        names = {key: self._name(found[key]) for key in shard.keys if key in found}
        self.lend(sorted(set(names.values())))
        return names

    def lend(self, names: Sequence[str]) -> Sequence[str]:
        """The names, all of them in the depot now, if there is one."""
        for name in names if self._depot else ():
            if name not in self._lent:
                assert self._depot is not None
                self._depot.send(self._folder.path, name)
                self._lent.add(name)
        return names

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder.path).as_posix()
