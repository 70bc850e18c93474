import itertools

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from audit.audits.tone import clipped, colourfulness, contrast, detail, saturation
from audit.trial import Case
from audit.trials.tone import _burn, _detail_gain, burnt, recovered
from audit.types import Prompt, Score
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


def test_colourfulness_is_the_published_formula_and_grows_with_the_gain():
    pixels = photo().astype(float)
    red, green, blue = pixels.transpose(2, 0, 1)
    one, two = red - green, (red + green) / 2 - blue
    want = np.hypot(one.std(), two.std()) + 0.3 * np.hypot(one.mean(), two.mean())
    assert colourfulness()([view(photo())])[0].value == pytest.approx(want)
    luma = pixels @ [0.299, 0.587, 0.114]
    doubled = (luma[..., None] + 2 * (pixels - luma[..., None])).round().clip(0, 255).astype(np.uint8)
    assert colourfulness()([view(doubled)])[0].value == pytest.approx(2 * want, rel=0.01)
    assert colourfulness()([view(plain())])[0].value == 0


def test_detail_is_the_strength_of_stripes_finer_than_four_pixels_and_of_no_coarser_ones():
    """20 grey levels of 255 either way. Rounding leaves 1/√12 of a level."""
    across = np.arange(64)
    for wave, want in ((np.where(across % 2, 1, -1), 20 / 255), (np.cos(2 * np.pi * (across + 0.5) / 16), 0.0)):
        stripes = (120 + 20 * wave).round().astype(np.uint8)
        [score] = detail()([view(np.tile(stripes[None, :, None], (48, 1, 3)))])
        assert score.value == pytest.approx(want, abs=0.002)


def test_more_grain_is_more_detail_blur_is_less_and_flat_has_none():
    rng = np.random.default_rng(0)
    grain = rng.normal(size=photo().shape)
    doses = [
        detail()([view((photo() + dose * grain).round().clip(0, 255).astype(np.uint8))])[0].value for dose in (0, 2, 8)
    ]
    assert all(b > 1.5 * a for a, b in itertools.pairwise(doses))
    assert (
        detail()([view(np.asarray(Image.fromarray(noise(0)).reduce(2).resize((64, 64))))])[0].value
        < 0.5 * detail()([view(noise(0))])[0].value
    )
    [flat] = detail()([view(plain())])
    assert flat.value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("gain", [1.1, 1.25, 1.5])
def test_a_planted_gain_of_detail_comes_back(gain):
    picture = photo().astype(float) + np.random.default_rng(1).normal(0, 12, photo().shape).round()
    before, after = (p.round().clip(0, 255).astype(np.uint8) for p in (picture, _detail_gain(picture, gain)))
    ratio = detail()([view(after)])[0].value / detail()([view(before)])[0].value
    assert ratio == pytest.approx(gain, rel=0.02)


def test_the_trial_measures_the_gain_it_planted_and_the_error():
    """Scores 10 % low at gain 1.5 and right elsewhere, in twelve scenes; without room a fifth is lost."""
    cases, scores = [], []
    for scene in range(12):
        for gain, read in ((1.0, 1.0), (1.1, 1.1), (1.5, 1.35)):
            for room, lost in (("room", 1.0), ("full", 0.8 if gain > 1 else 1.0)):
                prompt = Prompt(id=f"s{scene}", text="")
                cases.append(Case(pixels=plain(), planted=gain > 1, truth=gain, prompt=prompt, groups={"range": room}))
                scores.append(Score.of((3 + scene) * read * lost))
    found = recovered(cases, scores)
    assert found["gain_1.1"].value == pytest.approx(1.1)
    assert found["gain_1.5"].value == pytest.approx(1.35)
    assert found["gain_error"].value == pytest.approx(0.1)
    assert found["gain_error_full"].value == pytest.approx(1 - 0.9 * 0.8)


def test_the_trial_of_clipping_counts_what_was_burnt_beyond_what_was():
    picture = photo().astype(float)
    picture[:8] = 255
    cases, scores = [], []
    for share in (0.0, 0.05, 0.2):
        burnt_picture = _burn(picture, share) if share else picture
        cases.append(Case(pixels=plain(), planted=share > 0, truth=share, prompt=Prompt(id="s", text="")))
        scores.append(clipped()([view(burnt_picture.astype(np.uint8))])[0])
    # an eighth was white before: burning a twentieth, or that eighth and a little more, adds less than planted
    assert burnt(cases, scores)["share_error"].value == pytest.approx((0.05 + 0.125) / 2, abs=0.001)
