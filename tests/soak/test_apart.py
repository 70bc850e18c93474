from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.apart import Apart, LostError


def worker() -> Callable[..., object]:
    """Counts its calls, and misbehaves on request."""
    calls = 0

    def work(what: str, value: float = 0) -> object:
        nonlocal calls
        calls += 1
        if what == "sleep":
            time.sleep(value)
        if what == "exit":
            os._exit(int(value))
        if what == "raise":
            raise ValueError("not this")
        return calls, os.getpid()

    return work


def test_answers_come_from_one_other_process_that_keeps_its_state() -> None:
    apart = Apart(worker, limit=60)
    (first, process), (second, same) = apart("add"), apart("add")
    assert (first, second) == (1, 2)
    assert process == same != os.getpid()


def test_what_hangs_or_dies_is_told_and_the_next_call_starts_afresh() -> None:
    apart = Apart(worker, limit=0.5)
    apart("add")
    begun = time.monotonic()
    with pytest.raises(LostError, match=r"no answer within 0\.5 s"):
        apart("sleep", 600)
    assert time.monotonic() - begun < 20
    with pytest.raises(LostError, match="ended itself with exit code 7"):
        apart("exit", 7)
    calls, _ = apart("add")
    assert calls == 1


def test_an_exception_is_told_and_costs_no_process() -> None:
    apart = Apart(worker, limit=60)
    with pytest.raises(LostError, match="ValueError: not this"):
        apart("raise")
    calls, _ = apart("add")
    assert calls == 2


class Slow:
    """Takes a second to arrive, as what imports torch does, and tells when it comes and who takes it in."""

    def __init__(self, coming: Path) -> None:
        self.coming = coming

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__dict__ |= state
        self.coming.with_suffix(".begun").write_text(str(os.getpid()))
        self.coming.with_suffix(".begun").rename(self.coming)
        time.sleep(1)

    def __call__(self) -> Callable[..., object]:
        return worker()


def test_ctrl_c_is_not_for_a_process_that_still_starts(tmp_path: Path) -> None:
    apart = Apart(Slow(tmp_path / "coming"), limit=60)
    apart.start()
    until = time.monotonic() + 60
    while not (tmp_path / "coming").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    process = int((tmp_path / "coming").read_text())
    os.kill(process, signal.SIGINT)
    assert apart("add") == (1, process)


def test_without_a_limit_it_takes_as_long_as_it_takes() -> None:
    apart = Apart(worker, limit=None)
    apart("sleep", 0.1)
    calls, _ = apart("add")
    assert calls == 2
    with pytest.raises(LostError, match="ended itself with exit code 7"):
        apart("exit", 7)


def test_the_process_leaves_with_its_owner() -> None:
    apart = Apart(worker, limit=60)
    _, process = apart("add")
    del apart
    until = time.monotonic() + 30
    while _alive(process):
        assert time.monotonic() < until, "it outlived whoever could ask it"
        time.sleep(0.02)


def _alive(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
