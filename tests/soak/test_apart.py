from __future__ import annotations

import os
import time
from collections.abc import Callable

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
