"""A run as plain files: PNG pictures and CSV tables, for people and for programs that read neither Parquet nor WebP."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from audit.images import encode_png
from audit.store import RunFolder, StoreError

LONGEST_NAME = 60


def export(folder: RunFolder, to: Path) -> int:
    """Write DIR/GENERATOR/CELL/PROMPT-rREPLICATE-KEY.png, prompts.csv, scores.csv and estimates.csv.

    The file names of prompts.csv are relative to DIR, so that `images:DIR` reads the export back.

    Returns:
        how many pictures were written.

    Raises:
        StoreError: `to` holds files already or cannot be written.
    """
    folder.manifest()  # says so where this is no run
    try:
        to.mkdir(parents=True, exist_ok=True)
        if any(to.iterdir()):
            raise StoreError(f"{to} is not empty; choose a new folder for --to")
        return _export(folder, to)
    except OSError as error:
        raise StoreError(f"cannot write to {to}: {error.strerror}; choose another --to") from error


def _export(folder: RunFolder, to: Path) -> int:
    jobs = folder.jobs().merge(folder.artifacts()[["key", "status", "error"]], on="key", how="left")
    prompts = folder.prompts()
    jobs["file"] = [
        f"{plain(generator)}/{plain(cell)}/{plain(prompt)}-r{replicate}-{key[:8]}.png"
        for generator, cell, prompt, replicate, key in zip(
            *(jobs[name].tolist() for name in ("generator", "cell", "prompt_id", "replicate", "key")), strict=True
        )
    ]
    made = jobs[jobs["status"] == "ok"]
    files = dict(zip(made["key"], made["file"], strict=True))
    for key, pixels in folder.images(files):
        path = to / files[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(pixels))
    columns = ["generator", "cell", "prompt_id", "replicate", "seed", "key"]
    table = made[["file", *columns]].copy()
    table.insert(1, "prompt", [prompts[each].text for each in made["prompt_id"]])
    table.to_csv(to / "prompts.csv", index=False)
    scores = jobs[["file", *columns]].merge(folder.scores().drop(columns="vector"), on="key")
    scores.to_csv(to / "scores.csv", index=False)
    pd.DataFrame([vars(each) for each in folder.estimates()]).to_csv(to / "estimates.csv", index=False)
    return len(files)


def plain(text: str) -> str:
    """The text as a part of a path on any system: letters, digits, dots and dashes, not too long, never empty.

    >>> plain("builtin:ldm"), plain("guidance=3 steps=10"), plain("../etc")
    ('builtin-ldm', 'guidance-3-steps-10', 'etc')
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:LONGEST_NAME] or "x"
