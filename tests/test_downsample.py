"""The declared downsampler and its null space."""

import numpy as np
import pytest

from generators.downsample import block_mean, exact_block_mean, finer
from generators.studio.drawing import halved


def picture(height: int = 24, width: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_four_times_smaller_is_halved_twice():
    assert (block_mean(picture(), 4) == halved(halved(picture()))).all()
    assert (block_mean(picture(), 1) == picture()).all()


def test_each_halving_moves_no_value_by_more_than_half_a_grey_level():
    assert np.abs(block_mean(picture(), 8) - exact_block_mean(picture(), 8)).max() <= 1.5
    assert np.abs(block_mean(picture(), 2) - exact_block_mean(picture(), 2)).max() <= 0.5


@pytest.mark.parametrize("times", [0, 3, 5, 16])
def test_what_cannot_be_halved_is_refused_with_the_reason(times):
    with pytest.raises(ValueError, match="power of two dividing both"):
        block_mean(picture(), times)


@pytest.mark.parametrize("times", [2, 3, 4])
def test_what_is_finer_vanishes_in_the_small_picture_and_nothing_else_does(times):
    beyond = finer(picture(), times)
    assert np.abs(exact_block_mean(beyond, times)).max() < 1e-9
    assert finer(beyond, times) == pytest.approx(beyond)
    coarse = picture() - beyond
    assert np.abs(finer(coarse, times)).max() < 1e-9
