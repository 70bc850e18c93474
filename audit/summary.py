"""A run folder's scores -> its estimates and contrasts, and one line for everything that failed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pandas as pd

from audit.corrected import corrected
from audit.redact import redact
from audit.score import NO_PICTURE, Choice
from audit.scorers import is_missing_weights
from audit.store import RunFolder, settings_of
from audit.summarise import Point, contrasts, empty_estimates, estimates, set_estimates
from audit.types import Contrast, Estimate


def summarise_run(folder: RunFolder, choices: Sequence[Choice]) -> tuple[str, ...]:
    """Write estimates and contrasts; the result tells what failed, a line each, empty when nothing did."""
    jobs = folder.jobs()
    problems = picture_problems(folder, jobs)
    points: dict[str, list[Point]] = {}
    found: list[Estimate] = []
    changes: list[Contrast] = []
    for choice in choices:
        if choice.audit.kind == "set":
            continue
        name = choice.audit.name
        points[name] = points_of(folder, name, jobs)
        problems += _told(name, [point.reason for point in points[name] if point.status == "failed"])
        found += corrected(choice, estimates(choice.audit, points[name]), points[name])
        changes += contrasts(choice.audit, points[name])
    for choice in choices:
        if choice.audit.kind == "set":
            rows, problem = set_summary(choice, points[choice.audit.on])
            found += rows
            problems += problem
    folder.write_summary(found, changes)
    return tuple(problems)


def set_summary(choice: Choice, points: Sequence[Point]) -> tuple[list[Estimate], list[str]]:
    """A set audit's estimates; where it raises they have no value and say why, and so does the second result."""
    try:
        return set_estimates(choice.audit, choice.audit.set_scorer(**choice.options), points), []
    except Exception as error:  # noqa: BLE001 - one audit's failure is told by name and must not cost the others
        if is_missing_weights(error):
            return empty_estimates(choice.audit, points, str(error), failed=False), []
        reason = redact(f"{type(error).__name__}: {error}")
        return empty_estimates(choice.audit, points, reason, failed=True), [f"audit {choice.audit.name}: {reason}"]


def points_of(folder: RunFolder, audit: str, jobs: pd.DataFrame | None = None) -> list[Point]:
    """The audit's scores, each with its place in the sweep, in plan order; of all jobs, or of those given."""
    settings = cache(settings_of)
    columns = ("key", "status", "value", "vector", "reason")
    rows = (folder.jobs() if jobs is None else jobs).merge(folder.scores(audit, columns), on="key", how="inner")
    place = ("generator", "settings", "prompt_id", "replicate", *columns[1:])
    return [
        Point(
            generator=generator,
            settings=settings(chosen),
            prompt=prompt,
            replicate=replicate,
            status=status,
            value=value if status == "ok" and vector is None else None,
            vector=vector,
            reason=reason,
        )
        for generator, chosen, prompt, replicate, status, value, vector, reason in zip(
            *(rows[name].tolist() for name in place), strict=True
        )
    ]


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The frame's rows as plain tables."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def picture_problems(folder: RunFolder, jobs: pd.DataFrame) -> list[str]:
    """One line on the pictures of these jobs that could not be made."""
    artifacts = folder.artifacts()
    failed = rows_of(artifacts[artifacts["status"] == "failed"].merge(jobs, on="key"))
    if not failed:
        return []
    first = failed[0]
    place = f"{first['generator']}, prompt {first['prompt_id']}, {first['cell']}"
    return [f"pictures: {len(failed)} failed; the first ({place}): {first['error']}"]


def score_problems(folder: RunFolder, audit: str) -> list[str]:
    """One line on the pictures that an audit broke on; those that were never made are told elsewhere."""
    scores = folder.scores(audit, ("status", "reason"))
    return _told(audit, scores["reason"][scores["status"] == "failed"].tolist())


def _told(audit: str, reasons: Sequence[str]) -> list[str]:
    """Why an audit failed, a reason a picture, in a line."""
    own = [reason for reason in reasons if not reason.startswith(NO_PICTURE)]
    return [f"audit {audit}: {len(own)} failed; the first: {own[0]}"] if own else []
