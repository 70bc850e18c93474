"""Shards that travel through a depot make the run of one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from audit import cli
from audit.engines.depot import INPUTS, SHARDS, Depot, DepotError
from audit.engines.lender import Lender
from audit.engines.work import Work
from audit.engines.workers import Errand, Maker, Scorer
from audit.images import encode_webp
from audit.progress import Watch
from audit.run import Chosen, Outcome, walk
from audit.score import Bench, choose
from audit.store import RunFolder
from tests.fakes import AUDITS, FakeGenerator, config, suite, walked
from tests.test_resume import assert_same

SCORED = ("fake.dark", "fake.red", "fake.spread", "fake.word")
PROMPTS = suite(*(f"prompt {number}" for number in range(10)))


@pytest.fixture
def url() -> Iterator[str]:
    """A depot in memory, as far from any local path as an object store is."""
    yield "memory://bucket/run"
    system = fsspec.filesystem("memory")
    if system.exists("/bucket"):
        system.rm("/bucket", recursive=True)


class Crew:
    """One maker and one scorer, each with a folder of its own, and the driver's part of `on_ray` without Ray."""

    def __init__(self, lost: int = 0) -> None:
        self.makes: list[int] = []
        self.scores: list[int] = []
        self.scratch: list[Path] = []
        self.lost = lost  # shards that are sent and never collected, because the driver dies first

    def __call__(self, work: Work) -> None:
        assert work.depot is not None
        lender = Lender(work)
        errand = Errand(
            config=work.config,
            folder=Path("/nowhere"),
            home=Path("/nowhere"),
            host="driver",
            identities={},
            reusable=work.reusable,
            depot=work.depot,
        )
        maker, scorer = Maker(errand), Scorer(errand)
        maker.folder, scorer.folder = errand.arrive(), errand.arrive()
        self.scratch += [maker.folder.path, scorer.folder.path]
        maker.generators = dict(work.generators)
        scorer.bench = Bench(work.choices, work.reusable, scorer.lines.append)
        for shard in work.shards:
            if work.held.complete(shard):
                if lender.settled(shard):
                    continue
                names = list(lender.lend(lender.files(shard)))
            else:
                done = maker.work(shard, lender.finished(shard))
                self.makes.append(shard.number)
                if len(self.makes) == self.lost:
                    raise KeyboardInterrupt
                for name in done.sent:
                    work.depot.fetch(work.folder.path, name)
                names = [*done.sent, *lender.lend(lender.scores(shard))]
            self.scores.append(shard.number)
            for name in scorer.work(shard, names).sent:
                work.depot.fetch(work.folder.path, name)


def through(url: str, out: Path, crew: Crew, *, generator: FakeGenerator | None = None, **more: Any) -> Outcome:
    given = config(out, engine="ray", depot=url, shard=4, **more)
    choices = choose(SCORED, given.options, AUDITS)
    with Watch() as watch:
        return walk(given, Chosen(PROMPTS, (generator or FakeGenerator(),), tuple(choices)), watch, crew)


def alone(out: Path, **more: Any) -> RunFolder:
    return walked(config(out, shard=4, **more), PROMPTS, audits=SCORED).folder


def test_a_run_through_a_depot_is_the_run_of_one_process_and_leaves_workers_nothing(tmp_path: Path, url: str) -> None:
    crew = Crew()
    folder = through(url, tmp_path / "far", crew).folder
    assert_same(folder, alone(tmp_path / "alone"))
    assert crew.makes == crew.scores == [0, 1, 2]
    assert [path for root in crew.scratch for path in root.rglob("*") if path.is_file()] == []
    here = {path.relative_to(folder.path).as_posix() for path in folder.path.rglob("shard-*.parquet")}
    assert Depot(url).names(SHARDS) == here


def test_a_finished_run_sends_nothing(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    through(url, tmp_path / "far", Crew())
    again = Crew()
    with monkeypatch.context() as patch:
        patch.setattr(Depot, "send", lambda *_: pytest.fail("something was sent"))
        through(url, tmp_path / "far", again)
    assert again.makes == again.scores == []


def test_what_a_dead_driver_had_not_collected_is_not_made_again(tmp_path: Path, url: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        through(url, tmp_path / "far", Crew(lost=2))
    crew = Crew()
    folder = through(url, tmp_path / "far", crew).folder
    assert crew.makes == [2]
    assert_same(folder, alone(tmp_path / "alone"))


def test_pictures_of_another_plan_travel_to_the_worker_that_needs_them(tmp_path: Path, url: str) -> None:
    alone(tmp_path / "far", guidance=(3.0,))
    generator = FakeGenerator()
    folder = through(url, tmp_path / "far", Crew(), generator=generator, guidance=(1.0, 3.0)).folder
    assert generator.made == 10  # of guidance 1 alone
    assert_same(folder, alone(tmp_path / "alone", guidance=(1.0, 3.0)))


def test_scores_that_a_run_has_are_kept_and_others_added(tmp_path: Path, url: str) -> None:
    walked(config(tmp_path / "far", shard=4), PROMPTS, audits=["fake.red"])
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "far" / "scores" / "fake.red").iterdir()}
    crew = Crew()
    folder = through(url, tmp_path / "far", crew).folder
    assert (crew.makes, crew.scores) == ([], [0, 1, 2])
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert_same(folder, alone(tmp_path / "alone"))


def test_pictures_that_prompts_bring_are_there_for_workers(tmp_path: Path, url: str) -> None:
    pixels = np.full((8, 8, 3), 77, dtype=np.uint8)
    folder = alone(tmp_path / "far")
    (folder.path / "inputs").mkdir()
    folder.input_file("ab12").write_bytes(encode_webp(pixels))
    crew = Crew()
    through(url, folder.path, crew)
    assert Depot(url).names(INPUTS) == {"inputs/ab12.webp"}
    for root in crew.scratch:
        assert np.array_equal(RunFolder(root).input("ab12"), pixels)


def test_only_shards_are_taken_from_a_depot(tmp_path: Path, url: str) -> None:
    system = fsspec.filesystem("memory")
    for name in ("images/shard-00000.parquet", "images/shard-0.parquet", "manifest.json", "scores/a/b/x.parquet"):
        system.pipe_file(f"/bucket/run/{name}", b"x")
    system.pipe_file("/bucket/other/images/shard-00001.parquet", b"x")
    assert Depot(url).names(SHARDS) == {"images/shard-00000.parquet"}
    assert Depot("memory://bucket/none").names(SHARDS) == set()


def test_a_damaged_shard_in_a_depot_is_named_and_made_again(tmp_path: Path, url: str) -> None:
    fsspec.filesystem("memory").pipe_file("/bucket/run/images/shard-00001.parquet", b"half of a shard")
    crew = Crew()
    folder = through(url, tmp_path / "far", crew).folder
    assert crew.makes == [0, 1, 2]
    assert_same(folder, alone(tmp_path / "alone"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nosuch://ada:secret@bucket/run", "nosuch"),
        ("ftp://ada:secret@127.0.0.1:9/run", "refused"),
    ],
)
def test_a_depot_that_cannot_be_reached_is_told_in_a_line_without_its_secrets(url: str, told: str) -> None:
    with pytest.raises(DepotError, match=told) as caught:
        Depot(url).check()
    assert "secret" not in str(caught.value)


def test_a_depot_that_cannot_be_written_says_which_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x").write_text("x")
    with pytest.raises(DepotError, match=r"cannot write x \("):
        Depot(f"file://{tmp_path}/file/run").send(tmp_path / "run", "x")
    with pytest.raises(DepotError, match=r"cannot read images/shard-00000\.parquet"):
        Depot(f"file://{tmp_path}").fetch(tmp_path / "run", "images/shard-00000.parquet")
    assert [path.name for path in (tmp_path / "run").rglob("*") if path.is_file()] == ["x"]


def test_a_depot_without_ray_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--suite", "quick", "--generator", "builtin:ldm", "--depot", "s3://b/x", "--out", str(tmp_path)]
    assert cli.main(command) == 2
    assert "add --engine ray" in capsys.readouterr().err
