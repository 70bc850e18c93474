"""Scoring in processes of their own gives what scoring in a thread gives, and survives what a thread would not."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from audit import images, scorers
from audit.apart import LostError
from audit.api import Audit, ScoreOne, View, audit
from audit.config import ConfigError
from audit.engines.local import behind
from audit.progress import Watch
from audit.registry import audits
from audit.run import Chosen, Outcome, rescore, walk
from audit.score import Choice, choose
from audit.scorers import Elsewhere, ScorersApart
from audit.types import Prompt, Score
from generators.api import Pixels, Request
from tests.fakes import AUDITS, FakeGenerator, config, suite, walked

SHIPPED = ["features.studio", "tone.clipped", "tone.contrast", "tone.saturation"]


@audit("workers.crashes", version=1, better="higher", unit="grey levels", source="tests")
def crashes(letter: str) -> ScoreOne:
    """Native code that reads where nothing is, on prompts with the letter."""

    def score(view: View) -> Score:
        if letter in view.prompt.text:
            os.kill(os.getpid(), signal.SIGSEGV)
        return Score.of(float(view.image.double().mean()))

    return score


@audit("workers.whose", version=1, better="neither", unit="process", source="tests")
def whose() -> ScoreOne:
    """Who scores, with how many threads of torch; slow enough that one process cannot take all."""

    def score(view: View) -> Score:
        time.sleep(0.05)
        return Score.of(os.getpid(), threads=torch.get_num_threads())

    return score


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch's sums, and so the last digits of features, depend on its threads; a worker has its share of ours."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


OWN: dict[str, Audit] = {each.name: each for each in (crashes, whose)}


def run(out: Path, names: Sequence[str], workers: int | None, known: dict[str, Audit], **options: object) -> Outcome:
    choices: list[Choice] = choose(names, {names[0]: options} if options else {}, known)
    given = config(out, workers=workers, guidance=(1.0, 3.0), shard=4)
    with Watch() as watch:
        return walk(given, Chosen(suite(*"abcdefgh"), (FakeGenerator(size=64),), tuple(choices)), watch)


def test_two_workers_score_as_a_thread_does_to_the_bit_and_nothing_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.setattr(images, "decode", lambda raw: pytest.fail("a picture that is at hand was decoded"))
    known = audits() | AUDITS
    names = [*SHIPPED, "fake.red", "fake.word"]
    apart = run(tmp_path / "apart", names, 2, known).folder
    here = run(tmp_path / "here", names, None, known).folder
    pd.testing.assert_frame_equal(apart.scores(), here.scores(), check_exact=True)
    assert len(here.scores()) == 16 * len(names)
    assert set(here.scores("features.studio")["status"]) == {"ok"}


def test_one_worker_has_the_threads_and_so_the_bits_of_this_process(tmp_path: Path) -> None:
    apart = run(tmp_path / "apart", SHIPPED, 1, audits()).folder
    here = run(tmp_path / "here", SHIPPED, None, audits()).folder
    pd.testing.assert_frame_equal(apart.scores(), here.scores(), check_exact=True)


def test_a_run_is_scored_again_by_two_workers_as_by_this_process(tmp_path: Path, one_thread: None) -> None:
    folder = run(tmp_path / "run", ["tone.clipped"], None, audits()).folder
    scores = []
    for workers in (2, None):
        with Watch() as watch:
            outcome = rescore(str(folder.path), SHIPPED, watch, workers)
        assert not outcome.problems
        scores.append(folder.scores())
        for path in folder.path.glob("scores/*/*.parquet"):
            path.unlink()
    assert len(scores[0]) == 16 * len(SHIPPED)
    pd.testing.assert_frame_equal(*scores, check_exact=True)


def test_each_worker_has_its_share_of_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    scores = run(tmp_path, [whose.name], 3, OWN).folder.scores(whose.name)
    assert {*scores["evidence"]} == {'{"threads": 2}'}
    processes = {int(process) for process in scores["value"]}
    assert os.getpid() not in processes
    assert 1 < len(processes) <= 3


def test_an_audit_that_takes_its_worker_down_fails_by_name_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run(tmp_path, [crashes.name, "fake.red"], 2, OWN | AUDITS, letter="e")
    rows = outcome.folder.scores(crashes.name)
    failed = rows[rows["status"] == "failed"]
    assert len(failed) >= 4  # the shard with the letter, and whatever came to it later
    assert set(failed["reason"]) == {"its process was ended by SIGSEGV"}
    assert set(outcome.folder.scores("fake.red")["status"]) == {"ok"}
    told = f"audit {crashes.name}: its process was ended by SIGSEGV; the others go on"
    assert capsys.readouterr().err.count(told) == 1


def test_a_picture_goes_to_a_worker_once_and_again_only_to_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process is here, and dies when it is told to."""
    sent: list[list[str]] = []
    dies: list[bool] = []

    class Here:
        def __init__(self, make: object, limit: float | None) -> None:
            self.work = Elsewhere(torch.get_num_threads())

        def __call__(self, place: object, options: object, keys: Sequence[str], fresh: Sequence[View]) -> list[Score]:
            sent.append([view.key for view in fresh])
            if dies and dies.pop():
                self.work = Elsewhere(torch.get_num_threads())
                raise LostError("gone")
            return self.work(place, options, keys, fresh)  # type: ignore[arg-type]

    monkeypatch.setattr(scorers, "Apart", Here)
    apart, first, second = ScorersApart(None, 1), [view(n) for n in range(3)], [view(n) for n in range(3, 5)]
    red, dark = AUDITS["fake.red"], AUDITS["fake.dark"]
    assert len(apart(red, {"offset": 0.0}, first[:2])) == 2
    assert len(apart(dark, {"below": 90}, first)) == 3
    assert len(apart(red, {"offset": 0.0}, second)) == 2
    assert len(apart(red, {"offset": 0.0}, first)) == 3
    dies.append(True)
    with pytest.raises(LostError):
        apart(dark, {"below": 90}, first)
    assert len(apart(dark, {"below": 90}, first)) == 3
    assert sent == [["0", "1"], ["2"], ["3", "4"], ["0", "1", "2"], [], ["0", "1", "2"]]


def view(number: int) -> View:
    return View(
        image=torch.full((3, 4, 4), number, dtype=torch.uint8), prompt=Prompt(id="p", text="a"), key=str(number)
    )


class Reusing(FakeGenerator):
    """Draws every picture into the same memory."""

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels]]:
        for index, pixels in super().generate(requests):
            if not hasattr(self, "buffer"):
                self.buffer = np.empty_like(pixels)
            self.buffer[:] = pixels
            yield index, self.buffer


def test_a_generator_may_draw_over_what_it_gave(tmp_path: Path) -> None:
    reused = walked(config(tmp_path / "a", shard=4), suite(*"abcdefghij"), Reusing(), audits=["fake.red"]).folder
    fresh = walked(config(tmp_path / "b", shard=4), suite(*"abcdefghij"), FakeGenerator(), audits=["fake.red"]).folder
    assert list(reused.artifacts()["digest"]) == list(fresh.artifacts()["digest"])
    pd.testing.assert_frame_equal(reused.scores(), fresh.scores(), check_exact=True)


def test_pieces_wait_when_every_thread_has_one_and_another_is_handed_in() -> None:
    """A thread that is slow holds up nobody but itself."""
    slow, begun = threading.Event(), Counter[str]()

    def work(name: str) -> None:
        begun[name] += 1
        if name == "slow":
            assert slow.wait(60)

    with behind(work, 2) as submit:
        submit("slow")
        for _ in range(20):
            submit("quick")
        assert begun["quick"] >= 18
        slow.set()
    assert begun == {"slow": 1, "quick": 20}


def test_what_goes_wrong_behind_the_loop_comes_out_of_it() -> None:
    done = []

    def work(number: int) -> None:
        if number == 2:
            raise ZeroDivisionError("a bug")
        done.append(number)

    def all_of(numbers: Iterable[int], threads: int) -> None:
        with behind(work, threads) as submit:
            for number in numbers:
                submit(number)

    with pytest.raises(ZeroDivisionError):
        all_of(range(1000), threads=1)
    assert len(done) < 10
    with pytest.raises(ZeroDivisionError):
        all_of([2], threads=3)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"workers": 0}, "workers must be 1 or more, got 0"), ({"workers": 2, "engine": "ray"}, "do not go together")],
)
def test_workers_that_cannot_be_are_refused(tmp_path: Path, values: dict[str, object], words: str) -> None:
    from audit.config import run_config
    from audit.parser import parser

    flags = [part for name, value in values.items() for part in (f"--{name}", str(value))]
    arguments = parser().parse_args(["run", "--generator", "studio:", "--out", str(tmp_path / "x"), *flags])
    with pytest.raises(ConfigError, match=words):
        run_config(arguments)
