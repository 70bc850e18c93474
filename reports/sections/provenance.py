"""What was run: suite, generators, weights, versions, machine, configuration, wall time."""

from __future__ import annotations

import json
from collections.abc import Mapping

from audit.types import Json
from reports.api import Part, section
from reports.load import Report, Run
from reports.page import fill


@section("provenance", title="What was run", order=10)
def provenance(report: Report) -> Part:
    """Key figures of all runs together, then a card for each run."""
    runs = [
        {"label": run.label, "manifest": _Told(run.manifest), "facts": _facts(run), "config": _pretty(run)}
        for run in report.runs
    ]
    return Part(fill("sections/provenance.html", runs=runs, figures=_figures(report), several=len(runs) > 1))


class _Told(dict[str, Json]):
    """A manifest in which whatever was not told reads as None."""

    def __init__(self, manifest: Mapping[str, Json]) -> None:
        super().__init__(manifest)

    def __missing__(self, key: str) -> Json:
        return None


def _figures(report: Report) -> list[tuple[str, str]]:
    """The numbers a reader wants before all others."""
    made = sum(int((run.pictures["status"] == "ok").sum()) for run in report.runs)
    planned = sum(len(run.pictures) for run in report.runs)
    prompts = {(prompt.id, prompt.text) for run in report.runs for prompt in run.prompts.values()}
    replicates = max(int(run.pictures["replicate"].nunique()) for run in report.runs)
    generators = {generator for _, generator, _ in report.generators()}
    return [
        ("pictures" if made == planned else f"of {planned:,} pictures made", f"{made:,}"),
        ("prompts", f"{len(prompts):,}"),
        ("pictures per prompt and cell", f"{replicates:,}"),
        ("generators" if len(generators) != 1 else "generator", f"{len(generators):,}"),
        ("generator × settings", f"{len(report.columns):,}"),
        ("audits", f"{len(report.scoring):,}"),
    ]


def _facts(run: Run) -> dict[str, Json]:
    seconds = run.pictures["seconds"].dropna()
    return {"seconds_per_picture": float(seconds.median()) if len(seconds) else None}


def _pretty(run: Run) -> str:
    return json.dumps(run.manifest.get("config"), indent=2, ensure_ascii=False, sort_keys=True)
