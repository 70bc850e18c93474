"""Super-resolution: whether an enlarged picture still is the small one, and what was invented beyond it.

The declared downsampler is the mean of blocks. Whatever lies in its null space cannot be told from the small picture:
it comes from what the model saw in training. Detail that super-resolution adds is invented and is no evidence, above
all where it is crisp: a blur is honest, a wrong letter that can be read is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.api import ScoreOne, ScoreSet, View, audit
from audit.audits.tasks import pixels, size
from audit.audits.text import OCR, normalised, reading, wanted
from audit.features.ocr import Line, Reading, in_order, rapidocr
from audit.images import resize
from audit.statistics.edits import edits
from audit.statistics.spread import spread_interval
from audit.types import Json, Score
from generators.api import Pixels
from generators.downsample import exact_block_mean, finer

SAME = 100.0  # decibels that two equal pictures have
SURE = 0.8  # the reader's confidence from which a line counts as legible
LEAST = 2  # letters of a legible line: a lone stroke is read as 1 or I
PLACES = 64  # rows and columns of places at which detail is compared between samples
LUMA = (0.2126, 0.7152, 0.0722)  # of Rec. 709
ALIKE = str.maketrans("oi", "01")  # drawn alike in many typefaces


@dataclass(frozen=True)
class Enlarged:
    """A picture (H, W, 3), the small one it was made of (h, w, 3), and how many times larger it is each side."""

    made: Pixels
    small: Pixels
    times: int

    def interpolated(self) -> NDArray[np.float32]:
        """What bicubic interpolation makes of the small picture: blurred, but nothing is invented; (H, W, 3)."""
        height, width = self.made.shape[:2]
        return resize(self.small.astype(np.float32), (height, width), "clean")


@audit(
    "upscale.consistency",
    version=1,
    better="higher",
    unit="dB",
    source="LR-PSNR (Lugmayr et al. 2021, NTIRE), the declared downsampler being the mean of blocks",
    tasks=("upscale",),
)
def consistency() -> ScoreOne:
    """PSNR between the enlarged picture, brought down again, and the small one; blind to what is finer than that."""

    def score(view: View) -> Score:
        shown = enlarged(view)
        if isinstance(shown, Score):
            return shown
        error = float(np.square(exact_block_mean(shown.made, shown.times) - shown.small).mean())
        return Score.of(SAME if error == 0 else min(SAME, 10 * float(np.log10(255**2 / error))), times=shown.times)

    return score


@audit(
    "upscale.wrong",
    version=1,
    better="lower",
    unit="share of pictures",
    source=f"ours: a line read with confidence that is no part of the true string; read by {OCR}",
    statistic="rate",
    tasks=("upscale",),
)
def wrong(sure: float = SURE) -> ScoreOne:
    """Legible but wrong: a line of letters that can be read, and is no part of the string that the scene really shows.

    The truth is `expect.text`. Letters and digits are compared, without case; O and 0, I and 1 count as the same. Lines
    below the confidence `sure`, or of a single letter, are not legible; a picture without a legible line is skipped,
    for a blur claims nothing. Letters missing at either end of a line cost nothing for the same reason.
    Evidence: both strings, the lines with boxes and confidences, the letters that differ, the distance in edits per
    true letter.
    """
    read = rapidocr()

    def score(view: View) -> Score:
        if view.settings.task != "upscale":
            return Score.skipped("no super-resolution")
        truth = wanted(view) or ""
        expected = letters(truth)
        if not expected:
            return Score.skipped("the prompt expects no text")
        found = reading(view, "rapidocr", read)
        lines = legible(found, sure)
        evidence = told(found, lines)
        if not lines:
            return Score.skipped("nothing legible was read", expected=truth, **evidence)
        way = edits(expected, joined(lines))
        return Score.of(
            float(any(letters(line.text) not in expected for line in lines)),
            expected=truth,
            **evidence,
            confusions=[list(pair) for pair in way.swapped] + [["", letter] for letter in way.added],
            distance=round(way.distance / len(expected), 4),
        )

    return score


@audit(
    "upscale.reread",
    version=1,
    better="lower",
    unit="share of legible letters",
    source=f"ours: letters of the enlarged picture without a like letter in the interpolated one; read by {OCR}",
    tasks=("upscale",),
    headline=False,
)
def reread(sure: float = SURE) -> ScoreOne:
    """Share of the enlarged picture's legible letters that the small picture does not bear out; needs no truth.

    Both the enlarged picture and the small one, interpolated to its size, are read, and the strings aligned. A letter
    is contradicted where the small picture reads another, invented where it reads none; guesses of any confidence count
    in favour of the small picture. 0: all of it could be read before; 1: none of it. Where nothing is legible in the
    enlarged picture there is nothing to say.
    """
    read = rapidocr()

    def score(view: View) -> Score:
        shown = enlarged(view)
        if isinstance(shown, Score):
            return shown
        found = reading(view, "rapidocr", read)
        lines = legible(found, sure)
        evidence = told(found, lines)
        if not lines:
            return Score.skipped("nothing legible was read", **evidence)
        blurred = np.rint(shown.interpolated()).astype(np.uint8)
        before = every(view.once("ocr.rapidocr interpolated", lambda: read(blurred)))
        way = edits(joined(before), joined(lines))
        share = (len(way.swapped) + len(way.added)) / len(joined(lines))
        return Score.of(
            share,
            **evidence,
            small=" ".join(line.text for line in before),
            contradicted=[list(pair) for pair in way.swapped],
            invented="".join(way.added),
        )

    return score


@audit(
    "upscale.detail",
    version=1,
    better="neither",
    unit="grey levels, root mean square",
    source="range-null space decomposition (Wang, Yu & Zhang 2023, DDNM, Eq. 5), against bicubic interpolation",
    tasks=("upscale",),
    headline=False,
)
def detail() -> ScoreOne:
    """Energy of invented detail: what the picture has, beyond interpolation, that its small picture cannot tell.

    The part of (picture - bicubic interpolation) in the null space of the downsampler. True detail has energy too: the
    figure says how much was invented, not that it is wrong. Evidence: the same part of the picture and of the
    interpolation, each alone.
    """

    def score(view: View) -> Score:
        shown = enlarged(view)
        if isinstance(shown, Score):
            return shown
        blurred = shown.interpolated()
        return Score.of(
            rms(finer(shown.made - blurred.astype(np.float64), shown.times)),
            picture=round(rms(finer(shown.made, shown.times)), 3),
            interpolation=round(rms(finer(blurred, shown.times)), 3),
        )

    return score


@audit(
    "features.detail",
    version=1,
    better="neither",
    unit="vector of grey levels",
    source="range-null space decomposition (Wang, Yu & Zhang 2023, DDNM, Eq. 5); luma of Rec. 709",
    tasks=("upscale",),
    headline=False,
)
def places() -> ScoreOne:
    """Luma of the picture's part in the null space of the downsampler, at 64 x 64 places: one by chance in each cell.

    Means of cells would be 0 by construction. The places are the same in all pictures of a size.
    """
    chance = np.random.default_rng(0).random((2, PLACES, PLACES))

    def score(view: View) -> Score:
        shown = enlarged(view)
        if isinstance(shown, Score):
            return shown
        height, width = shown.made.shape[:2]
        rows = ((np.arange(PLACES)[:, None] + chance[0]) * height / PLACES).astype(int)
        columns = ((np.arange(PLACES)[None, :] + chance[1]) * width / PLACES).astype(int)
        beyond = finer(shown.made, shown.times)[rows, columns] @ np.array(LUMA)
        return Score.features(tuple(beyond.ravel().tolist()))

    return score


@audit(
    "upscale.disagreement",
    version=1,
    better="neither",
    unit="grey levels",
    source="ours: standard deviation between samples in the null space of the downsampler; jackknife over prompts",
    kind="set",
    statistic="disagreement",
    on="features.detail",
    tasks=("upscale",),
    headline=False,
)
def disagreement() -> ScoreSet:
    """How far several enlargements of one small picture lie apart where it cannot tell: invention that shows itself.

    Needs replicates. 0 does not mean true: a model that always invents the same detail agrees with itself.
    """
    return lambda rows, prompts: spread_interval(rows, prompts)


def enlarged(view: View) -> Enlarged | Score:
    """The picture with the small one it was made of; or the skipped score that says why there is none."""
    small, made = view.brought("source"), pixels(view)
    if view.settings.task != "upscale" or small is None:
        return Score.skipped("no super-resolution")
    times, rest = divmod(len(made), len(small))
    if rest or made.shape[1] != times * small.shape[1]:
        return Score.skipped(f"source {size(small)}, picture {size(made)}: no whole number of times larger")
    return Enlarged(made, small, times)


def legible(found: Reading, sure: float) -> list[Line]:
    """The lines that a person would take for text: confident, and of LEAST letters or more."""
    return [line for line in found.lines if line.confidence >= sure and len(letters(line.text)) >= LEAST]


def every(found: Reading) -> list[Line]:
    """All lines, guesses among them, in reading order."""
    return in_order([*found.lines, *found.unsure])


def letters(text: str) -> str:
    """As compared: letters and digits alone (borders are read as punctuation), without case, look-alikes folded."""
    return "".join(letter for letter in normalised(text) if letter.isalnum()).translate(ALIKE)


def joined(lines: Sequence[Line]) -> str:
    """The letters of all lines, as compared."""
    return "".join(letters(line.text) for line in lines)


def told(found: Reading, lines: Sequence[Line]) -> dict[str, Json]:
    """Evidence of a reading: the legible lines, and those that did not count."""
    return {
        "read": " ".join(line.text for line in lines),
        "lines": [line.json() for line in lines],
        "unsure": [line.json() for line in every(found) if line not in lines],
    }


def rms(values: NDArray[np.float64]) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.square(values).mean()))
