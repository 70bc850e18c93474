"""Smear: what an autoencoder alone loses of text, hands and faces, before any diffusion.

A latent diffusion model draws through its autoencoder's decoder, and what that cannot draw no prompt will bring back:
small letters and small faces first (TokBench, Wu et al. 2025, arXiv 2505.18142). Run a suite with source pictures, such
as `smear`, under `--task img2img --strength 0`: each picture is then its source, encoded and decoded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audit.api import ScoreOne, View, audit
from audit.audits.text import OCR, expected_text, normalised, reading
from audit.features.ocr import rapidocr
from audit.statistics.edits import edits
from audit.types import Json, Score
from generators.api import Pixels

NEAR = 0.1  # of a hand's or face's longer side, that a landmark may move: as strict as PCK is used
READABLE = 0.5  # error rate up to which a source counts as read

Points = NDArray[np.float64]
Find = Callable[[Pixels], Points | None]
"""A picture -> landmarks (n, 2), x and y in pixels, or None where there is nothing to mark."""


@audit(
    "smear.text",
    version=1,
    better="lower",
    unit="edits per expected character",
    source=f"ours, after TokBench (Wu et al. 2025): error rate after the round trip less that of the source; {OCR}",
    tasks=("img2img",),
)
def text() -> ScoreOne:
    """How much worse a sign reads after the autoencoder's round trip; below 0 where it happens to read better.

    Skipped unless strength is 0, and where the source itself cannot be read.
    """
    read = rapidocr()

    def score(view: View) -> Score:
        source = _source(view)
        expected = expected_text(view)
        if isinstance(source, Score):
            return source
        if not expected:
            return Score.skipped("the prompt expects no text")
        before = view.once("ocr.rapidocr of the source", lambda: read(source))
        after = reading(view, "rapidocr", read)
        lost, now = (edits(expected, normalised(each.text)).distance / len(expected) for each in (before, after))
        if lost > READABLE:
            return Score.skipped(f"the source itself reads {before.text!r}, which is too far from {expected!r}")
        lines = [line.json() for line in after.lines]
        return Score.of(now - lost, expected=expected, read=after.text, read_in_source=before.text, lines=lines)

    return score


@audit(
    "smear.hand",
    version=1,
    better="lower",
    unit="share of landmarks",
    source="PCK (Yang & Ramanan 2013) at 0.1 of the hand, of MediaPipe's landmarks (Zhang et al. 2020) in the source",
    headline=False,
    tasks=("img2img",),
)
def hand() -> ScoreOne:
    """Share of a hand's 21 landmarks that the round trip lost: moved by over a tenth of the hand, or no hand found.

    Skipped unless strength is 0, and where no hand is found in the source.
    """
    from audit.features.hands import landmarks

    return _landmarks_lost("hand", landmarks)


@audit(
    "smear.face",
    version=1,
    better="lower",
    unit="share of landmarks",
    source="PCK (Yang & Ramanan 2013) at 0.1 of the face, of MediaPipe's mesh (Kartynnik et al. 2019) in the source",
    headline=False,
    tasks=("img2img",),
)
def face() -> ScoreOne:
    """Share of a face's 468 landmarks that the round trip lost: moved by over a tenth of the face, or no face found.

    Skipped unless strength is 0, and where no face is found in the source.
    """
    from audit.features.faces import face as find

    def mesh(image: Pixels) -> Points | None:
        found = find(image)
        return None if found is None else found.mesh

    return _landmarks_lost("face", mesh)


def _landmarks_lost(name: str, find: Find) -> ScoreOne:
    def score(view: View) -> Score:
        source = _source(view)
        if isinstance(source, Score):
            return source
        before = view.once(f"smear: {name} of the source", lambda: find(source))
        if before is None:
            return Score.skipped(f"no {name} is found in the source")
        after = view.once(f"smear: {name}", lambda: find(_pixels(view)))
        side = float(np.ptp(before, axis=0).max())
        boxes = [_box(before, f"{name} in the source")]
        if after is None:
            return Score.of(1.0, found=False, side=round(side, 1), boxes=boxes)
        moved = np.linalg.norm(after - before, axis=1) / side
        return Score.of(
            float((moved > NEAR).mean()),
            found=True,
            side=round(side, 1),
            mean_shift=round(float(moved.mean()), 4),
            boxes=[*boxes, _box(after, f"{name} after the round trip")],
        )

    return score


def _source(view: View) -> Pixels | Score:
    """The source of a round trip, or the skipped score that says why this picture is none."""
    source = view.brought("source")
    if view.settings.task != "img2img" or source is None:
        return Score.skipped("no source picture that went through the autoencoder")
    if view.settings.strength != 0:
        found = "not set" if view.settings.strength is None else f"{view.settings.strength:g}"
        return Score.skipped(f"strength is {found}; at --strength 0 alone a picture is its source, encoded and decoded")
    made = _pixels(view)
    if made.shape != source.shape:
        sizes = (f"{rows} x {columns}" for rows, columns, _ in (source.shape, made.shape))
        return Score.skipped("source {}, picture {}: sizes differ".format(*sizes))
    return source


def _pixels(view: View) -> Pixels:
    return np.ascontiguousarray(view.image.permute(1, 2, 0).cpu().numpy())


def _box(points: Points, label: str) -> Json:
    (left, top), (right, bottom) = points.min(axis=0).round(1).tolist(), points.max(axis=0).round(1).tolist()
    return {"points": [[left, top], [right, top], [right, bottom], [left, bottom]], "label": label}
