"""A run as trackers keep it: one entry per generator and cell, with settings, numbers, labels and files. No tracker."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from audit.export import estimate_table, plain, write_table
from audit.images import encode_png
from audit.oneline import one_line
from audit.store import RunFolder
from audit.types import Estimate, Json, digest_of, knob_words

MOST_PICTURES = 16
LONGEST_NAME = 128  # W&B's limit; a database of MLflow's may hold 250
ENDS = {
    "": "value",
    **{
        f"_{field}": field
        for field in ("low", "high", "n", "skipped", "failed", "corrected", "corrected_low", "corrected_high")
    },
}
"""What a metric's name ends in, and the field of an estimate that it holds."""


class TrackError(ValueError):
    """A run that cannot be sent to a tracker; the message says what is missing and what would help."""


@dataclass(frozen=True)
class Sample:
    """A picture that goes along: the job's key, its file's name and what was asked for."""

    key: str
    file: str
    prompt: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One generator in one cell.

    Attributes:
        identity: 16 hexadecimal digits that change with the project, the run and its results, and nothing else.
        name, group: of the tracker's run, and of the runs it belongs to.
        params: the settings that were chosen; numbers stay numbers.
        metrics: each audit's value, interval, counts and corrected rate by name; what is absent is left out.
        tags: what made it, in words: fingerprint, suite, versions.
        created, seconds: when the run began (ISO 8601), and what it took in all.
        estimates: as `export` writes them.
        samples: at most `MOST_PICTURES`, evenly spaced over the plan.
    """

    identity: str
    name: str
    group: str
    params: Mapping[str, Json]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    created: str
    seconds: float
    estimates: pa.Table
    samples: Sequence[Sample]


def entries(folder: RunFolder, project: str) -> list[Entry]:
    """Every generator × cell of a run, in plan order.

    Raises:
        TrackError: the run has no numbers yet.
    """
    if not folder.estimates():
        raise TrackError(f"{folder.path} has no numbers yet; audit score {folder.path} makes them")
    jobs = folder.jobs().merge(folder.artifacts()[["key", "digest"]], on="key", how="left").fillna({"digest": ""})
    return [_entry(folder, project, rows) for _, rows in jobs.groupby(["generator", "cell"], sort=False)]


def _entry(folder: RunFolder, project: str, jobs: pd.DataFrame) -> Entry:
    """The entry of the jobs of one generator in one cell."""
    manifest, prompts = folder.manifest(), folder.prompts()
    generator, cell, fingerprint, settings = jobs[["generator", "cell", "fingerprint", "settings"]].iloc[0]
    mine = [each for each in folder.estimates() if (each.generator, each.cell) == (generator, cell)]
    made = jobs.loc[jobs["digest"] != "", ["key", "prompt_id", "replicate", "seed"]].itertuples(index=False)
    results = [[asdict(each) for each in mine], sorted(jobs["digest"])]
    return Entry(
        identity=digest_of([project, manifest["created"], fingerprint, cell, results]),
        name=one_line(f"{generator} · {cell}")[:LONGEST_NAME],
        group=one_line(folder.path.resolve().name)[:LONGEST_NAME],
        params=_params(settings),
        metrics=metrics(mine, metric_names(each["name"] for each in manifest["audits"])),
        tags=_tags(manifest, generator, fingerprint, cell),
        created=manifest["created"],
        seconds=sum(manifest.get("seconds", {}).values()),
        estimates=estimate_table(mine, manifest["audits"]),
        samples=[
            Sample(key, f"{plain(prompt)}-r{replicate}-{key[:8]}.png", one_line(prompts[prompt].text), int(seed))
            for key, prompt, replicate, seed in _spread(list(made))
        ],
    )


def metric_names(audits: Iterable[str]) -> dict[str, str]:
    """Names of letters, digits and underscores, which every tracker takes; audits that would share one are told apart.

    >>> metric_names(["text.exact", "3d", "text_exact", "text.exact_low"])
    {'text.exact': 'text_exact', '3d': '_3d', 'text_exact': 'text_exact_ff1d', 'text.exact_low': 'text_exact_low_74d3'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for audit in audits:
        name = re.sub(r"[^A-Za-z0-9]+", "_", audit)
        name = f"_{name}" if name[0].isdigit() else name
        if taken & {name + end for end in ENDS}:
            name = f"{name}_{digest_of(audit)[:4]}"
        names[audit] = name
        taken |= {name + end for end in ENDS}
    return names


def metrics(estimates: Iterable[Estimate], names: Mapping[str, str]) -> dict[str, float]:
    """Each estimate as NAME, NAME_low, NAME_high, NAME_n and so on; what is absent is left out, never 0."""
    return {
        names[each.audit] + end: float(value)
        for each in estimates
        for end, field in ENDS.items()
        if (value := getattr(each, field)) is not None
    }


def write_tables(entry: Entry, folder: RunFolder, into: Path) -> list[Path]:
    """Write the estimates as CSV and Parquet, and the run's report where there is one; the files."""
    files = [into / "estimates.csv", into / "estimates.parquet"]
    write_table(entry.estimates, files[0], "csv")
    write_table(entry.estimates, files[1], "parquet")
    report = folder.path / "report.html"
    return [*files, Path(shutil.copy(report, into))] if report.is_file() else files


def write_pictures(entry: Entry, folder: RunFolder, into: Path) -> list[Path]:
    """Write the samples as PNG files, and prompts.csv with what was asked for; the pictures, in the samples' order."""
    rows = [{"file": each.file, "prompt": each.prompt, "seed": each.seed} for each in entry.samples]
    schema = pa.schema([("file", pa.string()), ("prompt", pa.string()), ("seed", pa.int64())])
    write_table(pa.Table.from_pylist(rows, schema=schema), into / "prompts.csv", "csv")
    files = [into / each.file for each in entry.samples]
    for path, each in zip(files, entry.samples, strict=True):
        path.write_bytes(encode_png(folder.image(each.key)))
    return files


def _spread(rows: Sequence[Any]) -> list[Any]:
    """At most `MOST_PICTURES` of the rows, first and last among them, evenly spaced."""
    if len(rows) <= MOST_PICTURES:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (MOST_PICTURES - 1))] for i in range(MOST_PICTURES)]


def _params(settings: str) -> dict[str, Json]:
    return {
        name: knob_words(value) if isinstance(value, list) else value
        for name, value in json.loads(settings).items()
        if value is not None
    }


def _tags(manifest: Mapping[str, Any], generator: str, fingerprint: str, cell: str) -> dict[str, str]:
    suite = manifest["suite"]
    told = {
        "generator": generator,
        "fingerprint": fingerprint,
        "cell": cell,
        "created": manifest["created"],
        "suite": suite["name"],
        "suite_version": suite["version"],
        "suite_digest": suite["digest"],
        "version_sixthfinger": manifest["version"],
        "version_python": manifest["python"],
    }
    told |= {f"version_{plain(name)}": version for name, version in manifest.get("packages", {}).items()}
    return {name: one_line(str(value)) for name, value in told.items()}
