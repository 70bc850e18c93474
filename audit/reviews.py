"""What people say of a run's pictures: verdicts beside the run, a line each, and the order in which they are asked for.

RUN/reviews/<reviewer>.jsonl only ever grows: an answer that is changed or taken back is one more line.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from audit.registry import unknown
from audit.store import RunFolder
from audit.types import Json, digest_of

Answer = Literal["yes", "no", "skip", "undo"]
ANSWERS: tuple[str, ...] = get_args(Answer)
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
BLOCK = 40
"""Pictures that all reviewers are given before any is given the next; half of them flagged, while there are any."""


class ReviewError(ValueError):
    """A review that cannot be made or read as asked."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a reviewer said of one picture.

    Attributes:
        key, digest: the job and the pixels that were looked at.
        audit, version, options: the detector whose finding was in question; options as the digest of their text.
        answer: "yes": the defect is there; "undo" takes the latest answer about that picture back.
        seconds: from the picture's appearance to the answer.
        blind: whether the answer came before anything that the detector said was shown.
    """

    key: str
    digest: str
    audit: str
    version: int
    options: str
    answer: Answer
    seconds: float = 0.0
    blind: bool = True

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise ReviewError(f"answer {self.answer!r} is none of {', '.join(ANSWERS)}")


@dataclass(frozen=True)
class Reviews:
    """Every reviewer's verdicts in the order given, and what could not be read, in words."""

    verdicts: Mapping[str, Sequence[Verdict]]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def audits(self) -> set[str]:
        """Every detector of which something was said."""
        return {each.audit for verdicts in self.verdicts.values() for each in verdicts}

    def standing(self, reviewer: str) -> Mapping[tuple[str, str], Verdict]:
        """The reviewer's answers that hold, by audit and key; none for a name that never answered."""
        held: dict[tuple[str, str], Verdict] = {}
        for each in self.verdicts.get(reviewer, ()):
            held.pop((each.audit, each.key), None)  # so that the latest answer comes last
            if each.answer != "undo":
                held[each.audit, each.key] = each
        return held


@dataclass(frozen=True)
class Findings:
    """What one detector said of the pictures of a run.

    Attributes:
        options: canonical JSON as stored with the scores, hashes of weights included.
        pictures: one row per picture that it decided on: key, digest, prompt_id, flagged (bool).
        abstained: pictures that are there and that it skipped or failed on.
    """

    audit: str
    version: int
    options: str
    better: str
    doc: str
    pictures: pd.DataFrame
    abstained: int

    @property
    def defect(self) -> str:
        """What "the defect is there" means, in words, from the first sentence that the audit says of itself."""
        what = self.doc.split("\n")[0].split(". ")[0].strip().rstrip(".")
        if what.startswith("Share of "):
            return f"Defects are {'' if self.better == 'lower' else 'all but '}{what.removeprefix('Share of ')}."
        return f"The question: {what}. The defect is there if {'so' if self.better == 'lower' else 'not'}."

    def verdict(self, key: str, answer: Answer, *, seconds: float = 0.0, blind: bool = True) -> Verdict:
        """An answer about one of the pictures. Raises ReviewError for a key that is none of them."""
        mine = self.pictures.loc[self.pictures["key"] == key, "digest"]
        if mine.empty:
            raise ReviewError(f"{self.audit} decided on no picture {key!r} in this run")
        digest = str(mine.iloc[0])
        return Verdict(
            key=key,
            digest=digest,
            audit=self.audit,
            version=self.version,
            options=digest_of(self.options),
            answer=answer,
            seconds=round(seconds, 2),
            blind=blind,
        )


def reviewable(folder: RunFolder) -> list[str]:
    """Audits of the run whose findings people can confirm: they say of single pictures whether a defect is there."""
    return [str(each["name"]) for each in folder.manifest()["audits"] if _finds_defects(each)]


def findings(folder: RunFolder, audit: str) -> Findings:
    """What the detector said of the run's pictures.

    Raises:
        UnknownNameError: no audit of that name in the run that finds defects.
        ReviewError: its pictures were scored by more than one version or with differing options.
    """
    known = {str(each["name"]): each for each in folder.manifest()["audits"] if _finds_defects(each)}
    if audit not in known:
        raise unknown("reviewable audit of this run", audit, list(known))
    about = known[audit]
    scores = folder.scores(audit).drop_duplicates("key", keep="last")
    scores = scores[scores["digest"] != ""]
    decided = scores[(scores["status"] == "ok") & scores["value"].notna()]
    kinds = decided[["version", "options"]].drop_duplicates()
    if len(kinds) > 1:
        raise ReviewError(
            f"{folder.path}: {audit} scored its pictures in {len(kinds)} ways (versions or options differ); "
            f"audit score {folder.path} brings them to one"
        )
    prompts = folder.jobs()[["key", "prompt_id"]].drop_duplicates("key")
    bad = 0.0 if about["better"] == "higher" else 1.0
    pictures = decided[["key", "digest", "value"]].merge(prompts, on="key", how="inner")
    pictures["flagged"] = pictures.pop("value") == bad
    return Findings(
        audit=audit,
        version=int(about["version"]) if kinds.empty else int(kinds["version"].iloc[0]),
        options="{}" if kinds.empty else str(kinds["options"].iloc[0]),
        better=str(about["better"]),
        doc=str(about["doc"]),
        pictures=pictures,
        abstained=len(scores) - len(decided),
    )


def order(found: Findings, reviewer: str) -> list[str]:
    """Keys in the order in which the reviewer is asked: blocks that are common to all, each shuffled for everyone anew.

    Which pictures make a block depends on chance alone, half of them flagged and half not for as long as there are
    both: so reviewers judge the same pictures, and within either half those judged are a random sample of the run.
    """
    flagged = found.pictures["flagged"].to_numpy(dtype=bool)
    keys = found.pictures["key"]
    waiting = [_shuffled(keys[flagged], found.audit), _shuffled(keys[~flagged], found.audit)]
    asked: list[str] = []
    while any(waiting):
        take = [min(BLOCK // 2, len(each)) for each in waiting]
        if 0 in take:
            take = [min(BLOCK, len(each)) for each in waiting]
        block = [key for each, count in zip(waiting, take, strict=True) for key in each[:count]]
        waiting = [each[count:] for each, count in zip(waiting, take, strict=True)]
        asked += _shuffled(block, found.audit, reviewer)
    return asked


def append(folder: RunFolder, reviewer: str, verdict: Verdict) -> Path:
    """Write the verdict to the end of the reviewer's file and onto the disk; returns the file.

    Raises:
        ReviewError: a name that cannot be a file's, or a folder that cannot be written to.
    """
    path = folder.path / "reviews" / f"{checked_name(reviewer)}.jsonl"
    line = json.dumps(asdict(verdict), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    try:
        path.parent.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            # a line torn by a crash is closed first, or this one would be torn with it
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, b"\n" * torn + line)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise ReviewError(f"cannot write to {path}: {error.strerror}; the answer was not kept") from error
    return path


def read(folder: RunFolder) -> Reviews:
    """Every verdict of the run. Lines that are not whole are left out and named; so are files with other names."""
    found: dict[str, list[Verdict]] = {}
    notes: list[str] = []
    for path in sorted((folder.path / "reviews").glob("*.jsonl")):
        if not NAME.fullmatch(path.stem):
            notes.append(f"{path}: left out, its name is no reviewer's (letters, digits, - and _)")
            continue
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ReviewError(f"cannot read {path}: {error.strerror}") from error
        found[path.stem] = list(_verdicts(raw, path, notes))
    return Reviews({name: each for name, each in found.items() if each}, tuple(notes))


def checked_name(reviewer: str) -> str:
    """The reviewer's name. Raises ReviewError unless it is 1 to 64 letters, digits, - and _."""
    if not NAME.fullmatch(reviewer):
        raise ReviewError(
            f"{reviewer!r} cannot be a reviewer's name: use 1 to 64 letters (a-z, A-Z), digits, - and _, such as ada"
        )
    return reviewer


def _verdicts(raw: bytes, path: Path, notes: list[str]) -> Iterator[Verdict]:
    *lines, last = raw.split(b"\n")
    for number, line in enumerate([*lines, last], start=1):
        if not line:
            continue
        try:
            yield Verdict(**_typed(json.loads(line)))
        except (ValueError, TypeError) as error:
            why = "torn, the program ended while it was written" if number == len(lines) + 1 else f"damaged ({error})"
            notes.append(f"{path}, line {number}: left out, {why}")


def _typed(told: Json) -> dict[str, Json]:
    """The line's fields; TypeError where one is of another type than a verdict's."""
    kinds = {"key": str, "digest": str, "audit": str, "version": int, "options": str, "answer": str, "blind": bool}
    if not isinstance(told, dict):
        raise TypeError("no verdict")
    for name, kind in {**kinds, "seconds": int | float}.items():
        if not isinstance(told.get(name), kind):
            raise TypeError(f"no usable {name!r}")
    return dict(told)


def _finds_defects(about: Mapping[str, Json]) -> bool:
    return about["statistic"] == "rate" and about["kind"] != "set" and about["better"] in ("lower", "higher")


def _shuffled(keys: Sequence[str] | pd.Series, *seed: str) -> list[str]:
    """In the order of a hash, which is the same on every machine and does not change when pictures are added."""
    return sorted(map(str, keys), key=lambda key: digest_of([*seed, key]))
