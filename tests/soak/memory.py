"""How much memory a run takes at its peak, and what it grows by when it makes many more pictures."""

from __future__ import annotations

import resource
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fakes import CHILDREN, FakeGenerator, config, suite, walked

AUDITS = ["fake.dark", "fake.red", "fake.spread"]


def growth(folder: Path, *, few: int, many: int, size: int) -> dict[str, float]:
    """Peak resident memory in MB of one process after a run of `few` pictures, and after another of `many`.

    `pixels` is what the pictures of the second run take when they are all held at once.
    """
    ours, theirs = CHILDREN.Pipe()
    process = CHILDREN.Process(target=_measure, args=(theirs, folder, (few, many), size))
    process.start()
    theirs.close()
    first, second = ours.recv(), ours.recv()
    process.join()
    return {"few": first, "many": second, "growth": second - first, "pixels": many * size * size * 3 / 1e6}


def _measure(pipe: Connection, folder: Path, counts: tuple[int, ...], size: int) -> None:
    for count in counts:
        prompts = suite(*(f"picture {n}" for n in range(count)))
        walked(config(folder / str(count), shard=64), prompts, FakeGenerator(size=size, batch=16), audits=AUDITS)
        pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
