"""Where a skin colour lies on the Monk scale, when the strength and the colour of the light are not known.

The ten published swatches, joined in CIELAB, are a path from light to dark. Brightness alone does not place a colour on
it: half the light on tone 3 is as dark as tone 5, and one side of a face often has half the light of the other. But
yellowness and redness change along the path too, and those are left alone by exposure. So each place on the path is
held against the colour under every exposure, and the likeliest pair of place and exposure is taken. The light's colour
is read off the whites of the eyes (Males, Hedi & Grgic 2018, "Colour balancing using sclera colour").

Measured on rendered portraits under +-30 % exposure (seeds apart from those of any trial): mean error .29 steps, where
the nearest swatch gives .50 to .75. Where a channel is burnt out, steps 1 and 2 cannot be told apart. Under warm and
cool light the eyes' whites bring the error from .63 to .35 over all; the mean colour of the surroundings, which walls
and clothes decide, makes it .8 to .95, and their brightness tells little of the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from generators.api import Pixels
from generators.studio.palette import MONK

STEPS = len(MONK)
LIT = (0.4, 0.8)  # quantiles of luminance between which skin counts: below are shadow and hair, above is gloss
WHITE = 0.8  # quantile of luminance above which the inside of an eye is its white
TRUST = 0.8  # power of the eye-white's colour that is the light's: some of its colour is its own
REDDEST = 1.5  # a channel of the light may be this much stronger or weaker than its luminance
SPREAD = 0.35  # standard deviation of the log exposure, before anything was seen
NOISE = 1.5  # CIELAB units that a patch of skin may differ from its place on the path
PLACES = np.linspace(1, STEPS, 10 * (STEPS - 1) + 1)
EXPOSURES = np.exp(np.linspace(-4 * SPREAD, 2 * SPREAD, 37))
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_LUMINANCE = _TO_XYZ[1]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Tone:
    """A place on the Monk scale.

    Attributes:
        place: 1.0 (lightest) to 10.0.
        exposure: light on this skin, 1 where the swatches were as they are published.
        light: the light's colour, linear R, G, B of luminance 1.
        colour: sRGB of the skin as it is in the picture, 0..255.
    """

    place: float
    exposure: float
    light: tuple[float, float, float]
    colour: tuple[int, int, int]

    @property
    def step(self) -> int:
        """The nearest of the ten steps."""
        return int(np.floor(self.place + 0.5))

    @property
    def swatch(self) -> str:
        """The colour as six hexadecimal digits."""
        return "".join(f"{channel:02x}" for channel in self.colour)


def tone(skin: Pixels, eyes: Pixels | None = None) -> Tone:
    """Pixels (n, 3) uint8 sRGB of skin, and of the insides of the eyes where known, to a place on the scale."""
    light = light_of(eyes) if eyes is not None and len(eyes) else np.ones(3)
    seen = _middle(linear(skin / 255))
    under = np.minimum(EXPOSURES[:, None, None] * light * _path(), 1)  # (exposures, places, 3), burnt out above 1
    away = np.square(lab(under) - lab(seen)).sum(axis=2) / NOISE**2
    unlikely = np.square(np.log(EXPOSURES) / SPREAD)[:, None]
    row, column = np.unravel_index(np.argmin(away + unlikely), away.shape)
    red, green, blue = (int(each) for each in np.rint(255 * srgb(seen)))
    return Tone(
        place=float(PLACES[column]),
        exposure=float(EXPOSURES[row]),
        light=(float(light[0]), float(light[1]), float(light[2])),
        colour=(red, green, blue),
    )


def light_of(eyes: Pixels) -> Floats:
    """The light's colour (3,), linear and of luminance about 1, from pixels (n, 3) inside the eyes' outlines."""
    values = linear(eyes / 255)
    luminance = values @ _LUMINANCE
    white = values[luminance >= np.quantile(luminance, WHITE)].mean(axis=0)
    level = float(white @ _LUMINANCE)
    if level <= 0:
        return np.ones(3)
    found: Floats = np.clip((white / level) ** TRUST, 1 / REDDEST, REDDEST)
    return found


def linear(value: ArrayLike) -> Floats:
    """sRGB in 0..1 to linear light (IEC 61966-2-1)."""
    given = np.asarray(value, np.float64)
    return np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)


def srgb(value: ArrayLike) -> Floats:
    """Linear light to sRGB in 0..1, cut at both ends."""
    given = np.clip(np.asarray(value, np.float64), 0, 1)
    return np.where(given <= 0.0031308, given * 12.92, 1.055 * given ** (1 / 2.4) - 0.055)


def lab(value: Floats) -> Floats:
    """Linear R, G, B (..., 3) to CIELAB of CIE 15:2004 under D65."""
    ratio = value @ _TO_XYZ.T / _TO_XYZ.sum(axis=1)
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def unlab(value: Floats) -> Floats:
    """The way back from `lab`."""
    lightness, red, yellow = np.moveaxis(value, -1, 0)
    y = (lightness + 16) / 116
    root = np.stack([y + red / 500, y, y - yellow / 200], axis=-1)
    ratio = np.where(root > 6 / 29, root**3, (root - 4 / 29) * 3 * (6 / 29) ** 2)
    back: Floats = (ratio * _TO_XYZ.sum(axis=1)) @ np.linalg.inv(_TO_XYZ).T
    return back


def _middle(values: Floats) -> Floats:
    """Median colour of the pixels of middling luminance."""
    luminance = values @ _LUMINANCE
    low, high = np.quantile(luminance, LIT)
    middle: Floats = np.median(values[(luminance >= low) & (luminance <= high)], axis=0)
    return middle


@cache
def _path() -> Floats:
    """Linear colours (places, 3) along the swatches, straight in CIELAB between them."""
    swatches = lab(linear(np.array(MONK)))
    steps = np.arange(1, STEPS + 1)
    return unlab(np.stack([np.interp(PLACES, steps, swatches[:, axis]) for axis in range(3)], axis=1))
