"""Ship a trained model: copy its folder, draw its sample sheet and loss curve, record its training facts.

    python -m generators.train.card --data DIR --model DIR/ldm/folder --out generators/weights/ldm

The words of the model card (README.md beside them) are a person's, written after looking at the sheet.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generators import builtin
from generators.api import Request, Settings
from generators.train.data import Scenes, read_scenes

COLUMNS, ROWS, ZOOM = 12, 8, 2


def chosen_rows(scenes: Scenes) -> list[int]:
    """COLUMNS * ROWS held-out scenes: of each family in turn, its first ones."""
    families = sorted(set(scenes.families))
    queues = {name: [i for i, family in enumerate(scenes.families) if family == name] for name in families}
    wanted = COLUMNS * ROWS
    return [queues[families[k % len(families)]][k // len(families)] for k in range(wanted)]


def sheet(pictures: NDArray[np.uint8], columns: int = COLUMNS) -> Image.Image:
    """Pictures (n, s, s, 3) in rows of `columns`, enlarged without smoothing."""
    rows = [np.hstack(list(pictures[i : i + columns])) for i in range(0, len(pictures) - columns + 1, columns)]
    grid = np.vstack(rows)
    return Image.fromarray(grid.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1))


def samples(model: Path, captions: list[str], *, guidance: float = 3.0, steps: int = 25) -> NDArray[np.uint8]:
    """Pictures (n, 64, 64, 3) of a model folder; the seed is the position."""
    settings = Settings(guidance=guidance, steps=steps)
    requests = [Request(text=text, seed=i, settings=settings) for i, text in enumerate(captions)]
    made = dict(builtin.load(f"ldm@{model}", device="auto").generate(requests))
    return np.stack([np.asarray(made[i]) for i in range(len(captions))])


def loss_curve(facts: Path, out: Path) -> None:
    """Training loss against step, smoothed over 20 records, as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    losses = np.array([row[:2] for row in json.loads(facts.read_text())["losses"]])
    width = min(20, len(losses))
    middle = (width - 1) // 2
    smooth = np.convolve(losses[:, 1], np.ones(width) / width, mode="valid")
    figure, axes = plt.subplots(figsize=(6, 3), dpi=110)
    axes.plot(losses[:, 0], losses[:, 1], color="#bbbbbb", linewidth=0.6)
    axes.plot(losses[middle : middle + len(smooth), 0], smooth, color="#0072b2")
    axes.set(xlabel="step", ylabel="weighted v-prediction loss", yscale="log")
    figure.tight_layout()
    figure.savefig(out)
    plt.close(figure)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    card = chosen.out / "README.md"
    words = card.read_text() if card.is_file() else None
    shutil.rmtree(chosen.out, ignore_errors=True)
    shutil.copytree(chosen.model, chosen.out)
    if words is not None:
        card.write_text(words)
    facts = chosen.model.parent / "training.json"
    shutil.copy(facts, chosen.out / "training.json")
    loss_curve(facts, chosen.out / "loss.png")
    scenes = read_scenes(chosen.data, "held_out")
    rows = chosen_rows(scenes)
    captions = [scenes.captions[i][0] for i in rows]
    sheet(samples(chosen.model, captions)).save(chosen.out / "samples.png")
    sheet(scenes.images[rows]).save(chosen.out / "truth.png")
    (chosen.out / "samples.txt").write_text("\n".join(captions) + "\n")


if __name__ == "__main__":
    main()
