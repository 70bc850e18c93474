"""Where audits and their trials are found: the files of `audit/audits/` and `audit/trials/`, and the entry-point groups
"sixthfinger.audits" and "sixthfinger.trials"."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import TypeVar

from audit.api import Audit
from audit.trial import Trial

T = TypeVar("T")


class UnknownNameError(ValueError):
    """A name nobody registered; the message offers near ones."""


def unknown(kind: str, name: str, known: list[str]) -> UnknownNameError:
    """The error for a name that is not there, with what was probably meant."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
    return UnknownNameError(f"no {kind} named {name!r}; {hint}")


@cache
def audits() -> dict[str, Audit]:
    """Every audit by name, sorted."""
    import audit.audits as audits_folder

    found: dict[str, Audit] = {}
    offered = [*_in(audits_folder, Audit), *(point.load() for point in entry_points(group="sixthfinger.audits"))]
    for each in offered:
        if each.name in found and found[each.name] is not each:
            raise ValueError(f"two audits are named {each.name!r}: {found[each.name].factory} and {each.factory}")
        found[each.name] = each
    return dict(sorted(found.items()))


def find_audit(name: str) -> Audit:
    """The audit of that name, or an error that offers near ones."""
    if name not in audits():
        raise unknown("audit", name, list(audits()))
    return audits()[name]


@cache
def trials() -> dict[str, Trial]:
    """Every trial by name ("detector@domain"), sorted."""
    import audit.audits as audits_folder
    import audit.trials as trials_folder

    found: dict[str, Trial] = {}
    offered = [*_in(audits_folder, Trial), *_in(trials_folder, Trial)]
    for each in [*offered, *(point.load() for point in entry_points(group="sixthfinger.trials"))]:
        if each.name in found and found[each.name] is not each:
            raise ValueError(f"two trials are named {each.name!r}: {found[each.name].cases} and {each.cases}")
        if each.detector not in audits():
            raise unknown(f"audit for the trial {each.name!r}", each.detector, list(audits()))
        found[each.name] = each
    return dict(sorted(found.items()))


def _in(folder: ModuleType, kind: type[T]) -> list[T]:
    """The values of that kind in the modules of a package."""
    modules = [
        importlib.import_module(f"{folder.__name__}.{info.name}") for info in pkgutil.iter_modules(folder.__path__)
    ]
    return [value for module in modules for value in vars(module).values() if isinstance(value, kind)]
