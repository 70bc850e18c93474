"""The built-in suite `smear`: the same signs, hands and portraits at three sizes, for the autoencoder's round trip.

    python -m generators.studio.smear_suite --out audit/suites/builtin

A scene is rendered at its size and set into the middle of a plain picture, so that nothing but its size changes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from generators.api import Pixels
from generators.studio.drawing import Drawn, draw

SIDE = 128
SIDES: Mapping[str, int] = {"large": 128, "middle": 84, "small": 56}
"""Size -> side in pixels of the scene in the picture."""
SAMPLES = 64  # quieter pictures are smaller files
SCENES: Mapping[str, tuple[int, ...]] = {"signs": (44, 46, 47, 49), "hands": (42, 43), "portraits": (42, 46)}
"""Family -> seeds of scenes in which, at every size, readers find what is there."""
TOLD: Mapping[str, tuple[str, ...]] = {
    "signs": ("text",),
    "hands": ("digits", "raised", "tone_word", "side"),
    "portraits": ("occupation", "presentation", "tone_word"),
}


def shown(family: str, seed: int, side: int, samples: int = 8) -> Drawn:
    """An honest scene of `side` pixels, in a plain picture of SIDE pixels."""
    scene = draw(family, {}, seed=seed, defects={}, size=side, samples=samples)
    return replace(scene, image=framed(scene.image))


def framed(image: Pixels) -> Pixels:
    """The picture in the middle of a plain one of SIDE pixels, in the mean colour of its edge."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    whole = np.empty((SIDE, SIDE, 3), np.uint8)
    whole[:] = np.rint(edge.mean(axis=0))
    top = (SIDE - len(image)) // 2
    whole[top : top + len(image), top : top + len(image)] = image
    return whole


def write(out: Path) -> None:
    """The suite as JSON lines, its pictures as PNG beside it."""
    pictures = out / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for size, side in SIDES.items():
        for family, seeds in SCENES.items():
            for seed in seeds:
                name = f"smear-{len(lines) + 1:02d}"
                scene = shown(family, seed, side, SAMPLES)
                file = f"pictures/{name}-source.png"
                Image.fromarray(scene.image).save(out / file, optimize=True)
                row: dict[str, Any] = {
                    "id": name,
                    "text": scene.caption,
                    "tags": [family, size],
                    "expect": {key: scene.drawn[key] for key in TOLD[family]},
                    "inputs": {"source": file},
                }
                lines.append(json.dumps(row) + "\n")
    (out / "smear.jsonl").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
