"""The runs that are looked at: read once, read again when their files change, and their pictures as small copies."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from audit import reviews
from audit.images import encode_webp
from audit.reviews import Findings
from generators.api import Pixels
from reports.load import Report, Run, load
from reports.pictures import Copy, thumbnail
from reports.render import page_of
from reports.viewer.browse import browsed

PATIENCE = 2.0
"""Seconds for which files are taken to be as they were."""
SMALL_COPY = Copy(320)
KEPT_COPIES = 2000
T = TypeVar("T")


class MissingError(LookupError):
    """A run or a picture that is not there."""


class Shelf:
    """What the pages are made of. Safe to use from several threads.

    Raises:
        ValueError: no folder, or one that is no run (from the store, which says what would help).
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [Path(each) for each in folders]
        self._lock = threading.RLock()
        self._paging = threading.Lock()
        self._page: tuple[object, str] | None = None
        self._looked, self._seen = 0.0, self._signature()
        self._report = load(self._folders)
        self._made: dict[tuple[str, ...], object] = {}
        self._copies: OrderedDict[tuple[int, str], bytes] = OrderedDict()

    @property
    def report(self) -> Report:
        """The runs as they are now."""
        with self._lock:
            if time.monotonic() - self._looked > PATIENCE:
                signature = self._signature()
                if signature != self._seen:
                    self._report, self._seen, self._made = load(self._folders), signature, {}
                    self._copies.clear()
                self._looked = time.monotonic()
            return self._report

    def run(self, number: int) -> Run:
        """A run by its place; MissingError where there is none."""
        runs = self.report.runs
        if not 0 <= number < len(runs):
            raise MissingError(f"no run {number}; they are counted from 0 to {len(runs) - 1}")
        return runs[number]

    def page(self) -> str:
        """The report of all runs as one HTML page. Read apart, so that other pages need not wait for it."""
        with self._paging:
            _ = self.report
            if self._page is None or self._page[0] != self._seen:
                self._page = self._seen, page_of(load(self._folders))
            return self._page[1]

    def frame(self) -> pd.DataFrame:
        """See `browsed`."""
        return self._once(("frame",), lambda: browsed(self.report))

    def findings(self, run: int, audit: str) -> Findings:
        """See `audit.reviews.findings`."""
        folder = self.run(run).folder
        return self._once(("findings", str(run), audit), lambda: reviews.findings(folder, audit))

    def order(self, run: int, audit: str, reviewer: str) -> list[str]:
        """See `audit.reviews.order`."""
        found = self.findings(run, audit)
        return self._once(("order", str(run), audit, reviewer), lambda: reviews.order(found, reviewer))

    def picture(self, run: int, key: str) -> bytes:
        """The picture of a job as lossless WebP; MissingError where there is none."""
        return encode_webp(self._pixels(run, key))

    def copy(self, run: int, key: str) -> bytes:
        """A small copy of it."""
        place = (run, key)
        with self._lock:
            if place in self._copies:
                self._copies.move_to_end(place)
                return self._copies[place]
        made = thumbnail(self._pixels(run, key), SMALL_COPY)
        with self._lock:
            self._copies[place] = made
            while len(self._copies) > KEPT_COPIES:
                self._copies.popitem(last=False)
        return made

    def brought(self, run: int, digest: str) -> bytes:
        """A picture that some prompt of the run brought; MissingError for any other digest."""
        held = self.run(run)
        if not any(digest in prompt.inputs.values() for prompt in held.prompts.values()):
            raise MissingError(f"no prompt of this run brought the picture {digest!r}")
        return encode_webp(held.folder.input(digest))

    def _pixels(self, run: int, key: str) -> Pixels:
        with self._lock:  # a run folder keeps its last shard, which threads would pull from under each other
            folder = self.run(run).folder
            try:
                return folder.image(key)
            except KeyError as error:
                raise MissingError(f"{folder.path} holds no picture {key!r}") from error

    def _once(self, name: tuple[str, ...], make: Callable[[], T]) -> T:
        with self._lock:
            _ = self.report  # reads again what changed, which empties `_made`
            if name not in self._made:
                self._made[name] = make()
            found: T = self._made[name]  # type: ignore[assignment]
            return found

    def _signature(self) -> tuple[tuple[str, int, int], ...]:
        """Every file of the runs that a page is made of, with its time and size."""
        patterns = ("manifest.json", "prompts.jsonl", "*.parquet", "images/*.parquet", "scores/*/*.parquet")
        paths = [path for folder in self._folders for pattern in patterns for path in sorted(folder.glob(pattern))]
        return tuple((str(path), each.st_mtime_ns, each.st_size) for path in paths for each in [path.stat()])
