"""What a person waiting for a run sees: bars with an ETA on a terminal, plain lines elsewhere. All on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0
Advance = Callable[[int], None]


class Watch:
    """Progress of named stages; threads may advance them at the same time."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr)
        self._bars = Progress(
            TextColumn("{task.description:>9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
        )

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *reason: object) -> None:
        if self.console.is_terminal:
            self._bars.stop()

    def line(self, text: str) -> None:
        """One line of plain text."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stage(self, name: str, total: int) -> Advance:
        """Start a stage of `total` items; call the result with how many more are done."""
        if not self.console.is_terminal:
            return self._lines(name, total)
        task = self._bars.add_task(name, total=total)
        return lambda more: self._bars.advance(task, more)

    def _lines(self, name: str, total: int) -> Advance:
        begun = said = time.monotonic()
        done = 0

        def advance(more: int) -> None:
            nonlocal done, said
            done += more
            now = time.monotonic()
            if done < total and now - said < SECONDS_BETWEEN_LINES:
                return
            said = now
            left = (now - begun) / done * (total - done) if done else 0.0
            self.line(f"{name}: {done} of {total}, {now - begun:.0f} s gone, {left:.0f} s left")

        return advance
