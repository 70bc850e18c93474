"""A run for Weights & Biases: one offline run folder per generator and cell, which `wandb sync` uploads when asked to.

The run's id derives from the entry, so that a run that was uploaded and is exported once more stays one run. Nothing of
this machine is recorded: no environment, host, command, source code, git state or system statistics.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audit.store import RunFolder
from audit.tables import write_text
from audit.trackers.entries import Entry, TrackError, write_pictures, write_tables
from audit.trackers.environment import environment, needed

DONE = "sixthfinger.done"
QUIET = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true", "DO_NOT_TRACK": "true"}
UNRECORDED = {
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "disable_git": True,
    "disable_code": True,
    "disable_job_creation": True,
    "save_code": False,
    "console": "off",
    "silent": True,
    "host": "",
}


def send(told: Sequence[Entry], folder: RunFolder, *, project: str, directory: Path) -> list[bool]:
    """Write the entries as DIRECTORY/wandb/offline-run-TIME-ID; whether each was new.

    Raises:
        TrackError: W&B is not installed, or refuses.
    """
    with tempfile.TemporaryDirectory() as cache:
        kept_away = {"WANDB_CACHE_DIR": cache, "WANDB_DATA_DIR": cache, "WANDB_CONFIG_DIR": cache}
        with environment(QUIET | kept_away, without=("WANDB_",)):
            wandb = needed("wandb")
            try:
                return [_send(wandb, entry, folder, project, directory) for entry in told]
            except (wandb.Error, OSError) as error:
                raise TrackError(f"W&B in {directory}: {error}") from error
            finally:
                if wandb.run is None:  # else somebody else's run is under way in this process
                    wandb.teardown()


def _send(wandb: Any, entry: Entry, folder: RunFolder, project: str, directory: Path) -> bool:
    name = f"sf{entry.identity}"
    if any((each / DONE).is_file() for each in (directory / "wandb").glob(f"offline-run-*-{name}")):
        return False
    directory.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        mode="offline",
        dir=str(directory),
        project=project,
        id=name,
        name=entry.name,
        group=entry.group,
        config={**entry.params, "about": dict(entry.tags)},
        reinit="create_new",
        settings=wandb.Settings(**UNRECORDED),
    )
    place = Path(run.dir)
    for path in write_tables(entry, folder, place):
        run.save(str(path), base_path=str(place), policy="now")
    with tempfile.TemporaryDirectory() as aside:
        files = write_pictures(entry, folder, Path(aside))
        pictures = [
            wandb.Image(str(path), caption=each.prompt) for path, each in zip(files, entry.samples, strict=True)
        ]
        run.log({**entry.metrics, "pictures": pictures})
    run.finish()
    write_text(place.parent / DONE, f"{entry.identity}\n")
    return True
