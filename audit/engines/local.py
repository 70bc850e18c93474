"""One process: the main thread makes pictures, a second thread scores those just made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from audit.engines.work import Work, pictures
from audit.interrupt import until_interrupted
from audit.plan import Shard
from audit.score import Bench, Look
from audit.types import Artifact

WAITING_SHARDS = 2  # how far generating may run ahead of scoring, which bounds the memory


def local(work: Work) -> None:
    """Every shard in plan order, in this process."""
    total = sum(len(shard.jobs) for shard in work.shards)
    made, scored = work.watch.stage("pictures", total), work.watch.stage("scores", total)
    bench = Bench(work.choices, work.reusable, work.watch.line, work.config.timeout)

    def score(shard: Shard, artifacts: Sequence[Artifact], look: Look) -> None:
        with work.clock.stage("score"):
            bench.score(work.folder, shard, artifacts, look)
        scored(len(shard.jobs))

    with behind(score) as submit:
        for shard in until_interrupted(work.shards, work.watch.line):
            with work.clock.stage("generate"):
                artifacts, look = pictures(work.folder, work.held, work.generators[shard.jobs[0].generator], shard)
            made(len(shard.jobs))
            submit(shard, artifacts, look)


@contextmanager
def behind(work: Callable[[Shard, Sequence[Artifact], Look], None]) -> Iterator[Callable[..., None]]:
    """A single worker thread behind the loop: order is kept, and its exceptions come out of the next call.

    On the way out everything handed in is finished; on an exception or Ctrl-C only what is being worked on.
    """
    waiting: deque[Future[None]] = deque()
    pool = ThreadPoolExecutor(max_workers=1)

    def submit(shard: Shard, artifacts: Sequence[Artifact], look: Look) -> None:
        while len(waiting) >= WAITING_SHARDS:
            waiting.popleft().result()
        waiting.append(pool.submit(work, shard, artifacts, look))

    try:
        yield submit
        while waiting:
            waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
