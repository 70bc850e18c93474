import numpy as np
import pytest

from audit.references import BadReferenceError, build, load, main, save
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
