"""What a candidate must not get worse at, by how much, and how sure the verdict has to be: gate.toml -> Policy."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.readers import table_values, toml_tables
from audit.statistics.power import ALPHA, POWER
from audit.types import digest_of

MOST = 1e12
"""What no margin and no count can mean; larger whole numbers of TOML fit no float."""


class PolicyError(ValueError):
    """A gate.toml that cannot be used; the message says where and what would work."""


@dataclass(frozen=True, kw_only=True)
class Primary:
    """A metric that decides.

    Attributes:
        margin: how much worse, in the audit's own unit, would still be acceptable; above 0.
        worse: the direction that is worse, "higher" or "lower"; empty: the audit's own.
        cell: judged in this sweep cell alone; empty: over all cells together.
    """

    audit: str
    margin: float
    worse: str = ""
    cell: str = ""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """All conditions of a gate. Every default is written here and nowhere else.

    Attributes:
        alpha: chance of failing a candidate that is not worse at anything, over all primary metrics together.
        power: what the "needed N" of an inconclusive verdict aims at.
        pairs, prompts: fewest scored pairs and prompts behind each primary metric.
        failed: share of the pictures, and of the scores of a primary metric, that may have failed.
        skipped: how much larger than the baseline's the candidate's share of skipped scores may be.
        same_packages: refuse runs whose scoring packages differ in version.
    """

    primary: tuple[Primary, ...]
    alpha: float = ALPHA
    power: float = POWER
    pairs: int = 50
    prompts: int = 10
    failed: float = 0.0
    skipped: float = 0.1
    same_packages: bool = True
    source: str = ""

    @property
    def digest(self) -> str:
        """Changes with every condition."""
        return digest_of({name: repr(getattr(self, name)) for name in self.__dataclass_fields__ if name != "source"})


def read_policy(path: Path) -> Policy:
    """The policy of a TOML file.

    Raises:
        PolicyError: no such file, no TOML, an unknown key, a value of the wrong kind, no primary metric.
    """
    tables = toml_tables(path, "policy", PolicyError, cure=f"; audit gate RUN --init {path}")
    _known(tables, ("gate", "require", "primary"), f"{path}: no table")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise PolicyError(f"{path}: {name} must be a table, written [{name}]")
    told = _values(path, "gate", tables.get("gate", {}), _GATE) | _values(
        path, "require", tables.get("require", {}), _REQUIRE
    )
    primary = tables.get("primary", {})
    if not primary:
        raise PolicyError(
            f'{path} names no primary metric; add one, such as [primary."hands.wrong"] with margin = 0.05'
        )
    return Policy(primary=tuple(_primary(path, name, row) for name, row in primary.items()), source=str(path), **told)


def _primary(path: Path, name: str, row: object) -> Primary:
    if not isinstance(row, dict) or any(isinstance(value, dict) for value in row.values()):
        raise PolicyError(f'{path}: write the metric\'s name in quotes, such as [primary."hands.wrong"]')
    if not name.isprintable():
        raise PolicyError(f"{path}: {name!r} is no metric's name")
    where = f'primary."{name}"'
    told = _values(path, where, row, _PRIMARY)
    if "margin" not in told:
        raise PolicyError(f"{path}, [{where}]: no margin; say how much worse would still be acceptable")
    return Primary(audit=name, **told)


def _values(path: Path, table: str, given: Mapping[str, Any], readers: Mapping[str, Reader]) -> dict[str, Any]:
    _known(given, tuple(readers), f"{path}, [{table}]: no key")
    return table_values(path, table, given, readers, PolicyError)


def _known(given: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=2)
            raise PolicyError(
                f"{what} {name!r}; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}")
            )


Reader = Callable[[Any], Any]


def _between(least: float, most: float) -> Reader:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"must be a number from {least:g} to {most:g}")
        return float(value)

    return read


def _margin(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST:
        raise ValueError("must be a number above 0, in the metric's own unit")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise ValueError("must be a whole number, 1 or more")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _worse(value: Any) -> str:
    if value not in ("higher", "lower"):
        raise ValueError('must be "higher" or "lower"')
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")
    return value


_GATE: Mapping[str, Reader] = {"alpha": _between(1e-6, 0.5), "power": _between(0.5, 0.999)}
_REQUIRE: Mapping[str, Reader] = {
    "pairs": _count,
    "prompts": _count,
    "failed": _between(0, 1),
    "skipped": _between(0, 1),
    "same_packages": _flag,
}
_PRIMARY: Mapping[str, Reader] = {"margin": _margin, "worse": _worse, "cell": _text}
