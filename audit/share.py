"""Shares: one run split over processes that never talk, each making and scoring its own shards.

What falls to a share follows from the plan alone: shards are sorted by a hash of their jobs and dealt out in turn. So
every share has as many shards as the next, give or take one, whole batches stay together, and slow cells are spread.
Each share is written into a run folder of its own, a part; `audit merge` joins the parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audit.plan import Shard

TORCHRUN = "RANK", "WORLD_SIZE"
SRUN = "SLURM_PROCID", "SLURM_NTASKS"
ARRAY = "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"
WHOLE = "or give --share 1/1 to make the whole run here"


class ShareError(ValueError):
    """A share that cannot be: the message says where it came from and what would work."""


@dataclass(frozen=True)
class Share:
    """One of `of` shares; numbers start at 1. seat: the process's place on its machine, which picks its GPU."""

    number: int
    of: int
    seat: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            last = max(self.of, 1)
            raise ShareError(f"there is no share {self}; the first is 1/{last}, the last {last}/{last}")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def folder(self, out: Path) -> Path:
        """Where this share's part of the run in `out` lies."""
        return out / f"part-{self.number:05d}-of-{self.of:05d}"

    def take(self, shards: Sequence[Shard]) -> list[Shard]:
        """This share's shards, in plan order, with their numbers in the whole plan."""
        from audit.types import digest_of  # here, for the command line reads this file and must start at once

        dealt = sorted(shards, key=lambda shard: digest_of(shard.keys))[self.number - 1 :: self.of]
        return sorted(dealt, key=lambda shard: shard.number)

    def device(self, wanted: str, gpus: int) -> str:
        """The device for this process where `gpus` are seen: processes of one machine take turns at them."""
        return f"cuda:{self.seat % gpus}" if wanted in ("auto", "cuda") and gpus > 1 else wanted


def plan_digest(shards: Iterable[Shard]) -> str:
    """Hash of a whole plan: of every job, and of how they are cut into shards."""
    from audit.types import digest_of

    return digest_of([digest_of(shard.keys) for shard in shards])


def share_of(told: str | None, environment: Mapping[str, str]) -> Share | None:
    """The share that was asked for, "2/8", or else the one that a launcher gave this process; None for the whole run.

    Launchers: torchrun (RANK of WORLD_SIZE), srun (SLURM_PROCID of SLURM_NTASKS), a Slurm array
    (SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT, from SLURM_ARRAY_TASK_MIN in steps of SLURM_ARRAY_TASK_STEP), and an
    array whose tasks use one of the others: then there are as many shares as there are processes in all.

    Raises:
        ShareError: text that is no share, or variables that do not go together.
    """
    if told is not None:
        found = re.fullmatch(r"(\d+)/(\d+)", told)
        if not found:
            raise ShareError(f"{told!r} is no share; write 2/8 for the second of eight")
        share = Share(int(found[1]), int(found[2]))
    else:
        rank, ranks = _ranks(environment, *TORCHRUN) or _ranks(environment, *SRUN) or (0, 1)
        task, tasks = _array_task(environment) or (0, 1)
        seat = _number(environment, "LOCAL_RANK" if TORCHRUN[0] in environment else "SLURM_LOCALID", 0)
        share = Share(task * ranks + rank + 1, tasks * ranks, seat)
    return share if share.of > 1 else None


def _ranks(environment: Mapping[str, str], mine: str, count: str) -> tuple[int, int] | None:
    if mine not in environment and count not in environment:
        return None
    for name, other in ((mine, count), (count, mine)):
        if name not in environment:
            raise ShareError(f"{other} is set and {name} is not; set both, {WHOLE}")
    rank, ranks = _number(environment, mine), _number(environment, count)
    if rank >= ranks:
        raise ShareError(f"{mine}={rank} is beyond {count}={ranks}; it counts from 0, {WHOLE}")
    return rank, ranks


def _array_task(environment: Mapping[str, str]) -> tuple[int, int] | None:
    mine, count = ARRAY
    if mine not in environment or count not in environment:
        return None
    number, tasks = _number(environment, mine), _number(environment, count)
    first, step = _number(environment, "SLURM_ARRAY_TASK_MIN", 0), _number(environment, "SLURM_ARRAY_TASK_STEP", 1)
    task, rest = divmod(number - first, max(step, 1))
    if rest or not 0 <= task < tasks:
        raise ShareError(
            f"{mine}={number} is not one of {tasks} tasks from {first} in steps of {step}; number the array evenly, "
            f"such as --array=0-{tasks - 1}, {WHOLE}"
        )
    return task, tasks


def _number(environment: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    told = environment.get(name, "" if otherwise is None else str(otherwise))
    if not told.isdecimal():
        raise ShareError(f"{name}={told!r} is no whole number; set it to one, {WHOLE}")
    return int(told)
