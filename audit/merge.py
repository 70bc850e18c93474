"""Parts of a shared run -> one run folder, the same that a single process would have written.

Parts must agree in plan, config, audits and weights, and hold every shard exactly once; names are not believed.
The manifest is made unreadable first and written last, so that a merge cut short is no run, and repeating it ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from audit.engines.work import Clock
from audit.manifest import stage_seconds, weights_of
from audit.plan import Shard
from audit.progress import Watch
from audit.run import Outcome, choices_of
from audit.score import Choice
from audit.share import Share, plan_digest
from audit.store import RunFolder, writing
from audit.summary import summarise_run
from audit.tables import BROKEN, read_table, write_aside

OWN = "out", "share", "device", "report", "workers"
"""What each part of one run may have its own of, in its config."""
UNFINISHED = "unfinished merge, to be ended by audit merge"
"""Stands as the format of a manifest meanwhile, so that whoever reads the folder too early is told."""


class MergeError(ValueError):
    """Parts that do not make one run; the message names them and says what would work."""


@dataclass(frozen=True)
class Part:
    """A part of a shared run, with what it says of itself."""

    folder: RunFolder
    manifest: Mapping[str, Any]

    @property
    def share(self) -> Share:
        """Which part this is."""
        return Share(self.manifest["part"]["number"], self.manifest["part"]["of"])

    @cached_property
    def shards(self) -> list[Shard]:
        """Its share of the plan, with the whole plan's numbers."""
        return self.folder.shards()

    def __str__(self) -> str:
        return str(self.folder.path)


def merge(paths: Sequence[Path], out: Path | None, watch: Watch) -> Outcome:
    """Join the parts, or the parts in the one folder given, into `out`, by default that folder; then summarise.

    Raises:
        MergeError: no parts, or parts missing, doubled, unfinished, damaged, or of different runs.
        StoreError: `out` holds something else, or is being written.
    """
    parts = parts_of(paths)
    if out is None and len(paths) > 1:
        raise MergeError(f"{len(paths)} parts and no run folder to join them in; add --out runs/x")
    agreeing(parts)
    every_one_once(parts)
    files = files_of(parts)
    shards = sorted((shard for part in parts for shard in part.shards), key=lambda shard: shard.number)
    plan = parts[0].manifest["part"]["plan"]
    if [shard.number for shard in shards] != list(range(len(shards))) or plan_digest(shards) != plan:
        raise MergeError(f"the shards in {len(parts)} parts are not those of their plan; run the parts' commands again")
    choices = choices_here(parts[0])
    folder = RunFolder(out or paths[0])
    with opened(folder, plan):
        clock = Clock()
        folder.write_manifest({"format": UNFINISHED})
        linked = watch.stage("files", len(files))
        for name, source in files.items():
            link(source, folder.path / name)
            linked(1)
        for stray in set(folder.path.glob("images/*")) | set(folder.path.glob("scores/*/*")):
            if str(stray.relative_to(folder.path)) not in files:
                folder.remove(stray)
        folder.write_plan(parts[0].folder.prompts().values(), shards)
        with clock.stage("summarise"):
            problems = summarise_run(folder, choices)
        folder.write_manifest(told(parts, folder, clock))
    return Outcome(folder, problems)


def parts_of(paths: Sequence[Path]) -> list[Part]:
    """The parts, by number; of a single folder that holds parts, those."""
    if len(paths) == 1:
        paths = _inside(paths[0]) or paths
    parts = [Part(RunFolder(path), RunFolder(path).manifest()) for path in paths]
    for part in parts:
        if "part" not in part.manifest:
            raise MergeError(f"{part} is no part of a run; parts are what audit run --share 1/8 makes")
    return sorted(parts, key=lambda part: part.share.number)


def agreeing(parts: Sequence[Part]) -> None:
    """All parts are of one run: one plan, one config, one set of models."""
    first, *others = parts
    mine = claims(first)
    for other in others:
        theirs = claims(other)
        for what in {**mine, **theirs}:
            one, two = mine.get(what), theirs.get(what)
            if one != two:
                raise MergeError(
                    f"{first} and {other} are of different runs: {what} {_short(one)} against {_short(two)}; merge "
                    f"the parts of one command"
                )


def claims(part: Part) -> dict[str, Any]:
    """What the parts of one run have in common, the plainest difference first."""
    manifest = part.manifest
    return {
        "number of parts": part.share.of,
        **{name: value for name, value in manifest["config"].items() if name not in OWN},
        "suite": manifest["suite"],
        **{f"fingerprint of {each['name']}": each["fingerprint"] for each in manifest["generators"]},
        **{f"audit {each['name']}": [each["version"], each["options"]] for each in manifest["audits"]},
        **{f"weights {each['name']}": each["sha256"] for each in manifest["weights"]},
        **{f"package {name}": version for name, version in manifest["packages"].items()},
        "plan": manifest["part"]["plan"],
    }


def every_one_once(parts: Sequence[Part]) -> None:
    """No part is missing, doubled, or unfinished."""
    seen: dict[int, Part] = {}
    for part in parts:
        other = seen.setdefault(part.share.number, part)
        if other is not part:
            raise MergeError(f"{other} and {part} are both part {part.share}; give each part once")
    of = parts[0].share.of
    missing = [number for number in range(1, of + 1) if number not in seen]
    if missing:
        named = ", ".join(str(Share(number, of)) for number in missing[:8]) + (", …" if len(missing) > 8 else "")
        raise MergeError(f"{len(missing)} of {of} parts are missing: {named}; run them, or name their folders too")
    unfinished = [part for part in parts if not part.manifest["part"].get("complete")]
    if unfinished:
        named = ", ".join(str(part) for part in unfinished[:3])
        raise MergeError(f"not finished yet: {named}; wait for them, or run their commands again to go on")


def files_of(parts: Sequence[Part]) -> dict[str, Path]:
    """Name in the run folder -> file of a part, for pictures, scores and inputs.

    Every shard's file is opened and its keys read; not the pictures, which would take hours of a large run.

    Raises:
        MergeError: a file that is missing, cut short or of other jobs.
    """
    files: dict[str, Path] = {}
    for part in parts:
        scored = [each["name"] for each in part.manifest["audits"] if each["kind"] != "set"]
        for shard in part.shards:
            for path in (
                part.folder.image_file(shard.number),
                *(part.folder.score_file(name, shard.number) for name in scored),
            ):
                if _keys(path) != shard.keys:
                    raise MergeError(
                        f"{path} is missing, damaged or of another plan; run the command of its part again"
                    )
                files[str(path.relative_to(part.folder.path))] = path
        files |= {str(path.relative_to(part.folder.path)): path for path in part.folder.path.glob("inputs/*")}
    return files


def choices_here(part: Part) -> list[Choice]:
    """The parts' audits as this program has them, to summarise with.

    Raises:
        MergeError: other versions or weights than those that scored the parts.
    """
    choices = choices_of(part.manifest)
    versions = {each["name"]: each["version"] for each in part.manifest["audits"]}
    for choice in choices:
        if choice.audit.version != versions[choice.audit.name]:
            raise MergeError(
                f"the parts were scored by version {versions[choice.audit.name]} of {choice.audit.name}, this program "
                f"has version {choice.audit.version}; merge with the program that ran the parts"
            )
    here = {each["name"]: each["sha256"] for each in weights_of(list(versions), [])}
    for each in part.manifest["weights"]:
        if each["name"] in here and here[each["name"]] != each["sha256"]:
            raise MergeError(f"the weights {each['name']} here are not those that scored the parts; see audit weights")
    return choices


@contextlib.contextmanager
def opened(folder: RunFolder, plan: str) -> Iterator[None]:
    """The folder to merge into, locked; an earlier merge of the same plan may be there, another run may not.

    Raises:
        MergeError: another run is there.
    """
    path = folder.path / "manifest.json"
    if (path.is_file() or (folder.path / "images").exists()) and not _goes_on(path, plan):
        raise MergeError(f"{folder.path} holds another run; choose another --out")
    if folder.path.is_dir() and set(folder.path.iterdir()) == set(_inside(folder.path)):
        with writing(folder.path / "lock") as lock:  # a folder of parts and nothing else may become their run
            lock.touch()
    with folder.open_for_writing():
        yield


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the two are on different disks.

    Raises:
        StoreError: the disk is full, or does not let us write.
    """
    if target.exists() and target.samefile(source):
        return

    def fill(temporary: Path) -> None:
        try:
            os.link(source, temporary)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, temporary)

    with writing(target):
        write_aside(target, fill)


def told(parts: Sequence[Part], folder: RunFolder, clock: Clock) -> dict[str, Any]:
    """The merged run's manifest: the first part's, with the seconds of all."""
    seconds: dict[str, float] = {}
    for part in parts:
        seconds = stage_seconds(seconds, part.manifest["seconds"])
    first = {name: value for name, value in parts[0].manifest.items() if name != "part"}
    return first | {
        "config": first["config"] | {"out": str(folder.path), "share": None},
        "created": min(part.manifest["created"] for part in parts),
        "seconds": stage_seconds(seconds, clock.seconds),
        "merged": {"parts": len(parts), "plan": parts[0].manifest["part"]["plan"]},
    }


def _goes_on(manifest: Path, plan: str) -> bool:
    """Whether it is that of a merge cut short, or of one of the same plan."""
    try:
        held = json.loads(manifest.read_text(encoding="utf-8"))
        return bool(held["format"] == UNFINISHED or held["merged"]["plan"] == plan)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # none, damaged, or another's
        return False


def _inside(path: Path) -> list[Path]:
    return sorted(path.glob("part-*-of-*"))


def _keys(path: Path) -> tuple[str, ...]:
    try:
        return tuple(read_table(path, ["key"])["key"].to_pylist())
    except BROKEN:  # told by the caller, with what to do
        return ()


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"
