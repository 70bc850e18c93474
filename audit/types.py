"""The words of an audit: Prompt, Job, Artifact, Score, Estimate. Values only, no IO."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from generators.api import Settings

Json = Any
Status = Literal["ok", "skipped", "failed"]
SEED_BITS = 63


def digest_of(value: Json) -> str:
    """16 hexadecimal digits of SHA-256 over canonical JSON: equal values, equal digests, on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fields_of(value: Any) -> dict[str, Json]:
    """A dataclass's fields by name as they are; `asdict` copies them deeply, which tells in a plan of thousands."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What is asked for.

    Attributes:
        id: unique within its suite, and stable: seeds derive from it.
        expect: what a correct picture shows, by audit: {"text": "OPEN"}, {"count": 3, "object": "cube"}, ...
        inputs: pictures a task needs, by the digest of their pixels: {"source": ..., "mask": ..., "control": ...}.
        origin: where the prompt was read, such as "parti_prompts.tsv, row 17".
    """

    id: str
    text: str
    negative_text: str = ""
    tags: tuple[str, ...] = ()
    expect: Mapping[str, Json] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Prompts under one name; the digest changes with any of them. files: where the prompts' inputs lie, by digest."""

    name: str
    version: str
    prompts: tuple[Prompt, ...]
    files: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for prompt in self.prompts:
            if prompt.id in seen:
                raise ValueError(f"suite {self.name!r}: two prompts have the id {prompt.id!r}; ids must differ")
            seen.add(prompt.id)

    @property
    def digest(self) -> str:
        """Hash of every prompt with its expectations, in order; where they were read does not count."""
        return digest_of([{k: v for k, v in fields_of(p).items() if k != "origin"} for p in self.prompts])


def seed_for(prompt_id: str, replicate: int) -> int:
    """The seed of a picture: equal for every model, sweep cell, batch and rank, so that they pair."""
    raw = hashlib.sha256(f"{prompt_id}\x00{replicate}".encode()).digest()
    return int.from_bytes(raw[:8], "big") >> (64 - SEED_BITS)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to make: a prompt, in a sweep cell, for one replicate.

    Attributes:
        generator: the generator's specification, as the user wrote it.
        fingerprint: the generator's own hash of its weights and code.
        settings: None for every knob that this generator does not have.
    """

    generator: str
    fingerprint: str
    prompt: Prompt
    settings: Settings
    replicate: int

    @property
    def seed(self) -> int:
        """See `seed_for`."""
        return seed_for(self.prompt.id, self.replicate)

    @property
    def key(self) -> str:
        """Hash of exactly what the generator sees; correcting a tag or an expectation keeps the picture."""
        seen = {
            "fingerprint": self.fingerprint,
            "name": self.prompt.id,
            "text": self.prompt.text,
            "negative_text": self.prompt.negative_text,
            "inputs": dict(self.prompt.inputs),
            "settings": {knob: value for knob, value in fields_of(self.settings).items() if value is not None},
            "seed": self.seed,
        }
        return digest_of(seen)

    @property
    def cell(self) -> str:
        """The sweep cell in words, such as "guidance=3 steps=25"; "default" where nothing is set."""
        return cell_name(self.settings)


def cell_name(settings: Settings) -> str:
    """The settings that were chosen, in words, such as "guidance=3 steps=25"; "default" where none was."""
    chosen = {k: v for k, v in fields_of(settings).items() if v is not None and k != "task"}
    if settings.task != "text2img":
        chosen["task"] = settings.task
    return " ".join(f"{knob}={knob_words(value)}" for knob, value in sorted(chosen.items())) or "default"


def knob_words(value: Json) -> str:
    """A knob's value as its flag takes it: 3, 0.3:0.9, ddim."""
    if isinstance(value, tuple | list):
        return ":".join(knob_words(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """What became of a job. digest: SHA-256 (64 hex) of shape and pixels, empty unless status is "ok"."""

    key: str
    status: Status
    digest: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    device: str = ""
    error: str = ""

    def __post_init__(self) -> None:
        if (self.status == "ok") != bool(self.digest):
            raise ValueError(f"artifact {self.key}: status {self.status!r} does not go with digest {self.digest!r}")


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one audit says of one picture: a number, or a feature vector, or why neither.

    `evidence` is what a person looks at to disagree: boxes, text read, counts.
    """

    status: Status
    value: float | None = None
    vector: tuple[float, ...] | None = None
    reason: str = ""
    evidence: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.value is not None or self.vector is not None):
            raise ValueError(f"status {self.status!r} does not go with value {self.value!r}")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a score must be finite, got {self.value!r}; say skipped or failed instead")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"a {self.status} score must give its reason")

    @classmethod
    def of(cls, value: float, **evidence: Json) -> Score:
        """A good score."""
        return cls(status="ok", value=float(value), evidence=evidence)

    @classmethod
    def features(cls, vector: tuple[float, ...]) -> Score:
        """A feature vector, for audits of whole sets of pictures."""
        return cls(status="ok", vector=vector)

    @classmethod
    def skipped(cls, reason: str, **evidence: Json) -> Score:
        """Nothing to say about this picture, and why."""
        return cls(status="skipped", reason=reason, evidence=evidence)

    @classmethod
    def failed(cls, reason: str, **evidence: Json) -> Score:
        """The audit broke on this picture."""
        return cls(status="failed", reason=reason, evidence=evidence)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number with its 95 % interval; low and high are None where none can be had, and `note` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One audit summarised over one cell of one generator.

    Attributes:
        statistic: "mean", "rate", or the set statistic's own name.
        value, low, high: with its 95 % interval; None where nothing could be scored.
        n, skipped, failed: pictures behind the number, and pictures that are not.
        prompts, replicates: distinct prompts behind it and the most pictures of any one of them.
        corrected, corrected_low, corrected_high: a detector's rate freed of its measured errors, with an interval that
            includes their uncertainty; None where the audit is no detector or has no card that speaks for it.
        card: what the detector is worth, in words, or why nothing is known of it; empty for audits that detect nothing.
    """

    generator: str
    cell: str
    audit: str
    statistic: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    skipped: int
    failed: int
    prompts: int
    replicates: int
    note: str = ""
    corrected: float | None = None
    corrected_low: float | None = None
    corrected_high: float | None = None
    card: str = ""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """How one audit changes between two cells or generators, paired by prompt and seed: `after` minus `before`.

    Attributes:
        pairs, prompts, replicates: pairs behind the number, their prompts, the most pairs of any prompt.
        mde: the true difference that would have been found with 80 % power; None where no error is known.
        skipped, failed: pairs lost because a side had nothing to say, or broke.
    """

    generator: str
    before: str
    after: str
    audit: str
    value: float | None
    low: float | None
    high: float | None
    pairs: int
    prompts: int
    note: str = ""
    mde: float | None = None
    replicates: int = 0
    skipped: int = 0
    failed: int = 0
