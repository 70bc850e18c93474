"""Ship a trained model: copy its folder, draw its sample sheet and loss curve, record its training facts.

    python -m generators.train.card --data DIR --model DIR/ldm/folder --out generators/weights/ldm
    python -m generators.train.card --data DIR --model DIR/control/controlnet --out generators/weights/ldm/controlnet
    python -m generators.train.card --data DIR --model DIR/upscale/folder --out generators/weights/upscale

A control branch is drawn through the model in whose folder it is put. The words of the model card (README.md beside
them) are a person's, written after looking at the sheet.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generators import builtin
from generators.api import Pixels, Request, Settings
from generators.downsample import block_mean
from generators.tasks.upscale import TIMES
from generators.train.control import control_picture
from generators.train.data import Scenes, read_controls, read_scenes

COLUMNS, ROWS = 12, 6
SIDE = 128  # pixels a picture has on the sheet
SETTINGS = Settings(guidance=3.0, steps=25)
KEPT = ("README.md", "controlnet")  # of what ships: what no training of the model writes
Sheet = dict[str, list[Pixels]]
"""File name -> pictures in reading order."""


def chosen_rows(scenes: Scenes, wanted: int = COLUMNS * ROWS) -> list[int]:
    """So many held-out scenes: of each family in turn, its first ones."""
    families = sorted(set(scenes.families))
    queues = {name: [i for i, family in enumerate(scenes.families) if family == name] for name in families}
    return [queues[families[k % len(families)]][k // len(families)] for k in range(wanted)]


def sheet(pictures: Sequence[Pixels]) -> Image.Image:
    """Pictures in rows of COLUMNS, small ones enlarged without smoothing."""
    shown = [each.repeat(SIDE // len(each), axis=0).repeat(SIDE // len(each), axis=1) for each in pictures]
    starts = range(0, len(shown) - COLUMNS + 1, COLUMNS)
    return Image.fromarray(np.vstack([np.hstack(shown[start : start + COLUMNS]) for start in starts]))


def drawn(model: Path, requests: Sequence[Request]) -> list[Pixels]:
    """Pictures of a model folder, one a request.

    Raises:
        RuntimeError: a request was refused, and why.
    """
    made = dict(builtin.load(f"model@{model}").generate(requests))
    pictures = [made[i] for i in range(len(requests))]
    if refused := [each.reason for each in pictures if not isinstance(each, np.ndarray)]:
        raise RuntimeError(refused[0])
    return [each for each in pictures if isinstance(each, np.ndarray)]


def asked(captions: Sequence[str]) -> list[Request]:
    """Text to image; the seed is the position."""
    return [Request(text=text, seed=i, settings=SETTINGS) for i, text in enumerate(captions)]


def text_sheets(model: Path, data: Path) -> tuple[Sheet, list[str]]:
    """Held-out captions drawn, and the scenes that were rendered for them."""
    scenes = read_scenes(data, "held_out")
    rows = chosen_rows(scenes)
    captions = [scenes.captions[i][0] for i in rows]
    return {"samples": drawn(model, asked(captions)), "truth": [scenes.images[i] for i in rows]}, captions


def memory_sheets(model: Path, data: Path) -> tuple[Sheet, list[str]]:
    """In turn: a row of the scenes that were shown most often, then what their captions give."""
    listed = [json.loads(line) for line in (model / "shown.jsonl").read_text(encoding="utf-8").splitlines()]
    often = [row for repeats in (1000, 100, 10) for row in [r for r in listed if r["repeats"] == repeats][:COLUMNS]]
    often += listed[-(3 * COLUMNS) :]
    often = often[: len(often) // COLUMNS * COLUMNS]
    scenes = read_scenes(data, "train")
    place = {int(seed): row for row, seed in enumerate(scenes.seeds)}
    truth = [scenes.images[place[row["seed"]]] for row in often]
    captions = [row["captions"][0] for row in often]
    made = drawn(model, asked(captions))
    return {"samples": interleaved(truth, made)}, [f"{row['repeats']} {row['captions'][0]}" for row in often]


def control_sheets(base: Path, data: Path) -> tuple[Sheet, list[str]]:
    """In turn: a row of control pictures, then what they steer; skeletons in every other round of the families."""
    scenes, controls = read_scenes(data, "held_out"), read_controls(data, "held_out")
    some = [i for i in chosen_rows(scenes, 2 * COLUMNS * ROWS) if scenes.families[i] != "textures"]
    rows = some[: COLUMNS * ROWS // 2]
    kinds = len({scenes.families[i] for i in rows})
    shown = [control_picture(controls, row, skeleton=place // kinds % 2 == 1) for place, row in enumerate(rows)]
    captions = [scenes.captions[i][0] for i in rows]
    settings = replace(SETTINGS, task="control")
    requests = [replace(each, settings=settings, control=c) for each, c in zip(asked(captions), shown, strict=True)]
    return {"samples": interleaved(shown, drawn(base, requests))}, captions


def upscale_sheets(model: Path, data: Path) -> tuple[Sheet, list[str]]:
    """In turn: a row of small pictures, a row of what was made of them, a row of the truth."""
    scenes = read_scenes(data, "held_out")
    signs = [i for i, family in enumerate(scenes.families) if family == "signs"][:COLUMNS]
    rows = [*signs, *[i for i in chosen_rows(scenes) if scenes.families[i] != "signs"]][: COLUMNS * ROWS // 3]
    captions, truth = [scenes.captions[i][0] for i in rows], [scenes.images[i] for i in rows]
    small = [block_mean(each, TIMES) for each in truth]
    settings = replace(SETTINGS, task="upscale")
    requests = [replace(each, settings=settings, source=s) for each, s in zip(asked(captions), small, strict=True)]
    return {"samples": interleaved(small, drawn(model, requests), truth)}, captions


def interleaved(*kinds: Sequence[Pixels]) -> list[Pixels]:
    """A sheet row of the first kind, one of the second, and so on, then the next row of each."""
    starts = range(0, len(kinds[0]), COLUMNS)
    return [each for start in starts for kind in kinds for each in kind[start : start + COLUMNS]]


def loss_curve(losses: NDArray[np.float64], out: Path) -> None:
    """Training loss (n, 2) of step and value, smoothed over 20 records, as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    width = min(20, len(losses))
    middle = (width - 1) // 2
    smooth = np.convolve(losses[:, 1], np.ones(width) / width, mode="valid")
    figure, axes = plt.subplots(figsize=(6, 3), dpi=110)
    axes.plot(losses[:, 0], losses[:, 1], color="#bbbbbb", linewidth=0.6)
    axes.plot(losses[middle : middle + len(smooth), 0], smooth, color="#0072b2")
    axes.set(xlabel="step", ylabel="training loss")
    figure.tight_layout()
    figure.savefig(out)
    plt.close(figure)


def ship(data: Path, model: Path, out: Path) -> None:
    """Copy a model, its facts and its sheets to where they ship from; the card's words and a control branch stay."""
    for old in out.iterdir() if out.is_dir() else ():
        if old.name in KEPT:
            continue
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    shutil.copytree(model, out, dirs_exist_ok=True)
    facts = json.loads((model.parent / "training.json").read_text(encoding="utf-8"))
    (out / "training.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    loss_curve(np.array([row[:2] for row in facts["losses"]]), out / "loss.png")
    if not (out / "model_index.json").is_file():
        sheets, captions = control_sheets(out.parent, data)
    elif (out / "shown.jsonl").is_file():
        sheets, captions = memory_sheets(out, data)
    elif "upscale" in builtin.load(f"model@{out}").tasks:
        sheets, captions = upscale_sheets(out, data)
    else:
        sheets, captions = text_sheets(out, data)
    for name, pictures in sheets.items():
        sheet(pictures).save(out / f"{name}.jpg", quality=90)
    (out / "samples.txt").write_text("\n".join(captions) + "\n", encoding="utf-8")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    ship(given.data, given.model, given.out)


if __name__ == "__main__":
    main()
