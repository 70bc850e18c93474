"""Pictures on their way to and from the disk: the store's WebP against Pillow's PNG, decoding and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit.images import decode, encode_png, encode_webp, resize
from benchmarks.measure import interleaved
from benchmarks.speed.figures import Figure, at_most, faster, must
from generators.api import Pixels, Request

TEXTS = (
    "an open hand with very light skin, red sleeve",
    'a street sign that says "OPEN"',
    "a portrait of a medium-skinned chef",
    "three red balls on a table",
    "a blue cube left of a yellow cone",
    "a close-up of a red brick wall",
)
SIDE, LARGE, INPUT = 128, 512, 299
CLOSE = 0.002  # of 255 grey levels


def measure(quick: bool) -> list[Figure]:
    """Rendered scenes at 128 pixels, and the same at 512; quick: 6 of them instead of 24."""
    small = scenes(6 if quick else 24)
    large = [np.rint(resize(each, LARGE)).astype(np.uint8) for each in small]
    return [*store(small), *store(large), resized(large)]


def scenes(count: int) -> list[Pixels]:
    """Pictures of the studio, every topic in turn."""
    from generators.load import load

    requests = [Request(text=TEXTS[i % len(TEXTS)], seed=i) for i in range(count)]
    made = dict(load(f"studio:?size={SIDE}", device="cpu").generate(requests))
    refused = [each for each in made.values() if not isinstance(each, np.ndarray)]
    must(f"every scene is drawn, but {refused}", not refused)
    return [made[i] for i in range(count)]


def store(pictures: Sequence[Pixels]) -> list[Figure]:
    """Writing, reading and bytes of the store's codec."""
    webp, png = [encode_webp(each) for each in pictures], [encode_png(each) for each in pictures]
    must("the store is lossless", all(np.array_equal(decode(a), b) for a, b in zip(webp, pictures, strict=True)))
    side = f"{pictures[0].shape[0]} px"
    arms = {
        "PNG written": lambda: [encode_png(each) for each in pictures],
        "store written": lambda: [encode_webp(each) for each in pictures],
        "PNG read": lambda: [decode(raw) for raw in png],
        "store read": lambda: [decode(raw) for raw in webp],
    }
    times = per_picture(arms, len(pictures))
    sizes = {"store": sum(map(len, webp)), "PNG": sum(map(len, png))}
    return [
        faster(f"store, {side}: writing against PNG", times, slow="PNG written", fast="store written", goal=10),
        faster(f"store, {side}: reading against PNG", times, slow="PNG read", fast="store read", goal=1.5),
        at_most(f"store, {side}: bytes", sizes["store"] / sizes["PNG"], 1.15, "of PNG's", arms=sizes),
    ]


def resized(pictures: Sequence[Pixels]) -> Figure:
    """From the stored bytes to the network's input, with clean-fid's pixels."""
    from cleanfid.resize import make_resizer

    theirs = make_resizer("PIL", False, "bicubic", (INPUT, INPUT))
    webp = [encode_webp(each) for each in pictures]
    worst = max(
        float(np.abs(resize(decode(raw), INPUT) - theirs(each)).max()) for raw, each in zip(webp, pictures, strict=True)
    )
    must(f"pixels differ from clean-fid's by {worst:.2g} of 255", worst <= CLOSE)
    arms = {
        "decode": lambda: [decode(raw) for raw in webp],
        "resize": lambda: [resize(each, INPUT) for each in pictures],
        "both": lambda: [resize(decode(raw), INPUT) for raw in webp],
        "clean-fid's resize": lambda: [theirs(each) for each in pictures],
    }
    times = per_picture(arms, len(pictures))
    told = f"decode {1e3 * times['decode']['cpu']:.1f} ms, resize {1e3 * times['resize']['cpu']:.1f} ms"
    return at_most(
        f"decode and resize, {LARGE} px to {INPUT}", 1e3 * times["both"]["cpu"], 3.0, "ms", arms=times, note=told
    )


def per_picture(arms: Any, count: int) -> dict[str, dict[str, float]]:
    """Median seconds a picture."""
    found = interleaved(arms)
    return {arm: {clock: value / count for clock, value in each.items()} for arm, each in found.items()}
