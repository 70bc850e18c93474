from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from audit.interrupt import until_interrupted
from tests.fakes import CHILDREN


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A shell's background jobs begin with Ctrl-C ignored, and so may a CI server's."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def looped(pieces: Iterable[int], work: Callable[[int], object], told: list[str] | None = None) -> None:
    for piece in until_interrupted(pieces, (told if told is not None else []).append):
        work(piece)


def press(piece: int) -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_ctrl_c_lets_the_piece_at_hand_end() -> None:
    done: list[int] = []
    told: list[str] = []

    def work(piece: int) -> None:
        if piece == 2:
            press(piece)
        done.append(piece)

    with pytest.raises(KeyboardInterrupt):
        looped(range(5), work, told)
    assert done == [0, 1, 2]
    [line] = told
    assert "Ctrl-C again stops at once" in line
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_the_last_piece_is_not_forgotten() -> None:
    with pytest.raises(KeyboardInterrupt):
        looped([1], press)


def test_without_ctrl_c_every_piece_comes_and_nothing_stays_changed() -> None:
    done: list[int] = []
    looped(range(3), done.append)
    assert done == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        looped([0], lambda piece: 1 / piece)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_looks_after_ctrl_c_already_keeps_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for _ in until_interrupted([1, 2], print):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def stuck(started: Path) -> None:
    """A piece of work that ends never, beside a thread that does neither."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=time.sleep, args=(600,)).start()
    for _ in until_interrupted([1], lambda line: started.with_suffix(".told").touch()):
        started.touch()
        while True:
            time.sleep(0.05)


def wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_second_ctrl_c_ends_at_once_with_130_whatever_still_works(tmp_path: Path) -> None:
    started = tmp_path / "started"
    process = CHILDREN.Process(target=stuck, args=(started,))
    process.start()
    assert process.pid is not None
    wait_for(started)
    os.kill(process.pid, signal.SIGINT)
    wait_for(started.with_suffix(".told"))
    assert process.is_alive()
    os.kill(process.pid, signal.SIGINT)
    process.join(timeout=20)
    assert process.exitcode == 130


def test_an_interactive_interpreter_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    done: list[int] = []

    def twice(piece: int) -> None:
        press(piece)
        press(piece)
        done.append(piece)

    with pytest.raises(KeyboardInterrupt):
        looped([1, 2], twice)
    assert done == []
