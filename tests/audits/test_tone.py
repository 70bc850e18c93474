import itertools

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from audit.audits.tone import clipped, contrast, saturation
from tests.audits.toys import noise, plain, view


def photo():
    """A smooth colourful picture, far from both ends of the scale."""
    y, x = np.mgrid[0:64, 0:80]
    channels = [110 + 45 * np.sin(x / 9), 120 + 40 * np.cos(y / 11), 115 + 40 * np.sin((x + y) / 13)]
    return np.stack(channels, axis=2).astype(np.uint8)


@pytest.mark.parametrize("share", [0.0, 0.125, 0.5, 1.0])
@pytest.mark.parametrize("value", [0, 255])
def test_clipping_reports_the_share_we_burnt(share, value):
    burnt = plain((100, 90, 80), 64, 40)
    burnt[: int(64 * share)] = value
    [score] = clipped()([view(burnt)])
    assert score.value == pytest.approx(share)
    assert score.evidence["dark" if value == 0 else "light"] == int(64 * share) * 40


def test_one_channel_at_the_end_is_a_colour_and_not_burnt():
    assert clipped()([view(plain((255, 0, 128)))])[0].value == 0
    assert clipped()([view(plain((255, 255, 0)))])[0].value == 0
    assert clipped(margin=3)([view(plain((253, 252, 254)))])[0].value == 1


def test_more_gain_is_more_saturation_and_grey_has_none():
    image = Image.fromarray(photo())
    doses = [
        saturation()([view(np.asarray(ImageEnhance.Color(image).enhance(gain)))])[0].value
        for gain in (0.0, 0.5, 1.0, 1.5, 2.0)
    ]
    assert doses[0] == pytest.approx(0, abs=0.5)  # grey rounded to whole levels
    assert all(b > a + 3 for a, b in itertools.pairwise(doses))
    assert saturation()([view(plain())])[0].value == pytest.approx(0, abs=1e-3)


def test_chroma_agrees_with_scikit_image():
    """The matrices differ in the seventh digit between editions of the standard: 0.01 of some 50."""
    color = pytest.importorskip("skimage.color")
    for pixels in (noise(0), photo(), plain((255, 0, 0)), plain((3, 1, 2))):
        lab = color.rgb2lab(pixels)
        want = np.hypot(lab[..., 1], lab[..., 2]).mean()
        assert saturation()([view(pixels)])[0].value == pytest.approx(want, abs=0.02)


def test_contrast_is_known_for_halves_and_scales_with_the_gain():
    halves = plain((0, 0, 0))
    halves[:, 32:] = 255
    assert contrast()([view(halves)])[0].value == pytest.approx(0.5)
    assert contrast()([view(plain())])[0].value == 0
    image = photo().astype(float)
    flat = (image.mean() + 0.5 * (image - image.mean())).round().astype(np.uint8)
    ratio = contrast()([view(flat)])[0].value / contrast()([view(photo())])[0].value
    assert ratio == pytest.approx(0.5, abs=0.02)
