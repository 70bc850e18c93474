"""Digits of a hand, counted by their parts: where each finger begins, runs and ends, never by a five-finger template.

A network draws four maps over an upright crop of the hand (raised fingertips, folded fingertips, finger bases, the
lines between bases and tips) and reads the number of digits from these maps alone, so that what a hand usually looks
like cannot answer for what this one shows. It is trained on rendered hands of 3 to 7 digits, `audit/train/digits.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from audit.features.hands import landmarks
from audit.weights import require
from generators.api import Pixels

SIDE = 128  # pixels of the crop
MAPS = ("raised tips", "folded tips", "bases", "lines")
COUNTS = (3, 4, 5, 6, 7)
SPAN = 2.8  # sides of a crop in palms (wrist to the knuckle of the middle finger)
RISE = 0.85  # palms from the wrist to the crop's middle
SPREAD = 1.1  # standard deviation of a part's bump, in cells of the maps
BUMP = 2 * np.pi * SPREAD**2  # what a bump of height 1 sums to
PEAK = 0.35  # least height of a part
CONFIG, WEIGHTS = "config.json", "digits.safetensors"


class Block(nn.Module):
    """Two convolutions with a way around them; (B, inside, h, w) -> (B, outside, h, w)."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, padding=1)
        self.second = nn.Conv2d(outside, outside, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(8, outside), nn.GroupNorm(8, outside)])
        self.around = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        inner = F.silu(self.norms[0](self.first(x)))
        return F.silu(self.norms[1](self.second(inner)) + self.around(x))


class DigitNet(nn.Module):
    """Crop -> part maps -> number of digits.

    A U-Net (Ronneberger et al. 2015) over 4 x 4 patches, with heatmaps as in Simon et al. 2017; a small network counts
    from the maps.
    """

    def __init__(self, channels: tuple[int, ...] = (40, 80, 112), reader: tuple[int, ...] = (24, 48, 96)) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3 * 16, channels[0], 3, padding=1)
        self.down = nn.ModuleList([Block(channels[max(0, level - 1)], width) for level, width in enumerate(channels)])
        self.up = nn.ModuleList(
            [
                Block(channels[level] + channels[level - 1], channels[level - 1])
                for level in range(len(channels) - 1, 0, -1)
            ]
        )
        self.leave = nn.Conv2d(channels[0], 4 * len(MAPS), 1)
        widths = (len(MAPS), *reader)
        self.read = nn.ModuleList([Halving(a, b) for a, b in pairwise(widths)])
        self.tell = nn.Sequential(nn.Linear(reader[-1] * 16 + len(MAPS), 96), nn.SiLU(), nn.Linear(96, len(COUNTS)))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 128, 128) in 0..1 -> logits of the maps (B, 4, 64, 64), logits of the counts (B, 5)."""
        x = self.enter(F.pixel_unshuffle(crops * 2 - 1, 4))
        kept = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.avg_pool2d(x, 2))
            kept.append(x)
        for block, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), beside], dim=1))
        maps = F.pixel_shuffle(self.leave(x), 2)
        return maps, self.counted(torch.sigmoid(maps))

    def counted(self, maps: Tensor) -> Tensor:
        """Part maps (B, 4, 64, 64) in 0..1 -> logits of the counts (B, 5)."""
        amounts = (
            maps.sum(dim=(2, 3)) / BUMP
        )  # what a map holds, in parts: density counting (Lempitsky & Zisserman 2010)
        for block in self.read:
            maps = block(maps)
        told: Tensor = self.tell(torch.cat([F.adaptive_avg_pool2d(maps, 4).flatten(1), amounts], dim=1))
        return told


class Halving(nn.Module):
    """A convolution and a halving; (B, inside, h, w) -> (B, outside, h/2, w/2)."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm = nn.GroupNorm(8, outside)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return F.max_pool2d(F.silu(self.norm(self.conv(x))), 2)


@dataclass(frozen=True)
class Digits:
    """What was seen of a hand.

    Attributes:
        posterior: probability of each of `COUNTS`.
        raised: number of raised fingertips.
        tips, folded, bases: (n, 2) x, y in pixels of the picture.
    """

    posterior: dict[int, float]
    raised: int
    tips: NDArray[np.float64]
    folded: NDArray[np.float64]
    bases: NDArray[np.float64]

    @property
    def count(self) -> int:
        """The likeliest number of digits."""
        return max(self.posterior, key=lambda digits: self.posterior[digits])

    @property
    def sure(self) -> float:
        """Its probability."""
        return self.posterior[self.count]


class DigitCounter:
    """The trained network with what it takes to use it.

    low, high: a hand has another number of digits than expected where that number's probability is at most `low`, and
    has it where it is at least `high`; in between the counter abstains.
    """

    def __init__(self, network: DigitNet, low: float, high: float) -> None:
        self.network = network.eval()
        self.low, self.high = low, high

    def has(self, seen: Digits, expected: int) -> bool | None:
        """Whether a hand has the expected number of digits; None where the counter abstains."""
        share = seen.posterior.get(expected, 0.0)
        return True if share >= self.high else False if share <= self.low else None

    @classmethod
    def load(cls, folder: Path) -> DigitCounter:
        """From a folder with `config.json` and `digits.safetensors`."""
        from safetensors.torch import load_file

        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        network = DigitNet(tuple(config["channels"]), tuple(config["reader"]))
        network.load_state_dict({name: each.float() for name, each in load_file(folder / WEIGHTS).items()})
        return cls(network, float(config["low"]), float(config["high"]))

    def __call__(self, picture: Pixels) -> Digits | None:
        """The digits of the hand in a picture (H, W, 3); None where no hand is found."""
        points = landmarks(picture)
        return None if points is None else self.of_hand(picture, points)

    @torch.no_grad()
    def of_hand(self, picture: Pixels, points: NDArray[np.float64]) -> Digits:
        """The digits of the hand whose 21 landmarks (21, 2) are given."""
        placed = placement(points[0], points[9])
        crop = cropped(picture, placed)
        both = np.stack([crop, crop[:, ::-1]])
        maps, logits = self.network(torch.from_numpy(both.transpose(0, 3, 1, 2).copy()).float() / 255)
        drawn = torch.sigmoid(maps)
        mean = (drawn[0] + drawn[1].flip(-1)).numpy() / 2
        shares = torch.softmax(logits, dim=1).mean(dim=0).tolist()
        back = cv2.invertAffineTransform(placed)
        tips, folded, bases = (_to_picture(peaks(each), back) for each in mean[:3])
        return Digits(dict(zip(COUNTS, shares, strict=True)), len(tips), tips, folded, bases)


@cache
def counter() -> DigitCounter:
    """The shipped counter, loaded once a process."""
    return DigitCounter.load(require("digits").parent)


def placement(wrist: NDArray[np.floating], knuckle: NDArray[np.floating]) -> NDArray[np.float64]:
    """The affine (2, 3) from picture pixels to an upright crop: the wrist below, the middle finger's base above."""
    along = np.asarray(knuckle, np.float64) - wrist
    palm = max(float(np.hypot(*along)), 1e-6)
    middle = wrist + RISE * along
    scale = SIDE / (SPAN * palm)
    turn = np.arctan2(along[0], -along[1])
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    matrix[:, 2] = SIDE / 2 - matrix[:, :2] @ middle
    return matrix


def cropped(picture: Pixels, placed: NDArray[np.float64]) -> Pixels:
    """The crop (128, 128, 3); large pictures are blurred first, so that nothing aliases."""
    scale = float(np.sqrt(abs(np.linalg.det(placed[:, :2]))))
    if scale < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
    crop: Pixels = cv2.warpAffine(
        picture, placed, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return crop


def peaks(drawn: NDArray[np.float32], least: float = PEAK) -> NDArray[np.float64]:
    """Local maxima of a map (h, w) above `least`, (n, 2) x, y in pixels of the crop, the highest first."""
    top = cv2.dilate(drawn, np.ones((5, 5), np.uint8))
    rows, columns = np.nonzero((drawn >= top) & (drawn > least))
    order = np.argsort(-drawn[rows, columns])
    found: list[tuple[float, float]] = []
    for x, y in zip(columns[order].tolist(), rows[order].tolist(), strict=True):
        if all(np.hypot(x - a, y - b) > 2 for a, b in found):  # a plateau has one middle
            found.append((x, y))
    places = np.array(found, np.float64).reshape(-1, 2)
    return np.asarray((places + 0.5) * (SIDE / drawn.shape[0]), np.float64)


def _to_picture(points: NDArray[np.float64], back: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points @ back[:, :2].T + back[:, 2], np.float64)
