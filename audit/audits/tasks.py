"""Tasks: what an edit left alone, and what a control steered.

Each holds a picture against the pictures its prompt brought, and has nothing to say where a task brought none.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from audit.api import ScoreOne, View, audit
from audit.statistics.agreement import TOLERANCE, edge_f1, near
from audit.types import Score
from generators.api import Pixels

BLUR, WEAK, STRONG = 1.0, 40, 100  # of Canny's detector: pixels, and grey levels of slope
BESIDE = 5  # pixels at 128 a side that a landmark may lie beside a bone
GREY = 24  # grey levels between the channels of a picture of lines, at most


@audit(
    "edit.leak",
    version=1,
    better="lower",
    unit="grey levels",
    source="ours: mean absolute difference from the source outside the mask",
    tasks=("inpaint",),
)
def leak(margin: int = 0) -> ScoreOne:
    """What inpainting changed where it was to change nothing; pixels within `margin` of the mask are not counted."""

    def score(view: View) -> Score:
        edit = edit_of(view)
        if isinstance(edit, Score):
            return edit
        source, wanted = edit
        known = ~near(wanted, margin)
        if not known.any():
            return Score.skipped("the mask covers everything")
        change = np.abs(pixels(view).astype(np.int16) - source)[known]
        return Score.of(float(change.mean()), greatest=int(change.max()), share_known=round(float(known.mean()), 4))

    return score


@audit(
    "control.edges",
    version=1,
    better="higher",
    unit="F1",
    source="boundary F-measure (Martin et al. 2004) of Canny's edges (Canny 1986) and the control's lines",
    tasks=("control",),
)
def edges(tolerance: int = TOLERANCE) -> ScoreOne:
    """How well the picture's edges follow the lines it was given; `tolerance` is in pixels at 128 a side."""

    def score(view: View) -> Score:
        made, lines = pixels(view), control_of(view, colours=False)
        if isinstance(lines, Score):
            return lines
        return Score.of(edge_f1(canny(made), lines[..., 0] > 127, scaled(tolerance, made)))

    return score


@audit(
    "control.skeleton",
    version=1,
    better="higher",
    unit="share of landmarks",
    source="MediaPipe hand landmarks (Zhang et al. 2020) that lie on the control's bones",
    tasks=("control",),
)
def skeleton(beside: int = BESIDE) -> ScoreOne:
    """Share of a found hand's 21 landmarks within `beside` pixels, at 128 a side, of the skeleton that was given."""
    from audit.features.hands import landmarks

    def score(view: View) -> Score:
        made, bones = pixels(view), control_of(view, colours=True)
        if isinstance(bones, Score):
            return bones
        found = landmarks(made)
        if found is None:
            return Score.skipped("no hand was found")
        reach = near(bones.max(axis=2) > 127, scaled(beside, made))
        height, width = reach.shape
        inside = ((found >= 0) & (found < [width, height])).all(axis=1)
        places = found[inside].astype(int)
        return Score.of(float(reach[places[:, 1], places[:, 0]].sum() / len(found)), points=found.round(1).tolist())

    return score


def edit_of(view: View) -> tuple[Pixels, NDArray[np.bool_]] | Score:
    """The source and where new pixels were wanted (H, W); or the skipped score that says why there is no edit."""
    made, source, mask = pixels(view), view.brought("source"), view.brought("mask")
    if view.settings.task != "inpaint" or source is None or mask is None:
        return Score.skipped("no inpainting")
    if made.shape != source.shape or mask.shape != source.shape:
        return Score.skipped(f"source {size(source)}, mask {size(mask)}, picture {size(made)}: sizes differ")
    return source, np.asarray(mask.mean(axis=2) > 127.5)


def control_of(view: View, *, colours: bool) -> Pixels | Score:
    """The control picture, of the size of the picture made; or the skipped score that says why there is none to use."""
    control = view.brought("control")
    if view.settings.task != "control" or control is None:
        return Score.skipped("no control picture")
    if coloured(control) != colours:
        found = "skeleton: it has no colours" if colours else "line drawing: it has colours"
        return Score.skipped(f"the control picture is no {found}")
    made = pixels(view)
    if made.shape != control.shape:
        return Score.skipped(f"control {size(control)}, picture {size(made)}: sizes differ")
    return control


def pixels(view: View) -> Pixels:
    """The view's picture (H, W, 3)."""
    return np.ascontiguousarray(view.image.permute(1, 2, 0).numpy())


def coloured(picture: Pixels) -> bool:
    """Whether any pixel's channels differ by more than a trifle: skeletons have colours, line drawings none."""
    return bool(np.max(picture.max(axis=2).astype(int) - picture.min(axis=2)) > GREY)


def canny(picture: Pixels) -> NDArray[np.bool_]:
    """Canny's edges (H, W) of the slightly blurred grey picture."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), BLUR)
    return np.asarray(cv2.Canny(grey, WEAK, STRONG) > 0)


def scaled(distance: int, picture: Pixels) -> int:
    """So many pixels at 128 a side, at the picture's own size; at least one."""
    height, width = picture.shape[:2]
    return max(1, round(distance * max(int(height), int(width)) / 128))


def size(picture: Pixels) -> str:
    """Height and width in words."""
    return f"{picture.shape[0]} x {picture.shape[1]}"
