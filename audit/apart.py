"""Work in a process of its own, with a time limit: what hangs there or takes the process down costs its answer only.

A thread cannot be ended from outside, and native code that crashes takes every thread along; a process can be ended and
replaced. It starts from a fork server, which has neither our threads nor our accelerator's state.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

STARTING = 300.0  # seconds for a process to start and import on a busy machine; not counted towards the limit
GRACE = 10  # seconds after which a process whose parent is gone ends itself


class LostError(RuntimeError):
    """No answer will come: the process hung or died; the message says which."""


class Apart:
    """A callable that lives in a child process, made there by `make`; after a loss the next call makes it anew.

    Args:
        make: importable from another process; so must be the arguments and results of what it makes.
        limit: seconds for each call; None: as long as it takes.
    """

    def __init__(self, make: Callable[[], Callable[..., Any]], limit: float | None) -> None:
        self._make = make
        self._limit = limit
        self._child: tuple[BaseProcess, Connection] | None = None
        self._ready = False

    def start(self) -> None:
        """Begin to start the process, which takes seconds; the first call waits for it, and else would begin it."""
        if self._child is not None:
            return
        context = multiprocessing.get_context("forkserver")
        ours, theirs = context.Pipe()
        # `make` goes as bytes: unpickled there it may import for seconds, and Ctrl-C is to be ignored before
        process = context.Process(target=_serve, args=(theirs, pickle.dumps(self._make), self._limit), daemon=True)
        process.start()
        theirs.close()  # leaves the child's end the only one, so that its death is seen
        self._child, self._ready = (process, ours), False

    def __call__(self, *request: object) -> Any:
        """The child's answer.

        Raises:
            LostError: the limit passed, the process died, or what was called there raised.
        """
        process, pipe = self._started()
        try:
            pipe.send_bytes(pickle.dumps(request))
            answer, problem = _received(pipe, self._limit)
        except (EOFError, OSError) as error:
            self._child = None
            pipe.close()
            if isinstance(error, TimeoutError):
                process.kill()
                process.join(GRACE)
                raise LostError(f"no answer within {self._limit:g} s, so its process was ended") from error
            process.join(GRACE)
            raise LostError(_end(process.exitcode)) from error
        if problem:
            raise LostError(problem)
        return answer

    def _started(self) -> tuple[BaseProcess, Connection]:
        self.start()
        assert self._child is not None
        process, pipe = self._child
        if not self._ready:
            try:
                _received(pipe, STARTING)
            except (EOFError, OSError) as error:
                self._child = None
                process.kill()
                raise LostError(f"its process did not start: {error}") from error
            self._ready = True
        return process, pipe


def _received(pipe: Connection, limit: float | None) -> tuple[Any, str]:
    """An answer and what is wrong with it; TimeoutError where none comes, EOFError or OSError where none can."""
    if not pipe.poll(limit):
        raise TimeoutError(f"nothing came within {limit:g} s")
    answer, problem = pickle.loads(pipe.recv_bytes())
    return answer, problem


def _end(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended itself with exit code {code}"


def _serve(pipe: Connection, make: bytes, limit: float | None) -> None:
    """Answer until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent decides
    work: Callable[..., Any] = pickle.loads(make)()
    pipe.send_bytes(pickle.dumps((None, "")))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            request = pipe.recv_bytes()
            # the system ends what hangs after its parent was killed
            signal.setitimer(signal.ITIMER_REAL, 0 if limit is None else limit + GRACE)
            try:
                reply = work(*pickle.loads(request)), ""
            except Exception as error:  # noqa: BLE001 - told to the parent, which names whose it is
                reply = None, f"{type(error).__name__}: {error}"
            signal.setitimer(signal.ITIMER_REAL, 0)
            pipe.send_bytes(pickle.dumps(reply))
