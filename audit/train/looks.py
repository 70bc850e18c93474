"""Teaches the linear reader of `audit/features/looks.py` on rendered portraits.

    python -m audit.train.looks --out generators/weights/face_looks --scenes 1800

Ridge regression from a patch of the aligned face, and its mirror image, to the words of its rendered presentation and
age. Monk tones and ages take turns, so that no word goes with a tone. Ten minutes, nearly all of them rendering.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audit.features.faces import face
from audit.features.looks import PATCHES, WORDS, patch
from generators.api import Pixels
from generators.studio.portraits_table import AGES
from generators.studio.scene import Attributes

FIRST_SEED = 900_000
RIDGE = 0.01  # of the mean squared length of a patch
FOLDS = 10

Floats = NDArray[np.float64]


def portraits(count: int) -> Iterator[tuple[Pixels, Attributes]]:
    """Pictures of 128 pixels a side and what they show."""
    from generators.studio.drawing import draw

    for index in range(count):
        wish = {"tone": 1 + index % 10, "age": AGES[index // 10 % len(AGES)]}
        drawn = draw("portraits", wish, seed=FIRST_SEED + index, defects={}, size=128)
        yield drawn.image, drawn.drawn


def ridge(rows: Floats, targets: Floats) -> tuple[Floats, Floats]:
    """Weights (d, k) and bias (k,) of rows (n, d) -> targets (n, k), by the n x n system as n < d."""
    middle, level = rows.mean(axis=0), targets.mean(axis=0)
    centred = rows - middle
    inner = centred @ centred.T
    dual = np.linalg.solve(inner + RIDGE * np.trace(inner) / len(rows) * np.eye(len(rows)), targets - level)
    weight: Floats = centred.T @ dual
    return weight, level - middle @ weight


def mirrored(rows: Floats, kind: str) -> Floats:
    """Patches (n, d) of that kind as the faces' mirror images would give them."""
    down, across = (part.stop - part.start for part in PATCHES[kind])
    turned: Floats = rows.reshape(len(rows), down, across, 3)[:, :, ::-1].reshape(rows.shape)
    return turned


def taught(rows: Floats, targets: Floats, kind: str) -> tuple[Floats, Floats]:
    """`ridge` of the patches and their mirror images."""
    return ridge(np.concatenate([rows, mirrored(rows, kind)]), np.concatenate([targets, targets]))


def held_out_accuracy(rows: Floats, targets: Floats, kind: str) -> float:
    """Share right of rows that the reader was not taught on, by FOLDS-fold cross-validation."""
    fold = np.arange(len(rows)) // 30 % FOLDS
    right = 0
    for each in range(FOLDS):
        weight, bias = taught(rows[fold != each], targets[fold != each], kind)
        said = (rows[fold == each] @ weight + bias).argmax(axis=1)
        right += int((said == targets[fold == each].argmax(axis=1)).sum())
    return right / len(rows)


def teach(scenes: Iterator[tuple[Pixels, Attributes]], out: Path) -> dict[str, float]:
    """Write the reader's weights and how it was taught; kind -> held-out accuracy."""
    from safetensors.numpy import save_file

    seen = [(image, found, shown) for image, shown in scenes if (found := face(image)) is not None]
    stored: dict[str, NDArray[np.float32]] = {}
    accuracy: dict[str, float] = {}
    for kind, words in WORDS.items():
        rows = np.array([patch(image, found, kind) for image, found, _ in seen])
        targets = np.array([[float(shown[kind] == word) for word in words] for _, _, shown in seen])
        accuracy[kind] = round(held_out_accuracy(rows, targets, kind), 4)
        weight, bias = taught(rows, targets, kind)
        stored |= {f"{kind}.weight": weight.astype(np.float32), f"{kind}.bias": bias.astype(np.float32)}
    out.mkdir(parents=True, exist_ok=True)
    save_file(stored, out / "face_looks.safetensors")
    told = {"portraits": len(seen), "first_seed": FIRST_SEED, "ridge": RIDGE, "held_out_accuracy": accuracy}
    (out / "training.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return accuracy


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights")
    parser.add_argument("--scenes", type=int, default=1800, help="portraits to render")
    given = parser.parse_args()
    print(teach(portraits(given.scenes), given.out))


if __name__ == "__main__":
    main()
