"""Configuration, read once: command line over sweep file over defaults -> a frozen RunConfig.

Only this file knows argv and TOML; everything downstream gets plain values.
"""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from audit.readers import (
    floats,
    ints,
    names,
    seconds,
    specs,
    table_values,
    task,
    text,
    toml_tables,
    truth,
    whole,
    windows,
)
from audit.share import Share, share_of

ENGINES = "local", "ray"


class ConfigError(ValueError):
    """A command line or sweep file that cannot be used; the message says where and what would work."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A run, in full. Every default is written here and nowhere else.

    Attributes:
        suite: a built-in name or a file; empty means the own prompts of an `images:` generator.
        generators: specifications such as "builtin:ldm" or "images:folder".
        guidance, steps, samplers, guidance_windows, guidance_rescales: the sweep; empty leaves the generator's own
            default.
        audits: names; empty means every headline audit.
        options: audit name -> option -> value.
        task: text2img, img2img, inpaint, control or upscale; the pictures it needs are the suite's inputs.
        strengths: swept by img2img and inpaint, 0..1, the share of the steps that is walked.
        control_scales: swept by control, how much the control picture counts.
        limit: use that many of the suite's prompts.
        batch, shard: pictures in a call of the generator, and in a file; None lets the generator decide.
        cards: folders of detectors' cards that come before those that ship.
        share: which part of the run this process makes; None for all of it.
        engine: what walks the shards: "local" or "ray".
        depot: an fsspec URL, for engine ray: where workers put their shards if nodes do not share the run folder.
        timeout: seconds that an audit may take for the pictures of a shard; None: no limit.
        workers: processes that score pictures, each with models of its own and its share of torch's threads, of which
            the last digits of features depend; None: a thread of this process scores.
    """

    out: str
    generators: tuple[str, ...]
    suite: str = ""
    guidance: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    samplers: tuple[str, ...] = ()
    guidance_windows: tuple[tuple[float, float], ...] = ()
    guidance_rescales: tuple[float, ...] = ()
    replicates: int = 1
    task: str = "text2img"
    strengths: tuple[float, ...] = ()
    control_scales: tuple[float, ...] = ()
    audits: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limit: int | None = None
    device: str = "auto"
    batch: int | None = None
    shard: int | None = None
    report: bool = True
    cards: tuple[str, ...] = ()
    share: Share | None = None
    engine: str = "local"
    depot: str = ""
    timeout: float | None = None
    workers: int | None = None

    @property
    def folder(self) -> Path:
        """The run folder to write: `out`, or this process's part within it."""
        return self.share.folder(Path(self.out)) if self.share else Path(self.out)

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


def run_config(arguments: argparse.Namespace) -> RunConfig:
    """The run that a parsed command line asks for."""
    told: dict[str, Any] = {}
    options: Mapping[str, Mapping[str, Any]] = {}
    if arguments.sweep:
        told, options = read_sweep(Path(arguments.sweep))
    flags = {name: getattr(arguments, name) for name in _READERS if getattr(arguments, name) is not None}
    told |= {
        name: tuple(value) if isinstance(value, list) else value for name, value in flags.items() if value is not None
    }
    for name, example in (("generator", "--generator builtin:ldm"), ("out", "--out runs/x")):
        if not told.get(name):
            raise ConfigError(f"no {name} given; add {example}")
    for name in ("limit", "batch", "shard", "workers"):
        if name in told and told[name] < 1:
            raise ConfigError(f"{name} must be 1 or more, got {told[name]}")
    share = share_of(told.pop("share", None), os.environ)
    renamed = {_FIELDS.get(name, name): value for name, value in told.items()}
    if share and renamed.get("engine") == "ray":
        raise ConfigError(
            f"share {share} and engine ray do not go together: Ray spreads the whole run; drop one of them"
        )
    if "workers" in renamed and renamed.get("engine") == "ray":
        raise ConfigError("workers and engine ray do not go together: Ray has workers of its own; drop one of them")
    if renamed.get("depot") and renamed.get("engine") != "ray":
        raise ConfigError("a depot is where the workers of engine ray put their shards; add --engine ray, or drop it")
    return RunConfig(**renamed, options=options, share=share)


def read_sweep(path: Path) -> tuple[dict[str, Any], Mapping[str, Mapping[str, Any]]]:
    """The [run] table by flag name, and the [audits.NAME] tables.

    Raises:
        ConfigError: no such file, no TOML, an unknown key (with near ones), a value of the wrong type.
    """
    tables = toml_tables(path, "sweep file", ConfigError)
    _known(tables, ("run", "audits"), f"{path}: no table named")
    for name in tables:
        if not isinstance(tables[name], dict):
            raise ConfigError(f"{path}: {name!r} must be a table, written [{name}]")
    run, options = tables.get("run", {}), tables.get("audits", {})
    _known(run, tuple(_READERS), f"{path}, [run]: no key named")
    for table in options.values():
        if not isinstance(table, dict) or any(isinstance(value, dict) for value in table.values()):
            raise ConfigError(f'{path}: options go into a table with the audit\'s name in quotes, [audits."text.cer"]')
    return table_values(path, "run", run, _READERS, ConfigError), options


def _engine(value: object) -> str:
    if value not in ENGINES:
        raise ValueError(f"no engine is called {value!r}; known: {', '.join(ENGINES)}")
    return str(value)


def _known(given: Iterable[str], known: Sequence[str], what: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            raise ConfigError(
                f"{what} {name!r}; " + (f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(known)}")
            )


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "suite": text,
    "generator": specs,
    "guidance": floats,
    "steps": ints,
    "sampler": names,
    "guidance_window": windows,
    "guidance_rescale": floats,
    "task": task,
    "strength": floats,
    "control_scale": floats,
    "replicates": whole,
    "audits": names,
    "limit": whole,
    "out": text,
    "device": text,
    "batch": whole,
    "shard": whole,
    "report": truth,
    "cards": specs,
    "engine": _engine,
    "depot": text,
    "timeout": seconds,
    "workers": whole,
    "share": text,
}
_FIELDS = {
    "generator": "generators",
    "sampler": "samplers",
    "guidance_window": "guidance_windows",
    "guidance_rescale": "guidance_rescales",
    "strength": "strengths",
    "control_scale": "control_scales",
}
