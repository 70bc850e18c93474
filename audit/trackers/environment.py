"""Environment variables for as long as a tracker's library runs, which reads some settings from nowhere else."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from audit.trackers.entries import TrackError

INSTALL = 'pip install "sixthfinger[trackers]"'


@contextlib.contextmanager
def environment(values: Mapping[str, str], *, without: tuple[str, ...] = ()) -> Iterator[None]:
    """Set the variables, and hide every other whose name begins with one of `without`; all are as before afterwards."""
    kept = dict(os.environ)
    for name in [each for each in kept if each.startswith(without)]:
        del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        for name in set(os.environ) - set(kept):
            del os.environ[name]
        os.environ.update(kept)


def needed(module: str, *others: str) -> Any:
    """The module, once it and the others that it will ask for could be imported.

    Raises:
        TrackError: one is not installed; with the command that installs it.
    """
    try:
        found, *_ = [importlib.import_module(each) for each in (module, *others)]
    except ModuleNotFoundError as error:
        raise TrackError(f"the package {error.name} is not installed; get it: {INSTALL}") from error
    return found
