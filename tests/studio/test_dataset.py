"""The dataset builder: interrupted or not, the same bytes; every column says what the schema promises."""

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from generators.studio import dataset
from generators.studio.dataset import HELD_OUT_FROM, SCHEMA, build, contact_sheet, fault, levels, load, main, shards
from generators.studio.drawing import draw, family_of


def plan(folder):
    return shards(folder, scenes=4, held_out=2, size=32, shard=2)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def picture(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.fixture(scope="module", autouse=True)
def steady_code():
    """Bytes hold the fingerprint of the studio's source text; here they must not change when somebody is editing it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "studio_fingerprint", lambda: "this version")
        yield


@pytest.fixture(scope="module")
def whole(steady_code, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    build(plan(folder), quiet=True)
    return folder


def test_a_dataset_holds_what_its_schema_says(whole):
    rows = [row for table in load(whole, "train") for row in table.to_pylist()]
    assert [row["seed"] for row in rows] == [0, 1, 2, 3]
    for row in rows:
        facts = json.loads(row["annotations"])
        assert row["family"] == family_of(row["seed"]) == facts["family"]
        assert row["caption"] == facts["caption"]
        image, depth, normals, ids = (picture(row[name]) for name in ("image", "depth", "normals", "ids"))
        assert image.shape == normals.shape == (32, 32, 3)
        assert depth.dtype == np.uint16
        assert ids.max() <= len(facts["objects"])
        assert np.array_equal(depth > 0, ids > 0)
        seen = normals[ids > 0] / 127.5 - 1
        assert np.linalg.norm(seen, axis=1) == pytest.approx(1, abs=0.02)
        assert 0.5 < depth[depth > 0].min() * facts["depth_scale"] < 100
    again = draw(rows[0]["family"], {}, seed=0, defects={}, size=32)
    assert np.array_equal(picture(rows[0]["image"]), again.image)


def test_held_out_seeds_are_their_own_and_columns_can_be_chosen(whole):
    [table] = load(whole, "held_out", columns=["seed", "caption"])
    assert table.column_names == ["seed", "caption"]
    assert table["seed"].to_pylist() == [HELD_OUT_FROM, HELD_OUT_FROM + 1]
    with pytest.raises(ValueError, match="held-out seeds"):
        shards(whole, scenes=HELD_OUT_FROM + 1, held_out=1, size=32)


def test_an_interrupted_build_goes_on_and_ends_in_the_same_bytes(whole, tmp_path, monkeypatch):
    drawn, real = [], dataset.row

    def interrupted(seed, size):
        if len(drawn) == 3:
            raise KeyboardInterrupt
        drawn.append(seed)
        return real(seed, size)

    monkeypatch.setattr(dataset, "row", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(plan(tmp_path), quiet=True)
    assert [path.name for path in contents(tmp_path)] == ["shard-00000.parquet"]
    monkeypatch.undo()
    built = build(plan(tmp_path), quiet=True)
    assert (built.drawn, built.found) == (2, 1)
    assert contents(tmp_path) == contents(whole)


def test_a_broken_shard_is_reported_and_drawn_again(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "draw", lambda *args, **kwargs: pytest.fail("drew a scene that was there"))
    for path, data in contents(whole).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    assert build(plan(tmp_path), quiet=True).found == 3
    monkeypatch.undo()
    victim = tmp_path / "held_out" / "shard-00000.parquet"
    victim.write_bytes(victim.read_bytes()[:1000])
    built = build(plan(tmp_path), quiet=True)
    assert "held_out/shard-00000.parquet" in built.broken[0]
    assert (built.drawn, built.found) == (1, 2)
    assert contents(tmp_path) == contents(whole)


def test_a_shard_of_other_scenes_is_not_taken_for_whole(whole):
    first, *_ = plan(whole)
    assert fault(first) == ""
    assert "not the 3" in fault(dataset.Shard(path=first.path, first=0, count=3, size=32))
    assert "32 pixels" in fault(dataset.Shard(path=first.path, first=0, count=2, size=64))
    assert "not the 2" in fault(dataset.Shard(path=first.path, first=2, count=2, size=32))


def test_a_shard_drawn_by_other_code_is_kept_and_reported(whole, monkeypatch):
    monkeypatch.setattr(dataset, "studio_fingerprint", lambda: "another")
    built = build(plan(whole), quiet=True)
    assert built.found == 3
    assert len(built.foreign) == 3


def test_a_scene_that_fails_is_named(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("no table")

    monkeypatch.setattr(dataset, "draw", broken)
    with pytest.raises(RuntimeError, match=rf"scene 0 \({family_of(0)}\): ZeroDivisionError: no table"):
        build(plan(tmp_path), quiet=True)
    assert contents(tmp_path) == {}


def test_two_workers_draw_the_same_bytes_and_the_command_line_writes_a_contact_sheet(whole, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    folder = tmp_path / "data"
    build(plan(folder), workers=2, quiet=True)
    assert contents(folder) == contents(whole)
    assert main(["--out", str(tmp_path / "empty"), "--scenes", "0", "--held-out", "0"]) == 0
    contact_sheet(folder, rows=2, columns=3).save(sheet)
    with Image.open(sheet) as image:
        assert image.size == (96, 64)
    assert "0 shards drawn" in capsys.readouterr().out


def test_a_split_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="train, held_out"):
        next(load(tmp_path, "train"))


def test_depth_survives_sixteen_bits():
    depth = np.array([[0.0, 3.217], [9.5, 41.03]], dtype=np.float32)
    values, scale = levels(depth)
    assert values.dtype == np.uint16
    assert values * scale == pytest.approx(depth, abs=0.001)
    assert levels(np.zeros((2, 2), dtype=np.float32))[0].max() == 0


def test_the_schema_of_a_shard_is_the_promised_one(whole):
    assert pq.read_schema(plan(whole)[0].path).equals(SCHEMA)
