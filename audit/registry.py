"""Where audits are found: the files of `audit/audits/` and the entry-point group "sixthfinger.audits"."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from audit.api import Audit


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
    import audit.audits as folder

    found: dict[str, Audit] = {}
    modules = [
        importlib.import_module(f"{folder.__name__}.{info.name}") for info in pkgutil.iter_modules(folder.__path__)
    ]
    offered = [value for module in modules for value in vars(module).values() if isinstance(value, Audit)]
    offered += [point.load() for point in entry_points(group="sixthfinger.audits")]
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
