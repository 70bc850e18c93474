"""A finished run, sent to an experiment tracker: MLflow or Weights & Biases. Local unless a server is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audit.redact import redact
from audit.store import RunFolder
from audit.trackers.entries import TrackError, entries

Tracker = Literal["mlflow", "wandb"]
PROJECT = "sixthfinger"


@dataclass(frozen=True)
class Tracked:
    """What became of it: tracker runs that are new, those that were there already, where they are, and what is next."""

    new: int
    old: int
    where: str
    hint: str


def track(
    folder: RunFolder,
    to: Tracker,
    *,
    project: str = PROJECT,
    uri: str | None = None,
    directory: Path | None = None,
) -> Tracked:
    """Make one tracker run per generator and cell; results that the tracker has already are left as they are.

    Args:
        project: the MLflow experiment or W&B project.
        uri: MLflow's tracking store; default sqlite:///mlflow.db beside the run folder.
        directory: where W&B's offline runs go, under wandb/; default beside the run folder.

    Raises:
        TrackError: no numbers in the run, a tracker that is not installed or refuses, an option of the other tracker.
    """
    beside = folder.path.resolve().parent
    if to == "mlflow":
        if directory is not None:
            raise TrackError("--dir is for --to wandb; MLflow takes --uri, such as sqlite:////home/me/mlflow.db")
        from audit.trackers import to_mlflow

        store = uri or f"sqlite:///{beside / 'mlflow.db'}"
        new = to_mlflow.send(entries(folder, project), folder, project=project, uri=store)
        shown = redact(store)
        return Tracked(sum(new), len(new) - sum(new), shown, f"mlflow ui --backend-store-uri {shown}")
    if uri is not None:
        raise TrackError("--uri is for --to mlflow; W&B takes --dir, and wandb sync uploads what is written there")
    from audit.trackers import to_wandb

    place = directory or beside
    new = to_wandb.send(entries(folder, project), folder, project=project, directory=place)
    return Tracked(sum(new), len(new) - sum(new), str(place / "wandb"), "wandb sync uploads a run folder named there")
