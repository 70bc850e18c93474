"""A folder behind any fsspec URL, through which the shards of a run travel where its nodes share no disk.

It mirrors the run folder: a file has the same name, from the root, in both. What lies there is no run to read from:
the driver collects every shard into the run folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from audit.redact import redact
from audit.store import RunFolder, writing
from audit.tables import write_aside

SHARDS = re.compile(r"(images/shard-\d{5,}|scores/[A-Za-z0-9_.-]+/shard-\d{5,})\.parquet")
INPUTS = re.compile(r"inputs/[0-9a-f]+\.webp")


class DepotError(ValueError):
    """A depot that cannot be reached, written or read; the message says which file, and what its service told."""


@dataclass(frozen=True)
class Depot:
    """A folder at a URL, such as s3://bucket/runs/big; credentials come from the environment, as its scheme has it."""

    url: str

    def check(self) -> None:
        """Ask for the folder, which need not be there yet.

        Raises:
            DepotError: no such scheme, its package is not installed, or the service refuses or does not answer.
        """
        system, root = self._place
        with self._told("cannot reach it"):
            system.exists(root)

    def names(self, kind: re.Pattern[str]) -> set[str]:
        """The files of a kind that are there, by their names from the root; other files are left alone."""
        system, root = self._place
        with self._told("cannot list it"):
            system.invalidate_cache()
            found = [str(path) for path in system.find(root)] if system.exists(root) else []
        start = root.rstrip("/") + "/"
        return {name for path in found if kind.fullmatch(name := path.removeprefix(start))}

    def send(self, folder: Path, name: str) -> None:
        """Copy one file of the folder there, over what has its name."""
        system, root = self._place
        target = f"{root.rstrip('/')}/{name}"
        with self._told(f"cannot write {name}"):
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(folder / name), target)

    def fetch(self, folder: Path, name: str) -> Path:
        """Copy one file from there into the folder, aside and renamed."""
        system, root = self._place
        source = f"{root.rstrip('/')}/{name}"
        with writing(folder / name) as path, self._told(f"cannot read {name}"):
            write_aside(path, lambda aside: system.get_file(source, str(aside)))
        return path

    def collect(self, folder: RunFolder) -> int:
        """Fetch every shard that the run folder lacks; how many. Whether they belong to the plan, a survey tells.

        A driver that died after its workers had sent shards, and before it had fetched them, finds them so.
        """
        missing = sorted(name for name in self.names(SHARDS) if not (folder.path / name).is_file())
        for name in missing:
            self.fetch(folder.path, name)
        return len(missing)

    @cached_property
    def _place(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        try:
            system, root = url_to_fs(self.url)
        except (ImportError, ValueError, OSError) as error:  # no such scheme, or its package is not here
            raise DepotError(f"depot {redact(self.url)}: {redact(str(error))}") from error
        return system, str(root)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            told = " ".join(redact(str(error)).split())[:300] or type(error).__name__
            raise DepotError(f"depot {redact(self.url)}: {what} ({told})") from error
