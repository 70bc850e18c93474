"""A run in MLflow: one MLflow run per generator and cell, in an experiment named by the project.

An entry that the experiment has already, by its tag `sixthfinger.id`, is not written again. MLflow's telemetry is off,
and without an address of a server nothing but the local store is written to.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audit.export import plain
from audit.redact import redact
from audit.store import RunFolder
from audit.trackers.entries import Entry, TrackError, write_pictures, write_tables
from audit.trackers.environment import environment, needed

IDENTITY = "sixthfinger.id"
MOST_IN_A_BATCH = 100  # of the kind that MLflow limits most
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}


def send(told: Sequence[Entry], folder: RunFolder, *, project: str, uri: str) -> list[bool]:
    """Write the entries into a tracking store; whether each was new.

    Args:
        uri: of the store: `sqlite:///FILE`, a folder, or the address of a server (the only case that uses a network).

    Raises:
        TrackError: MLflow is not installed, or the store refuses.
    """
    local = urlsplit(uri).scheme in ("", "file")
    # a folder as a store is given up by MLflow, and refused unless one says that one wants it
    asked = QUIET | ({"MLFLOW_ALLOW_FILE_STORE": "true"} if local else {})
    with environment(asked):
        mlflow = needed("mlflow", *(["sqlalchemy", "alembic"] if uri.startswith("sqlite:") else []))
        try:
            client = mlflow.MlflowClient(tracking_uri=uri)
            experiment = _experiment(client, project, uri)
            return [_send(client, mlflow.entities, experiment, entry, folder) for entry in told]
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise TrackError(f"MLflow at {redact(uri)}: {redact(str(error))}") from error


def _experiment(client: Any, project: str, uri: str) -> str:
    found = client.get_experiment_by_name(project)
    if found is None:
        return str(client.create_experiment(project, artifact_location=_artifacts(project, uri)))
    if found.lifecycle_stage != "active":
        raise TrackError(f"the experiment {project!r} was deleted; restore it, or choose another --project")
    return str(found.experiment_id)


def _artifacts(project: str, uri: str) -> str | None:
    """Where files go: beside a database file, since MLflow would put them into the current folder; else its choice."""
    if not uri.startswith("sqlite:"):
        return None
    database = Path(urlsplit(uri).path.removeprefix("/")).resolve()
    return (database.parent / "mlartifacts" / plain(project)).as_uri()


def _send(client: Any, entities: Any, experiment: str, entry: Entry, folder: RunFolder) -> bool:
    for earlier in client.search_runs([experiment], f"tags.`{IDENTITY}` = '{entry.identity}'"):
        if earlier.info.status == "FINISHED":
            return False
        client.delete_run(earlier.info.run_id)  # one of ours that was interrupted
    began = int(datetime.fromisoformat(entry.created).timestamp() * 1000)
    ended = began + round(entry.seconds * 1000)
    tags = {**entry.tags, "group": entry.group, IDENTITY: entry.identity}
    run = client.create_run(experiment, start_time=began, tags=tags, run_name=entry.name).info.run_id
    numbers = [entities.Metric(name, value, ended, 0) for name, value in entry.metrics.items()]
    params = [entities.Param(name, str(value)) for name, value in entry.params.items()]
    client.log_batch(run, params=params)
    for start in range(0, len(numbers), MOST_IN_A_BATCH):
        client.log_batch(run, metrics=numbers[start : start + MOST_IN_A_BATCH])
    with tempfile.TemporaryDirectory() as aside:
        pictures = Path(aside, "pictures")
        pictures.mkdir()
        write_tables(entry, folder, Path(aside))
        write_pictures(entry, folder, pictures)
        client.log_artifacts(run, aside)
    client.set_terminated(run, "FINISHED", ended)
    return True
