"""All pictures of all runs as one table: filtered, searched, sorted by any score, and cut into pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal
from urllib.parse import urlencode

import pandas as pd

from reports.load import Report, Run

PAGE = 60
Order = Literal["plan", "up", "down"]
FINDINGS = ("flagged", "not flagged", "scored", "skipped", "failed")
STATUSES = {"scored": "ok", "skipped": "skipped", "failed": "failed"}


class QueryError(ValueError):
    """A query that the address bar may hold and no form sends."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What to show; empty text means everything.

    Attributes:
        audit: whose score is shown and sorted by.
        finding: an audit and what it found, such as "hands.wrong flagged".
        words: each must occur in the prompt or its id, in any case.
        at: page, from 1.
    """

    generator: str = ""
    cell: str = ""
    audit: str = ""
    order: Order = "plan"
    finding: str = ""
    words: str = ""
    at: int = 1

    def address(self, at: int | None = None) -> str:
        """The query as the end of an address, of another page where one is given."""
        told = asdict(self if at is None else replace(self, at=at))
        return urlencode({name: value for name, value in told.items() if value not in ("", "plan", 1)})


def browsed(report: Report) -> pd.DataFrame:
    """One row per job of every run.

    Columns: run (place of the run), key, who (generator), cell (settings in words), prompt_id, text, searched
    (lower case), replicate, status, error, digest, width, height; for each audit "value NAME" and "status NAME".
    """
    return pd.concat([_of(report, number, run) for number, run in enumerate(report.runs)], ignore_index=True)


def choose(frame: pd.DataFrame, query: Query, better: Mapping[str, str]) -> pd.DataFrame:
    """The rows that the query wants, in its order; what has no score comes last.

    Args:
        better: which end of each audit is better; says which value is a defect.

    Raises:
        QueryError: an audit or a finding that there is none of.
    """
    rows = frame
    if query.generator:
        rows = rows[rows["who"] == query.generator]
    if query.cell:
        rows = rows[rows["cell"] == query.cell]
    if query.finding:
        rows = rows[_found(rows, query.finding, better)]
    for word in query.words.lower().split():
        rows = rows[rows["searched"].str.contains(word, regex=False)]
    if query.audit:
        if f"value {query.audit}" not in frame:
            raise QueryError(f"no picture has a score of {query.audit!r}")
        if query.order != "plan":
            rows = rows.sort_values(f"value {query.audit}", ascending=query.order == "up", kind="stable")
    return rows


def findings(report: Report) -> list[tuple[str, list[str]]]:
    """For each audit of single pictures, what one may ask for."""
    return [
        (info.name, [name for name in FINDINGS if name in STATUSES or _is_detector(info.statistic, info.better)])
        for info in report.per_picture
    ]


def _of(report: Report, number: int, run: Run) -> pd.DataFrame:
    pictures = run.pictures.drop_duplicates(["key", "generator", "cell"])
    texts = {name: prompt.text for name, prompt in run.prompts.items()}
    words = {(c.generator, c.cell): " · ".join(c.words) for c in report.columns if c.run is run}
    text = pictures["prompt_id"].map(texts)
    frame = pd.DataFrame(
        {
            "run": number,
            "key": pictures["key"],
            "who": [report.who_ran(run, name) for name in pictures["generator"]],
            "cell": [words[place] for place in zip(pictures["generator"], pictures["cell"], strict=True)],
            "prompt_id": pictures["prompt_id"],
            "text": text,
            "searched": (text + " " + pictures["prompt_id"]).str.lower(),
            **{name: pictures[name] for name in ("replicate", "status", "error", "digest", "width", "height")},
        }
    )
    names = [info.name for info in report.per_picture]
    scores = run.scores[run.scores["audit"].isin(names)].drop_duplicates(["key", "audit"], keep="last")
    for what in ("value", "status"):
        wide = scores.pivot(index="key", columns="audit", values=what).add_prefix(f"{what} ")
        frame = frame.join(wide, on="key")
    return frame


def _found(rows: pd.DataFrame, finding: str, better: Mapping[str, str]) -> pd.Series:
    audit, _, what = finding.partition(" ")
    if what not in FINDINGS or f"value {audit}" not in rows:
        raise QueryError(f"no finding {finding!r}; such as 'hands.wrong flagged', one of {', '.join(FINDINGS)}")
    if what in STATUSES:
        return rows[f"status {audit}"] == STATUSES[what]
    bad = 0.0 if better.get(audit) == "higher" else 1.0
    values = rows[f"value {audit}"]
    return (values == bad) if what == "flagged" else (values.notna() & (values != bad))


def _is_detector(statistic: str, better: str) -> bool:
    return statistic == "rate" and better != "neither"
