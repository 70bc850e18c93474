"""Parts join into the run that one process would have made, or are refused by name."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from audit import cli, tables
from audit.merge import MergeError, link, merge, opened
from audit.progress import Watch
from audit.run import Chosen, Outcome, rescore, walk
from audit.score import carded, choose
from audit.share import Share
from audit.store import RunFolder, StoreError
from tests import fakes
from tests.fakes import CHILDREN, ROOT, FakeGenerator, config, plugin, suite
from tests.test_resume import AUDITS, assert_same, contents

OF = 3


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fakes are audits like any other to whoever reads a run's manifest."""
    monkeypatch.setattr("audit.run.known_audits", lambda: fakes.AUDITS)


def part(out: Path, number: int, generator: FakeGenerator | None = None, of: int = OF, **values: object) -> Path:
    """One process's part of a run of 30 pictures in 8 shards."""
    return run(out, Share(number, of), generator, **values).folder.path


def run(out: Path, share: Share | None, generator: FakeGenerator | None = None, **values: object) -> Outcome:
    given = {"guidance": (1.0, 3.0, 6.0), "shard": 4, "share": share} | values
    choices = carded(choose(AUDITS, given.get("options", {}), fakes.AUDITS))  # type: ignore[arg-type]
    chosen = Chosen(suite(*"abcdefghij"), (generator or FakeGenerator(),), tuple(choices))
    with Watch() as watch:
        return walk(config(out, **given), chosen, watch)


def parts(out: Path, **values: object) -> list[Path]:
    return [part(out, number, **values) for number in range(1, OF + 1)]  # type: ignore[arg-type]


def merged(paths: Sequence[Path], out: Path | None = None) -> RunFolder:
    with Watch() as watch:
        return merge(paths, out, watch).folder


def test_three_parts_are_the_run_of_one_process(tmp_path: Path) -> None:
    alone = run(tmp_path / "alone", None).folder
    generators = [FakeGenerator() for _ in range(OF)]
    made = [part(tmp_path / "run", number, each) for number, each in enumerate(generators, 1)]
    assert sum(each.made for each in generators) == 30
    assert all(6 <= each.made <= 12 for each in generators)  # two or three shards, of four pictures but the last
    assert not any(RunFolder(path).estimates() for path in made)
    joined = merged(made, tmp_path / "joined")
    assert_same(joined, alone)
    assert joined.prompts() == alone.prompts()
    one, other = joined.manifest(), alone.manifest()
    assert one.pop("merged")["parts"] == OF
    for name in set(one) - {"seconds", "created", "config"}:
        assert one[name] == other[name], name
    assert one["config"] == other["config"] | {"out": str(tmp_path / "joined")}


def test_the_folder_that_holds_the_parts_becomes_the_run(tmp_path: Path) -> None:
    parts(tmp_path / "run")
    joined = merged([tmp_path / "run"])
    assert joined.path == tmp_path / "run"
    assert_same(joined, run(tmp_path / "alone", None).folder)


def test_the_command_of_the_whole_run_finds_a_merged_one_complete(tmp_path: Path) -> None:
    parts(tmp_path / "run")
    joined = merged([tmp_path / "run"])
    before, generator = contents(joined), FakeGenerator()
    run(tmp_path / "run", None, generator)
    assert generator.made == 0
    assert all(before[name].equals(each) for name, each in contents(joined).items())


def test_merging_again_changes_nothing_and_parts_may_go(tmp_path: Path) -> None:
    made, alone = parts(tmp_path / "run"), run(tmp_path / "alone", None).folder
    joined = merged(made, tmp_path / "joined")
    times = {path: path.stat().st_mtime_ns for path in joined.path.rglob("shard-*.parquet")}
    assert_same(merged(made, tmp_path / "joined"), alone)
    assert times == {path: path.stat().st_mtime_ns for path in joined.path.rglob("shard-*.parquet")}
    shutil.rmtree(tmp_path / "run")
    assert_same(joined, alone)
    assert len(list(joined.images(joined.artifacts()["key"]))) == 30


def test_a_part_that_is_mended_is_merged_again(tmp_path: Path) -> None:
    made = [part(tmp_path / "run", number, FakeGenerator(fail="c")) for number in (1, 2, 3)]
    with Watch() as watch:
        outcome = merge(made, tmp_path / "joined", watch)
    assert outcome.problems[0].startswith("pictures: 3 failed")
    parts(tmp_path / "run")
    assert_same(merged(made, tmp_path / "joined"), run(tmp_path / "alone", None).folder)


def test_parts_that_were_scored_again_merge_as_a_run_that_was(tmp_path: Path) -> None:
    made, alone = parts(tmp_path / "run"), run(tmp_path / "alone", None).folder
    with Watch() as watch:
        for path in (*made, alone.path):
            rescore(str(path), ["fake.broken", "fake.red"], watch)
    joined = merged(made, tmp_path / "joined")
    assert set(joined.scores()["audit"]) == {"fake.broken", "fake.red"}
    assert_same(joined, alone)


def test_files_on_another_disk_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").write_bytes(b"whole")
    link(tmp_path / "here", tmp_path / "linked")
    assert (tmp_path / "linked").samefile(tmp_path / "here")

    def refused(source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    link(tmp_path / "here", tmp_path / "copied")
    assert (tmp_path / "copied").read_bytes() == b"whole"
    assert not (tmp_path / "copied").samefile(tmp_path / "here")


def test_a_disk_that_is_full_is_told_in_a_line_and_the_merge_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, out = parts(tmp_path / "run"), tmp_path / "joined"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", full)
        patched.setattr(shutil, "copyfile", full)
        with pytest.raises(StoreError, match=r"cannot write .*parquet: No space left on device; .*make room") as told:
            merged(made, out)
    assert "\n" not in str(told.value)
    assert not list(out.rglob(".*tmp*"))
    assert_same(merged(made, out), run(tmp_path / "alone", None).folder)


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b'"format"', b'{"merged": 1}', b"\xff", b"[" * 100_000])
def test_a_folder_with_a_manifest_that_nobody_understands_holds_another_run(tmp_path: Path, manifest: bytes) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(manifest)
    with pytest.raises(MergeError, match="holds another run"), opened(RunFolder(tmp_path), "plan"):
        pytest.fail("it was taken for a merge cut short")
    assert path.read_bytes() == manifest


def dying(made: Sequence[Path], out: Path, fuse: int) -> None:
    """A merge that kills itself at its fuse-th step."""
    steps, flush = itertools.count(1), tables._flush

    def flush_or_die(path: Path) -> None:
        if next(steps) == fuse:
            os.kill(os.getpid(), signal.SIGKILL)
        flush(path)

    tables._flush = flush_or_die
    try:
        merged(made, out)
    finally:
        tables._flush = flush


@pytest.mark.parametrize("again", [False, True])
def test_a_merge_cut_short_is_no_run_until_it_is_repeated(
    tmp_path: Path, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = parts(tmp_path / "run")
    if again:
        merged(made, tmp_path / "joined")
        made = parts(tmp_path / "run", options={"fake.red": {"offset": 1.0}})
        monkeypatch.setattr("audit.merge.choices_of", lambda told: [])
    fuses = [1, 2, 3, 9, 40] if not again else [3, 9]
    for fuse in fuses:
        process = CHILDREN.Process(target=dying_in_child, args=(made, tmp_path / "joined", fuse))
        process.start()
        process.join(timeout=120)
        assert process.exitcode == -signal.SIGKILL
        if fuse > 2:
            with pytest.raises(StoreError, match="unfinished merge"):
                RunFolder(tmp_path / "joined").manifest()
    monkeypatch.undo()
    monkeypatch.setattr("audit.run.known_audits", lambda: fakes.AUDITS)
    options = {"fake.red": {"offset": 1.0}} if again else {}
    assert_same(merged(made, tmp_path / "joined"), run(tmp_path / "alone", None, options=options).folder)


def dying_in_child(made: Sequence[Path], out: Path, fuse: int) -> None:
    import audit.run

    audit.run.known_audits = lambda: fakes.AUDITS
    dying(made, out, fuse)


def edited(path: Path, change: dict[str, object]) -> None:
    file = path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def refused(paths: Sequence[Path], words: str, out: Path) -> None:
    with pytest.raises((MergeError, StoreError), match=words):
        merged(paths, out)
    assert not out.exists()


def test_parts_missing_or_doubled_are_named(tmp_path: Path) -> None:
    made, out = parts(tmp_path / "run"), tmp_path / "joined"
    refused(made[:2], "1 of 3 parts are missing: 3/3", out)
    refused(made[1:2], "2 of 3 parts are missing: 1/3, 3/3", out)
    shutil.copytree(made[1], tmp_path / "copy")
    refused([*made, tmp_path / "copy"], "copy and .*part-00002-of-00003 are both part 2/3|are both part 2/3", out)
    refused([tmp_path], "no run folder", out)
    refused([run(tmp_path / "alone", None).folder.path], "is no part of a run", out)
    with pytest.raises(MergeError, match="add --out"):
        merged(made)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"of": 4}, r"number of parts 3 against 4"),
        ({"replicates": 2}, r"replicates 1 against 2"),
        ({"guidance": (1.0, 3.0)}, r"guidance \[1.0, 3.0, 6.0\] against \[1.0, 3.0\]"),
        ({"options": {"fake.red": {"offset": 2.0}}}, "options {} against"),
        ({"generator": FakeGenerator(size=8)}, "fingerprint of fake:"),
        ({"generator": FakeGenerator(batch=8)}, "plan "),
    ],
)
def test_parts_of_different_runs_are_named(tmp_path: Path, values: dict[str, object], words: str) -> None:
    made = parts(tmp_path / "run")
    other = part(tmp_path / "other", 3, **values)  # type: ignore[arg-type]
    refused(
        [*made[:2], other],
        f"part-00001-of-00003 and .*part-00003-of-.* are of different runs: {words}",
        tmp_path / "joined",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": [{"name": "inception", "sha256": "ab", "licence": "x"}]}, 'weights inception null against "ab"'),
        ({"packages": {}}, "package torch "),
        ({"suite": {"name": "tiny", "version": "1", "prompts": 2, "digest": "changed"}}, "suite "),
    ],
)
def test_parts_of_different_models_or_machines_are_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    made = parts(tmp_path / "run")
    edited(made[2], change)
    refused(made, f"are of different runs: {re.escape(words)}", tmp_path / "joined")


def test_an_unfinished_part_is_named(tmp_path: Path) -> None:
    made = parts(tmp_path / "run")
    told = RunFolder(made[1]).manifest()
    edited(made[1], {"part": told["part"] | {"complete": False}})
    refused(made, "not finished yet: .*part-00002-of-00003", tmp_path / "joined")


def test_a_part_that_lost_a_file_is_named(tmp_path: Path) -> None:
    made = parts(tmp_path / "run")
    [file, *_] = RunFolder(made[2]).score_files("fake.red").values()
    whole = file.read_bytes()
    for damage in (whole[:-100], b""):
        file.write_bytes(damage)
        refused(made, f"{re.escape(str(file))} is missing, damaged or of another plan", tmp_path / "joined")
    file.unlink()
    refused(made, re.escape(str(file)), tmp_path / "joined")
    part(tmp_path / "run", 3)
    merged(made, tmp_path / "joined")


def test_a_merge_never_writes_over_something_else(tmp_path: Path) -> None:
    made = parts(tmp_path / "run")
    before = contents(run(tmp_path / "other", None, guidance=(2.0,)).folder)
    with pytest.raises(MergeError, match="holds another run"):
        merged(made, tmp_path / "other")
    assert all(before[name].equals(each) for name, each in contents(RunFolder(tmp_path / "other")).items())
    with pytest.raises(MergeError, match="holds another run"):
        merged(made, made[0])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="holds other files"):
        merged(made, tmp_path / "notes")


def test_more_processes_than_shards_leave_some_idle_and_merge(tmp_path: Path) -> None:
    made = [part(tmp_path / "run", number, of=12) for number in range(1, 13)]
    assert sum(not RunFolder(path).image_files() for path in made) == 12 - 8
    assert_same(merged(made, tmp_path / "joined"), run(tmp_path / "alone", None).folder)


def test_the_command_joins_parts_and_shows_the_headline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [str(path) for path in parts(tmp_path / "run")]
    assert cli.main(["merge", *made, "--out", str(tmp_path / "joined"), "--no-report"]) == 0
    assert "fake.red" in capsys.readouterr().out
    assert_same(RunFolder(tmp_path / "joined"), run(tmp_path / "alone", None).folder)
    assert cli.main(["merge", made[0], "--out", str(tmp_path / "x")]) == 2
    assert "2 of 3 parts are missing: 2/3, 3/3" in capsys.readouterr().err


@pytest.mark.slow
def test_the_commands_from_launcher_to_report(tmp_path: Path) -> None:
    """Three real processes at once under torchrun's variables, then `audit merge`, against one real process."""
    environment = plugin(tmp_path / "plugin")
    (tmp_path / "prompts.txt").write_text("".join(f"prompt {n}\n" for n in range(20)))

    def audit(*argv: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "audit", *argv]
        return subprocess.Popen(
            command, cwd=ROOT, env=environment | more, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    sweep = ("run", "--suite", str(tmp_path / "prompts.txt"), "--generator", "fake:", "--guidance", "1,3")
    sweep += ("--audits", ",".join(AUDITS), "--shard", "4", "--no-report", "--out")
    out = str(tmp_path / "run")
    ranks = [audit(*sweep, out, RANK=str(rank), WORLD_SIZE=str(OF)) for rank in range(OF)]
    for rank, process in enumerate(ranks, 1):
        told, complaints = process.communicate(timeout=300)
        assert process.returncode == 0, complaints
        assert f"part {rank}/3 of the run, into {out}/part-0000{rank}-of-00003" in complaints
        assert f"audit merge {out}" in told
    joining, alone = audit("merge", out), audit(*sweep, str(tmp_path / "alone"))
    told, complaints = joining.communicate(timeout=300)
    assert joining.returncode == 0, complaints
    assert "fake.red" in told
    _, complaints = alone.communicate(timeout=300)
    assert alone.returncode == 0, complaints
    assert_same(RunFolder(out), RunFolder(tmp_path / "alone"))
    assert (tmp_path / "run" / "report.html").stat().st_size > 100_000
