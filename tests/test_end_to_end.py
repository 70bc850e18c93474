"""Real generators through the real command: every default audit has a number, or a reason in words."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from audit import cli, images
from audit.store import RunFolder
from generators.api import Request
from generators.studio.generator import StudioGenerator
from tests import tiny

GENERATED = Path(os.environ.get("AUDIT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data")) / "generated"

pytestmark = pytest.mark.filterwarnings("ignore")


def run(out: Path, *argv: str) -> RunFolder:
    assert cli.main(["run", *argv, "--out", str(out)]) == 0
    folder = RunFolder(out)
    scores = folder.scores()
    assert not (scores["status"] == "failed").any()
    assert all(len(reason) > 10 for reason in scores.loc[scores["status"] == "skipped", "reason"])
    assert (out / "report.html").stat().st_size > 1e6
    return folder


def values(folder: RunFolder, audit: str) -> list[float | None]:
    return [each.value for each in folder.estimates() if each.audit == audit]


def test_a_diffusers_folder_is_swept_and_scored(tmp_path):
    model = tiny.sd15(tmp_path / "model")
    argv = (
        "--suite",
        "quick",
        "--limit",
        "8",
        "--generator",
        f"diffusers:{model}",
        "--guidance",
        "1,3",
        "--steps",
        "2",
    )
    folder = run(tmp_path / "run", *argv)
    assert len(folder.artifacts()) == 16
    for audit in ("fd_studio", "kid_studio", "clip_score", "text.cer", "tone.saturation"):
        assert len(values(folder, audit)) == 2
        assert None not in values(folder, audit), audit


def test_samplers_and_windows_are_swept_and_shown(tmp_path):
    argv = ("--suite", "quick", "--limit", "2", "--generator", "builtin:ldm", "--steps", "3", "--guidance", "3")
    knobs = ("--sampler", "ddim,heun", "--guidance-window", "0:1,0.3:0.9", "--audits", "clip_score,tone.saturation")
    folder = run(tmp_path / "run", *argv, *knobs)
    assert len({each.cell for each in folder.estimates()}) == 4
    swept = {(each.before, each.after) for each in folder.contrasts()}
    assert ("guidance_window=0:1", "guidance_window=0.3:0.9") in swept
    assert ("sampler=ddim", "sampler=heun") in swept
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "guidance window 0.3:0.9" in page


def edits(folder: Path) -> str:
    """A suite of two inpaintings of a rendered hand."""
    folder.mkdir()
    [(_, hand)] = StudioGenerator.parse("?size=128").generate([Request(text="an open hand", seed=1)])
    mask = np.zeros_like(hand)
    mask[:, 80:] = 255
    (folder / "hand.png").write_bytes(images.encode_png(hand))
    (folder / "mask.png").write_bytes(images.encode_png(mask))
    inputs = {"source": "hand.png", "mask": "mask.png"}
    rows = [{"id": text, "text": text, "inputs": inputs} for text in ("an open hand", "a hand with a red sleeve")]
    (folder / "edits.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / "edits.jsonl")


def test_inpainting_goes_from_a_suite_of_files_to_scored_pictures(tmp_path):
    suite = edits(tmp_path / "suite")
    argv = ("--suite", suite, "--generator", "builtin:ldm", "--task", "inpaint", "--strength", "0.5,1", "--steps", "4")
    folder = run(tmp_path / "run", *argv)
    artifacts = folder.artifacts()
    assert len(artifacts) == 4
    assert {each.cell for each in folder.estimates()} == {
        f"steps=4 strength={share} task=inpaint" for share in ("0.5", "1")
    }
    source = images.decode((tmp_path / "suite" / "hand.png").read_bytes())
    shutil.rmtree(tmp_path / "suite")
    [digest] = {prompt.inputs["source"] for prompt in folder.prompts().values()}
    assert np.array_equal(folder.input(digest), source)
    for _, made in folder.images(artifacts["key"]):
        assert np.array_equal(made[:, :80], source[:, :80])
        assert not np.array_equal(made[:, 80:], source[:, 80:])
    assert cli.main(["score", str(tmp_path / "run"), "--audits", "tone.contrast"]) == 0


@pytest.mark.skipif(not GENERATED.is_dir(), reason=f"no pictures in {GENERATED}; set AUDIT_SHARED_DATA")
def test_pictures_made_elsewhere_are_scored(tmp_path):
    folder = run(tmp_path / "run", "--generator", f"images:{GENERATED}")
    assert len(folder.artifacts()) == 28
    assert None not in [*values(folder, "fd_studio"), *values(folder, "tone.contrast")]
