"""Runs that are killed at random moments, and what each blow cost.

Every picture made and every score computed is noted in a file as it happens, outside the run folder. So it is known
after a kill what that sitting had done, and whether any of it had been done before.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from audit.api import ScoreOne, View, audit
from audit.progress import Watch
from audit.run import Chosen, walk
from audit.score import choose
from audit.store import RunFolder
from audit.types import Score
from generators.api import Pixels, Refusal, Request
from tests.fakes import AUDITS, CHILDREN, FakeGenerator, config, suite
from tests.soak.alone import assert_as_undisturbed, assert_whole, contents

SHARD = 4
LONGEST = 1.2  # seconds from a sitting's first step until the blow; the pictures alone take as long
BEGUN = "begun"
DELAY = 0.01  # seconds a score takes, so that blows fall between scores too
_LOG: list[Path] = []


def note(*what: object) -> None:
    """Append a line that survives the process."""
    with _LOG[-1].open("a") as file:
        file.write(" ".join(map(str, what)) + "\n")


class Noted(FakeGenerator):
    """Notes every picture as it is made."""

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        for index, picture in super().generate(requests):
            note("picture", place(requests[index].name, requests[index].seed, requests[index].settings.guidance))
            yield index, picture


def place(prompt: object, seed: object, guidance: object) -> str:
    return f"{prompt}/{seed}/{guidance}"


@audit("soak.red", version=1, better="higher", unit="grey levels", source="tests")
def red() -> ScoreOne:
    """How red the picture is; notes what it looks at."""
    return strength("soak.red", 0)


@audit("soak.green", version=1, better="higher", unit="grey levels", source="tests")
def green() -> ScoreOne:
    """How green the picture is; notes what it looks at."""
    return strength("soak.green", 1)


def strength(name: str, channel: int) -> ScoreOne:
    """The mean of a channel, looked at slowly and noted."""

    def score(view: View) -> Score:
        time.sleep(DELAY)
        note(name, view.key)
        return Score.of(float(view.image[channel].double().mean()))

    return score


NAMES = ("soak.green", "soak.red")


def sitting(out: Path, log: Path) -> None:
    """One attempt: 10 prompts, 3 guidance strengths, 2 replicates, 15 shards."""
    _LOG.append(log)
    note(BEGUN, "-")
    known = AUDITS | {each.name: each for each in (green, red)}
    given = config(out, guidance=(1.0, 3.0, 6.0), replicates=2, shard=SHARD)
    choices = choose([*NAMES, "fake.spread"], {}, known)
    with Watch() as watch:
        walk(given, Chosen(suite(*"abcdefghij"), (Noted(delay=2 * DELAY),), tuple(choices)), watch)


@dataclass
class Tally:
    """What the blows cost.

    Attributes:
        kills, runs: blows that met a living process, and runs that were finished in spite of them.
        pictures_lost, scores_lost: the most that any one blow cost.
        made_again, scored_again: finished rows that a later sitting worked out once more.
        early: blows before the first shard; late: after the last one.
    """

    kills: int = 0
    runs: int = 0
    pictures_lost: int = 0
    scores_lost: int = 0
    made_again: int = 0
    scored_again: int = 0
    early: int = 0
    late: int = 0
    sittings: list[int] = field(default_factory=list)


def kill_repeatedly(folder: Path, kills: int, seed: int) -> Tally:
    """Kill runs until so many blows have landed, finish the last run, and hold every one against an undisturbed run.

    Raises:
        AssertionError: a wrong or a double row after any blow, or an end that differs.
    """
    tally, dice = Tally(), random.Random(seed)
    alone = _child(folder / "alone", folder / "alone.log", None)
    assert alone == 0, f"the undisturbed run ended with {alone}"
    wanted = contents(RunFolder(folder / "alone"))
    while tally.kills < kills:
        out, log = folder / f"run-{tally.runs}", folder / f"run-{tally.runs}.log"
        landed, after = 0, set()
        while True:
            before, told = after, _noted(log)
            last = tally.kills == kills
            ended = _child(out, log, None if last else dice.uniform(0, LONGEST))
            after, now = _done(out), _noted(log)[len(told) :]
            assert_whole(RunFolder(out), wanted)
            _count(tally, before, after, now)
            if ended == 0:
                break
            assert ended == -signal.SIGKILL, f"the run ended with {ended} by itself"
            tally.kills, landed = tally.kills + 1, landed + 1
            pictures = sum(what == "picture" for what, _ in after)
            tally.early += pictures == 0
            tally.late += pictures == len(wanted["artifacts"])
        assert_as_undisturbed(RunFolder(out), wanted)
        tally.runs += 1
        tally.sittings.append(landed + 1)
    return tally


def _child(out: Path, log: Path, blow: float | None) -> int | None:
    """The exit code of a sitting that is killed after so many seconds."""
    process = CHILDREN.Process(target=sitting, args=(out, log))
    lines = _lines(log)
    process.start()
    while blow is not None and len(_lines(log)) == len(lines) and process.is_alive():
        time.sleep(0.005)  # starting costs more than working where the machine is busy, and is not what is tried here
    process.join(blow if blow is not None else 300)
    if process.exitcode is None and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode


def _count(tally: Tally, before: set[tuple[str, str]], after: set[tuple[str, str]], now: list[tuple[str, str]]) -> None:
    again = before & set(now)
    tally.made_again += sum(what == "picture" for what, _ in again)
    tally.scored_again += sum(what != "picture" for what, _ in again)
    lost = set(now) - after
    tally.pictures_lost = max(tally.pictures_lost, sum(what == "picture" for what, _ in lost))
    tally.scores_lost = max(tally.scores_lost, sum(what != "picture" for what, _ in lost))


def _noted(log: Path) -> list[tuple[str, str]]:
    return [(what, which) for what, which in map(str.split, _lines(log)) if what != BEGUN]


def _lines(log: Path) -> list[str]:
    return log.read_text().split("\n")[:-1] if log.is_file() else []


def _done(out: Path) -> set[tuple[str, str]]:
    """What is finished on the disk, in the words of the notes."""
    folder = RunFolder(out)
    if not (out / "jobs.parquet").is_file():
        return set()
    jobs: pd.DataFrame = folder.jobs().merge(folder.artifacts()[["key"]], on="key")
    guidance = [json.loads(each)["guidance"] for each in jobs["settings"]]
    places = [place(*each) for each in zip(jobs["prompt_id"], jobs["seed"], guidance, strict=True)]
    scores = {
        (name, row.key)
        for name in NAMES
        for path in folder.score_files(name).values()
        for row in folder.read_scores(path)
    }
    return {("picture", each) for each in places} | scores
