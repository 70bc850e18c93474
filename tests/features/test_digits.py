"""The digit counter's own parts: where the crop lies, what a peak is, fingers added and taken, a folder that loads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.features.digits import COUNTS, MAPS, SIDE, DigitCounter, DigitNet, Digits, cropped, peaks, placement
from audit.train.digits import Hands, bumps, export, part_maps
from audit.train.finger_surgery import added, moved, removed

SPREAD_TIPS = [(30, 62), (48, 28), (64, 22), (80, 28), (96, 42)]
BASES = [(44, 84), (52, 66), (64, 62), (76, 66), (86, 74)]


def open_hand() -> dict:
    """A light palm with five straight fingers on black."""
    import cv2

    image = np.zeros((128, 128, 3), np.uint8)
    cv2.circle(image, (66, 86), 22, (200, 150, 120), -1)
    for base, tip in zip(BASES, SPREAD_TIPS, strict=True):
        cv2.line(image, base, tip, (200, 150, 120), 9)
    seven = [np.pad(np.array(each, np.float32), ((0, 2), (0, 1)), constant_values=1) for each in (SPREAD_TIPS, BASES)]
    return {
        "image": image,
        "mask": (image[..., 0] > 0).astype(np.uint8) * 255,
        "tips": seven[0],
        "bases": seven[1],
        "up": np.array([1, 1, 1, 1, 1, 0, 0], np.uint8),
        "digits": 5,
        "wrist": np.array([66.0, 112.0]),
        "knuckle": np.array([64.0, 62.0]),
    }


def test_the_crop_stands_upright_whichever_way_the_hand_points():
    for angle in (0.0, 0.7, 2.5, -1.6):
        along = 40 * np.array([np.sin(angle), -np.cos(angle)])
        placed = placement(np.array([200.0, 100.0]), np.array([200.0, 100.0]) + along)
        wrist = placed[:, :2] @ [200, 100] + placed[:, 2]
        knuckle = placed[:, :2] @ (np.array([200, 100]) + along) + placed[:, 2]
        assert wrist[0] == pytest.approx(SIDE / 2)
        assert knuckle[0] == pytest.approx(SIDE / 2)
        assert wrist[1] - knuckle[1] == pytest.approx(SIDE / 2.8)


def test_landmarks_on_one_spot_do_not_break_the_crop():
    spot = np.array([3.0, 4.0])
    assert cropped(np.zeros((8, 8, 3), np.uint8), placement(spot, spot)).shape == (SIDE, SIDE, 3)


def test_every_bump_is_one_peak_where_it_was_put():
    points = np.array([[10.0, 12.0], [30.0, 40.0], [15.0, 12.0]])
    found = peaks(bumps(points, 64))
    assert sorted(map(tuple, (found / 2 - 0.5).tolist())) == sorted(map(tuple, points.tolist()))
    assert len(peaks(np.zeros((64, 64), np.float32))) == 0
    assert len(peaks(np.ones((64, 64), np.float32))) > 0  # a flat map above the threshold is not silently nothing


@pytest.mark.parametrize("seed", range(5))
def test_a_finger_more_is_drawn_and_told(seed):
    hand = open_hand()
    found = next(more for k in range(50) if (more := added(hand, np.random.default_rng([seed, k]))) is not None)
    assert found["digits"] == 6
    assert found["mask"].sum() > hand["mask"].sum()
    x, y = found["tips"][5, :2].astype(int)
    assert found["image"][y - 4 : y + 5, x - 4 : x + 5].max() > 100
    assert hand["digits"] == 5  # the hand given is left alone


@pytest.mark.parametrize("seed", range(5))
def test_a_finger_fewer_leaves_no_ink_at_its_tip(seed):
    hand = open_hand()
    found = next(less for k in range(50) if (less := removed(hand, np.random.default_rng([seed, k]))) is not None)
    assert found["digits"] == 4
    gone = {tuple(each) for each in hand["tips"][:5, :2].tolist()} - {tuple(e) for e in found["tips"][:4, :2].tolist()}
    [(x, y)] = gone
    assert found["mask"][int(y), int(x)] == 0
    assert found["image"][int(y), int(x)].max() < 100


def test_a_finger_put_back_is_none_more():
    found = moved(open_hand(), np.random.default_rng(0))
    assert found is not None
    assert found["digits"] == 5


def test_a_fist_has_no_finger_to_work_on():
    fist = {**open_hand(), "up": np.zeros(7, np.uint8)}
    rng = np.random.default_rng(0)
    assert added(fist, rng) is None
    assert removed(fist, rng) is None
    assert moved(fist, rng) is None


def test_part_maps_show_each_part_once():
    hand = {**open_hand(), "up": np.array([1, 1, 0, 1, 1, 0, 0], np.uint8)}
    maps = part_maps(hand, np.array([[1.0, 0, 0], [0, 1, 0]]))
    assert maps.shape == (len(MAPS), 64, 64)
    assert [len(peaks(each)) for each in maps[:3]] == [4, 1, 5]


def test_augmented_rows_keep_picture_and_truth_together():
    hand = open_hand()
    table = {name: np.array([hand[name]]) for name in ("image", "mask", "tips", "bases", "up", "digits", "wrist")}
    hands = Hands(table, [np.full((64, 64, 3), 90, np.uint8)], [])
    rng = np.random.default_rng(1)
    crops, maps, counts = hands.batch(12, rng)
    assert crops.shape == (12, 3, SIDE, SIDE)
    assert maps.shape == (12, len(MAPS), 64, 64)
    assert all(COUNTS[count] in (4, 5, 6) for count in counts)


def test_what_was_trained_is_what_is_loaded(tmp_path):
    torch.manual_seed(0)
    network = DigitNet()
    export(network, tmp_path, samples=0, low=0.1, high=0.7)
    loaded = DigitCounter.load(tmp_path)
    assert (loaded.low, loaded.high) == (0.1, 0.7)
    crops = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        for ours, theirs in zip(loaded.network(crops), network.eval()(crops), strict=True):
            assert torch.allclose(ours, theirs, atol=0.02)  # half precision on disk


def test_a_picture_is_read_the_same_mirrored(tmp_path):
    torch.manual_seed(0)
    export(DigitNet(), tmp_path, samples=0)
    count = DigitCounter.load(tmp_path)
    hand = open_hand()
    points = np.zeros((21, 2))
    points[0], points[9] = hand["wrist"], hand["knuckle"]
    mirrored = points * [-1, 1] + [127, 0]
    here = count.of_hand(hand["image"], points)
    there = count.of_hand(np.ascontiguousarray(hand["image"][:, ::-1]), mirrored)
    assert list(here.posterior.values()) == pytest.approx(list(there.posterior.values()), abs=2e-2)


def test_between_sure_and_sure_it_abstains():
    count = DigitCounter(DigitNet(), low=0.2, high=0.7)
    nothing = np.zeros((0, 2))

    def seen(five: float) -> Digits:
        return Digits({5: five, 6: 1 - five}, 0, nothing, nothing, nothing)

    assert [count.has(seen(share), 5) for share in (0.1, 0.5, 0.9)] == [False, None, True]
    assert count.has(seen(0.1), 6) is True
    assert count.has(seen(0.1), 9) is False  # more than it was ever shown
