"""Draw docs/tasks.jpg: for each task what the built-in models were given and what they made of it.

PYTHONPATH=. python docs/tasks.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from audit.images import decode
from audit.suites import load
from audit.types import seed_for
from generators import builtin
from generators.api import Pixels, Request, Settings

COLUMNS, SIDE = 12, 96
TASKS = (
    ("edit", "ldm", "inpaint", ("source", "mask")),
    ("edit", "ldm", "img2img", ()),
    ("edges", "ldm", "control", ("control",)),
    ("skeletons", "ldm", "control", ("control",)),
    ("upscale", "upscale", "upscale", ("source",)),
)
"""Suite, model, task, and which of the pictures it was given are drawn above what it made."""


def row(pictures: list[Pixels]) -> Pixels:
    """Side by side, of one size."""
    small = [Image.fromarray(each).resize((SIDE, SIDE), Image.Resampling.NEAREST) for each in pictures]
    return np.hstack([np.asarray(each) for each in small])


def main() -> None:
    rows = []
    for name, model, task, shown in TASKS:
        suite = load(f"{name}?limit={COLUMNS}")
        given = [{role: decode(suite.files[d].read_bytes()) for role, d in p.inputs.items()} for p in suite.prompts]
        settings = Settings(task=task, steps=25, guidance=3.0)  # type: ignore[arg-type]
        requests = [
            Request(text=p.text, seed=seed_for(p.id, 0), settings=settings, **inputs)
            for p, inputs in zip(suite.prompts, given, strict=True)
        ]
        made = dict(builtin.load(model).generate(requests))
        rows += [row([inputs[role] for inputs in given]) for role in shown]
        rows += [
            row([np.asarray(made[i]) for i in range(len(requests))]),
            np.full((6, COLUMNS * SIDE, 3), 255, np.uint8),
        ]
    Image.fromarray(np.vstack(rows[:-1])).save(Path(__file__).parent / "tasks.jpg", quality=88)


if __name__ == "__main__":
    main()
