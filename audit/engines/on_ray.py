"""A Ray cluster: workers make and score whole shards and commit them to the run folder, which all nodes share.

Where they do not, workers send their shards to a depot, from which they are collected into the run folder.

The plans of shards travel, pictures do not. The driver holds the folder's lock, hands a shard to whichever worker is
free, and the run summarises. A worker that dies is replaced and its shard given to another: a shard appears whole or
not at all and depends on its jobs alone, so nothing is lost, doubled or different. Replacing is done here, and not by
Ray's restarts or by Ray Data, which leave the shards of a dead node waiting for that node while others are free.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from audit import tables
from audit.engines.lender import Lender
from audit.engines.local import behind
from audit.engines.work import EngineError, Work
from audit.engines.workers import Done, Errand, Maker, Scorer, identity_of
from audit.plan import Shard
from audit.progress import Watch

LOSSES = 3
"""Workers that one shard may lose, and starts that may fail in a row: after that the run stops and says so."""
COLLECTORS = 4
"""Threads that fetch shards from a depot."""
PATIENCE = 30.0
"""Seconds after which whoever waits is told that the cluster has no room for any worker."""


def on_ray(work: Work) -> None:
    """Every shard, over the cluster of RAY_ADDRESS, or of this machine, or one that is started here for the run.

    Raises:
        EngineError: no such cluster, nodes that differ, or a shard that takes its workers down.
    """
    if work.config.device.startswith("cuda:"):
        raise EngineError(
            f"device {work.config.device} with engine ray: Ray gives each worker a GPU; say --device cuda"
        )
    errand = Errand(
        config=work.config,
        folder=work.folder.path.resolve(),
        home=Path.cwd(),
        host=platform.node(),
        identities={name: each.fingerprint() for name, each in work.generators.items()}
        | {each.audit.name: identity_of(each) for each in work.choices},
        reusable=work.reusable,
        depot=work.depot,
    )
    with cluster() as resources:
        gpus = 0 if work.config.device == "cpu" else int(resources.get("GPU", 0))
        makers, scorers, cpus = crew(gpus, resources["CPU"], len(work.shards))
        work.watch.line(f"Ray: {makers} workers make pictures, {scorers} score them")
        making = Pool(Maker, errand, makers, num_gpus=1 if gpus else 0, num_cpus=cpus)
        scoring = Pool(Scorer, errand, scorers, num_cpus=cpus)
        try:
            with behind(partial(_fetch, work), COLLECTORS) as collect:
                _walk(work, making, scoring, collect)
        finally:
            making.close()
            scoring.close()
    tables.remove_temporaries(work.folder.path)  # of workers that died while they wrote


def _fetch(work: Work, name: str) -> None:
    assert work.depot is not None
    work.depot.fetch(work.folder.path, name)


def _walk(work: Work, making: Pool, scoring: Pool, collect: Callable[..., None]) -> None:
    total = sum(len(shard.jobs) for shard in work.shards)
    made, scored = work.watch.stage("pictures", total), work.watch.stage("scores", total)
    lender = Lender(work)
    for shard in work.shards:
        if work.held.complete(shard):
            made(len(shard.jobs))
            if lender.settled(shard):
                scored(len(shard.jobs))
            else:
                scoring.add(shard, lender.lend(lender.files(shard)))
        else:
            making.add(shard, lender.finished(shard))
    for pool, shard, done in answers([making, scoring], work.watch):
        stage, advance = ("generate", made) if pool is making else ("score", scored)
        work.clock.seconds[stage] = work.clock.seconds.get(stage, 0.0) + done.seconds
        for name in done.sent:
            collect(name)
        if pool is making:
            scoring.add(shard, [*done.sent, *lender.lend(lender.scores(shard))])
        advance(len(shard.jobs))
        for line in done.lines:
            work.watch.line(line)


def crew(gpus: int, cpus: float, shards: int) -> tuple[int, int, float]:
    """How many make and how many score, and the CPUs that each takes: a maker a GPU, without any half of the CPUs."""
    each = min(1.0, cpus / 2)
    makers = max(1, min(gpus or int(cpus / each) // 2, shards))
    return makers, max(1, min(int(cpus / each) - makers, shards)), each


class Pool:
    """Workers of one kind and the shards that wait for them. Only workers that have started are given any."""

    def __init__(self, kind: type[Maker | Scorer], errand: Errand, size: int, **resources: float) -> None:
        self._new: Any = ray.remote(kind).options(**resources).remote
        self._errand = ray.put(errand)
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._free: list[Any] = []
        self._busy: dict[Any, tuple[Any, tuple[Any, ...]]] = {}
        self._losses: Counter[int] = Counter()
        for _ in range(size):
            self._hire()

    @property
    def pending(self) -> bool:
        """Whether a shard waits or is worked on; a worker that never found room keeps nobody."""
        return bool(self._waiting) or self.working

    @property
    def working(self) -> bool:
        """Whether a worker is at a shard."""
        return any(task for _, task in self._busy.values())

    @property
    def asked(self) -> list[Any]:
        """References that Ray will answer."""
        return list(self._busy)

    def add(self, shard: Shard, *more: Any) -> None:
        """One shard more, with what else its worker needs."""
        self._waiting.append((shard, *more))

    def give(self) -> None:
        """A shard for every worker that is free."""
        while self._free and self._waiting:
            worker, task = self._free.pop(), self._waiting.popleft()
            self._busy[worker.work.remote(*task)] = worker, task

    def answer(self, reference: Any) -> tuple[Shard, Done] | None:
        """A shard that is done; None where a worker came or went."""
        worker, task = self._busy.pop(reference)
        try:
            done = ray.get(reference)
        except RayTaskError as error:  # our own error, raised over there
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except RayError as error:  # the worker is gone
            self._replace(task, error)
            return None
        self._free.append(worker)
        return (task[0], done) if task else None

    def close(self) -> None:
        """Send every worker home; whatever one has not committed by now is not."""
        for worker in [*self._free, *(worker for worker, _ in self._busy.values())]:
            ray.kill(worker)

    def _hire(self) -> None:
        worker = self._new(self._errand)
        self._busy[worker.ready.remote()] = worker, ()

    def _replace(self, task: Sequence[Any], error: RayError) -> None:
        number = task[0].number if task else -1
        self._losses[number] += 1
        if self._losses[number] > LOSSES:
            what = f"shard {number}: {LOSSES + 1} workers died of it" if task else "workers die as they start"
            raise EngineError(f"{what}; the last: {' '.join(str(error).split())[:300]}")
        if task:
            self._waiting.appendleft(tuple(task))
        self._hire()


def answers(pools: Sequence[Pool], watch: Watch) -> Iterator[tuple[Pool, Shard, Done]]:
    """Shards as they are done, until no pool has any left; meanwhile more may be added."""
    while any(pool.pending for pool in pools):
        for pool in pools:
            pool.give()
        owners = {reference: pool for pool in pools for reference in pool.asked}
        ready, _ = ray.wait(list(owners), timeout=PATIENCE)
        if not ready and not any(pool.working for pool in pools):
            watch.line("no worker could start yet; waiting until the cluster has room")
        for reference in ready:
            found = owners[reference].answer(reference)
            if found:
                yield owners[reference], *found


@contextmanager
def cluster() -> Iterator[Mapping[str, float]]:
    """Join a cluster, or start one here; the value is its resources, by Ray's names."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing calls home unless it is told to
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdecimal():  # Ray itself tries for minutes
            socket.create_connection((host.rpartition("/")[2], int(port)), timeout=10).close()
        ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except OSError as error:  # of which Ray's ConnectionError is one
        raise EngineError(f"no Ray cluster at {address or 'this machine'} ({error}); check RAY_ADDRESS") from error
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()
