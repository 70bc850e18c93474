from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from audit import tables
from audit.store import RunFolder
from generators.api import Pixels, Refusal, Request
from tests.fakes import CHILDREN, ROOT, FakeGenerator, config, plugin, suite, walked

AUDITS = ["fake.dark", "fake.red", "fake.spread", "fake.word"]


def contents(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """All that a run found out, without clocks."""
    return {
        "scores": folder.scores(),
        "artifacts": folder.artifacts().drop(columns="seconds"),
        "jobs": folder.jobs(),
        "estimates": pd.DataFrame([vars(each) for each in folder.estimates()]),
        "contrasts": pd.DataFrame([vars(each) for each in folder.contrasts()]),
    }


def assert_same(one: RunFolder, other: RunFolder) -> None:
    first, second = contents(one), contents(other)
    for name, frame in first.items():
        assert len(frame) or name == "contrasts"
        pd.testing.assert_frame_equal(frame, second[name], check_exact=True, obj=name)


def sitting(out: Path, fuse: int | None = None) -> None:
    """One attempt at the run, which kills itself at its fuse-th step: before or after a rename, or between pictures."""
    steps = itertools.count(1)

    def step() -> None:
        if next(steps) == fuse:
            os.kill(os.getpid(), signal.SIGKILL)

    flush = tables._flush

    def flush_or_die(path: Path) -> None:
        step()
        flush(path)

    class Mortal(FakeGenerator):
        def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
            for pair in super().generate(requests):
                step()
                yield pair

    tables._flush = flush_or_die
    try:
        finished(out, Mortal(), shard=4, replicates=2)
    finally:
        tables._flush = flush


def shards_of(out: Path) -> set[str]:
    return {str(path) for path in out.rglob("shard-*.parquet")}


def test_a_run_killed_ten_times_ends_with_the_same_bits(tmp_path: Path) -> None:
    sitting(tmp_path / "alone")
    out, dice = tmp_path / "killed", random.Random(7)
    for _ in range(10):
        process = CHILDREN.Process(target=sitting, args=(out, dice.randint(1, 40)))
        process.start()
        process.join(timeout=120)
        assert process.exitcode == -signal.SIGKILL
    assert 0 < len(shards_of(out)) < len(shards_of(tmp_path / "alone"))
    sitting(out)
    assert_same(RunFolder(tmp_path / "alone"), RunFolder(out))
    assert not list(out.rglob("*.tmp-*"))


@pytest.mark.parametrize("seed", range(5))
def test_a_run_killed_anywhere_resumes(tmp_path: Path, seed: int) -> None:
    """No waiting for a first shard here: the blow may fall while the plan is written, or after the end."""
    out, dice = tmp_path / "run", random.Random(seed)
    for _ in range(3):
        process = CHILDREN.Process(target=finished, args=(out, FakeGenerator(delay=0.01)))
        process.start()
        process.join(dice.uniform(0.02, 0.6))
        process.kill()
        process.join()
    assert_same(finished(out), finished(tmp_path / "alone"))


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["a thread", "two workers"])
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(tmp_path: Path, more: Sequence[str]) -> None:
    environment, out = plugin(tmp_path / "plugin"), tmp_path / "run"
    (tmp_path / "prompts.txt").write_text("".join(f"prompt {n}\n" for n in range(200)))
    command = [
        *(sys.executable, "-m", "audit", "run", "--suite", str(tmp_path / "prompts.txt"), "--no-report"),
        *("--generator", "fake:?delay=0.05", "--audits", ",".join(AUDITS), "--out", str(out), *more),
    ]
    # a shell that runs the tests in the background makes its children deaf to Ctrl-C
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        start_new_session=True,
    )
    while process.poll() is None and not shards_of(out):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all its processes hear it
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130, told
    assert "run the same command again" in told
    assert "Traceback" not in told
    assert 0 < len(RunFolder(out).artifacts()) < 200
    assert {*RunFolder(out).scores()["status"]} == {"ok", "skipped"}, "Ctrl-C broke into the scoring at hand"


def finished(out: Path, generator: FakeGenerator | None = None, **values: object) -> RunFolder:
    given = config(out, **({"guidance": (1.0, 3.0, 6.0)} | values))
    return walked(given, suite(*"abcdefghij"), generator or FakeGenerator(), audits=AUDITS).folder


def test_a_missing_shard_is_made_again_whole(tmp_path: Path) -> None:
    whole = finished(tmp_path / "a")
    folder = finished(tmp_path / "b")
    folder.image_file(1).unlink()
    folder.score_file("fake.red", 0).unlink()
    generator = FakeGenerator()
    assert_same(finished(tmp_path / "b", generator), whole)
    assert [len(call) for call in generator.calls] == [4, 4, 4, 2]


@pytest.mark.parametrize("damage", [b"", b"PAR1 no more", None])
def test_a_broken_shard_is_reported_and_made_again(
    tmp_path: Path, damage: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = finished(tmp_path / "a")
    folder = finished(tmp_path / "b")
    for path in (folder.image_file(0), folder.score_file("fake.red", 1)):
        path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    capsys.readouterr()
    again = finished(tmp_path / "b")
    told = capsys.readouterr().err
    assert f"{folder.image_file(0)} cannot be read" in told
    assert f"{folder.score_file('fake.red', 1)} cannot be read" in told
    assert_same(again, whole)


def test_a_wider_sweep_keeps_the_pictures_it_has(tmp_path: Path) -> None:
    finished(tmp_path / "run", guidance=(1.0, 6.0))
    generator = FakeGenerator()
    wider = finished(tmp_path / "run", generator, guidance=(0.0, 1.0, 3.0, 6.0))
    assert {request.settings.guidance for call in generator.calls for request in call} == {0.0, 3.0}
    assert generator.made == 20
    assert_same(wider, finished(tmp_path / "fresh", guidance=(0.0, 1.0, 3.0, 6.0)))
    assert wider.earlier_files() == []


def test_a_narrower_sweep_throws_no_picture_away(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    narrow = finished(tmp_path / "run", guidance=(3.0,))
    assert_same(narrow, finished(tmp_path / "fresh", guidance=(3.0,)))
    generator = FakeGenerator()
    assert_same(finished(tmp_path / "run", generator), finished(tmp_path / "whole"))
    assert generator.made == 0


def test_another_batch_size_keeps_every_picture(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    generator = FakeGenerator(batch=7)
    finished(tmp_path / "run", generator, shard=21)
    assert generator.made == 0
