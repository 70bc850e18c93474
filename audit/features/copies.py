"""Copy detection: the nearest of many known pictures, whether cropped, mirrored, recoloured or a little moved.

Two stages. Coarse descriptors of every known picture and of its crops choose candidates; each candidate is then laid
over the picture, its placing refined, and compared window by window, each channel freed from its own offset and gain.
Source: retrieve and verify, as in copy detection (Douze et al. 2021, ISC); alignment by ECC (Evangelidis & Psarakis
2008); comparison by the structure term of SSIM (Wang et al. 2004), each window weighted by its contrast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from audit.images import resize
from generators.api import Pixels

Floats = NDArray[np.float32]
SIDE = 32  # pixels a side at which pictures are compared
COARSE = 8  # pixels a side of a descriptor
CROPS = (0.9, 0.8)  # shares of a side that descriptors are made of, beside the whole
ZOOMS = (1.0, 1.06, 1.12, 1.18, 1.26)  # of a known picture, one of whose parts the picture may be
CANDIDATES = 12  # known pictures that the picture is laid over
FINALISTS = 4  # of them, whose placing is refined
SOFT = 1.0  # pixels of blur that take out grain
WINDOW = 2.0  # pixels of blur of a window
FARTHEST = 0.25  # by which a refined placing may stretch or turn
PLAIN = 0.5  # standard deviation in grey levels below which a picture has nothing to compare
STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)


@dataclass(frozen=True)
class Match:
    """The known picture that is nearest.

    Attributes:
        place: its row.
        similarity: -1..1; 1 for the picture itself.
        mirrored: whether it had to be.
    """

    place: int
    similarity: float
    mirrored: bool


class Index:
    """Known pictures to look among.

    Args:
        pictures: (n, SIDE, SIDE, 3) uint8.
    """

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def descriptors(self) -> Floats:
        """(n, crops, d): of each picture and its crops, of length 1."""
        return np.stack([[descriptor(part) for part in parts(picture)] for picture in self.pictures])

    def nearest(self, picture: Pixels, *, without: int | None = None) -> Match | None:
        """The known picture nearest to one of any size, `without` one row; None for one that shows nothing.

        Ties go to the first.
        """
        shown = small(picture)
        if float(shown.std(axis=(0, 1)).max()) < PLAIN:
            return None
        rows = [place for place in self._candidates(shown) if place != without]
        laid = [(place, laid_over(shown, self.pictures[place])) for place in rows[:CANDIDATES]]
        best = sorted(laid, key=lambda each: -each[1].score)[:FINALISTS]
        found = [Match(place, likeness(shown, fit), fit.mirrored) for place, fit in best]
        return max(found, key=lambda match: match.similarity, default=None)

    def _candidates(self, shown: NDArray[np.uint8]) -> list[int]:
        """One more than are wanted, for the caller may leave one out."""
        both = np.stack([descriptor(shown), descriptor(shown[:, ::-1])], axis=1)
        closeness = (self.descriptors @ both).max(axis=(1, 2))
        order: list[int] = np.argsort(-closeness, kind="stable")[: CANDIDATES + 1].tolist()
        return order


def small(picture: Pixels) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3): squashed, whatever its shape."""
    return np.rint(resize(picture, SIDE, "clean")).astype(np.uint8)


def parts(picture: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The picture, and for each share of CROPS its middle and its four corners."""
    yield picture
    for share in CROPS:
        side = round(share * SIDE)
        rest = SIDE - side
        for top, left in ((rest // 2, rest // 2), (0, 0), (0, rest), (rest, 0), (rest, rest)):
            yield picture[top : top + side, left : left + side]


def descriptor(picture: NDArray[np.uint8]) -> Floats:
    """(3 · COARSE²,), of length 1: CIELAB, each channel about its mean, so that exposure and contrast do not count."""
    coarse = cv2.resize(lab(picture), (COARSE, COARSE), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    centred = coarse - coarse.mean(axis=0)
    return np.asarray(centred.ravel() / max(float(np.linalg.norm(centred)), 1e-9), dtype=np.float32)


@dataclass(frozen=True)
class Fit:
    """How a known picture lies under one that is looked for.

    Attributes:
        score: correlation of the whole, -1..1.
        under: (H, W, 3) float32, the known picture enlarged; left, top: where in it the other's corner lies.
        mirrored: whether the other had to be.
    """

    score: float
    under: Floats
    left: int
    top: int
    mirrored: bool


def laid_over(shown: NDArray[np.uint8], known: NDArray[np.uint8]) -> Fit:
    """The best of all places, enlargements and mirrorings; both pictures (SIDE, SIDE, 3)."""
    zoomed = [_zoomed(known, zoom) for zoom in ZOOMS]
    fits = []
    for mirrored in (False, True):
        turned = lab(shown[:, ::-1] if mirrored else shown)
        for under, seen in zoomed:
            found = cv2.matchTemplate(seen, turned, cv2.TM_CCOEFF_NORMED)
            top, left = divmod(int(found.argmax()), found.shape[1])
            fits.append(Fit(float(found[top, left]), under, left, top, mirrored))
    return max(fits, key=lambda fit: fit.score)


def likeness(shown: NDArray[np.uint8], fit: Fit) -> float:
    """Similarity (-1..1) of a picture (SIDE, SIDE, 3) and the known one under it, once its placing is refined."""
    turned = np.ascontiguousarray(shown[:, ::-1] if fit.mirrored else shown).astype(np.float32)
    placing = _refined(turned, fit.under, np.array([[1, 0, fit.left], [0, 1, fit.top]], np.float32))
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(fit.under, placing, (SIDE, SIDE), flags=how, borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.warpAffine(np.ones(fit.under.shape[:2], np.float32), placing, (SIDE, SIDE), flags=how) > 0.5
    return alike(turned, laid, covered.astype(np.float32))


def alike(one: Floats, other: Floats, weight: Floats) -> float:
    """Correlation of two pictures (H, W, 3) in windows, each weighted by its contrast in both, channel by channel.

    Only pixels of weight 1 count.
    """
    one, other = (cv2.GaussianBlur(each, (0, 0), SOFT) * weight[..., None] for each in (one, other))
    share = cv2.GaussianBlur(weight, (0, 0), WINDOW)[..., None] + 1e-6

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), WINDOW) / share)

    means = mean(one), mean(other)
    covariance = mean(one * other) - means[0] * means[1]
    variances = [np.maximum(mean(each * each) - m * m, 0) for each, m in zip((one, other), means, strict=True)]
    most = float((np.sqrt(variances[0] * variances[1]) * weight[..., None]).sum())
    return float((covariance * weight[..., None]).sum()) / most if most > 1e-3 * weight.sum() else 0.0


def lab(picture: NDArray[np.uint8]) -> Floats:
    """CIELAB (H, W, 3), float32."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture).astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def _zoomed(known: NDArray[np.uint8], zoom: float) -> tuple[Floats, Floats]:
    """The picture enlarged, with a pixel more around it where it is not, and the same in CIELAB."""
    side = round(SIDE * zoom)
    large = cv2.resize(known.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    if side == SIDE:
        large = cv2.copyMakeBorder(large, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return large, np.asarray(cv2.cvtColor(large / 255, cv2.COLOR_RGB2LAB))


def _refined(shown: Floats, known: Floats, placing: Floats) -> Floats:
    """The affine placing that aligns the greys best; the given one where none is found near it."""
    one, other = (
        cv2.GaussianBlur(cv2.cvtColor(each / 255, cv2.COLOR_RGB2GRAY), (0, 0), SOFT) for each in (shown, known)
    )
    try:
        _, found = cv2.findTransformECC(one, other, placing.copy(), cv2.MOTION_AFFINE, STEPS, None, 1)
    except cv2.error:  # the iteration left the picture or met a plain one: the first placing stands
        return placing
    return np.asarray(found) if np.abs(found[:, :2] - np.eye(2)).max() < FARTHEST else placing


def sheet(pictures: NDArray[np.uint8]) -> Pixels:
    """Pictures (n, SIDE, SIDE, 3) on one square sheet, row by row, black behind the last."""
    columns = max(1, int(np.ceil(np.sqrt(len(pictures)))))
    rows = -(-len(pictures) // columns)
    tiles = np.zeros((rows * columns, SIDE, SIDE, 3), np.uint8)
    tiles[: len(pictures)] = pictures
    laid = tiles.reshape(rows, columns, SIDE, SIDE, 3).swapaxes(1, 2)
    return laid.reshape(rows * SIDE, columns * SIDE, 3)


def cut(laid: Pixels, count: int) -> NDArray[np.uint8]:
    """The first so many pictures (count, SIDE, SIDE, 3) of a sheet."""
    rows, columns = laid.shape[0] // SIDE, laid.shape[1] // SIDE
    tiles = laid.reshape(rows, SIDE, columns, SIDE, 3).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)
    return tiles[:count]
