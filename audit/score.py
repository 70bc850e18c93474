"""Pictures x audits -> scores, a shard at a time: one decode per picture, models built once, old scores reused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import torch

from audit.apart import LostError
from audit.api import Audit, View
from audit.cards import SHIPPED, Card, cards, of_detector
from audit.plan import Shard
from audit.redact import redact
from audit.registry import unknown
from audit.scorers import MISSING_WEIGHTS, Scorers, ScorersApart
from audit.store import RunFolder, StoreError
from audit.tables import Identity, ScoreRow, canonical
from audit.types import Artifact, Job, Json, Prompt, Score, digest_of
from generators.api import Pixels, Task

NO_PICTURE = "no picture: "
Look = Callable[[str], Pixels]
"""The pixels of a job's picture by key."""
Tell = Callable[[str], None]
"""Says one line to whoever waits."""


@dataclass(frozen=True)
class Choice:
    """An audit with every one of its options settled, and the hashes of the weights that it will use, by name.

    Attributes:
        card: what the detector is worth; None where nothing is known of it as it is, and `doubt` says why.
    """

    audit: Audit
    options: Mapping[str, Json]
    weights: Mapping[str, str] = field(default_factory=dict)
    card: Card | None = None
    doubt: str = ""

    @cached_property
    def options_text(self) -> str:
        """Canonical JSON of the options, as stored beside each score; other weights make another score."""
        return canonical(dict(self.options) | ({"weights": dict(self.weights)} if self.weights else {}))


class OptionError(ValueError):
    """An option that an audit does not have."""


def choose(
    names: Sequence[str],
    options: Mapping[str, Mapping[str, Json]],
    known: Mapping[str, Audit],
    task: Task = "text2img",
) -> list[Choice]:
    """The audits named, or every headline one of the task, with the features set audits work on; sorted by name.

    Raises:
        UnknownNameError: a name that is not known, with near ones.
        OptionError: an option that its audit does not have, or features that two audits want made by different models.
    """
    for name in (*names, *options):
        if name not in known:
            raise unknown("audit", name, list(known))
    wanted = set(names or [name for name, each in known.items() if each.headline and task in each.tasks])
    wanted |= {known[name].on for name in wanted if known[name].on}
    for name in sorted(wanted - set(known)):
        raise unknown("audit", name, list(known))
    named = sorted(wanted | set(options))
    given = _agreed([known[name] for name in named], options)
    settled = {name: _settled(known[name], given.get(name, {})) for name in named}
    return [settled[name] for name in sorted(wanted)]


def weighed(choices: Sequence[Choice]) -> list[Choice]:
    """The choices with the hashes of the weights that are here now, so that scores by other weights are not reused."""
    from audit.weights import weights

    present = [each for each in weights() if each.present and each.sha256]
    return [
        replace(
            choice, weights={each.name: str(each.sha256)[:16] for each in present if choice.audit.name in each.used_by}
        )
        for choice in choices
    ]


def carded(choices: Sequence[Choice], folders: Sequence[str] = ()) -> list[Choice]:
    """The weighed choices with the cards that speak for them, of `folders` before those that ship.

    Raises:
        CardError: a folder that is not there or a file that is no card.
    """
    known = [cards(Path(folder)) for folder in reversed(folders)] + [cards(SHIPPED)]
    return [_carded(choice, known) for choice in choices]


def _carded(choice: Choice, known: Sequence[Sequence[Card]]) -> Choice:
    if choice.audit.kind == "set":
        return choice
    doubts = []
    for each in known:
        card = of_detector(each, choice.audit.name)
        if card is None:
            continue
        doubt = card.refusal(choice.audit.version, choice.options, choice.weights)
        if not doubt:
            return replace(choice, card=card)
        doubts.append(doubt)
    return replace(choice, doubt=doubts[0] if doubts else "it has no card")


def expectation_of(prompt: Prompt) -> str:
    """Digest of all that a score may depend on beside the picture."""
    brought = {"inputs": dict(prompt.inputs)} if prompt.inputs else {}
    return digest_of({"text": prompt.text, "expect": dict(prompt.expect), **brought})


class Bench:
    """The per-picture audits of a run: their models, built when first needed, and scores that may be reused.

    Args:
        limit: seconds that an audit may take for the pictures of a shard, building its models included; beyond them, or
            when it takes its process down, its scores fail and it is not asked again, while the other audits go on.
            None: no limit, and without `workers` audits score in this process.
        workers: how many processes score, a shard each, and each with models of its own; as many threads may call
            `score` at a time. None: one.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        reusable: Mapping[Identity, Score],
        tell: Tell,
        limit: float | None = None,
        workers: int | None = None,
    ) -> None:
        self.choices = [each for each in choices if each.audit.kind != "set"]
        self._reusable = reusable
        self._tell = tell
        here, count = limit is None and workers is None, workers or 1
        threads = max(1, torch.get_num_threads() // count)  # all workers together take what one would
        self._scorers = [Scorers() if here else ScorersApart(limit, threads) for _ in range(count)]
        self._free: SimpleQueue[Scorers | ScorersApart] = SimpleQueue()
        for each in self._scorers:
            self._free.put(each)
        self._losing = threading.Lock()
        self._lost: dict[str, str] = {}

    def start(self) -> None:
        """Begin to start the processes, where there are any, so that they are there when the first picture is."""
        for each in self._scorers:
            if isinstance(each, ScorersApart):
                each.start()

    def settled(self, folder: RunFolder, shard: Shard, artifacts: Sequence[Artifact]) -> bool:
        """Whether every stored score of the shard still holds, so that `score` would do nothing."""
        expected = [expectation_of(job.prompt) for job in shard.jobs]
        return all(
            None not in held and rows == stored
            for choice in self.choices
            for stored, rows, held in [self._known(folder, choice, shard, artifacts, expected)]
        )

    def score(self, folder: RunFolder, shard: Shard, artifacts: Sequence[Artifact], look: Look) -> None:
        """Bring the shard's scores up to date; audits whose stored rows all still hold are left alone."""
        scorers = self._free.get()
        try:
            self._score(scorers, folder, shard, artifacts, look)
        finally:
            self._free.put(scorers)

    def _score(
        self,
        scorers: Scorers | ScorersApart,
        folder: RunFolder,
        shard: Shard,
        artifacts: Sequence[Artifact],
        look: Look,
    ) -> None:
        views: dict[str, View] = {}

        def view(job: Job) -> View:
            if job.key not in views:
                views[job.key] = view_of(job, look(job.key), folder.input)
            return views[job.key]

        expected = [expectation_of(job.prompt) for job in shard.jobs]
        for choice in self.choices:
            stored, rows, held = self._known(folder, choice, shard, artifacts, expected)
            waiting = [index for index, score in enumerate(held) if score is None]
            fresh = self._fresh(scorers, choice, [view(shard.jobs[index]) for index in waiting])
            for index, score in zip(waiting, fresh, strict=True):
                rows[index] = replace(rows[index], score=score)
            if rows != stored:
                folder.write_scores(choice.audit.name, shard.number, rows)

    def _known(
        self,
        folder: RunFolder,
        choice: Choice,
        shard: Shard,
        artifacts: Sequence[Artifact],
        expected: Sequence[str],
    ) -> tuple[list[ScoreRow], list[ScoreRow], list[Score | None]]:
        """An audit's rows of a shard: as stored, as they should be so far, and which scores of these need no work."""
        stored = stored_scores(folder, folder.score_file(choice.audit.name, shard.number), self._tell)
        by_key = {row.key: row for row in stored}
        blank = [_blank(choice, *each) for each in zip(shard.keys, artifacts, expected, strict=True)]
        held = [self._held(row, by_key.get(row.key)) for row in blank]
        return stored, [replace(row, score=score or row.score) for row, score in zip(blank, held, strict=True)], held

    def _held(self, wanted: ScoreRow, stored: ScoreRow | None) -> Score | None:
        """The score that needs no work: that there is no picture, or what was found earlier."""
        if not wanted.digest:
            return wanted.score
        if stored is not None and stored.identity == wanted.identity and _lasting(stored.score):
            return stored.score
        return self._reusable.get(wanted.identity)

    def _fresh(self, scorers: Scorers | ScorersApart, choice: Choice, views: Sequence[View]) -> list[Score]:
        name = choice.audit.name
        if not views:
            return []
        if name not in self._lost:
            try:
                return scorers(choice.audit, choice.options, views)
            except LostError as error:
                with self._losing:
                    told = name in self._lost
                    self._lost[name] = redact(str(error))
                if not told:
                    self._tell(f"audit {name}: {self._lost[name]}; the others go on, and the next run tries it again")
        return [Score.failed(self._lost[name]) for _ in views]


def view_of(job: Job, pixels: Pixels, inputs: Look | None = None) -> View:
    """The picture as audits see it; a copy, so that no audit can touch another's input.

    Args:
        inputs: reads a picture that a prompt brought, by its digest.
    """
    image = torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))
    return View(
        image=image, prompt=job.prompt, key=job.key, generator=job.generator, settings=job.settings, look=inputs
    )


def stored_scores(folder: RunFolder, path: Path, tell: Tell) -> list[ScoreRow]:
    """The rows of a score file; none where it is absent or damaged, since scores can be computed again."""
    if not path.is_file():
        return []
    try:
        return folder.read_scores(path)
    except StoreError:
        tell(f"{path} cannot be read; its scores are computed again")
        return []


def reusable_scores(
    folder: RunFolder, choices: Sequence[Choice], shards: Sequence[Shard], tell: Tell
) -> dict[Identity, Score]:
    """Lasting scores in files of another plan, which this plan replaces; files beyond this plan are removed."""
    found: dict[Identity, Score] = {}
    keys = {shard.number: list(shard.keys) for shard in shards}
    for choice in choices:
        for number, path in folder.score_files(choice.audit.name).items():
            if _scored_keys(folder, path) == keys.get(number):
                continue
            rows = stored_scores(folder, path, tell)
            found |= {row.identity: row.score for row in rows if row.digest and _lasting(row.score)}
            if number not in keys:
                folder.remove(path)
    return found


def _settled(audit: Audit, given: Mapping[str, Json]) -> Choice:
    try:
        return Choice(audit, audit.options(dict(given)))
    except ValueError as error:
        raise OptionError(str(error)) from error


def _agreed(named: Sequence[Audit], options: Mapping[str, Mapping[str, Json]]) -> Mapping[str, Mapping[str, Json]]:
    """The options, where a set audit and its features have one of the same name: given to either, it holds for both."""
    agreed = {name: dict(each) for name, each in options.items()}
    for features in sorted({each.on for each in named if each.on}):
        family = [each for each in named if features in (each.name, each.on)]
        for knob in [knob for each in family if each.name == features for knob in each.options({})]:
            users = [each.name for each in family if knob in each.options({})]
            given = {name: options[name][knob] for name in users if knob in options.get(name, {})}
            if len({canonical(value) for value in given.values()}) > 1:
                told = ", ".join(f"{name} {knob}={value}" for name, value in sorted(given.items()))
                raise OptionError(f"{told}: a run has {features} of one {knob}; give all the same")
            for value in list(given.values())[:1]:
                for name in users:
                    agreed.setdefault(name, {})[knob] = value
    return agreed


def _lasting(score: Score) -> bool:
    """Failures are tried again on the next run, and so is what only lacked weights."""
    return score.status != "failed" and MISSING_WEIGHTS not in score.evidence


def _scored_keys(folder: RunFolder, path: Path) -> list[str]:
    try:
        return folder.scored_keys(path)
    except StoreError:  # told by whoever reads the rows
        return []


def _blank(choice: Choice, key: str, artifact: Artifact, expectation: str) -> ScoreRow:
    return ScoreRow(
        key=key,
        digest=artifact.digest,
        audit=choice.audit.name,
        version=choice.audit.version,
        options=choice.options_text,
        expectation=expectation,
        score=_without(artifact) if artifact.status != "ok" else Score.skipped("not scored yet"),
    )


def _without(artifact: Artifact) -> Score:
    return Score(status=artifact.status, reason=NO_PICTURE + artifact.error)
