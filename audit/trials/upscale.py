"""Number plates with one wrong letter that the small picture cannot tell from the right one.

A plate is drawn twice from one seed, the second time with a letter exchanged for a look-alike (3 and 8, D and 0), and
the second picture is brought to the first one's block means, exactly. Both have the same small picture to the last
grey level, so LR-consistency cannot tell them apart, and only reading them can. That small picture, interpolated, is a
control of its own: a blur from which nothing wrong must be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from audit.statistics.auroc import auroc
from audit.statistics.rates import wilson
from audit.trial import Case, no_verdict, seeds, trial
from audit.types import Interval, Prompt, Score
from generators.api import Pixels, Settings

SIDE, TIMES = 128, 4
SCALES = ((0.42, "8"), (0.5, "10"), (0.6, "12"))
"""How much of the picture's width a plate spans, and about how many pixels its letters are tall."""
SAMPLES = 8
SWAPS = ("38", "56", "68", "8B", "0D", "EF", "CG", "PR", "17")
ROUNDS = 60  # of bringing block means together while pixels stay within 0..255
PLANTED = "one letter or digit of a number plate exchanged for a look-alike"


@trial(
    "upscale.wrong",
    domain="identical small pictures",
    count=180,
    quick=12,
    planted=f"{PLANTED}, the small picture kept identical; 32 to 128 pixels",
    limits=(
        "The reader's own mistakes count against clean plates, most of all look-alikes such as 0 and D in letters ten "
        "pixels tall. Plates are rendered, of two typefaces in capitals, and the small picture is forced by visible "
        "blotches around the swapped letter, which a network would hide better and a reader may stumble over. With "
        "letters larger than these the small picture itself tells the letters apart, and no swap fits it."
    ),
    goals={"auroc": ">= 0.90"},
    measure=lambda cases, scores: _against_consistency(cases, scores),
)
def swapped(count: int) -> Iterator[Case]:
    """By threes: a true plate, its twin with a swapped letter and the same small picture, that one interpolated."""

    def cases() -> Iterator[Case]:
        for number, seed in enumerate(_swappable("upscale.wrong", count)):
            scale, tall = SCALES[number % len(SCALES)]
            true, small, text, other = plates(seed, scale)
            drawn, pair = _swap(text, seed)
            kinds = {"letter height": tall, "letters": pair}
            twin = projected(other, true, TIMES, seed)
            yield _case(true, small, text, text, {"picture": "true", **kinds}, planted=False)
            yield _case(twin, small, text, drawn, {"picture": "swapped", **kinds}, planted=True)
            yield _case(interpolated(small, SIDE), small, text, text, {"picture": "interpolated"}, planted=False)

    return islice(cases(), count)


@trial(
    "upscale.reread",
    domain="legible small pictures",
    count=80,
    quick=12,
    planted=f"{PLANTED}, where the small picture tells it; 32 to 128 pixels",
    limits=(
        "It is worth what can be read in the small picture: letters of five of its pixels, hardly more than a person "
        "could guess. What the small picture does not tell counts as not borne out, rightly or wrongly invented, so a "
        "true plate does not score 0. It must not be read as a share of errors."
    ),
    goals={},
    verdict=no_verdict,
    measure=lambda cases, scores: _areas(cases, scores),
)
def contradicted(count: int) -> Iterator[Case]:
    """Every other plate is the true one; its twin with a swapped letter follows, its small picture that of the true."""
    for number, seed in enumerate(_swappable("upscale.reread", (count + 1) // 2)):
        true, small, text, other = plates(seed, 0.95)
        yield _case(true, small, text, text, {}, planted=False)
        if 2 * number + 1 < count:
            yield _case(other, small, text, _swap(text, seed)[0], {}, planted=True)


def plates(seed: int, scale: float) -> tuple[Pixels, Pixels, str, Pixels]:
    """A plate, its small picture, its string, and the same plate with one letter swapped; SIDE pixels a side."""
    from generators.downsample import block_mean
    from generators.studio.drawing import draw

    text = _text(seed)
    wish = {"carrier": "number plate", "scale": scale, "text": text}
    true, other = (
        draw("signs", {**wish, "drawn": drawn}, seed=seed, defects={}, size=SIDE, samples=SAMPLES).image
        for drawn in (text, _swap(text, seed)[0])
    )
    return true, block_mean(true, TIMES), text, other


def interpolated(small: Pixels, side: int) -> Pixels:
    """The small picture at `side` pixels by bicubic interpolation."""
    from audit.images import resize

    return np.rint(resize(small.astype(np.float32), side, "clean")).astype(np.uint8)


def projected(picture: Pixels, true: Pixels, times: int, seed: int) -> Pixels:
    """The picture nearest to `picture` whose block means are exactly those of `true`, rounded or not.

    Alternating projections onto the block means and onto 0..255; what rounding leaves is dealt out to pixels by chance.
    """
    from generators.downsample import block_mean, exact_block_mean

    rng = np.random.default_rng(seed)
    wanted, made = exact_block_mean(true, times), picture.astype(np.float64)
    for _ in range(ROUNDS):
        missing = wanted - exact_block_mean(made, times)
        made = np.clip(made + missing.repeat(times, axis=0).repeat(times, axis=1), 0, 255)
    blocks, sums = _blocks(np.rint(made).astype(np.int64), times), _blocks(true.astype(np.int64), times).sum(axis=3)
    while (rest := np.sign(sums - blocks.sum(axis=3))).any():
        _step(blocks, rest, rng)
    small = block_mean(true, times)
    # The declared downsampler rounds at each halving: where that shows, a grey level moves within the block.
    while (off := (block_mean(_picture(blocks, times), times) != small).astype(np.int64)).any():
        _step(blocks, off, rng)
        _step(blocks, -off, rng)
    return _picture(blocks, times)


def _step(blocks: NDArray[np.int64], rest: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Add `rest` (h, w, 3), one of -1, 0, 1, to a pixel by chance of each block, one that has room for it."""
    room = np.where(rest[..., None] > 0, blocks < 255, blocks > 0)
    at = (room * rng.random(blocks.shape)).argmax(axis=3)[..., None]
    np.put_along_axis(blocks, at, np.take_along_axis(blocks, at, axis=3) + rest[..., None], axis=3)


def _blocks(picture: NDArray[np.int64], times: int) -> NDArray[np.int64]:
    """(H, W, 3) -> (h, w, 3, times²)."""
    height, width = picture.shape[0] // times, picture.shape[1] // times
    return picture.reshape(height, times, width, times, 3).transpose(0, 2, 4, 1, 3).reshape(height, width, 3, -1)


def _picture(blocks: NDArray[np.int64], times: int) -> Pixels:
    """The way back."""
    height, width = blocks.shape[:2]
    parts = blocks.reshape(height, width, 3, times, times).transpose(0, 3, 1, 4, 2)
    return parts.reshape(height * times, width * times, 3).astype(np.uint8)


def _case(picture: Pixels, small: Pixels, text: str, drawn: str, groups: Mapping[str, str], *, planted: bool) -> Case:
    return Case(
        pixels=picture,
        planted=planted,
        prompt=Prompt(id=text, text="a number plate", expect={"text": text}, inputs={"source": "small"}),
        truth=drawn,
        groups=groups,
        settings=Settings(task="upscale"),
        inputs={"small": small},
    )


@cache
def _text(seed: int) -> str:
    from generators.studio import words

    return words.number_plate(np.random.default_rng([seed, 0]))


def _swap(text: str, seed: int) -> tuple[str, str]:
    """The string with one letter exchanged, and the pair of letters; ("", "") where none has a look-alike."""
    open_to = [(place, pair) for place, letter in enumerate(text) for pair in SWAPS if letter in pair]
    if not open_to:
        return "", ""
    place, pair = open_to[int(np.random.default_rng([seed, 1]).integers(len(open_to)))]
    return text[:place] + pair.replace(text[place], "") + text[place + 1 :], pair


def _swappable(name: str, count: int) -> Iterator[int]:
    """The first `count` seeds whose plate has a letter to swap."""
    fitting = (seed for seed in seeds(name, 2**16) if _swap(_text(seed), seed)[0])
    for _ in range(count):
        yield next(fitting)


def _against_consistency(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """Of true plates and their twins: AUROCs, and how often a swapped plate reads as it was drawn.

    AUROC of the distance of what was read (0 where nothing is legible), and of LR-PSNR, lower being the worse.
    """
    from audit.audits.upscale import consistency, letters

    twins = [each for each in zip(cases, scores, strict=True) if each[0].groups["picture"] != "interpolated"]
    some = [case for case, _ in twins]
    found = consistency()([case.view() for case in some])
    planted = [(case, score) for case, score in twins if case.planted]
    drawn = sum(letters(score.evidence["read"]) == letters(str(case.truth)) for case, score in planted)
    return {
        "auroc": _area(some, [float(score.evidence.get("distance", 0.0)) for _, score in twins]),
        "auroc_lr_psnr": _area(some, [-float(score.value or 0) for score in found]),
        "swap_read_as_drawn": wilson(drawn, len(planted)),
    }


def _areas(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """AUROC of the share not borne out; pictures in which nothing is legible count as 0."""
    return {"auroc": _area(cases, [float(score.value or 0) for score in scores])}


def _area(cases: Sequence[Case], values: Sequence[float]) -> Interval:
    return auroc(
        [value for case, value in zip(cases, values, strict=True) if case.planted],
        [value for case, value in zip(cases, values, strict=True) if not case.planted],
    )
