"""Nothing in the packages loads a pickle, runs text as code, hands a line to a shell or takes a model's own code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for package in ("generators", "audit", "reports") for path in (ROOT / package).rglob("*.py"))
FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "marshal", "shelve", "jsonpickle"}
OWN_PIPE = {"audit/apart.py": {"imports pickle"}}
"""Pickles that go through an anonymous pipe between a process and its own child, and never lie in a file."""
XML = {"parse", "fromstring", "XML", "iterparse", "XMLParser"}
"""Readers of xml.etree, in which entities multiply; writing is harmless."""


def unsafe(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and what is wrong there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((node.lineno, f"imports {name}") for name in names if name.split(".")[0] in FORBIDDEN)
        if isinstance(node, ast.Call):
            yield from ((node.lineno, fault) for fault in faults(ast.unparse(node.func), node))


def faults(called: str, node: ast.Call) -> Iterator[str]:
    """What is wrong with a call."""
    given = {each.arg: ast.unparse(each.value) for each in node.keywords}
    last = called.rpartition(".")[2]
    if called in ("eval", "exec", "compile", "os.system", "os.popen", "__import__"):
        yield called
    if called in ("torch.load", "torch.hub.load") and given.get("weights_only") != "True":
        yield f"{called} without weights_only=True"
    if last in ("read_pickle", "to_pickle"):
        yield called
    if called in ("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"):
        yield called
    elif called.startswith("yaml.") and given.get("Loader", "yaml.SafeLoader") != "yaml.SafeLoader":
        yield f"{called} with another loader than SafeLoader"
    if called in ("np.load", "numpy.load") and given.get("allow_pickle", "False") != "False":
        yield f"{called} with pickles"
    if given.get("shell", "False") != "False":
        yield f"{called} with a shell"
    if given.get("trust_remote_code", "False") != "False":
        yield f"{called} with a model's own code"
    if last in XML and called.split(".")[0] in ("ElementTree", "ET", "etree", "minidom", "sax"):
        yield f"{called} of XML"
    if last in ("extractall", "unpack_archive"):
        yield called


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_unsafe_call(path: Path) -> None:
    found = {fault for _, fault in unsafe(ast.parse(path.read_text(encoding="utf-8")))}
    assert found <= OWN_PIPE.get(named(path), set())


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from dill import loads",
        "eval('1')",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "pd.read_pickle(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.compose(text, Loader=yaml.Loader)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=chosen)",
        "subprocess.run(line, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "ElementTree.fromstring(text)",
        "tar.extractall(folder)",
    ],
)
def test_each_unsafe_call_would_be_seen(text: str) -> None:
    assert len(list(unsafe(ast.parse(text)))) == 1


def test_the_installed_numpy_and_torch_refuse_pickles_by_default(tmp_path: Path) -> None:
    """What the calls above lean on; an old release of either would not."""
    import pickle

    import numpy as np
    import torch

    class Runs:
        def __reduce__(self) -> tuple[object, ...]:
            return print, ("obeyed",)

    np.save(tmp_path / "a.npy", np.array([Runs()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        np.load(tmp_path / "a.npy")
    torch.save({"x": Runs()}, tmp_path / "a.pt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "a.pt", weights_only=True)
