"""Start the viewer on this machine and say where it is."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit.reviews import checked_name

if TYPE_CHECKING:
    import uvicorn

HOST = "127.0.0.1"
PACKAGES = ("fastapi", "uvicorn", "starlette", "pydantic")


class ViewerError(ValueError):
    """A viewer that cannot be started as asked."""


@dataclass(frozen=True)
class Stall:
    """A viewer that listens and does not serve yet; `address` holds the token that lets a browser in."""

    address: str
    server: uvicorn.Server
    listening: socket.socket

    def serve(self) -> None:
        """Serve until interrupted (KeyboardInterrupt), or until `server.should_exit` is set."""
        with self.listening:
            self.server.run(sockets=[self.listening])


def view(
    runs: Sequence[Path],
    *,
    port: int | None = None,
    reviewer: str = "",
    open_browser: bool = True,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Serve run folders to this machine's browser until it is interrupted.

    Args:
        port: None takes any that is free.
        reviewer: whose verdicts are taken; empty lets the page ask.
        tell: hears the address; None prints it.

    Raises:
        ViewerError: packages that are missing, or a port that cannot be had.
        ValueError: a folder that is no run (StoreError), or a name that no reviewer can have (ReviewError).
    """
    tell = tell or _print
    stall = stalled(runs, port=port, reviewer=reviewer)
    tell(f"viewer: {stall.address}")
    tell("it serves this machine only and runs until Ctrl-C; who has this address can see the runs and answer")
    if open_browser:
        webbrowser.open(stall.address)
    try:
        stall.serve()
    except KeyboardInterrupt:
        tell("viewer closed; every answer is kept")


def stalled(runs: Sequence[Path], *, port: int | None = None, reviewer: str = "") -> Stall:
    """A viewer of these runs that has its port; raises as `view` does."""
    try:
        import uvicorn

        from reports.viewer.app import application
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        raise ViewerError(f"the viewer needs {error.name}: pip install 'sixthfinger[view]'") from error
    if reviewer:
        checked_name(reviewer)
    listening = _listening(port)
    number = listening.getsockname()[1]
    try:
        app, keys = application(runs, port=number, reviewer=reviewer)
    except BaseException:
        listening.close()
        raise
    # an access log would hold the token
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, ws="none", proxy_headers=False, server_header=False
    )
    return Stall(f"http://{HOST}:{number}/?token={keys.address}", uvicorn.Server(config), listening)


def _print(line: str) -> None:
    print(line, flush=True)  # a pipe would keep the address until the end


def _listening(port: int | None) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port or 0))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        raise ViewerError(f"port {port} cannot be had ({error}); choose another --port, or leave it out") from error
    return listening
