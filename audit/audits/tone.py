"""Tone: saturation, clipping, contrast and fine detail, which strong guidance drives up.

Guidance pushes latents past what the decoder learned: colours saturate and detail dies at both ends of the scale
(Sadat et al. 2024, APG, arXiv 2410.02416). What is right depends on the prompt, so compare settings seed by seed.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dctn

from audit.api import ScoreOne, View, audit
from audit.types import Score

# sRGB (IEC 61966-2-1) to XYZ, and the D65 white of the same standard.
_TO_XYZ = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    dtype=torch.float64,
)
_WHITE = _TO_XYZ.sum(dim=1)
FINE = 0.25
"""Cycles per pixel above which detail is fine: half of the highest frequency that an axis carries."""
_LUMA = torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64)


@audit(
    "tone.saturation",
    version=1,
    better="neither",
    unit="mean CIELAB chroma",
    source="C*ab of CIE 15:2004 (D65), mean over pixels",
)
def saturation() -> ScoreOne:
    """Mean chroma: distance from grey in a space made to match the eye. HSV's saturation calls near-black vivid."""

    def score(view: View) -> Score:
        chroma = _chroma(view.image)
        return Score.of(chroma.mean().item(), p95=round(torch.quantile(_thinned(chroma), 0.95).item(), 2))

    return score


@audit(
    "tone.clipped",
    version=1,
    better="lower",
    unit="share of pixels",
    source="ours: pixels whose three channels all sit at the same end of the scale",
)
def clipped(margin: int = 0) -> ScoreOne:
    """Share of pixels burnt to pure white or black; `margin` grey levels count as pure."""

    def score(view: View) -> Score:
        dark = (view.image <= margin).all(dim=0)
        light = (view.image >= 255 - margin).all(dim=0)
        share = (dark | light).double().mean().item()
        return Score.of(share, dark=int(dark.sum()), light=int(light.sum()))

    return score


@audit(
    "tone.contrast",
    version=1,
    better="neither",
    unit="standard deviation of luma, 0 to 0.5",
    source="RMS contrast, Peli 1990; luma of Rec. 709",
)
def contrast() -> ScoreOne:
    """Root-mean-square contrast: how far the picture's brightness spreads around its mean."""

    def score(view: View) -> Score:
        luma = torch.einsum("c,chw->hw", _LUMA, view.image.double().cpu() / 255)
        return Score.of(luma.std(correction=0).item(), mean=round(luma.mean().item(), 4))

    return score


@audit(
    "tone.colourfulness",
    version=1,
    better="neither",
    unit="grey levels",
    source="Hasler & Süsstrunk 2003, Eq. 3: spread and mean of two opponent channels",
    headline=False,
)
def colourfulness() -> ScoreOne:
    """Spread plus 0.3 times the mean of red-green and yellow-blue: how colourful people call a picture.

    A gain on chroma multiplies it by that gain but for clipping, which CIELAB's chroma (tone.saturation) does not do.
    """

    def score(view: View) -> Score:
        red, green, blue = view.image.double().cpu()
        opponents = torch.stack([red - green, (red + green) / 2 - blue]).flatten(1)
        spread = opponents.std(dim=1, correction=0).norm().item()
        return Score.of(spread + 0.3 * opponents.mean(dim=1).norm().item(), spread=round(spread, 3))

    return score


@audit(
    "tone.detail",
    version=1,
    better="neither",
    unit="RMS luma above a quarter cycle per pixel",
    source="ours: Parseval over a cosine transform (no seam at the borders); luma of Rec. 709 in 0..1",
    headline=False,
)
def detail() -> ScoreOne:
    """Strength of the finest detail: noise, grain and oversharpened edges raise it, blur lowers it.

    It counts pixels and not degrees: the same picture enlarged has less of it, so compare equal sizes only. `share` in
    the evidence is its part of the whole variance of luma.
    """

    def score(view: View) -> Score:
        luma = torch.einsum("c,chw->hw", _LUMA, view.image.double().cpu() / 255).numpy()
        power = np.square(dctn(luma, norm="ortho")) / luma.size
        rows, columns = (np.arange(side) / (2 * side) for side in luma.shape)
        fine = float(power[np.hypot(rows[:, None], columns[None]) > FINE].sum())
        variance = float(luma.var())
        return Score.of(fine**0.5, share=round(fine / variance, 6) if variance > 0 else None)

    return score


def _chroma(image: torch.Tensor) -> torch.Tensor:
    """(3, H, W) uint8 -> C*ab of each pixel, (H·W,) float64."""
    value = image.double().cpu().flatten(1) / 255
    linear = torch.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    ratio = (_TO_XYZ @ linear) / _WHITE[:, None]
    root = torch.where(ratio > (6 / 29) ** 3, ratio.clamp(min=1e-12) ** (1 / 3), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return torch.hypot(500 * (root[0] - root[1]), 200 * (root[1] - root[2]))


def _thinned(values: torch.Tensor, most: int = 1 << 20) -> torch.Tensor:
    """Every so many-th value: torch's quantile refuses more than sixteen million."""
    return values[:: max(1, len(values) // most)]
