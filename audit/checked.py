"""What a run folder says of itself, held against what it must say: a folder may come from a stranger, or be damaged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import NoneType

from audit.types import Prompt

Kinds = Mapping[str, type | tuple[type, ...]]
Number = (int, float)

_WHOLE: Kinds = {"config": dict, "suite": dict, "generators": list, "audits": list, "weights": list}
_MAY: Kinds = {"machine": dict, "packages": dict, "seconds": dict, "created": str, "version": str, "python": str}
_SUITE: Kinds = {"name": str, "version": str, "digest": str, "prompts": int}
_MACHINE: Kinds = {
    "cpu": str,
    "cores": (int, NoneType),
    "gpu": (str, NoneType),
    "ram_gb": Number,
    "platform": str,
}
_ROWS: Mapping[str, Kinds] = {
    "audits": {
        "name": str,
        "version": int,
        "better": str,
        "kind": str,
        "statistic": str,
        "on": str,
        "unit": str,
        "source": str,
        "doc": str,
        "headline": bool,
        "options": dict,
    },
    "generators": {"name": str, "fingerprint": str, "knobs": list},
    "weights": {"name": str, "sha256": (str, NoneType), "licence": str},
}
_PROMPT: Kinds = {
    "id": str,
    "text": str,
    "negative_text": str,
    "origin": str,
    "expect": dict,
    "inputs": dict,
    "tags": list,
}
_OUTCOMES = ("higher", "lower", "neither")


def manifest_fault(told: object) -> str:
    """What keeps a JSON value from being a manifest, in words; empty where nothing does."""
    if not isinstance(told, dict):
        return "it is no table"
    there = {name: kind for name, kind in _MAY.items() if name in told}
    faults = [_fault("it", told, {**_WHOLE, **there})]
    if not faults[0]:
        faults += [_fault("suite", told["suite"], _SUITE)]
        faults += [_fault("machine", told["machine"], _MACHINE)] if "machine" in told else []
        faults += [_fault(f"one of its {name}", row, kinds) for name, kinds in _ROWS.items() for row in told[name]]
        faults += _sides(told["audits"], told.get("seconds", {}))
    return next(filter(None, faults), "")


def prompt_of(row: object) -> Prompt:
    """A line of prompts.jsonl; ValueError where it is none."""
    if not isinstance(row, dict) or _fault("it", row, _PROMPT):
        raise ValueError(f"wanted {', '.join(_PROMPT)}, each of its kind")
    if not all(isinstance(each, str) for each in [*row["tags"], *row["inputs"].values()]):
        raise ValueError("tags and inputs must be texts")
    json.dumps(row, allow_nan=False, ensure_ascii=False).encode()  # half of a surrogate pair could not be written again
    return Prompt(**row | {"tags": tuple(row["tags"])})


def _fault(what: str, row: object, kinds: Kinds) -> str:
    if not isinstance(row, dict):
        return f"{what} is no table"
    wrong = [name for name, kind in kinds.items() if name not in row or not isinstance(row[name], kind)]
    return f"{what} lacks {', '.join(wrong)}, or has it of the wrong kind" if wrong else ""


def _sides(audits: Iterable[object], seconds: Mapping[str, object]) -> Iterable[str]:
    for each in audits:
        if isinstance(each, dict) and each.get("better") not in _OUTCOMES:
            yield f"an audit's better end is none of {', '.join(_OUTCOMES)}"
    if not all(isinstance(each, Number) for each in seconds.values()):
        yield "its seconds are no numbers"
