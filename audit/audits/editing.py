"""Editing: whether the outside of a mask was left alone, whether its border shows, and how much structure was kept.

A generator that lays the source back over what it made changes no pixel outside. One that gives out what its decoder
gives changes all of them a little; that round trip through the autoencoder is the floor below which nothing is a leak.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from audit.api import ScoreOne, View, audit
from audit.audits.tasks import edit_of, pixels, size
from audit.statistics.agreement import near
from audit.types import Score
from generators.api import Pixels

Floats = NDArray[np.float64]
MARGIN = 4  # pixels beside the mask that are not counted: a decoder looks a little around each pixel
FEWEST = 200  # pixels outside the mask, fewer of which tell nothing
REACH = 4  # pixels that a shift is looked for
CLEARLY = 0.03  # share of what differs that a shift must explain
MOST = 20_000  # pixels that a shift is told from
SMOOTH = 1.5  # pixels of blur that take out grain before a shift is looked for
PATCH = 1 / 16  # of the picture's longer side: the blur that leaves patches and takes out grain
WIDTH = 4  # pixels on either side of a border that its jumps are compared with
WINDOW = 3.0  # pixels of blur of the windows in which structure is compared


@dataclass(frozen=True)
class Change:
    """What happened outside the mask.

    Attributes:
        shift: (x, y) in pixels by which the outside moved.
        colour: root mean square over the channels of the mean change, in grey levels.
        patch: the greatest change that is left after a blur, likewise; place: (x, y) of it.
    """

    shift: tuple[int, int]
    colour: float
    patch: float
    place: tuple[int, int]


@audit(
    "edit.leaked",
    version=1,
    better="lower",
    unit="share of pictures",
    source="ours: shift by block matching, colour and patches by means, against a floor that the shipped autoencoder's "
    "round trip stays below",
    statistic="rate",
    tasks=("inpaint",),
)
def leaked(shift: float = 1.0, colour: float = 2.0, patch: float = 24.0) -> ScoreOne:
    """Whether an edit moved, tinted or repainted what lies outside its mask, beyond an autoencoder's round trip.

    The options are the floor: `shift` in pixels, `colour` and `patch` in grey levels, the mean change and the greatest
    change of a patch. With all three near 0 whatever is not laid back exactly counts; an autoencoder worse than ours
    needs more.
    """

    def score(view: View) -> Score:
        edit = edit_of(view)
        if isinstance(edit, Score):
            return edit
        source, wanted = edit
        known = ~near(wanted, MARGIN)
        if known.sum() < FEWEST:
            return Score.skipped("the mask leaves too little outside")
        found = change(pixels(view), source, known)
        why = [
            name
            for name, value, floor in (
                ("shift", float(np.hypot(*found.shift)), shift),
                ("colour", found.colour, colour),
                ("patch", found.patch, patch),
            )
            if value > floor
        ]
        return Score.of(float(bool(why)), why=why, **_told(found))

    return score


@audit(
    "edit.seam",
    version=1,
    better="lower",
    unit="grey levels",
    source="ours: mean step across the mask's border above that of its surroundings, minus the same of the source",
    headline=False,
    tasks=("inpaint",),
)
def seam() -> ScoreOne:
    """How much more the picture jumps where the mask ends than just beside it; 0 is a border that does not show.

    What the source had on that line is taken off. Below 0 the border is smoother than its surroundings.
    """

    def score(view: View) -> Score:
        edit = edit_of(view)
        if isinstance(edit, Score):
            return edit
        source, wanted = edit
        made_steps, source_steps = (jump(picture, wanted) for picture in (pixels(view), source))
        if made_steps is None or source_steps is None:
            return Score.skipped("the mask has no border")
        return Score.of(made_steps - source_steps, made=round(made_steps, 2), source=round(source_steps, 2))

    return score


@audit(
    "edit.structure",
    version=1,
    better="neither",
    unit="correlation",
    source="the structure term of SSIM (Wang et al. 2004), each window weighted by its contrast",
    tasks=("img2img",),
)
def structure() -> ScoreOne:
    """How much of the source's structure an edit kept: 1 all of it, 0 none. Strength should lower it."""

    def score(view: View) -> Score:
        made, source = pixels(view), view.brought("source")
        if view.settings.task != "img2img" or source is None:
            return Score.skipped("no image to image")
        if made.shape != source.shape:
            return Score.skipped(f"source {size(source)}, picture {size(made)}: sizes differ")
        kept = structure_kept(made, source)
        return Score.skipped("a picture without structure") if kept is None else Score.of(kept)

    return score


def change(made: Pixels, source: Pixels, known: NDArray[np.bool_]) -> Change:
    """What happened in the known part (H, W), told apart: moved, tinted, painted over."""
    difference = made.astype(np.float64) - source
    moved = _patches(difference, known)
    y, x = np.unravel_index(int(moved.argmax()), moved.shape)
    return Change(
        shift=shift_of(made, source, known),
        colour=float(np.sqrt(np.square(difference[known].mean(axis=0)).mean())),
        patch=float(moved.max()),
        place=(int(x), int(y)),
    )


def shift_of(made: Pixels, source: Pixels, known: NDArray[np.bool_]) -> tuple[int, int]:
    """The whole pixels (x, y), up to REACH each way, that the source must be moved by to explain the made picture best.

    Gain and colour are free. (0, 0) unless the move explains a share of CLEARLY more of what differs than none does: a
    plain wall fits wherever it is put.
    """
    before, after = (cv2.GaussianBlur(each.astype(np.float64), (0, 0), SMOOTH) for each in (source, made))
    inner = ~near(~known, REACH)
    inner[:REACH], inner[-REACH:], inner[:, :REACH], inner[:, -REACH:] = False, False, False, False
    rows, columns = (place[:: max(1, int(inner.sum()) // MOST)] for place in np.nonzero(inner))
    if len(rows) < FEWEST:
        return 0, 0
    wanted = _centred(after[rows, columns])

    def unexplained(x: int, y: int) -> float:
        moved = _centred(before[rows - y, columns - x])
        gain = float(moved @ wanted) / max(float(moved @ moved), 1e-9)
        return float(np.square(wanted - gain * moved).sum())

    ways = range(-REACH, REACH + 1)
    left = {(x, y): unexplained(x, y) for x in ways for y in ways}
    best = min(left, key=lambda way: left[way])
    return best if left[best] < (1 - CLEARLY) * left[0, 0] else (0, 0)


def jump(picture: Pixels, wanted: NDArray[np.bool_]) -> float | None:
    """Mean step in grey levels between neighbours across the border, minus that within WIDTH pixels beside it."""
    values = picture.astype(np.float64)
    across, beside = [], []
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        steps = np.abs(values[here] - values[there]).mean(axis=2)
        border = wanted[here] != wanted[there]
        across.append(steps[border])
        beside.append(steps[near(border, WIDTH) & ~near(border, 1)])
    if not any(map(len, across)) or not any(map(len, beside)):
        return None
    return float(np.concatenate(across).mean() - np.concatenate(beside).mean())


def structure_kept(made: Pixels, source: Pixels) -> float | None:
    """Correlation of the greys in windows, weighted by the contrast of both; None where one of them has none."""
    one, other = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float64) for each in (made, source))
    means = _blurred(one), _blurred(other)
    covariance = _blurred(one * other) - means[0] * means[1]
    spreads = [
        np.sqrt(np.maximum(_blurred(each * each) - mean * mean, 0.0))
        for each, mean in zip((one, other), means, strict=True)
    ]
    weight = float((spreads[0] * spreads[1]).sum())
    return None if weight < 1e-6 * one.size else float(covariance.sum()) / weight


def _told(found: Change) -> dict[str, object]:
    x, y = found.place
    return {
        "shift": list(found.shift),
        "colour": round(found.colour, 2),
        "patch": round(found.patch, 2),
        "patch_at": [x, y],
    }


def _patches(difference: Floats, known: NDArray[np.bool_]) -> Floats:
    """(H, W): the change of each known pixel's surroundings in grey levels, 0 where little is known around it."""
    sigma = PATCH * max(known.shape)
    share = cv2.GaussianBlur(known.astype(np.float64), (0, 0), sigma)
    mean = cv2.GaussianBlur(difference * known[..., None], (0, 0), sigma) / np.maximum(share, 1e-9)[..., None]
    return np.where(known & (share > 0.25), np.sqrt(np.square(mean).mean(axis=2)), 0.0)


def _centred(values: Floats) -> Floats:
    """(n, 3) without the mean of each channel, as one row."""
    return np.asarray((values - values.mean(axis=0)).ravel())


def _blurred(values: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), WINDOW))
