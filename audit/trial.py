"""How a detector is put to the test: pictures whose truth is known, because it was planted or somebody looked.

    @trial("hands.wrong", domain="studio", count=600, quick=120, planted="...", limits="...",
           goals={"sensitivity": ">= 0.90", "specificity": ">= 0.95"})
    def studio_hands(count: int) -> Iterator[Case]: ...

Saving that in `audit/trials/` (or beside its audit, or naming it under the entry-point group "sixthfinger.trials") is
enough: `audit calibrate` runs it and writes the detector's card.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
import torch

from audit.api import Audit, View
from audit.types import Interval, Json, Prompt, Score
from generators.api import Pixels, Settings

GOAL = re.compile(r"(>=|<=) (\d*\.?\d+)")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A picture and the truth about it.

    Attributes:
        pixels: (H, W, 3) uint8 sRGB.
        planted: whether it has the defect that the detector looks for.
        truth: what a perfect detector would say, where that is more than yes or no: 6 digits, "OPEN", 30 degrees.
        groups: kinds of pictures that the card tells apart, such as {"tone": "7", "blur": "none"}.
        inputs: pictures that the prompt brings, by the digest that `prompt.inputs` names.
    """

    pixels: Pixels
    planted: bool
    prompt: Prompt = field(default_factory=lambda: Prompt(id="case", text=""))
    truth: Json = None
    groups: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    inputs: Mapping[str, Pixels] = field(default_factory=dict)

    def view(self) -> View:
        """As the detector sees it."""
        image = torch.from_numpy(np.array(self.pixels.transpose(2, 0, 1), order="C"))
        return View(image, self.prompt, settings=self.settings, look=self.inputs.__getitem__)


Verdict = Callable[[Score], bool | None]
"""Whether a score says "defect"; None where the detector abstains."""
Measure = Callable[[Sequence[Case], Sequence[Score]], Mapping[str, Interval]]
"""Cases and their scores -> further figures for the card, by name, such as {"auroc": ...}."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A registered trial.

    Attributes:
        detector: the audit's name.
        domain: which pictures the card speaks of, in a word or two.
        count, quick: pictures of a full and of a quick calibration.
        planted: how the defects got into the pictures, in words.
        limits: what keeps the detector from doing better, in words.
        goals: what was aimed at, by figure: {"sensitivity": ">= 0.90", "auroc": ">= 0.95"}.
        verdict: how a score becomes yes or no; None: by value, for audits that are rates.
        said: what the detector named, for the table of truth against answer; None: no table.
        options: the audit's options.
    """

    detector: str
    domain: str
    count: int
    quick: int
    planted: str
    limits: str
    goals: Mapping[str, str]
    cases: Callable[[int], Iterator[Case]]
    verdict: Verdict | None = None
    said: Callable[[Score], Json] | None = None
    measure: Measure | None = None
    options: Mapping[str, Json] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The detector and its domain: the name of its card."""
        return f"{self.detector}@{self.domain}"


def trial(
    detector: str,
    *,
    domain: str,
    count: int,
    quick: int,
    planted: str,
    limits: str,
    goals: Mapping[str, str],
    verdict: Verdict | None = None,
    said: Callable[[Score], Json] | None = None,
    measure: Measure | None = None,
    options: Mapping[str, Json] | None = None,
) -> Callable[[Callable[[int], Iterator[Case]]], Trial]:
    """Register a function that yields `count` cases, always the same ones, as the trial of a detector."""
    for name, goal in goals.items():
        if not GOAL.fullmatch(goal):
            raise ValueError(f"trial {detector}@{domain}: goal {name} {goal!r} is not like '>= 0.90'")

    def register(cases: Callable[[int], Iterator[Case]]) -> Trial:
        return Trial(
            detector=detector,
            domain=domain,
            count=count,
            quick=quick,
            planted=planted,
            limits=limits,
            goals=dict(goals),
            cases=cases,
            verdict=verdict,
            said=said,
            measure=measure,
            options=dict(options or {}),
        )

    return register


def seeds(name: str, count: int) -> range:
    """Seeds for a trial's scenes, away from those of every data set and of other trials."""
    first = 2**40 + crc32(name.encode()) * 2**16
    return range(first, first + count)


def by_value(audit: Audit) -> Verdict:
    """The verdict of an audit that is a rate: 1 is a defect where lower is better, 0 where higher is.

    Raises:
        ValueError: the audit is no rate, so its trial must say how a score becomes yes or no.
    """
    if audit.statistic != "rate":
        raise ValueError(f"{audit.name} is no rate: its trial needs a verdict")
    bad = 0.0 if audit.better == "higher" else 1.0
    return lambda score: None if score.status != "ok" else score.value == bad


def no_verdict(score: Score) -> bool | None:
    """For detectors that give a number and no yes or no: their cards hold measures only."""
    return None
