"""Whatever is wrong is said in one line that names it, and nothing is lost: exit code 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit import cli
from audit.store import RunFolder
from tests.fakes import FakeGenerator
from tests.test_cli import installed

__all__ = ["installed"]


@pytest.fixture
def refused(tmp_path: Path, installed: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Run a command that must end with 2 and one line on stderr; the line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text("a cube\n")

    def ends(*argv: str) -> str:
        assert cli.main(argv) == 2
        told = capsys.readouterr()
        assert told.out == ""
        [line] = told.err.splitlines()

        assert line.startswith("audit: ")
        return line

    return ends


RUN = ("run", "--suite", "prompts.txt", "--generator", "fake:", "--out", "out", "--no-report", "--audits", "fake.red")


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (("run",), ["no generator given", "--generator builtin:ldm"]),
        (("run", "--generator", "fake:"), ["no out given", "--out runs/x"]),
        (("run", "--generator", "fake:", "--out", "out"), ["no suite given", "fake:", "--suite quick"]),
        ((*RUN, "--suite", "quikc"), ["no suite named 'quikc'", "did you mean quick"]),
        ((*RUN, "--suite", "nowhere.csv"), ["no such file: nowhere.csv"]),
        ((*RUN, "--generator", "fkae:"), ["fkae", "fake"]),
        ((*RUN, "--audits", "fake.rde"), ["no audit named 'fake.rde'", "did you mean fake.red"]),
        ((*RUN, "--sampler", "ddmi"), ["no sampler of fake: named 'ddmi'", "did you mean ddim"]),
        ((*RUN, "--guidance", "1,x"), ["--guidance", "'x' is not a number", "1,3,6"]),
        ((*RUN, "--guidance", "1,,3"), ["--guidance", "an empty item"]),
        ((*RUN, "--guidance-window", "0.3"), ["--guidance-window", "'0.3' is not a window", "0.3:0.9"]),
        ((*RUN, "--guidance-window", "0.9:0.3"), ["must rise within 0 to 1", "0.9:0.3"]),
        ((*RUN, "--task", "paint"), ["--task", "paint", "inpaint"]),
        ((*RUN, "--task", "img2img"), ["fake: does text2img, not img2img"]),
        (
            ("run", "--suite", "quick", "--generator", "builtin:ldm", "--out", "x", "--task", "img2img"),
            ["quick.jsonl, row 1", "img2img needs a source", "inputs"],
        ),
        ((*RUN, "--strength", "0.5"), ["strength means nothing for text2img"]),
        ((*RUN, "--task", "inpaint", "--strength", "3"), ["strength must lie in 0 to 1"]),
        ((*RUN, "--guidance-rescale", "2"), ["guidance rescale must lie in 0 to 1"]),
        ((*RUN, "--guidance", "nan"), ["guidance must be", "nan"]),
        ((*RUN, "--steps", "2.5"), ["--steps", "'2.5' is not a whole number"]),
        ((*RUN, "--steps", "0"), ["steps must be 1 or more, got 0"]),
        ((*RUN, "--replicates", "0"), ["replicates must be 1 or more, got 0"]),
        ((*RUN, "--replicates", "-1"), ["replicates must be 1 or more, got -1"]),
        ((*RUN, "--limit", "0"), ["limit must be 1 or more"]),
        ((*RUN, "--batch", "0"), ["batch must be 1 or more"]),
        ((*RUN, "--generator", "fake:"), ["'fake:' is named twice", "replicates"]),
        ((*RUN, "--gudiance", "3"), ["--gudiance"]),
        ((*RUN, "--out", "prompts.txt"), ["cannot write to prompts.txt", "choose another --out"]),
        ((*RUN, "--out", "/proc/nowhere/run"), ["cannot write to /proc/nowhere/run"]),
        (("rnu",), ["'rnu'", "'run'"]),
        (("show", "nowhere"), ["nowhere is no run folder"]),
        (("score", "nowhere"), ["nowhere is no run folder"]),
        (("report", "nowhere"), ["nowhere is no run folder"]),
        (("export", "nowhere", "--to", "x"), ["nowhere is no run folder"]),
    ],
)
def test_a_bad_command_line_is_explained(refused, argv: tuple[str, ...], parts: list[str]) -> None:  # type: ignore[no-untyped-def]
    line = refused(*argv)
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[run]\ngudiance = [1]\n", ["sweep.toml, [run]", "'gudiance'", "did you mean guidance"]),
        ("[rnu]\nsteps = 1\n", ["sweep.toml", "'rnu'", "did you mean run"]),
        ("[run]\nguidance = 'x'\n", ["sweep.toml, [run] guidance = 'x'", "not a number"]),
        ("[run]\nsteps = true\n", ["steps = True", "not a number"]),
        ("[run]\nreport = 'no'\n", ["report = 'no'", "not true or false"]),
        ("[run]\nsuite = 3\n", ["suite = 3", "not a text"]),
        ("[run]\nguidance = []\n", ["guidance = []", "empty"]),
        ("[run\n", ["sweep.toml is not valid TOML", "line 1"]),
        ("run = 3\n", ["'run' must be a table"]),
        ("[audits]\nfake.red.offset = 1\n", ['[audits."text.cer"]']),
        ('[audits."fake.rde"]\noffset = 1\n', ["no audit named 'fake.rde'", "fake.red"]),
        ('[audits."fake.red"]\nofset = 1\n', ["'fake.red' has no option 'ofset'", "offset"]),
    ],
)
def test_a_bad_sweep_file_is_explained(refused, tmp_path: Path, text: str, parts: list[str]) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "sweep.toml").write_text(text)
    line = refused("run", "sweep.toml", *RUN[1:])
    for part in parts:
        assert part in line
    assert not (tmp_path / "out").exists()


def test_a_missing_sweep_file_is_named(refused) -> None:  # type: ignore[no-untyped-def]
    assert "cannot read the sweep file nowhere.toml" in refused("run", "nowhere.toml", *RUN[1:])


def test_a_csv_without_a_text_column_names_the_columns_it_has(refused, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "bad.csv").write_text("name,colour\none,red\n")
    line = refused(*RUN, "--suite", "bad.csv")
    for part in ("bad.csv", "text", "name", "colour"):
        assert part in line


def test_an_empty_folder_of_pictures_is_refused(refused, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("run", "--generator", "images:empty", "--out", "out", "--audits", "fake.red")


def test_bad_input_to_a_finished_run_loses_nothing(refused, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    assert cli.main(RUN) == 0
    capsys.readouterr()
    kept = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.parquet")}
    refused(*RUN, "--audits", "fake.rde")
    refused(*RUN, "--sampler", "ddmi")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.parquet")} == kept


def test_a_corrupt_picture_fails_by_name_and_the_others_are_scored(
    tmp_path: Path, installed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("a", "b", "c"):
        Image.fromarray(np.full((8, 8, 3), ord(name), np.uint8)).save(pictures / f"{name}.png")
    (pictures / "b.png").write_bytes((pictures / "b.png").read_bytes()[:40])
    out = tmp_path / "run"
    argv = ["run", "--generator", f"images:{pictures}", "--out", str(out), "--audits", "fake.red", "--no-report"]
    assert cli.main(argv) == 1
    assert "b.png" in capsys.readouterr().err.splitlines()[-2]
    assert list(RunFolder(out).artifacts()["status"]) == ["ok", "failed", "ok"]
    assert list(RunFolder(out).scores("fake.red")["status"]) == ["ok", "failed", "ok"]


def test_a_prompt_without_expectation_is_skipped_and_counted(
    tmp_path: Path, installed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.jsonl").write_text(
        '{"id": "a", "text": "a sign", "expect": {"text": "OPEN"}}\n{"id": "b", "text": "a cube"}\n'
    )
    out = tmp_path / "run"
    argv = ["run", "--suite", str(tmp_path / "prompts.jsonl"), "--generator", "fake:", "--out", str(out),
            "--audits", "fake.word", "--no-report"]  # fmt: skip
    assert cli.main(argv) == 0
    [estimate] = RunFolder(out).estimates()
    assert (estimate.value, estimate.n, estimate.skipped) == (4.0, 1, 1)
    assert list(RunFolder(out).scores("fake.word")["reason"]) == ["", "no expected text"]


def test_a_bug_keeps_its_traceback(tmp_path: Path, installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: FakeGenerator) -> str:
        raise ValueError("a bug of ours")

    monkeypatch.setattr(FakeGenerator, "fingerprint", breaks)
    (tmp_path / "prompts.txt").write_text("a cube\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="a bug of ours"):
        cli.main(RUN)
