"""The shape of the code guards itself: imports walk one way, files are small, registered names say what they are."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from audit.registry import audits

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("generators", "audit", "reports")
LONGEST_FILE = 420
ROOF = {"audit.cli", "audit.__main__"}
"""What may import anything, and what nobody else may import."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the three packages by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST, name: str) -> Iterator[str]:
    """Our own modules that a piece of code imports."""
    for node in ast.walk(tree):
        named: list[str] = []
        if isinstance(node, ast.Import):
            named = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}, line {node.lineno}: relative import"
            module = node.module or ""
            named = [f"{module}.{each.name}" if f"{module}.{each.name}" in modules() else module for each in node.names]
        yield from (each for each in named if each in modules() and each != name)


@cache
def arrows() -> dict[str, set[str]]:
    """Module -> the modules it imports, wherever in the file."""
    return {name: set(imports(ast.parse(path.read_text(encoding="utf-8")), name)) for name, path in modules().items()}


def test_there_is_something_to_look_at() -> None:
    assert {"generators.api", "audit.run", "reports.render"} <= set(modules())
    assert "audit.store" in arrows()["audit.run"]


def test_imports_walk_one_way() -> None:
    rank = {package: place for place, package in enumerate(PACKAGES)}
    backwards = [
        f"{name} imports {other}"
        for name, others in arrows().items()
        for other in others
        if rank[other.partition(".")[0]] > rank[name.partition(".")[0]] and name not in ROOF
    ]
    assert backwards == []


def test_nobody_imports_the_roof() -> None:
    below = [name for name, others in arrows().items() if name not in ROOF and others & ROOF]
    assert below == []


def test_no_import_runs_in_a_circle() -> None:
    done: set[str] = set()
    path: list[str] = []
    circles: set[frozenset[str]] = set()

    def visit(name: str) -> None:
        if name in path:
            circles.add(frozenset(path[path.index(name) :]))
        if name in done or name in path:
            return
        path.append(name)
        for other in sorted(arrows()[name]):
            visit(other)
        path.pop()
        done.add(name)

    for name in modules():
        visit(name)
    assert not circles, [sorted(each) for each in circles]


@pytest.mark.parametrize("name", [name for name in modules() if modules()[name].read_text(encoding="utf-8").strip()])
def test_files_are_short_and_say_what_they_are_for(name: str) -> None:
    text = modules()[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST_FILE
    assert ast.get_docstring(ast.parse(text)), f"{modules()[name]} has no docstring"


@pytest.mark.parametrize("name", [n for n, path in modules().items() if "    >>> " in path.read_text("utf-8")])
def test_examples_in_docstrings_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed


def test_nothing_seeds_the_world() -> None:
    forbidden = ("torch.manual_seed(", "np.random.seed(", "random.seed(", "seed_everything(")
    found = [
        f"{name}: {each}"
        for name, path in modules().items()
        for each in forbidden
        if each in path.read_text("utf-8") and ".train." not in name  # training owns its process
    ]
    assert found == []


@pytest.mark.parametrize("name", sorted(audits()))
def test_a_registered_audit_introduces_itself(name: str) -> None:
    each = audits()[name]
    assert each.doc.split()
    assert each.unit
    assert each.source
    assert each.version >= 1
    assert all(p.default is not inspect.Parameter.empty for p in inspect.signature(each.factory).parameters.values())
    assert not each.on or each.on in audits()
