"""What a run folder already holds of a plan, so that only the rest is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.plan import Shard
from audit.score import Tell
from audit.store import RunFolder, StoreError
from audit.tables import StoredPicture
from audit.types import Artifact, digest_of


@dataclass(frozen=True)
class Survey:
    """Where each finished picture lies, by job key. Failed pictures count as missing: they are tried again."""

    folder: RunFolder
    finished: dict[str, Path]

    def complete(self, shard: Shard) -> bool:
        """Whether the shard's own file holds every one of its pictures, none of them failed."""
        own = self.folder.image_file(shard.number)
        return all(self.finished.get(key) == own for key in shard.keys)

    def kept(self, shard: Shard) -> dict[str, StoredPicture]:
        """The shard's pictures that are finished, wherever they lie."""
        files = {self.finished[key] for key in shard.keys if key in self.finished}
        found = {each.artifact.key: each for path in sorted(files) for each in self.folder.read_pictures(path)}
        return {key: found[key] for key in shard.keys if key in self.finished}


def survey(folder: RunFolder, shards: Sequence[Shard], tell: Tell) -> Survey:
    """Look through the folder: files of another plan are set aside, damaged ones are named and removed."""
    plan = {folder.image_file(shard.number): list(shard.keys) for shard in shards}
    finished: dict[str, Path] = {}
    for path in folder.image_files():
        artifacts = _readable(folder, path, tell)
        keys = [each.key for each in artifacts]
        if keys and keys != plan.get(path):
            path = folder.set_aside(path, digest_of(keys))
        finished |= _good(artifacts, path)
    for path in folder.earlier_files():
        finished = _good(_readable(folder, path, tell), path) | finished
    return Survey(folder, finished)


def tidy(folder: RunFolder, shards: Sequence[Shard]) -> None:
    """After a plan is complete: files set aside go when this plan holds all their pictures, otherwise they stay."""
    current = {key for shard in shards for key in shard.keys}
    for path in folder.earlier_files():
        if {each.key for each in folder.read_artifacts(path) if each.status == "ok"} <= current:
            folder.remove(path)


def _readable(folder: RunFolder, path: Path, tell: Tell) -> list[Artifact]:
    try:
        # once a sitting all is read and checked: a picture that rotted on the disk must not stay for being listed
        return folder.read_artifacts(path, verify=True)
    except StoreError:
        tell(f"{path} cannot be read; its pictures are made again")
        folder.remove(path)
        return []


def _good(artifacts: Sequence[Artifact], path: Path) -> dict[str, Path]:
    return {each.key: path for each in artifacts if each.status != "failed"}
