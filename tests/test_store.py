from __future__ import annotations

import json
import time
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.generate import generate
from audit.plan import Shard, Source, Sweep, plan, shards
from audit.store import RunFolder, StoreError
from audit.tables import ScoreRow, read_table, write_aside
from audit.types import Contrast, Estimate, Prompt, Score, Suite
from tests.fakes import CHILDREN, FakeGenerator, config, suite, walked


def planned(prompts: Suite, batch: int = 4) -> list[Shard]:
    sources = [Source(name="fake:", fingerprint="f", knobs=frozenset({"guidance"}), batch=batch)]
    return shards(plan(prompts, sources, Sweep(guidance=(1.0, 3.5))), sources)


def test_contrasts_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    contrast = Contrast(
        generator="g", before="a", after="b", audit="x", value=1.0, low=0.0, high=2.0, pairs=3, prompts=3, mde=0.5
    )
    folder = RunFolder(tmp_path)
    folder.write_summary([], [contrast])
    path = tmp_path / "contrasts.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["mde", "replicates", "skipped", "failed"]), path)
    assert folder.contrasts() == [replace(contrast, mde=None)]


def test_pictures_come_back_pixel_for_pixel(tmp_path: Path) -> None:
    folder, [shard] = RunFolder(tmp_path), planned(suite("a", "b", "please refuse"))
    made = generate(FakeGenerator(), shard.jobs, 4, folder.input)
    folder.write_plan([job.prompt for job in shard.jobs], [shard])
    folder.write_pictures(0, [each.stored for each in made])
    assert list(folder.artifacts()["status"]) == ["ok", "ok", "skipped"] * 2
    for each in made:
        if each.pixels is not None:
            assert np.array_equal(folder.image(each.stored.artifact.key), each.pixels)
    with pytest.raises(KeyError, match="no picture"):
        folder.image(made[2].stored.artifact.key)
    with pytest.raises(KeyError):
        folder.image("never heard of")


def test_where_the_run_stopped_before_a_shard_there_is_no_picture(tmp_path: Path) -> None:
    folder, [shard] = RunFolder(tmp_path), planned(suite("a"))
    folder.write_plan([job.prompt for job in shard.jobs], [shard])
    with pytest.raises(KeyError, match="no picture"):
        folder.image(shard.keys[0])
    folder.write_pictures(0, [each.stored for each in generate(FakeGenerator(), shard.jobs, 4, folder.input)])
    assert folder.image(shard.keys[0]).shape == (16, 16, 3)


def test_the_file_tells_datasets_that_its_bytes_are_pictures(tmp_path: Path) -> None:
    folder, [shard] = RunFolder(tmp_path), planned(suite("a"))
    folder.write_pictures(0, [each.stored for each in generate(FakeGenerator(), shard.jobs, 4, folder.input)])
    schema = pq.read_schema(folder.image_file(0))
    told = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert set(told) == set(schema.names)
    assert told["image"] == {"_type": "Image"}
    assert [field.name for field in schema.field("image").type] == ["bytes", "path"]


def test_the_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    prompt = Prompt(
        id="ü/1", text='say "hi",\nplease', negative_text="bad", tags=("x", "y"), expect={"text": "HI", "n": [1, 2]},
        origin="file, row 2",
    )  # fmt: skip
    prompts = Suite(name="s", version="1", prompts=(prompt, Prompt(id="2", text="line\u2028separator")))
    folder, cut = RunFolder(tmp_path), planned(prompts)
    folder.write_plan(prompts.prompts, cut)
    assert tuple(folder.prompts().values()) == prompts.prompts
    assert [shard.jobs for shard in folder.shards()] == [shard.jobs for shard in cut]


def test_a_plan_is_written_again_only_where_it_changed_or_cannot_be_read(tmp_path: Path) -> None:
    folder, prompts = RunFolder(tmp_path), suite("a", "b", expect={"text": "OPEN"})
    files = [tmp_path / "prompts.jsonl", tmp_path / "jobs.parquet"]

    def written(asked: Suite, cut: list[Shard]) -> list[bool]:
        """Whether each of the files was."""
        before = [path.stat().st_mtime_ns if path.is_file() else 0 for path in files]
        folder.write_plan(asked.prompts, cut)
        return [path.stat().st_mtime_ns != then for path, then in zip(files, before, strict=True)]

    assert written(prompts, planned(prompts)) == [True, True]
    assert written(prompts, planned(prompts)) == [False, False]
    assert written(prompts, planned(prompts, batch=1)) == [False, False]
    assert written(prompts, [*planned(prompts)[:1], *planned(suite("c"))]) == [False, True]
    corrected = suite("a", "b", expect={"text": "SHUT"})
    assert written(corrected, planned(corrected)) == [True, True]
    files[1].write_bytes(files[1].read_bytes()[:-9])
    assert written(corrected, planned(corrected)) == [False, True]
    assert folder.jobs()["key"].tolist() == [key for shard in planned(corrected) for key in shard.keys]


def test_an_edited_expectation_is_welcome_and_an_edited_text_is_not(tmp_path: Path) -> None:
    folder, prompts = RunFolder(tmp_path), suite("a sign", expect={"text": "OPEN"})
    folder.write_plan(prompts.prompts, planned(prompts))
    path = tmp_path / "prompts.jsonl"
    path.write_text(path.read_text().replace("OPEN", "SHUT"))
    assert folder.shards()[0].jobs[0].prompt.expect == {"text": "SHUT"}
    path.write_text(path.read_text().replace("a sign", "a mug"))
    with pytest.raises(StoreError, match="'p0' changed after its picture was made"):
        folder.shards()


def test_scores_and_summaries_come_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    scores = [
        Score.of(0.1, boxes=[[1, 2]], read="né"),
        Score.features((0.5, 0.25)),
        Score.skipped("nothing to read"),
        Score.failed("ValueError: no"),
    ]
    rows = [
        ScoreRow(key=str(n), digest="d", audit="a.b", version=2, options="{}", expectation="e", score=score)
        for n, score in enumerate(scores)
    ]
    folder.write_scores("a.b", 3, rows)
    assert folder.read_scores(folder.score_file("a.b", 3)) == rows
    assert list(folder.scores("a.b")["status"]) == ["ok", "ok", "skipped", "failed"]
    estimate = Estimate(
        generator="g", cell="c", audit="a", statistic="mean", value=None, low=None, high=None,
        n=0, skipped=3, failed=1, prompts=0, replicates=0, note="nothing",
    )  # fmt: skip
    contrast = Contrast(
        generator="g", before="x", after="y", audit="a", value=0.5, low=-1.0, high=2.0, pairs=3, prompts=2
    )
    folder.write_summary([estimate], [contrast])
    assert folder.estimates() == [estimate]
    assert folder.contrasts() == [contrast]


def test_an_empty_folder_reads_as_empty_and_a_foreign_one_is_explained(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert len(folder.artifacts()) == 0
    assert folder.estimates() == []
    with pytest.raises(StoreError, match="is no run folder"):
        folder.manifest()


def test_a_write_that_breaks_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_aside(path, lambda p: p.write_text("old"))

    def breaks(temporary: Path) -> None:
        temporary.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_aside(path, breaks)
    assert path.read_text() == "old"


def test_leftovers_of_a_killed_write_are_removed_on_opening(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.open_for_writing():
        (folder.path / "images").mkdir()
        (folder.path / "images" / ".shard-00000.parquet.tmp-123").write_bytes(b"half")
    with folder.open_for_writing() as leftovers:
        assert leftovers == 1
    assert not list((folder.path / "images").iterdir())


def test_damage_to_a_stored_page_is_noticed(tmp_path: Path) -> None:
    folder, [shard] = RunFolder(tmp_path), planned(suite(*"abcdefgh"))
    folder.write_pictures(0, [each.stored for each in generate(FakeGenerator(), shard.jobs, 4, folder.input)])
    path = folder.image_file(0)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"WEBP") + 40] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(StoreError, match=r"damaged.*delete it and run"):
        folder.read_pictures(path)
    assert len(read_table(path, ["key"])) == 16


def test_a_file_that_claims_more_than_its_bytes_can_hold_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, path, claimed = RunFolder(tmp_path), tmp_path / "jobs.parquet", 4_000_000_000
    [shard] = planned(suite(*"abc"))
    folder.write_plan([], [shard])
    with_claim(path, len(shard.jobs), claimed)
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_, **__: pytest.fail("room was taken for what is not there"))
    with pytest.raises(
        StoreError, match=rf"jobs\.parquet is damaged \(it claims {claimed:,} rows.*\); delete it"
    ) as told:
        folder.jobs()
    assert "\n" not in str(told.value)


def test_pages_that_unpack_to_far_more_than_any_of_ours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    rows = pa.table({"key": [f"{n:05d}" + "x" * 5000 for n in range(2000)]})
    pq.write_table(rows, path, compression="zstd", use_dictionary=False)
    with pytest.raises(ValueError, match=r"claims 2,000 rows and 10,\d+,\d+ bytes, which .* cannot hold"):
        read_table(path)


def with_claim(path: Path, rows: int, claimed: int) -> None:
    """Let the footer claim another number of rows wherever it tells it: of the file, its row group, its columns."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[-8:-4], "little")
    body, footer = raw[: -8 - length], raw[-8 - length : -8]
    one, other = (b"\x16" + varint(2 * count) for count in (rows, claimed))  # a field of 64 bits, in Thrift's zigzag
    assert one in footer
    footer = footer.replace(one, other)
    path.write_bytes(body + footer + len(footer).to_bytes(4, "little") + raw[-4:])


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    return bytes([*([value & 127 | 128] if value > 127 else []), *(varint(value >> 7) if value > 127 else [value])])


def hold(path: Path, held: Event) -> None:
    """Hold the lock until killed."""
    with RunFolder(path).open_for_writing():
        held.set()
        time.sleep(600)


def test_two_runs_never_write_one_folder(tmp_path: Path) -> None:
    held = CHILDREN.Event()
    process = CHILDREN.Process(target=hold, args=(tmp_path / "run", held))
    process.start()
    try:
        assert held.wait(timeout=120)
        with (
            pytest.raises(StoreError, match=rf'being written by .*"pid": {process.pid}'),
            RunFolder(tmp_path / "run").open_for_writing(),
        ):
            pytest.fail("the lock was given twice")
    finally:
        process.kill()  # no farewell: the lock of a dead process must not stay
        process.join()
    with RunFolder(tmp_path / "run").open_for_writing():
        pass


def test_a_folder_with_other_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        RunFolder(tmp_path).open_for_writing()


def test_a_finished_run_is_read_through_the_same_class(tmp_path: Path) -> None:
    given = config(tmp_path / "run", guidance=(1.0, 6.0), replicates=2)
    folder = walked(given, suite("a", "b", "please refuse"), audits=["fake.red", "fake.spread"]).folder
    jobs, artifacts = folder.jobs(), folder.artifacts()
    assert list(jobs["key"]) == list(artifacts["key"])
    assert len(jobs) == 3 * 2 * 2
    assert set(folder.scores()["audit"]) == {"fake.red", "fake.features"}
    good = [key for key, status in zip(artifacts["key"], artifacts["status"], strict=True) if status == "ok"]
    assert [key for key, _ in folder.images(good)] == good
    manifest = folder.manifest()
    assert manifest["config"]["guidance"] == [1.0, 6.0]
    assert manifest["suite"]["prompts"] == 3
    assert manifest["generators"][0]["knobs"] == ["guidance", "sampler", "steps"]
    assert {each["name"]: each["kind"] for each in manifest["audits"]}["fake.spread"] == "set"
    assert manifest["packages"]["numpy"] == np.__version__
    assert set(manifest["seconds"]) == {"generate", "store", "score", "summarise"}
    assert manifest["machine"]["cores"] >= 1
