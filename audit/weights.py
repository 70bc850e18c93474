"""The manifest of weights: every file a scorer or a generator can use, its licence, its hash, and whether it is here.

The data stand in `weights.toml`; whatever ships under `generators/weights` and `audit/references` beyond that is found
on disk. Nothing here downloads: a missing file is an error whose message has the command that fetches it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = {"generators/weights": "*.safetensors", "audit/references": "*.npz"}


class ManifestError(ValueError):
    """A manifest of weights that cannot be used; the message says where and what would work."""


class MissingWeightsError(RuntimeError):
    """Weights that are not here; the message has the command that fetches them."""


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One file of weights.

    Attributes:
        used_by: audits and generators by name.
        size, sha256: in bytes, and 64 hexadecimal digits; None where not known for certain.
        source: where it comes from; fetch: the command that brings it.
        looked: where it is looked for, in words; path: where it was found, else None.
    """

    name: str
    used_by: tuple[str, ...]
    licence: str
    size: int | None
    sha256: str | None
    source: str
    fetch: str
    looked: str
    path: Path | None

    @property
    def present(self) -> bool:
        """Whether the file was found."""
        return self.path is not None


def weights() -> list[Weight]:
    """Every known file, in the order of the manifest; what is shipped or found is hashed."""
    listed = [_weight(entry) for entry in _manifest()]
    known = {each.path for each in listed}
    return listed + [
        _shipped(path)
        for folder, pattern in SHIPPED.items()
        for path in sorted((ROOT / folder).rglob(pattern))
        if path not in known
    ]


def find(name: str) -> Weight:
    """The entry of that name.

    Raises:
        KeyError: an unknown name, with the known ones.
    """
    for entry in _manifest():
        if entry["name"] == name:
            return _weight(entry)
    raise KeyError(f"no weights named {name!r}; known: {', '.join(entry['name'] for entry in _manifest())}")


def require(name: str) -> Path:
    """Where the file is, its hash checked where one is on record.

    Raises:
        MissingWeightsError: it is not here, or not the file that it should be; the message says how to get it.
    """
    weight = find(name)
    [recorded] = [entry.get("sha256") for entry in _manifest() if entry["name"] == name]
    if weight.path is None:
        raise MissingWeightsError(f"weights {name!r} are missing (looked in {weight.looked}); get them: {weight.fetch}")
    found = sha256_of(weight.path)
    if recorded and found != recorded:
        raise MissingWeightsError(
            f"{weight.path} is not the file it should be: its SHA-256 is {found[:16]}…, {name!r} has {recorded[:16]}…; "
            f"get it again: {weight.fetch}"
        )
    return weight.path


def sha256_of(path: Path) -> str:
    """64 hexadecimal digits, worked out once for a file as long as its size and time stay."""
    seen = path.stat()
    return _sha256(path, seen.st_size, seen.st_mtime_ns)


def table() -> str:
    """The manifest as text, one row a file, then the commands that get what is missing."""
    listed = weights()
    rows = [("name", "here", "size", "sha256", "licence", "used by")]
    rows += [
        (
            each.name,
            "yes" if each.present else "no",
            _megabytes(each.size),
            (each.sha256 or "?")[:12],
            each.licence,
            ", ".join(each.used_by) or "-",
        )
        for each in listed
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    missing = [f"  {each.name}: {each.fetch}" for each in listed if not each.present]
    return "\n".join([*lines, *(["", "To get what is missing:", *missing] if missing else [])])


@cache
def _manifest() -> list[dict[str, Any]]:
    return read_manifest(Path(__file__).parent / "weights.toml")


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """The entries of a manifest, each with every field that `Weight` needs.

    Raises:
        ManifestError: no TOML, a field that is missing or of the wrong kind, a place outside the checkout, two entries
            of one name.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("weights")
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is not valid TOML: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ManifestError(f"{path}: wants its entries as tables, each headed [[weights]]")
    for number, entry in enumerate(entries, start=1):
        if wrong := _wrong(entry):
            raise ManifestError(f"{path}, entry {number}: {wrong}")
    names = [entry["name"] for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ManifestError(f"{path}: two entries are named {twice[0]!r}")
    return entries


def _wrong(entry: Mapping[str, Any]) -> str:
    """What is wrong with an entry; empty where nothing is."""
    for field in ("name", "licence", "source", "kind", "place", "fetch"):
        if not isinstance(entry.get(field), str) or not entry[field].isprintable():
            return f"{field} must be a text on one line"
    users = entry.get("used_by")
    if not isinstance(users, list) or not all(isinstance(each, str) for each in users):
        return "used_by must list names of audits and generators"
    if entry["kind"] not in _PLACES:
        return f"no kind {entry['kind']!r}; known: {', '.join(_PLACES)}"
    if ".." in entry["place"].replace(":", "/").split("/") or entry["place"].replace(":", "/").startswith("/"):
        return f"place {entry['place']!r} leads elsewhere; write it relative, without '..'"
    size = entry.get("size", 0)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
        return "size must be a whole number of bytes"
    recorded = entry.get("sha256", "0" * 64)
    if not isinstance(recorded, str) or not re.fullmatch("[0-9a-f]{64}", recorded):
        return "sha256 must be 64 hexadecimal digits"
    return ""


def _weight(entry: dict[str, Any]) -> Weight:
    path, looked = _PLACES[entry["kind"]](entry["place"])
    here = path if path is not None and path.is_file() else None
    return Weight(
        name=entry["name"],
        used_by=tuple(entry["used_by"]),
        licence=entry["licence"],
        size=here.stat().st_size if here else entry.get("size"),
        sha256=sha256_of(here) if here else entry.get("sha256"),
        source=entry["source"],
        fetch=entry["fetch"],
        looked=looked,
        path=here,
    )


def _shipped(path: Path) -> Weight:
    """A file of ours that the manifest does not name: the folder says what it belongs to."""
    place = path.relative_to(ROOT)
    parts = place.with_suffix("").parts[2:]
    return Weight(
        name="/".join(parts),
        used_by=(f"builtin:{parts[0]}",) if place.parts[0] == "generators" else (),
        licence="Apache-2.0",
        size=path.stat().st_size,
        sha256=sha256_of(path),
        source="trained by this project",
        fetch=f"git checkout -- {place.as_posix()}",
        looked=place.as_posix(),
        path=path,
    )


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_checkout(place: str) -> tuple[Path, str]:
    return ROOT / place, place


def _in_package(place: str) -> tuple[Path | None, str]:
    module, _, inside = place.partition(":")
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None, f"the package {module}, which is not installed"
    return Path(next(iter(spec.submodule_search_locations))) / inside, f"the package {module}"


def _in_hub_cache(place: str) -> tuple[Path | None, str]:
    from huggingface_hub import constants, try_to_load_from_cache

    repository, _, file = place.partition(":")
    found = try_to_load_from_cache(repository, file)
    return (Path(found) if isinstance(found, str) else None), f"{constants.HF_HUB_CACHE} ({repository})"


def _in_torch_hub(place: str) -> tuple[Path | None, str]:
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    found = [folder / name for name in place.split() if (folder / name).is_file()]
    return (found[0] if found else None), str(folder)


def _for_easyocr(place: str) -> tuple[Path, str]:
    # EasyOCR's own variable and default; asking EasyOCR itself would import OpenCV and all of its models' code.
    home = os.environ.get("EASYOCR_MODULE_PATH") or os.environ.get("MODULE_PATH") or Path.home() / ".EasyOCR"
    folder = Path(home) / "model"
    return folder / place, str(folder)


_PLACES = {
    "shipped": _in_checkout,
    "package": _in_package,
    "hub": _in_hub_cache,
    "torch": _in_torch_hub,
    "easyocr": _for_easyocr,
}


def _megabytes(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e6:.1f} MB"
