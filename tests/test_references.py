import numpy as np
import pytest

from audit.references import BadReferenceError, build, build_moments, load, main, save
from audit.statistics.frechet import Moments
from audit.weights import MissingWeightsError
from tests.audits.toys import save_clip

ROWS = np.random.default_rng(0).normal(size=(250, 6)).astype(np.float32)


def test_what_is_saved_is_read_back_to_the_bit(tmp_path):
    made = build("toy", ROWS, model="abc", text="rows")
    save(made, tmp_path / "toy.npz")
    found = load(str(tmp_path / "toy.npz"), model="abc")
    np.testing.assert_array_equal(found.features, made.features)
    assert found.features.dtype == np.float64
    assert (found.name, found.text, found.floors) == ("toy", "rows", made.floors)


def test_floors_fall_with_n():
    made = build("toy", ROWS, model="abc", text="rows")
    assert list(made.floors) == [50, 100]
    assert made.floors[50] > 1.5 * made.floors[100]
    assert made.floor(20) > made.floor(100)


def test_a_reference_of_another_model_is_refused_with_the_command_that_rebuilds_it(tmp_path):
    save(build("toy", ROWS, model="abc", text="rows"), tmp_path / "toy.npz")
    with pytest.raises(BadReferenceError, match=r"python -m audit\.references --data DIR --out .*toy\.npz"):
        load(str(tmp_path / "toy.npz"), model="other")


def test_an_absent_reference_says_how_to_build_one(tmp_path):
    with pytest.raises(MissingWeightsError, match=r"build one: python -m audit\.references"):
        load(str(tmp_path / "none.npz"), model="abc")
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(BadReferenceError, match="it lacks features"):
        load(str(tmp_path / "other.npz"), model="abc")


def test_moments_streamed_in_batches_are_those_of_all_rows_and_are_kept_to_the_bit(tmp_path):
    made = build_moments("m", [ROWS[:100], ROWS[100:101], ROWS[101:]], model="abc", text="rows")
    whole = Moments.of(ROWS)
    assert made.moments.count == 250
    np.testing.assert_allclose(made.moments.mean, whole.mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(made.moments.scatter, whole.scatter, rtol=1e-12, atol=1e-10)
    save(made, tmp_path / "m.npz")
    found = load(str(tmp_path / "m.npz"), model="abc")
    np.testing.assert_array_equal(found.moments.scatter, made.moments.scatter)
    assert found.digest == made.digest
    for use in (found.rows, lambda: found.balls(3), lambda: found.floor(20)):
        with pytest.raises(BadReferenceError, match="holds a mean and a covariance only"):
            use()
    with pytest.raises(BadReferenceError, match="no pictures"):
        build_moments("m", [], model="abc", text="rows")


def test_a_reference_is_asked_for_by_its_hash_and_refused_when_changed(tmp_path):
    made = build("toy", ROWS, model="abc", text="rows")
    path = tmp_path / "toy.npz"
    save(made, path)
    assert load(f"{path}#{made.digest[:12]}", model="abc").digest == made.digest
    with pytest.raises(BadReferenceError, match=r"has the hash .*, not 0123"):
        load(f"{path}#0123", model="abc")
    with np.load(path) as kept:
        parts = dict(kept)
    parts["features"][7, 1] += 1
    np.savez(path, **parts)
    with pytest.raises(BadReferenceError, match="was changed after it was made"):
        load(str(path), model="abc")
    parts["features"][7, 1] -= 1
    del parts["digest"]
    np.savez(path, **parts)
    assert load(str(path), model="abc").digest == made.digest  # files of before carry none


def test_the_hash_changes_with_every_part_and_not_with_the_file():
    made = build("toy", ROWS, model="abc", text="rows")
    assert made.digest == build("other name", ROWS, model="abc", text="rows").digest
    others = [
        build("toy", ROWS + 1, model="abc", text="rows"),
        build("toy", ROWS, model="abd", text="rows"),
        build("toy", ROWS, model="abc", text="row"),
        build_moments("toy", [ROWS], model="abc", text="rows"),
    ]
    assert len({made.digest, *(each.digest for each in others)}) == 5


def test_published_statistics_are_moments_of_no_named_model(tmp_path):
    whole = Moments.of(ROWS)
    np.savez(tmp_path / "stats.npz", mu=whole.mean, sigma=whole.covariance)
    found = load(str(tmp_path / "stats.npz"), model="any")
    np.testing.assert_allclose(found.moments.covariance, whole.covariance, rtol=1e-12)
    assert (found.model, found.width) == ("published", 6)
    np.savez(tmp_path / "bad.npz", mu=whole.mean, sigma=np.eye(3))
    with pytest.raises(BadReferenceError, match=r"mu \(6,\) and sigma \(3, 3\)"):
        load(str(tmp_path / "bad.npz"), model="any")


@pytest.mark.parametrize("kind", ["folder", "parquet", "datasets"])
def test_pictures_come_from_a_folder_or_parquet_in_order_of_name(kind, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from audit.images import encode_png
    from audit.reference_pictures import pictures

    rng = np.random.default_rng(2)
    made = [rng.integers(0, 256, (8, 9, 3), dtype=np.uint8) for _ in range(5)]
    if kind == "folder":
        (tmp_path / "deep").mkdir()
        for number, picture in enumerate(made):
            (tmp_path / "deep" / f"{number}.PNG").write_bytes(encode_png(picture))
        (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    else:
        cells = [{"bytes": encode_png(p), "path": "x.png"} if kind == "datasets" else encode_png(p) for p in made]
        pq.write_table(pa.table({"image": cells, "label": [1] * 5}), tmp_path / "a.parquet")
    told, found = pictures(tmp_path, 4)
    assert told == f"pictures of {tmp_path.name}"
    for want, got in zip(made[:4], list(found), strict=True):
        np.testing.assert_array_equal(got, want)


def test_what_is_no_picture_is_named(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from audit.reference_pictures import pictures

    with pytest.raises(BadReferenceError, match="no picture"):
        pictures(tmp_path, 4)
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(BadReferenceError, match=r"broken\.png: not a readable picture"):
        list(pictures(tmp_path, 4)[1])
    pq.write_table(pa.table({"label": [1]}), tmp_path / "t.parquet")
    with pytest.raises(BadReferenceError, match=r"no column 'image'.*found label"):
        list(pictures(tmp_path, 4)[1])
    pq.write_table(pa.table({"image": [None, b""]}, schema=pa.schema([("image", pa.binary())])), tmp_path / "t.parquet")
    with pytest.raises(BadReferenceError, match="row 0: not a readable picture"):
        list(pictures(tmp_path, 4)[1])


def test_the_command_keeps_moments_alone_when_asked(tmp_path, capsys, monkeypatch):
    from audit.features.studio import StudioClip
    from audit.images import encode_png

    rng = np.random.default_rng(3)
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("audit.reference_pictures.BATCH", 8)
    for number in range(20):
        picture = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        (tmp_path / "data" / f"{number:02}.png").write_bytes(encode_png(picture))
    model, out = save_clip(tmp_path / "clip"), tmp_path / "m.npz"
    main(["--data", str(tmp_path / "data"), "--out", str(out), "--model", str(model), "--moments"])
    found = load(str(out), model=StudioClip.load(model).digest)
    assert (found.moments.count, found.width, len(found.features)) == (20, 16, 0)
    assert f"hash {found.digest[:16]}" in capsys.readouterr().out


def test_the_command_reads_held_out_scenes_and_writes_their_features(tmp_path, capsys):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from audit.features.studio import StudioClip
    from audit.images import encode_webp

    folder = tmp_path / "data" / "held_out"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (128, 128, 3), dtype=np.uint8) for _ in range(12)]
    pq.write_table(pa.table({"image": [encode_webp(p) for p in pictures]}), folder / "shard-00000.parquet")
    model = save_clip(tmp_path / "clip")
    out = tmp_path / "toy.npz"
    main(["--data", str(tmp_path / "data"), "--out", str(out), "--limit", "10", "--model", str(model)])
    assert "10 held-out studio scenes" in capsys.readouterr().out
    loaded = StudioClip.load(model)
    found = load(str(out), model=loaded.digest)
    assert found.features.shape == (10, 16)
    import torch

    half = pictures[3].reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    want = loaded.image_features([torch.from_numpy(np.floor(half + 0.5).astype(np.uint8).transpose(2, 0, 1).copy())])
    np.testing.assert_array_equal(found.features[3].astype(np.float32), want[0].numpy())
