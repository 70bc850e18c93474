"""Real generators through the real command: every default audit has a number, or a reason in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audit import cli
from audit.store import RunFolder
from tests import tiny

GENERATED = Path(os.environ.get("AUDIT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data")) / "generated"

pytestmark = pytest.mark.filterwarnings("ignore")


def run(out: Path, *argv: str) -> RunFolder:
    assert cli.main(["run", *argv, "--out", str(out)]) == 0
    folder = RunFolder(out)
    scores = folder.scores()
    assert not (scores["status"] == "failed").any()
    assert scores.loc[scores["status"] == "skipped", "reason"].str.len().min() > 10
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


@pytest.mark.skipif(not GENERATED.is_dir(), reason=f"no pictures in {GENERATED}; set AUDIT_SHARED_DATA")
def test_pictures_made_elsewhere_are_scored(tmp_path):
    folder = run(tmp_path / "run", "--generator", f"images:{GENERATED}")
    assert len(folder.artifacts()) == 28
    assert None not in [*values(folder, "fd_studio"), *values(folder, "tone.contrast")]
