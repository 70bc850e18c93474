"""Copies: training pictures are found in every disguise, fresh ones raise as many alarms as they were said to."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from audit import memorized
from audit.audits.memorization import copied, similarity
from audit.features import sscd
from audit.features.copies import SIDE, Index, cut, sheet, small
from audit.images import encode_png
from audit.memorized import Memory, build, load, save
from audit.reference_pictures import BadReferenceError
from audit.trials.memorization import cropped, disguises, grained, recoloured, shown
from audit.weights import MissingWeightsError
from generators.studio.drawing import draw, near_duplicate
from tests.audits.toys import plain, view


def picture(seed: int, size: int = 96) -> np.ndarray:
    """Soft blobs of colour under a few hard squares: no two alike."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.uniform(30, 225, (6, 6, 3)), (size, size), interpolation=cv2.INTER_CUBIC)
    for _ in range(5):
        top, left = rng.integers(0, size * 3 // 4, 2)
        soft[top : top + size // 6, left : left + size // 5] = rng.uniform(0, 255, 3)
    return np.rint(soft.clip(0, 255)).astype(np.uint8)


TRAINING = range(24)


@pytest.fixture(scope="module")
def memory(tmp_path_factory) -> str:
    """A reference of training pictures and 60 fresh ones, as a file."""
    path = tmp_path_factory.mktemp("reference") / "toys.npz"
    known = ((f"picture {seed}", picture(seed)) for seed in TRAINING)
    save(build("toys", known, (picture(seed) for seed in range(1000, 1060)), "toys"), path)
    return str(path)


def test_a_training_picture_is_found_and_named(memory):
    [score] = similarity(reference=memory)([view(picture(7))])
    assert score.value > 0.97  # the sheet that keeps the pictures loses a little
    assert score.evidence["nearest"] == "picture 7"
    assert score.evidence["mirrored"] is False


@pytest.mark.parametrize("disguise", ["crop", "flip", "recolour", "noise", "all"])
def test_a_training_picture_is_found_in_every_disguise(memory, disguise):
    seeds = range(8)
    worn = [disguises(picture(seed), np.random.default_rng(seed))[disguise] for seed in seeds]
    scores = copied(reference=memory, false_alarm=0.05)([view(each) for each in worn])
    assert [score.value for score in scores] == [1.0] * len(seeds)
    assert [score.evidence["nearest"] for score in scores] == [f"picture {seed}" for seed in seeds]
    assert all(score.evidence["mirrored"] for score in scores) == (disguise in ("flip", "all"))


def test_fresh_pictures_are_no_copies(memory):
    scores = copied(reference=memory, false_alarm=0.05)([view(picture(seed)) for seed in range(2000, 2020)])
    assert sum(score.value for score in scores) <= 4


def test_more_copies_raise_the_rate(memory):
    fresh = [view(picture(seed)) for seed in range(3000, 3012)]
    copies = [view(grained(picture(seed), np.random.default_rng(seed))) for seed in range(12)]
    score = copied(reference=memory, false_alarm=0.05)
    rates = [np.mean([each.value for each in score([*copies[:count], *fresh[count:]])]) for count in (0, 3, 6, 12)]
    assert rates == sorted(rates)
    assert rates[0] < 0.3
    assert rates[-1] == 1


def test_the_less_of_a_training_picture_is_left_the_less_it_is_like_it(memory):
    one, other = picture(3).astype(float), picture(5000).astype(float)
    mixed = [np.rint(one + share * (other - one)).astype(np.uint8) for share in (0, 0.2, 0.4, 0.6, 0.8)]
    scores = [score.value for score in similarity(reference=memory)([view(each) for each in mixed])]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 0.3


def test_a_closer_crop_is_less_like_the_whole(memory):
    shown = [picture(4)[edge : 96 - edge, edge : 96 - edge] for edge in (0, 8, 24)]
    scores = [score.value for score in similarity(reference=memory)([view(each) for each in shown])]
    assert scores == sorted(scores, reverse=True)


def test_a_plain_picture_resembles_nothing(memory):
    [score] = copied(reference=memory, false_alarm=0.05)([view(plain())])
    assert score.status == "skipped"
    assert "plain" in score.reason


def test_both_audits_look_once(memory, monkeypatch):
    looked, nearest = [], Index.nearest
    monkeypatch.setattr(Index, "nearest", lambda index, shown: looked.append(1) or nearest(index, shown))
    shown = view(picture(1))
    [one], [other] = similarity(reference=memory)([shown]), copied(reference=memory, false_alarm=0.05)([shown])
    assert looked == [1]
    assert other.evidence["similarity"] == pytest.approx(one.value, abs=1e-4)


def counted(count: int) -> Memory:
    """A reference whose fresh pictures scored 1, 2, … count."""
    return drawn(np.arange(1, count + 1, dtype=float))


def drawn(null: np.ndarray) -> Memory:
    """A reference without pictures."""
    return Memory("drawn", Index(tiles([])), {}, (), np.sort(null), "numbers")


def tiles(pictures: list[np.ndarray]) -> np.ndarray:
    return np.array([small(each) for each in pictures], np.uint8).reshape(-1, SIDE, SIDE, 3)


def test_the_threshold_is_the_conformal_quantile():
    assert counted(99).threshold(0.05) == 95
    assert counted(99).threshold(0.01) == 99
    assert counted(700).threshold(0.01) == 694


def test_a_false_alarm_rate_finer_than_the_fresh_pictures_tell_is_refused():
    with pytest.raises(BadReferenceError, match="50 fresh pictures tell false-alarm rates"):
        counted(50).threshold(0.01)


def test_chance_counts_the_fresh_pictures_that_come_as_near():
    assert counted(99).chance(95) == pytest.approx(6 / 100)
    assert counted(99).chance(1000) == pytest.approx(1 / 100)
    assert counted(99).chance(0) == 1


def test_false_alarms_are_as_many_as_were_asked_for():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(300):
        rates.append((rng.normal(size=1000) > drawn(rng.normal(size=700)).threshold(0.01)).mean())
    assert np.mean(rates) == pytest.approx(0.01, abs=0.001)


def test_pictures_drawn_independently_are_fresh_to_one_another():
    known = [(f"picture {seed}", picture(seed)) for seed in range(8)]
    own = build("own", known, [picture(100)], "toys", independent=True)
    assert len(own.null) == 1 + len(known)
    assert own.null.max() < 0.97  # none was held against itself


def test_a_sheet_gives_its_pictures_back():
    laid = tiles([picture(seed) for seed in range(7)])
    assert np.array_equal(cut(sheet(laid), 7), laid)
    assert sheet(laid).shape == (3 * SIDE, 3 * SIDE, 3)


def test_a_saved_reference_scores_as_the_built_one(memory, tmp_path):
    found = load(memory)
    save(found, tmp_path / "again.npz")
    again = load(str(tmp_path / "again.npz"))
    assert again.names == found.names
    assert np.array_equal(again.null, found.null)
    assert again.index.nearest(picture(2)) == found.index.nearest(picture(2))


def test_a_folder_becomes_a_reference(tmp_path, capsys):
    for folder, seeds in (("seen", range(5)), ("fresh", range(100, 120))):
        (tmp_path / folder).mkdir()
        for seed in seeds:
            (tmp_path / folder / f"{seed:03}.png").write_bytes(encode_png(picture(seed)))
    out = tmp_path / "mine.npz"
    given = ["--pictures", str(tmp_path / "seen"), "--held-out", str(tmp_path / "fresh"), "--out", str(out)]
    memorized.main(given)
    assert "5 pictures; 20 fresh ones tell false alarms from 0.048" in capsys.readouterr().out
    [score] = similarity(reference=str(out))([view(picture(3))])
    assert score.evidence["nearest"] == "003.png"
    with pytest.raises(SystemExit):
        memorized.main(["--pictures", str(tmp_path / "seen"), "--out", str(out)])
    assert "needs --held-out" in capsys.readouterr().err


def test_rows_of_a_table_are_named_by_their_number(tmp_path):
    rows = [{"image": encode_png(picture(seed))} for seed in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "part.parquet")
    found = list(memorized.named_pictures(tmp_path))
    assert [name for name, _ in found] == ["row 0", "row 1", "row 2"]
    assert np.array_equal(found[2][1], picture(2))


def test_a_missing_reference_says_how_to_build_one():
    with pytest.raises(MissingWeightsError, match=r"audit\.memorized --pictures"):
        load("no-such.npz")


def test_another_kind_of_reference_is_refused(tmp_path):
    np.savez(tmp_path / "features.npz", features=np.zeros((2, 2)))
    with pytest.raises(BadReferenceError, match="lacks"):
        load(str(tmp_path / "features.npz"))


@pytest.fixture
def untrained_sscd(tmp_path, monkeypatch):
    """The published layout with weights by chance."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        built = sscd.network()
    path = tmp_path / "sscd.torchvision.pt"
    torch.save({f"backbone.{name}": value for name, value in built.state_dict().items()}, path)
    monkeypatch.setattr(sscd, "require", lambda name: path)
    return path


def test_sscds_state_dict_makes_a_reference_of_its_descriptors(untrained_sscd, tmp_path):
    known = [(f"picture {seed}", picture(seed)) for seed in range(3)]
    save(build("deep", known, [picture(9)], "toys", model="sscd"), tmp_path / "deep.npz")
    found = load(str(tmp_path / "deep.npz"))
    assert found.stored["descriptors"].shape == (3, 512)
    match = found.index.nearest(np.ascontiguousarray(picture(1)[:, ::-1]))
    assert (match.place, match.mirrored) == (1, True)
    assert match.similarity == pytest.approx(1, abs=1e-3)
    assert found.index.nearest(picture(1), without=1).place != 1
    assert found.index.nearest(plain()) is None


def test_descriptors_do_not_depend_on_company(untrained_sscd):
    model = sscd.load()
    together = model.describe([picture(seed) for seed in range(3)])
    assert np.array_equal(model.describe([picture(2)])[0], together[2])
    assert np.linalg.norm(together, axis=1) == pytest.approx([1, 1, 1])


def test_a_reference_of_other_sscd_weights_is_refused(untrained_sscd, tmp_path):
    made = build("deep", [("one", picture(0))], [picture(9)], "toys", model="sscd")
    save(replace(made, stored={**made.stored, "model": np.array("f" * 64)}), tmp_path / "deep.npz")
    with pytest.raises(BadReferenceError, match="made with SSCD weights ffffffffffff"):
        load(str(tmp_path / "deep.npz"))


def test_a_near_duplicate_is_what_the_studio_plants():
    planted = draw("hands", {}, seed=5, defects={"duplicate": 1.0}, size=32)
    again = near_duplicate("hands", planted.drawn["duplicate_of"], seed=5, size=32)
    assert np.array_equal(again, planted.image)


@pytest.mark.slow
def test_the_reference_that_ships_knows_a_training_scene_whose_camera_was_nudged():
    for row in shown()[:3]:
        [score] = copied()([view(near_duplicate(row["family"], row["seed"], seed=1, size=128))])
        assert score.value == 1
        assert score.evidence["nearest"] == f"scene {row['seed']}"


def test_disguises_stay_pictures():
    rng = np.random.default_rng(1)
    assert 0.8 * 96 - 1 <= len(cropped(picture(0), rng)) <= 0.95 * 96 + 1
    assert recoloured(picture(0), rng).dtype == np.uint8
    assert recoloured(picture(0), rng).mean() != picture(0).mean()
