"""Faults other than kills, a story each: AssertionError where the run did not survive."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit import tables
from audit.score import Bench, Choice, choose
from audit.store import RunFolder, StoreError
from generators.api import Pixels, Refusal, Request
from tests.fakes import AUDITS as KNOWN
from tests.fakes import CHILDREN, FakeGenerator
from tests.soak.alone import PICTURES, SHARD, assert_as_undisturbed, assert_whole, sitting, undisturbed
from tests.soak.scorers import BAD, LETTER, quits

LIMIT = 5.0  # seconds that an audit may take


class UnavailableError(RuntimeError):
    """A fault that this machine does not let us make."""


# the disk


def full_disk(out: Path, dice: random.Random) -> None:
    """From some write on there is no space; once there is again, the run goes on."""
    with _writes_fail(after=dice.randrange(50), number=errno.ENOSPC) as failed:
        _refused_or_finished(out, "No space left on device", failed)
    assert not list(out.rglob("*.tmp-*"))
    assert_whole(RunFolder(out))
    _goes_on(out)


def disk_that_breaks(out: Path, dice: random.Random) -> None:
    """From some write on the disk reports errors, or turns read-only."""
    number = dice.choice([errno.EIO, errno.EROFS, errno.EDQUOT])
    with _writes_fail(after=dice.randrange(50), number=number) as failed:
        _refused_or_finished(out, os.strerror(number), failed)
    assert_whole(RunFolder(out))
    _goes_on(out)


def small_disk(out: Path, dice: random.Random) -> None:
    """A real file system that fills up, and is enlarged."""
    with _mounted(out, f"size={dice.randrange(8, 80)}k"):
        run = out / "run"
        with pytest.raises(StoreError, match=r"No space left on device.*make room"):
            sitting(run)
        assert_whole(RunFolder(run))
        _mount("-o", "remount,size=64m", str(out))
        _goes_on(run)


def read_only_disk(out: Path, dice: random.Random) -> None:
    """A real file system that is read-only from the start, or for the second sitting."""
    with _mounted(out, "size=64m"):
        run = out / "run"
        if dice.random() < 0.5:
            sitting(run, guidance=(1.0,))
        _mount("-o", "remount,ro", str(out))
        with pytest.raises(StoreError, match=r"cannot write to .*Read-only file system; choose another --out"):
            sitting(run)
        _mount("-o", "remount,rw", str(out))
        _goes_on(run)


def unwritable_folder(out: Path, dice: random.Random) -> None:
    """A place where even the superuser may not write."""
    with pytest.raises(StoreError, match=r"cannot write to /proc/.*choose another --out"):
        sitting(Path("/proc") / out.name / str(dice.random()))


def truncated_file(out: Path, dice: random.Random) -> None:
    """Some file of a finished run ends early; the next sitting mends it and makes only what was in it."""
    _damage(out, dice, lambda raw: raw[: dice.randrange(len(raw))])


def flipped_bit(out: Path, dice: random.Random) -> None:
    """Some bit of some file of a finished run is another one."""

    def flip(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
        return bytes(changed)

    _damage(out, dice, flip)


# generators


def unusable_pictures(out: Path, dice: random.Random) -> None:
    """NaN, wrong shapes, wrong types, nothing: these pictures fail by name, and they alone are made again."""
    size = (16, 16)
    nonsense: list[Any] = [
        np.full((*size, 3), np.nan),
        np.full((*size, 3), np.nan, np.float32),
        np.zeros((*size, 4), np.uint8),
        np.zeros(size, np.uint8),
        np.zeros((0, 16, 3), np.uint8),
        np.zeros((*size, 3), np.int64),
        None,
        "a picture",
        [[0, 0, 0]],
    ]
    bad = dice.sample("abcdefgh", dice.randint(1, 4))
    outcome = sitting(out, Odd(dict.fromkeys(bad), lambda request: dice.choice(nonsense)))
    rows = outcome.folder.artifacts()
    assert sum(rows["status"] == "failed") == 2 * len(bad)
    assert all("the generator's picture is unusable" in error for error in rows["error"][rows["status"] == "failed"])
    [line] = outcome.problems
    assert line.startswith(f"pictures: {2 * len(bad)} failed")
    _goes_on(out, remade=2 * len(bad))


def black_pictures(out: Path, dice: random.Random) -> None:
    """A black picture is a picture: it is kept and scored, and costs its neighbours nothing."""
    bad = dice.sample("abcdefgh", dice.randint(1, 7))
    outcome = sitting(out, Odd(dict.fromkeys(bad), lambda request: np.zeros((16, 16, 3), np.uint8)))
    assert outcome.problems == ()
    jobs, scores, alone = outcome.folder.jobs(), outcome.folder.scores("fake.red"), undisturbed()["scores"]
    black = jobs["prompt_id"].isin([f"p{'abcdefgh'.index(each)}" for each in bad])
    assert list(scores["value"][black]) == [0.0] * 2 * len(bad)
    kept = alone[alone["audit"] == "fake.red"].reset_index(drop=True)
    assert list(scores["value"][~black]) == list(kept["value"][~black])


def raising_prompts(out: Path, dice: random.Random) -> None:
    """Prompts on which the generator raises, whatever it raises."""
    raised: list[BaseException] = [
        RuntimeError("no"), KeyError("x"), AssertionError(), NotImplementedError(), SystemExit(3), OSError(5, "gone"),
        MemoryError(), RecursionError("deep"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ]  # fmt: skip
    bad = dice.sample("abcdefgh", dice.randint(1, 3))

    def fail(request: Request) -> Pixels:
        raise dice.choice(raised)

    outcome = sitting(out, Odd(dict.fromkeys(bad), fail))
    rows = outcome.folder.artifacts()
    assert sum(rows["status"] == "failed") == 2 * len(bad)
    assert len(outcome.problems) == 1
    assert_whole_where_made(outcome.folder)
    _goes_on(out, remade=2 * len(bad))


def out_of_memory(out: Path, dice: random.Random) -> None:
    """Batches that are too large, some of them only when half done: halved until they fit, and remembered."""
    import torch

    error = dice.choice(
        [
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes. Error code 12"),
            MemoryError(),
        ]
    )
    generator = Hungry(fits=dice.choice([1, 2, 3, 5]), error=error, late=dice.random() < 0.5)
    outcome = sitting(out, generator, shard=8)
    assert outcome.problems == ()
    assert generator.refused <= 3, "each size is tried once in a run, not once a shard"
    assert_as_undisturbed(sitting(out, FakeGenerator()).folder)


class Odd(FakeGenerator):
    """Answers some prompts with something else."""

    def __init__(self, texts: dict[str, None], answer: Callable[[Request], Any]) -> None:
        super().__init__()
        self.texts, self.answer = texts, answer

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        for index, picture in super().generate(requests):
            yield index, self.answer(requests[index]) if requests[index].text in self.texts else picture


class Hungry(FakeGenerator):
    """Has memory for so many pictures at once; `late`: finds out after it gave some away."""

    def __init__(self, *, fits: int, error: Exception, late: bool) -> None:
        super().__init__(batch=8)
        self.room, self.error, self.late = fits, error, late
        self.refused = 0

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        for given, pair in enumerate(super().generate(requests)):
            if len(requests) > self.room and given == (1 if self.late else 0):
                self.refused += 1
                raise self.error
            yield pair


# scorers


def lost_scorers(out: Path, dice: random.Random) -> None:
    """An audit hangs, spins in native code, exits or crashes: it fails by name, the others go on, a rerun completes."""
    folder, flag = sitting(out).folder, out.with_suffix(".flag")
    flag.touch()
    name = dice.choice(sorted(BAD))
    audit, words = BAD[name]
    choices = choose(
        [audit.name, "fake.dark", "fake.word"], {audit.name: {"flag": str(flag)}}, KNOWN | {audit.name: audit}
    )
    begun, told = time.monotonic(), []
    _score(folder, choices, told.append, limit=LIMIT)
    assert time.monotonic() - begun < 120
    assert len(told) == 1
    assert audit.name in told[0]
    assert words in told[0]
    rows = folder.scores(audit.name)
    assert all(words in reason for reason in rows["reason"][rows["status"] == "failed"])
    # the shards before the one with the letter were scored, those from there on were not
    first = next(n for n, text in enumerate("abcdefgh") if LETTER in text) // SHARD * SHARD
    assert list(rows["status"]) == ["ok"] * first + ["failed"] * (PICTURES - first)
    alone = undisturbed()["scores"]
    assert list(folder.scores("fake.dark")["value"]) == list(alone["value"][alone["audit"] == "fake.dark"])
    assert set(folder.scores("fake.word")["status"]) == {"skipped"}
    flag.unlink()
    _score(folder, choices, told.append, limit=LIMIT)
    assert set(folder.scores(audit.name)["status"]) == {"ok"}
    assert len(told) == 1


def quitting_scorers(out: Path, dice: random.Random) -> None:
    """An audit that calls sys.exit() fails on that picture; without a limit too, where it shares our process."""
    folder, flag = sitting(out).folder, out.with_suffix(".flag")
    flag.touch()
    choices = choose([quits.name], {quits.name: {"flag": str(flag)}}, {quits.name: quits})
    _score(folder, choices, print, limit=dice.choice([None, LIMIT * 10]))
    rows = folder.scores(quits.name)
    assert sorted(rows["reason"][rows["status"] == "failed"]) == ["SystemExit: enough"] * 2
    assert sum(rows["status"] == "ok") == PICTURES - 2


def _score(folder: RunFolder, choices: Sequence[Choice], tell: Callable[[str], None], limit: float | None) -> None:
    bench = Bench(choices, {}, tell, limit)
    for shard in folder.shards():
        bench.score(folder, shard, folder.read_artifacts(folder.image_file(shard.number)), folder.image)


# processes and clocks


def second_run(out: Path, dice: random.Random) -> None:
    """Another run into the same folder is refused, is told by whom, and does no harm."""
    process = CHILDREN.Process(target=sitting, args=(out, FakeGenerator(delay=0.2)))
    process.start()
    try:
        _wait_for(lambda: (out / "lock").is_file() and bool((out / "lock").read_text()))
        time.sleep(dice.uniform(0, 0.5))
        with pytest.raises(StoreError, match=rf'being written by .*"pid": {process.pid}'):
            sitting(out)
    finally:
        process.join(timeout=120)
    assert process.exitcode == 0
    _goes_on(out, remade=0)


def clock_that_jumps(out: Path, dice: random.Random) -> None:
    """The wall clock runs backwards and jumps; no number depends on it."""
    clock, now = time.time, [time.time()]

    def jumping() -> float:
        now[0] += dice.choice([-1e9, -3600.0, -1.0, 0.0, 86400.0])
        return now[0]

    time.time = jumping
    try:
        folder = sitting(out, guidance=(1.0,)).folder
        for path in folder.path.rglob("*.parquet"):
            os.utime(path, (jumping() % 2e9, jumping() % 2e9))
        folder = sitting(out).folder
    finally:
        time.time = clock
    assert_as_undisturbed(folder)
    assert min(folder.artifacts()["seconds"]) >= 0
    assert min(folder.manifest()["seconds"].values()) >= 0


def ctrl_c(out: Path, dice: random.Random) -> None:
    """Ctrl-C at some moment, once or twice: the exit code is 130, what is done is kept, and the run goes on."""
    process = CHILDREN.Process(target=_interruptible, args=(out,))
    process.start()
    _wait_for(lambda: (out / "jobs.parquet").is_file())
    time.sleep(dice.uniform(0, 0.4))
    for _ in range(dice.choice([1, 2])):
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGINT)
        time.sleep(dice.uniform(0, 0.1))
    process.join(timeout=120)
    assert process.exitcode == 130, process.exitcode
    assert_whole(RunFolder(out))
    _goes_on(out)


def _interruptible(out: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sitting(out, FakeGenerator(delay=0.1))
    except KeyboardInterrupt:
        os._exit(130)  # what the command does with it; an orderly end would wait for a second Ctrl-C to come


FAULTS: dict[str, Callable[[Path, random.Random], None]] = {
    each.__name__: each
    for each in (
        full_disk, disk_that_breaks, small_disk, read_only_disk, unwritable_folder, truncated_file, flipped_bit,
        unusable_pictures, black_pictures, raising_prompts, out_of_memory, lost_scorers, quitting_scorers, second_run,
        clock_that_jumps, ctrl_c,
    )
}  # fmt: skip


# what stories share


def _goes_on(out: Path, *, remade: int | None = None) -> None:
    """The next sitting ends as the undisturbed run did and makes only what is missing, `remade` of them if given."""
    there = sum(
        each.status == "ok" for path in RunFolder(out).image_files() for each in RunFolder(out).read_artifacts(path)
    )
    generator = FakeGenerator()
    assert_as_undisturbed(sitting(out, generator).folder)
    assert generator.made == PICTURES - there
    assert remade in (None, generator.made)


def assert_whole_where_made(folder: RunFolder) -> None:
    """The pictures that could be made are those of the undisturbed run."""
    rows, alone = folder.artifacts(), undisturbed()["artifacts"]
    made = rows["status"] == "ok"
    assert list(rows["digest"][made]) == list(alone["digest"][made])


def _damage(out: Path, dice: random.Random, change: Callable[[bytes], bytes]) -> None:
    folder = sitting(out).folder
    path = dice.choice(sorted(path for path in out.rglob("*") if path.is_file() and path.name != "lock"))
    path.write_bytes(change(path.read_bytes()))
    generator = FakeGenerator()
    assert_as_undisturbed(sitting(out, generator).folder)
    assert generator.made in ({0, SHARD} if path in folder.image_files() else {0}), path


def _refused_or_finished(out: Path, words: str, failed: list[Path]) -> None:
    told = ""
    try:
        sitting(out)
    except StoreError as error:
        told = str(error)
    assert bool(told) == bool(failed), f"{failed[:1]} could not be written, and what was said is {told!r}"
    if failed:
        assert any(f"{path.parent}" in told for path in failed), (
            "scores are written beside pictures: either may be told"
        )
        assert f"{words}; what is done is kept" in told


@contextmanager
def _writes_fail(after: int, number: int) -> Iterator[list[Path]]:
    """From the so-many-th write on, every one fails; the value holds the files that were not written."""
    real, failed, left = tables._flush, [], after

    def flush(path: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            failed.append(path)
            raise OSError(number, os.strerror(number))
        real(path)

    tables._flush = flush
    try:
        yield failed
    finally:
        tables._flush = real


@contextmanager
def _mounted(place: Path, options: str) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", options, "tmpfs", str(place))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _mount(*arguments: str) -> None:
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(f"cannot mount a small file system here: {error}") from error


def _wait_for(ready: Callable[[], bool], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.01)
