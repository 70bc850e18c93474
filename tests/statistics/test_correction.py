from dataclasses import replace

import numpy as np
import pytest

from audit.statistics.correction import Confusion, rogan_gladen

GOOD = Confusion(hit=270, miss=30, false_alarm=15, clean=285)


def test_rogan_and_gladens_own_formula():
    """(rate + specificity - 1) / (sensitivity + specificity - 1) = (0.22 - 0.05) / 0.85."""
    found = rogan_gladen(22, 100, GOOD)
    assert found.value == pytest.approx(0.2)
    assert found.low < 0.2 < found.high


def test_a_perfect_detector_needs_no_correction():
    perfect = Confusion(hit=10**7, clean=10**7)
    found = rogan_gladen(30, 100, perfect)
    assert found.value == pytest.approx(0.3)
    assert (found.low, found.high) == pytest.approx((0.218, 0.395), abs=0.005)  # Jeffreys, 30 of 100


def test_fewer_calibration_pictures_widen_the_interval():
    small = Confusion(hit=27, miss=3, false_alarm=1, clean=29)
    wide, narrow = (rogan_gladen(300, 1000, each) for each in (small, GOOD))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_unequal_abstention_is_undone():
    """Half of the planted pictures are abstained from: among the decided there are too few of them."""
    shy = Confusion(hit=50, miss=0, clean=100, abstained_planted=50)
    assert rogan_gladen(10, 90, shy).value == pytest.approx(20 / 100)


def test_prevalence_stays_between_nothing_and_everything():
    assert rogan_gladen(0, 100, GOOD).value == 0
    assert rogan_gladen(100, 100, GOOD).value == 1


@pytest.mark.parametrize(
    ("positives", "n", "confusion", "why"),
    [
        (0, 0, GOOD, "nothing to correct"),
        (3, 10, Confusion(hit=5, miss=5, false_alarm=5, clean=5), "no better than chance"),
        (3, 10, replace(GOOD, hit=0, miss=0), "planted or clean pictures only"),
    ],
)
def test_what_cannot_be_corrected_says_why(positives, n, confusion, why):
    found = rogan_gladen(positives, n, confusion)
    assert found.value is None
    assert why in found.note


def test_the_interval_covers_when_card_and_run_are_both_drawn():
    """Nominal 95 %; 300 repeats scatter by 1.3 points."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        hit, clean = rng.binomial(200, 0.9), rng.binomial(200, 0.96)
        card = Confusion(hit=hit, miss=200 - hit, clean=clean, false_alarm=200 - clean)
        seen = rng.binomial(400, 0.2 * 0.9 + 0.8 * 0.04)
        found = rogan_gladen(seen, 400, card)
        covered += found.low <= 0.2 <= found.high
    assert 0.92 <= covered / 300 <= 0.985
