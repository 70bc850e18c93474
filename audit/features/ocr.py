"""Reading the text in a picture: rapidocr (PaddleOCR PP-OCRv6, its models travel in the wheel), EasyOCR beside it.

Small pictures are enlarged first, since the detectors were trained on letters tens of pixels high. Neither engine is
allowed to download anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

import numpy as np

from audit.images import resize
from audit.types import Json
from audit.weights import MissingWeightsError, require
from generators.api import Pixels

SHORT_SIDE = 320
"""Pictures whose shorter side is smaller are enlarged to it by the "clean" filter."""

LONGEST_SIDE = 2000
"""No picture is enlarged beyond it, whatever its shape."""

MIN_CONFIDENCE = 0.5
"""Lines below it are evidence, but do not count as read; rapidocr's own default."""

Box = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Line:
    """One line of text; box: its four corners (x, y) in the picture's own pixels; confidence 0..1."""

    text: str
    confidence: float
    box: Box

    def json(self) -> Json:
        """As evidence."""
        corners = [[round(x, 1), round(y, 1)] for x, y in self.box]
        return {"text": self.text, "confidence": round(self.confidence, 3), "box": corners}


@dataclass(frozen=True)
class Reading:
    """What an engine read, in reading order; `unsure` are the lines below MIN_CONFIDENCE."""

    engine: str
    lines: tuple[Line, ...]
    unsure: tuple[Line, ...]

    @property
    def text(self) -> str:
        """All lines, joined by spaces."""
        return " ".join(line.text for line in self.lines)


Read = Callable[[Pixels], Reading]


@cache
def rapidocr() -> Read:
    """The reader that needs nothing but installed packages."""
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.text_score": 0.0,
            "Global.use_cls": False,
            # One thread: more of them spin while they wait, and cost more than twice the processor time.
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "Det.model_path": str(require("rapidocr-detection")),
            "Det.limit_side_len": SHORT_SIDE,
            "Det.limit_type": "min",
            "Rec.model_path": str(require("rapidocr-recognition")),
        }
    )

    def lines(pixels: Pixels) -> list[tuple[Any, str, float]]:
        found = engine(np.ascontiguousarray(pixels[:, :, ::-1]))
        if found.boxes is None or found.txts is None:
            return []
        return list(zip(found.boxes, found.txts, found.scores, strict=True))

    return _reader("rapidocr", lines)


@cache
def easyocr() -> Read | None:
    """The second reader where its weights are on disk, else None."""
    try:
        folder = require("easyocr-craft").parent
        require("easyocr-english")
    except MissingWeightsError:
        return None
    import torch
    from easyocr import Reader

    engine = Reader(
        ["en"],
        gpu=torch.cuda.is_available(),
        download_enabled=False,
        verbose=False,
        model_storage_directory=str(folder),
    )
    return _reader("easyocr", engine.readtext)


def in_order(lines: Sequence[Line]) -> list[Line]:
    """Top to bottom, left to right: lines whose middles lie within half a median line's height share a row."""
    if not lines:
        return []
    reach = median(_height(line) for line in lines) / 2
    rows: list[list[Line]] = []
    for line in sorted(lines, key=_middle):
        if rows and _middle(line) - _middle(rows[-1][0]) <= reach:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda each: min(x for x, _ in each.box))]


def _reader(name: str, lines: Callable[[Pixels], Sequence[tuple[Any, str, float]]]) -> Read:
    def read(pixels: Pixels) -> Reading:
        shorter = min(pixels.shape[:2])
        scale = max(1.0, min(SHORT_SIDE / shorter, LONGEST_SIDE / max(pixels.shape[:2])))
        height, width = (round(side * scale) for side in pixels.shape[:2])
        large = pixels if scale == 1 else np.rint(resize(pixels, (height, width), "clean")).astype(np.uint8)
        found = [
            Line(str(text), float(confidence), tuple((float(x) / scale, float(y) / scale) for x, y in box))
            for box, text, confidence in lines(large)
        ]
        ordered = in_order(found)
        return Reading(
            name,
            tuple(line for line in ordered if line.confidence >= MIN_CONFIDENCE),
            tuple(line for line in ordered if line.confidence < MIN_CONFIDENCE),
        )

    return read


def _middle(line: Line) -> float:
    return sum(y for _, y in line.box) / len(line.box)


def _height(line: Line) -> float:
    heights = [y for _, y in line.box]
    return max(heights) - min(heights)
