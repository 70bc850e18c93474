"""One process that makes pictures, whose other threads, or processes of their own, encode and score those just made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Lock

from audit.engines.work import Committed, Work, pictures
from audit.interrupt import until_interrupted
from audit.plan import Shard
from audit.score import Bench


def local(work: Work) -> None:
    """Every shard in plan order, in this process; only scoring may go to others."""
    total = sum(len(shard.jobs) for shard in work.shards)
    made, scored = work.watch.stage("pictures", total), work.watch.stage("scores", total)
    config, telling = work.config, Lock()
    bench = Bench(work.choices, work.reusable, work.watch.line, config.timeout, config.workers)
    if not all(work.held.complete(shard) for shard in work.shards):
        bench.start()

    def store(shard: Shard, commit: Callable[[], Committed]) -> Committed:
        with work.clock.stage("store"):
            committed = commit()
        made(len(shard.jobs))
        return committed

    def score(shard: Shard, stored: Future[Committed]) -> None:
        artifacts, look = stored.result()
        with work.clock.stage("score"):
            bench.score(work.folder, shard, artifacts, look)
        with telling:
            scored(len(shard.jobs))

    # what was made is stored whatever comes, Ctrl-C included
    with ThreadPoolExecutor(max_workers=1) as storing, behind(score, config.workers or 1) as submit:
        for shard in until_interrupted(work.shards, work.watch.line):
            with work.clock.stage("generate"):
                commit = pictures(work.folder, work.held, work.generators[shard.jobs[0].generator], shard)
            submit(shard, storing.submit(store, shard, commit))


@contextmanager
def behind(work: Callable[..., None], threads: int) -> Iterator[Callable[..., None]]:
    """Threads behind the loop, with as many pieces at hand and one more; their exceptions come out of the next call.

    On the way out everything handed in is finished; on an exception or Ctrl-C only what is being worked on.
    """
    waiting: set[Future[None]] = set()
    pool = ThreadPoolExecutor(max_workers=threads)

    def taken(done: set[Future[None]]) -> None:
        waiting.difference_update(done)
        for each in done:
            each.result()

    def submit(*piece: object) -> None:
        taken({each for each in waiting if each.done()})
        while len(waiting) > threads:
            taken(wait(waiting, return_when=FIRST_COMPLETED).done)
        waiting.add(pool.submit(work, *piece))

    try:
        yield submit
        taken(wait(waiting).done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
