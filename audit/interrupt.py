"""Ctrl-C during a long loop: the first lets the piece of work at hand end, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TypeVar

T = TypeVar("T")
INTERRUPTED = 130


def until_interrupted(pieces: Iterable[T], tell: Callable[[str], None]) -> Iterator[T]:
    """The pieces of work, one by one, until Ctrl-C: then the one at hand is finished and KeyboardInterrupt raised.

    A second Ctrl-C ends the process with 130 there and then, without waiting for threads: files of a run appear whole
    or not at all, so nothing that is done is lost. An interactive interpreter gets a KeyboardInterrupt instead.
    Elsewhere than in the main thread, or where somebody else looks after Ctrl-C, nothing changes.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield from pieces
        return
    asked = False

    def pressed(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and not hasattr(sys, "ps1"):
            os.write(2, b"audit: stopped at once; what is done is kept: run the same command again to go on\n")
            os._exit(INTERRUPTED)
        if asked:
            raise KeyboardInterrupt
        asked = True
        tell("interrupted: finishing the pictures at hand; Ctrl-C again stops at once")

    signal.signal(signal.SIGINT, pressed)
    try:
        for piece in pieces:
            yield piece
            if asked:
                raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
