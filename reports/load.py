"""Run folders -> Report: every run's tables, joined by key, under one list of columns (run × generator × cell)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from audit import tables
from audit.store import RunFolder
from audit.types import Contrast, Estimate, Json, Prompt, knob_words
from reports.words import settings_words


@dataclass(frozen=True)
class AuditInfo:
    """An audit as the run recorded it.

    Attributes:
        card: its measured sensitivity and specificity in words; None where nothing is known of it.
        doubt: why not.
    """

    name: str
    version: int
    better: str
    unit: str
    source: str
    kind: str
    statistic: str
    headline: bool
    doc: str
    card: Json = None
    doubt: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> AuditInfo:
        """From a row of the manifest; what is not told is left blank, not guessed."""
        return cls(
            name=str(row["name"]),
            version=int(row.get("version", 0)),
            better=str(row.get("better", "neither")),
            unit=str(row.get("unit", "")),
            source=str(row.get("source", "")),
            kind=str(row.get("kind", "one")),
            statistic=str(row.get("statistic", "mean")),
            headline=bool(row.get("headline", True)),
            doc=str(row.get("doc", "")),
            card=row.get("card"),
            doubt=str(row.get("doubt", "")),
        )


class ReadOnce(RunFolder):
    """A run folder as a report reads it: scores once, and of them only what is shown."""

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """`scores()` of every audit, but for vectors, which are large, and what else only the store needs."""
        return super().scores(columns=("key", "audit", "status", "value", "reason", "evidence"))

    @cached_property
    def _by_audit(self) -> dict[str, pd.DataFrame]:
        blank = self.numbers.assign(vector=None)
        return {str(audit): rows.reset_index(drop=True) for audit, rows in blank.groupby("audit", sort=False)}

    @cached_property
    def _jobs(self) -> pd.DataFrame:
        return super().jobs()

    def jobs(self) -> pd.DataFrame:
        """See `RunFolder.jobs`."""
        return self._jobs.copy(deep=False)

    def scores(self, audit: str | None = None, columns: Sequence[str] = tables.SCORES.names) -> pd.DataFrame:
        """See `RunFolder.scores`."""
        mine = None if audit is None else self._by_audit.get(audit)
        if mine is None or not set(columns) <= set(mine) or mine["value"].isna()[mine["status"] == "ok"].any():
            return super().scores(audit, columns)
        return mine[list(columns)]


@dataclass(frozen=True)
class Run:
    """One run folder, read.

    Attributes:
        pictures: one row per job with what became of it: key, generator, cell, settings (dict), prompt_id, replicate,
            seed, shard, status ("missing" where the run stopped before it), digest, width, height, seconds, error.
        scores: one row per picture and per-picture audit: key, audit, status, value, reason, evidence (JSON text).
    """

    label: str
    folder: RunFolder
    manifest: Mapping[str, Json]
    prompts: Mapping[str, Prompt]
    pictures: pd.DataFrame
    scores: pd.DataFrame
    estimates: tuple[Estimate, ...]
    contrasts: tuple[Contrast, ...]

    @cached_property
    def estimate_by_place(self) -> dict[tuple[str, str, str], Estimate]:
        """Estimates by (generator, cell, audit)."""
        return {(each.generator, each.cell, each.audit): each for each in self.estimates}

    @cached_property
    def scored(self) -> pd.DataFrame:
        """Scores with the generator, cell, prompt_id and replicate of their picture."""
        where = self.pictures[["key", "generator", "cell", "prompt_id", "replicate"]]
        return self.scores.merge(where, on="key", how="inner")

    @cached_property
    def _scores_by_place(self) -> dict[tuple[str, str, str], pd.DataFrame]:
        groups = self.scored.groupby(["generator", "cell", "audit"], sort=False)
        return {(str(place[0]), str(place[1]), str(place[2])): rows for place, rows in groups}

    def scores_at(self, generator: str, cell: str, audit: str) -> pd.DataFrame:
        """The rows of `scored` of one audit in one cell; empty where there are none."""
        return self._scores_by_place.get((generator, cell, audit), self.scored.iloc[:0])


@dataclass(frozen=True)
class Column:
    """One generator with one choice of settings in one run: a row of the tables and a column of the gallery."""

    index: int
    run: Run
    generator: str
    cell: str
    settings: Mapping[str, Json]

    @property
    def words(self) -> list[str]:
        """The settings in words."""
        return settings_words(self.settings)

    def estimate(self, audit: str) -> Estimate | None:
        """What the audit says of this column."""
        return self.run.estimate_by_place.get((self.generator, self.cell, audit))


@dataclass(frozen=True)
class Report:
    """Everything the sections draw from.

    Attributes:
        full: the folder beside the page where full pictures lie, as a link says it; "" where there is none.
    """

    runs: tuple[Run, ...]
    audits: Mapping[str, AuditInfo]
    columns: tuple[Column, ...]
    full: str = ""

    @property
    def headline(self) -> list[AuditInfo]:
        """Audits of the headline table that were summarised in some run."""
        told = {estimate.audit for run in self.runs for estimate in run.estimates}
        return [info for info in self.audits.values() if info.headline and info.name in told]

    @property
    def per_picture(self) -> list[AuditInfo]:
        """Audits that gave single pictures a number (or tried to), not those that only make features for others."""
        numbered = {name for run in self.runs for name in run.scores[run.scores["value"].notna()]["audit"].unique()}
        return [
            info for info in self.audits.values() if info.name in numbered or (info.kind != "set" and info.headline)
        ]

    @property
    def scoring(self) -> list[AuditInfo]:
        """Every audit that gives numbers, of pictures or of sets."""
        single = {info.name for info in self.per_picture}
        return [info for info in self.audits.values() if info.kind == "set" or info.name in single]

    def who(self, column: Column) -> str:
        """The column's generator, with the run before it where there are several."""
        return self.who_ran(column.run, column.generator)

    def who_ran(self, run: Run, generator: str) -> str:
        """The generator, with the run before it where there are several."""
        return f"{run.label} · {generator}" if len(self.runs) > 1 else generator

    def generators(self) -> list[tuple[Run, str, list[Column]]]:
        """Columns grouped by run and generator, in plan order."""
        groups: dict[tuple[int, str], list[Column]] = {}
        for column in self.columns:
            groups.setdefault((id(column.run), column.generator), []).append(column)
        return [(columns[0].run, columns[0].generator, columns) for columns in groups.values()]


def load(folders: Sequence[Path]) -> Report:
    """Read run folders. Raises ValueError for none at all; a folder that is no run is the store's error to explain."""
    if not folders:
        raise ValueError("a report needs at least one run folder, such as runs/x")
    runs = tuple(_run(label, ReadOnce(path)) for label, path in zip(_labels(folders), folders, strict=True))
    audits = {row["name"]: AuditInfo.of(row) for run in runs for row in run.manifest.get("audits", [])}
    return Report(runs=runs, audits=audits, columns=tuple(_columns(runs)))


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _labels(folders: Sequence[Path]) -> list[str]:
    """Folder names, with as many parents as make them differ."""
    paths = [Path(path).resolve() for path in folders]
    for depth in range(1, 8):
        labels = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{path.name} ({place})" for place, path in enumerate(paths, start=1)]


def _run(label: str, folder: ReadOnce) -> Run:
    manifest = folder.manifest()
    made = folder.artifacts().drop_duplicates("key", keep="last")
    pictures = folder.jobs().drop(columns=["fingerprint"], errors="ignore").merge(made, on="key", how="left")
    stopped = pictures["status"].isna()
    pictures["status"] = pictures["status"].mask(stopped, "missing")
    pictures["error"] = pictures["error"].mask(stopped, "not made: the run stopped before it").fillna("")
    pictures["settings"] = pictures["settings"].map({text: _settings(text) for text in pictures["settings"].unique()})
    return Run(
        label=label,
        folder=folder,
        manifest=manifest,
        prompts=folder.prompts(),
        pictures=pictures,
        scores=folder.numbers,
        estimates=tuple(folder.estimates()),
        contrasts=tuple(folder.contrasts()),
    )


def _columns(runs: Sequence[Run]) -> Iterator[Column]:
    index = 0
    for run in runs:
        for row in rows_of(run.pictures.drop_duplicates(["generator", "cell"])):
            yield Column(index, run, row["generator"], row["cell"], row["settings"])
            index += 1


def _settings(text: str) -> Json:
    """A cell's knobs; one that has several numbers, such as a window, as the text its flag takes."""
    return {knob: knob_words(value) if isinstance(value, list) else value for knob, value in json.loads(text).items()}
