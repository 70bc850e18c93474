"""Scenes for the digit counter: rendered hands of 3 to 7 digits with where each digit begins and ends, and clutter.

    python -m audit.train.digit_scenes --out DIR --hands 10000 --backgrounds 1500 --workers 2

Hands come cut out (their mask beside them), so that any background can be put behind them. An interrupted build goes on
where it stopped. Seeds lie in ranges of their own: no scene of a data set or of a calibration is among them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from generators.studio.drawing import Drawn, draw, stream

SIZE = 128
SHARD = 250
MOST = 7
HANDS_FROM, BACKGROUNDS_FROM = 3_000_000_000, 4_000_000_000
DIGIT_SHARES = {3: 0.12, 4: 0.2, 5: 0.36, 6: 0.2, 7: 0.12}
CLUTTER = ("tabletop", "signs", "textures", "portraits")


def hand(seed: int) -> Drawn:
    """A hand whose number of digits is drawn from `DIGIT_SHARES`."""
    digits = int(stream(seed, "digits").choice(list(DIGIT_SHARES), p=list(DIGIT_SHARES.values())))
    return draw("hands", {"digits": digits}, seed=seed, defects={}, size=SIZE)


def hand_row(seed: int) -> dict[str, Any]:
    """A hand as arrays.

    image (128, 128, 3) uint8; mask (128, 128) uint8, 255 = hand or sleeve; tips and bases (7, 3): x, y in pixels and 1
    where it is seen, -1 beyond the last digit; wrist (2,); up (7,): 1 = raised; digits, tone; planting, what was done.
    """
    drawn = hand(seed)
    facts, rendered = drawn.drawn, drawn.rendered
    wall = 1 + rendered.names.index("wall")
    tips, bases = (padded(rendered.points[name]) for name in ("fingertips", "bases"))
    up = np.zeros(MOST, np.uint8)
    up[list(facts["tips_raised"])] = 1
    return {
        "image": drawn.image,
        "mask": ((rendered.ids != wall) & (rendered.ids != 0)).astype(np.uint8) * np.uint8(255),
        "tips": tips,
        "bases": bases,
        "wrist": rendered.points["wrist"][0, :2],
        "up": up,
        "digits": facts["digits"],
        "tone": facts["tone"],
        "planting": facts["planting"],
    }


def background_row(seed: int) -> dict[str, Any]:
    """Any other scene; what is in it does not matter."""
    name = CLUTTER[seed % len(CLUTTER)]
    return {"image": draw(name, {}, seed=seed, defects={}, size=SIZE, samples=8).image}


def padded(points: np.ndarray) -> np.ndarray:
    """(n, 3) -> (7, 3), float32, rows of -1 behind."""
    rows = np.full((MOST, 3), -1, np.float32)
    rows[: len(points)] = points
    return rows


def build(kind: str, out: Path, *, count: int, workers: int) -> None:
    """Draw every shard of `kind` ("hands" or "backgrounds") that is not there yet."""
    todo = [
        (out / f"{kind}-{start // SHARD:03d}.npz", range(first + start, first + min(start + SHARD, count)))
        for first in (HANDS_FROM if kind == "hands" else BACKGROUNDS_FROM,)
        for start in range(0, count, SHARD)
    ]
    missing = [(path, seeds) for path, seeds in todo if not path.exists()]
    out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) as pool:
        for path in pool.map(partial(_shard, kind), *zip(*missing, strict=True)) if missing else ():
            print(path, flush=True)


def read(folder: Path, kind: str) -> dict[str, np.ndarray]:
    """Every scene of `kind`, columns as arrays."""
    shards = [np.load(path) for path in sorted(folder.glob(f"{kind}-*.npz"))]
    if not shards:
        raise FileNotFoundError(
            f"{folder}: no {kind}-*.npz; make them: python -m audit.train.digit_scenes --out {folder}"
        )
    return {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0].files}


def _shard(kind: str, path: Path, seeds: Sequence[int]) -> Path:
    rows = [(hand_row if kind == "hands" else background_row)(seed) for seed in seeds]
    aside = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    columns: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    np.savez_compressed(aside, **columns)
    aside.rename(path)
    return path


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hands", type=int, default=10_000)
    parser.add_argument("--backgrounds", type=int, default=1_500)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    for kind, count in (("backgrounds", chosen.backgrounds), ("hands", chosen.hands)):
        build(kind, chosen.out, count=count, workers=chosen.workers)


if __name__ == "__main__":
    main()
