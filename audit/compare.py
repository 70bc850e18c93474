"""Two runs -> what changed between them, audit by audit, over the pictures that both made of one prompt and seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from audit.api import ScoreSet
from audit.registry import audits as known_audits
from audit.statistics.intraclass import intraclass
from audit.statistics.multiplicity import adjusted
from audit.statistics.paired import Difference, no_difference, set_difference
from audit.store import RunFolder
from audit.summarise import Point, Tally
from audit.summary import points_of
from audit.types import Interval, Json, Prompt

POOLED = "all cells"
Place = tuple[str, str, int]
"""What two pictures of a pair share: cell, prompt, replicate (and so the seed)."""


class CompareError(ValueError):
    """Runs that cannot be compared; the message says what differs and what would help."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """An audit as a run recorded it. worth: what its card says, or why nothing is known of it; "" for no detector."""

    name: str
    version: int
    options: Mapping[str, Json]
    better: str
    unit: str
    kind: str
    statistic: str
    on: str
    headline: bool
    worth: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Measure:
        """From a row of a manifest's audits."""
        told = {name: row[name] for name in cls.__dataclass_fields__ if name != "worth"}
        doubt = row.get("doubt") if row["statistic"] == "rate" else ""
        return cls(**told, worth=str(row.get("card") or (f"not validated: {doubt}" if doubt else "")))

    def set_scorer(self) -> ScoreSet:
        """The statistic of a set audit, with its reference loaded."""
        return known_audits()[self.name].set_scorer(**dict(self.options))


@dataclass(frozen=True)
class Side:
    """One generator of one run."""

    folder: RunFolder
    generator: str
    manifest: Mapping[str, Any]
    _points: dict[str, list[Point]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, folder: RunFolder, generator: str = "") -> Side:
        """A run's generator; it must be named where there are several.

        Raises:
            CompareError: none or another one is named.
        """
        manifest = folder.manifest()
        names = [each["name"] for each in manifest["generators"]]
        if generator and generator not in names:
            raise CompareError(f"{folder.path} has no generator {generator!r}; it has {', '.join(names)}")
        if not generator and len(names) != 1:
            raise CompareError(
                f"{folder.path} has {len(names)} generators; say which is meant: {', '.join(names)} "
                "(--baseline-generator, --candidate-generator)"
            )
        return cls(folder, generator or names[0], manifest)

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """Its audits by name."""
        return {each["name"]: Measure.of(each) for each in self.manifest["audits"]}

    @property
    def fingerprint(self) -> str:
        """Of the generator's weights and code."""
        return next(str(e["fingerprint"]) for e in self.manifest["generators"] if e["name"] == self.generator)

    def points(self, audit: str) -> list[Point]:
        """This generator's scores."""
        if audit not in self._points:
            self._points[audit] = points_of(self.folder, audit, self.jobs)
        return self._points[audit]

    @cached_property
    def jobs(self) -> pd.DataFrame:
        """This generator's rows of the plan."""
        jobs = self.folder.jobs()
        return jobs[jobs["generator"] == self.generator]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One audit, after minus before.

    Attributes:
        cell: the sweep cell, "all cells", or with a tag the slice of prompts that carry it.
        before, after: the two values over the pairs alone.
        pairs, prompts, replicates: pairs behind the numbers, their prompts, the most pairs of any prompt.
        skipped, failed: pairs lost because a side had nothing to say, or broke.
        unpaired: pictures that the other side did not make.
        icc: how alike the differences of one prompt are; see `intraclass`.
        q: p-value adjusted for the many comparisons it was explored among.
    """

    measure: Measure
    cell: str
    before: float | None
    after: float | None
    difference: Difference
    pairs: int
    prompts: int
    replicates: int
    skipped: int
    failed: int
    unpaired: int
    icc: float | None = None
    tag: str = ""
    q: float | None = None

    @property
    def mde(self) -> float | None:
        """The true difference that would have been found with 80 % power; None where no error is known."""
        return self.difference.mde

    def as_json(self) -> dict[str, Json]:
        """Every figure by name."""
        found = self.difference
        told = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("measure", "difference")
        }
        numbers = {
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "error": found.error,
            "p": found.p,
            "mde": self.mde,
        }
        about = {name: getattr(self.measure, name) for name in ("unit", "better", "statistic", "version", "worth")}
        return {"audit": self.measure.name, **about, **numbers, "note": found.note, **told}


@dataclass(frozen=True)
class Paired:
    """Two sides' scores of one audit, matched."""

    pairs: tuple[tuple[Point, Point], ...]
    unpaired: int = 0

    def only(self, *, cell: str = "", prompts: Iterable[str] | None = None) -> Paired:
        """The pairs of one cell, of some prompts."""
        kept = None if prompts is None else set(prompts)
        return replace(
            self,
            pairs=tuple(
                pair
                for pair in self.pairs
                if (not cell or pair[0].cell == cell) and (kept is None or pair[0].prompt in kept)
            ),
        )

    @property
    def numeric(self) -> bool:
        """Whether the scores are numbers, not features."""
        return all(point.vector is None for pair in self.good for point in pair)

    @property
    def good(self) -> list[tuple[Point, Point]]:
        """Pairs in which both sides were scored."""
        return [pair for pair in self.pairs if pair[0].status == "ok" and pair[1].status == "ok"]


def paired(before: Sequence[Point], after: Sequence[Point]) -> Paired:
    """Match by settings, prompt and replicate."""
    first, second = (dict(zip(_places(side), side, strict=True)) for side in (before, after))
    shared = [place for place in first if place in second]
    unpaired = len(first) + len(second) - 2 * len(shared)
    return Paired(tuple((first[place], second[place]) for place in shared), unpaired)


def compare(measure: Measure, found: Paired, *, cell: str = "", scorer: ScoreSet | None = None) -> Comparison:
    """One audit over its pairs.

    Args:
        cell: only this cell; else all cells together.
        scorer: the statistic of a set audit, where it is loaded already.
    """
    mine = found.only(cell=cell) if cell else found
    tally = Tally.of(mine.pairs)
    clusters, icc = tally.clusters, None
    if measure.kind == "set":
        score = scorer or measure.set_scorer()
        ends = [_set_value(score, [pair[side] for pair in tally.good], clusters) for side in (0, 1)]
        difference = set_difference(*ends)
        before, after = ends[0].value, ends[1].value
    else:
        values, difference = tally.values, tally.difference(measure.statistic)
        before, after = (float(side.mean()) for side in values.T) if len(values) else (None, None)
        icc = intraclass(values[:, 1] - values[:, 0], clusters) if len(values) else None
    return Comparison(
        measure=measure,
        cell=cell or POOLED,
        before=before,
        after=after,
        difference=difference,
        pairs=len(tally.good),
        prompts=len(set(clusters)),
        replicates=tally.replicates,
        skipped=tally.skipped,
        failed=tally.failed,
        unpaired=mine.unpaired,
        icc=icc,
    )


@dataclass
class Runs:
    """A baseline and a candidate with their scores, each audit's read once."""

    baseline: Side
    candidate: Side
    _found: dict[str, Paired] = field(default_factory=dict)

    @cached_property
    def shared(self) -> dict[str, Measure]:
        """Audits that both have in the same version and with the same options."""
        other = self.candidate.measures
        return {
            name: each
            for name, each in self.baseline.measures.items()
            if name in other and (each.version, each.options) == (other[name].version, other[name].options)
        }

    def paired(self, measure: Measure) -> Paired:
        """The pairs of an audit; of a set audit those of the features it works on."""
        name = measure.on or measure.name
        if name not in self._found:
            self._found[name] = paired(self.baseline.points(name), self.candidate.points(name))
        return self._found[name]

    @cached_property
    def cells(self) -> list[str]:
        """The sweep cells that both have, in plan order."""
        one, two = (list(dict.fromkeys(side.jobs["cell"])) for side in (self.baseline, self.candidate))
        return [cell for cell in one if cell in two]

    @cached_property
    def identical(self) -> bool:
        """Whether every picture of the candidate is the baseline's, to the last bit."""
        first, second = (_digests(side) for side in (self.baseline, self.candidate))
        return bool(first) and first == second

    def compare(self, measure: Measure, *, cell: str = "") -> Comparison:
        """One audit over the pairs of both runs; where all pictures are the same, nothing differs, and surely so."""
        found = compare(measure, self.paired(measure), cell=cell)
        if self.identical and found.difference.value == 0:
            return replace(found, difference=no_difference())
        return found

    def prompts(self) -> dict[str, Prompt]:
        """Prompts that both ask in the same words, by id."""
        other = self.candidate.folder.prompts()
        mine = self.baseline.folder.prompts()
        return {name: each for name, each in mine.items() if name in other and other[name].text == each.text}


def explored(runs: Runs, *, without: Iterable[str] = (), slices: Sequence[Measure] = ()) -> list[Comparison]:
    """Every shared audit that gives numbers, but those named, and the `slices` by tag, with q-values over all of them.

    q: Benjamini & Hochberg; of the comparisons with q at or below 0.05 one in twenty is a false alarm, on average.
    """
    skipped = set(without)
    found = [_quietly(runs, each) for each in runs.shared.values() if each.name not in skipped]
    by_tag = _by_tag(runs.prompts().values())
    for measure in slices:
        if measure.kind != "set":
            every = runs.paired(measure)
            found += [replace(compare(measure, every.only(prompts=ids)), tag=tag) for tag, ids in by_tag.items()]
    kept = [each for each in found if each is not None and each.difference.value is not None]
    q_values = adjusted([each.difference.p for each in kept], "benjamini-hochberg")
    return [replace(each, q=q) for each, q in zip(kept, q_values, strict=True)]


def _digests(side: Side) -> dict[tuple[str, str, int], str]:
    """Digest of each picture by settings, prompt and replicate."""
    made = side.jobs.merge(side.folder.artifacts()[["key", "digest"]], on="key")
    columns = (made[name] for name in ("settings", "prompt_id", "replicate", "digest"))
    return {(settings, prompt, replicate): digest for settings, prompt, replicate, digest in zip(*columns, strict=True)}


def _places(points: Sequence[Point]) -> list[Place]:
    """Each point's place. Points of one cell share their settings, which are put into words once: that is quick."""
    cells: dict[int, str] = {}
    for point in points:
        if id(point.settings) not in cells:
            cells[id(point.settings)] = point.cell
    return [(cells[id(point.settings)], point.prompt, point.replicate) for point in points]


def _set_value(score: ScoreSet, points: Sequence[Point], clusters: Sequence[str]) -> Interval:
    if not points:
        return Interval(value=None, note="no pairs")
    return score(np.array([point.vector for point in points], np.float64), clusters)


def _quietly(runs: Runs, measure: Measure) -> Comparison | None:
    """None for features, which are no number, and for a statistic whose reference or weights are not at hand."""
    from audit.weights import MissingWeightsError

    every = runs.paired(measure)
    if measure.kind != "set" and not every.numeric:
        return None
    try:
        return runs.compare(measure)
    except MissingWeightsError:
        return None


def _by_tag(prompts: Iterable[Prompt]) -> dict[str, list[str]]:
    """Prompt ids by tag; tags that all prompts carry say nothing new."""
    everyone = list(prompts)
    found: dict[str, list[str]] = {}
    for prompt in everyone:
        for tag in prompt.tags:
            found.setdefault(tag, []).append(prompt.id)
    return {tag: ids for tag, ids in found.items() if 1 < len(ids) < len(everyone)}
