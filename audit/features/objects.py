"""Objects on a table, and their images in a mirror: where each stands, its shape, its colour, which pixels are its own.

A small U-Net (Ronneberger et al. 2015) marks the middle of every object, and each of an object's pixels points to that
middle (Cheng et al. 2020, Panoptic-DeepLab), to where the object meets the table and to its top. It is trained on
rendered tabletop scenes of six solids in eleven colours (`audit/train/objects.py`) and knows nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from audit.api import View
from audit.weights import require
from generators.api import Pixels

SHAPES = ("cube", "ball", "cylinder", "cone", "pyramid", "ring")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "grey", "black")
SIDE, GRID = 128, 64  # pixels of the network's picture; cells of its maps
BACKGROUND, OBJECT, MIRROR, REFLECTION = range(4)
REACH = 16.0  # pixels that an offset of 1 stands for
PEAK = 0.3  # least height of a middle
PARTS = {
    "kinds": 4,
    "middles": 2,
    "offsets": 6,
    "shapes": len(SHAPES),
    "colours": len(COLOURS),
    "shadow": 1,
}
"""Maps of the network: channels by name. offsets: x, y to the middle, the foot and the top; shadow: on the table."""
CONFIG, WEIGHTS = "config.json", "objects.safetensors"


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


class ObjectNet(nn.Module):
    """Picture -> maps of what is where, as `PARTS` lists them."""

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64, 96)) -> None:
        super().__init__()
        self.enter = nn.Conv2d(12, channels[0], 3, padding=1)
        self.down = nn.ModuleList([Block(channels[max(0, k - 1)], width) for k, width in enumerate(channels)])
        self.up = nn.ModuleList(
            [Block(channels[k] + channels[k - 1], channels[k - 1]) for k in range(len(channels) - 1, 0, -1)]
        )
        self.leave = nn.Conv2d(channels[0], sum(PARTS.values()), 1)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """(B, 3, 128, 128) in 0..1 -> maps (B, channels, 64, 64) by name."""
        x = self.enter(F.pixel_unshuffle(pictures * 2 - 1, 2))
        kept = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.avg_pool2d(x, 2))
            kept.append(x)
        for block, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), beside], dim=1))
        return dict(zip(PARTS, torch.split(self.leave(x), list(PARTS.values()), dim=1), strict=True))


@dataclass(frozen=True)
class Found:
    """An object, or its image in a mirror.

    Attributes:
        shape, colour: with `shape_share` and `colour_share`, the network's probabilities for them.
        middle, foot, top: x, y in pixels of the picture; the foot is the middle of the base.
        box: left, top, right, bottom of what is seen of it, in pixels of the picture.
        cells: (64, 64) bool, the cells of the network's picture that are its own.
    """

    shape: str
    colour: str
    shape_share: float
    colour_share: float
    middle: tuple[float, float]
    foot: tuple[float, float]
    top: tuple[float, float]
    box: tuple[float, float, float, float]
    cells: NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """What was found in a picture.

    Attributes:
        objects, reflections: the nearest to the lower edge first.
        kinds: (64, 64) uint8: BACKGROUND, OBJECT, MIRROR or REFLECTION.
        presence: (64, 64) float32 in 0..1: how likely a cell shows an object.
        shadow: (64, 64) float32 in 0..1: how likely a cell of the table lies in shadow.
        scale, shift: pixels of the picture = pixels of the network's picture * scale - shift (x, y).
    """

    objects: tuple[Found, ...]
    reflections: tuple[Found, ...]
    kinds: NDArray[np.uint8]
    presence: NDArray[np.float32]
    shadow: NDArray[np.float32]
    scale: float
    shift: tuple[float, float]


class ObjectFinder:
    """The trained network with what it takes to use it."""

    def __init__(self, network: ObjectNet) -> None:
        self.network = network.eval().to(memory_format=torch.channels_last)

    @classmethod
    def load(cls, folder: Path) -> ObjectFinder:
        """From a folder with `config.json` and `objects.safetensors`."""
        from safetensors.torch import load_file

        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        network = ObjectNet(tuple(config["channels"]))
        network.load_state_dict({name: each.float() for name, each in load_file(folder / WEIGHTS).items()})
        return cls(network)

    def __call__(self, picture: Pixels) -> Table:
        """What stands on the table in a picture (H, W, 3); the mean of it and its mirror image is taken."""
        square, scale, shift = squared(picture)
        both = np.stack([square, square[:, ::-1]]).transpose(0, 3, 1, 2)
        with torch.no_grad():
            maps = self.network(torch.from_numpy(both.copy()).float() / 255)
        return read(_merged(maps), scale, shift)


@cache
def finder() -> ObjectFinder:
    """The shipped finder, loaded once a process."""
    return ObjectFinder.load(require("objects").parent)


def seen(view: View, find: ObjectFinder) -> Table:
    """What stands on the table in a view's picture, found once whoever asks."""

    return view.once("objects on a table", lambda: find(np.ascontiguousarray(view.image.permute(1, 2, 0).numpy())))


def squared(picture: Pixels) -> tuple[Pixels, float, tuple[float, float]]:
    """A picture as the network takes it (128, 128, 3), edges continued; with `Table`'s scale and shift."""
    height, width = picture.shape[:2]
    longest = max(height, width)
    left, above = (longest - width) // 2, (longest - height) // 2
    padded = cv2.copyMakeBorder(
        picture, above, longest - height - above, left, longest - width - left, cv2.BORDER_REPLICATE
    )
    how = cv2.INTER_AREA if longest > SIDE else cv2.INTER_CUBIC
    square = padded if longest == SIDE else cv2.resize(padded, (SIDE, SIDE), interpolation=how)
    return square, longest / SIDE, (float(left), float(above))


def _merged(maps: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Mean of the maps of a picture and of its mirror image, with probabilities for logits."""
    merged = {}
    for name, each in maps.items():
        if name in ("kinds", "shapes", "colours"):
            each = torch.softmax(each, dim=1)
        elif name in ("middles", "shadow"):
            each = torch.sigmoid(each)
        back = each[1].flip(-1)
        if name == "offsets":
            back = back * torch.tensor([-1.0, 1.0] * 3)[:, None, None]
        merged[name] = ((each[0] + back) / 2).numpy()
    return merged


def read(maps: dict[str, NDArray[np.float32]], scale: float, shift: tuple[float, float]) -> Table:
    """Objects and reflections out of maps (channels, 64, 64): kinds, middles, shapes and colours as probabilities."""
    kinds = maps["kinds"].argmax(axis=0).astype(np.uint8)
    found = [
        tuple(_things(maps, kinds == kind, maps["middles"][channel], scale, shift))
        for channel, kind in enumerate((OBJECT, REFLECTION))
    ]
    return Table(found[0], found[1], kinds, maps["kinds"][OBJECT], maps["shadow"][0], scale, shift)


def _things(
    maps: dict[str, NDArray[np.float32]],
    mine: NDArray[np.bool_],
    middles: NDArray[np.float32],
    scale: float,
    shift: tuple[float, float],
) -> list[Found]:
    tops = peaks(middles)
    rows, columns = np.nonzero(mine)
    if not len(tops) or not len(rows):
        return []
    places = np.stack([columns, rows], axis=1) * 2.0 + 1  # the middle of a cell, in pixels of the network's picture
    offsets = maps["offsets"][:, rows, columns].T.reshape(-1, 3, 2) * REACH
    votes = places[:, None] + offsets
    far = np.linalg.norm(votes[:, 0, None] - tops[None], axis=2)
    owner = far.argmin(axis=1)
    things = []
    for index in range(len(tops)):
        own = owner == index
        if own.sum() < 3:
            continue
        middle, foot, top = (np.median(votes[own, k], axis=0) * scale - shift for k in range(3))
        cells = np.zeros_like(mine)
        cells[rows[own], columns[own]] = True
        shapes = maps["shapes"][:, cells].mean(axis=1)
        colours = maps["colours"][:, cells].mean(axis=1)
        low, high = (places[own].min(axis=0) - 1) * scale - shift, (places[own].max(axis=0) + 1) * scale - shift
        things.append(
            Found(
                SHAPES[int(shapes.argmax())],
                COLOURS[int(colours.argmax())],
                float(shapes.max()),
                float(colours.max()),
                _pair(middle),
                _pair(foot),
                _pair(top),
                (*_pair(low), *_pair(high)),
                cells,
            )
        )
    return sorted(things, key=lambda each: (-each.foot[1], each.foot[0]))


def peaks(drawn: NDArray[np.float32], least: float = PEAK) -> NDArray[np.float64]:
    """Local maxima of a map (64, 64) above `least`, (n, 2) x, y in pixels of the network's picture, highest first."""
    top = cv2.dilate(drawn, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((drawn >= top) & (drawn > least))
    order = np.argsort(-drawn[rows, columns], kind="stable")
    found: list[tuple[float, float]] = []
    for x, y in zip(columns[order].tolist(), rows[order].tolist(), strict=True):
        if all(np.hypot(x - a, y - b) > 2 for a, b in found):  # a plateau has one middle
            found.append((x, y))
    return np.array(found, np.float64).reshape(-1, 2) * 2 + 1


def _pair(point: NDArray[np.floating]) -> tuple[float, float]:
    return (round(float(point[0]), 2), round(float(point[1]), 2))
