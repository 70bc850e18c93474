from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import generators.load
from audit import cli, registry
from audit.config import ConfigError, RunConfig, run_config
from audit.parser import parser
from audit.readers import TASKS
from audit.redact import redact
from audit.store import RunFolder
from generators.api import Task
from tests.fakes import ROOT, plugin


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fakes as an installed package, in this process."""
    plugin(tmp_path / "plugin")
    monkeypatch.syspath_prepend(str(tmp_path / "plugin"))
    for cached in (registry.audits, generators.load.plugins):
        cached.cache_clear()
    yield
    for cached in (registry.audits, generators.load.plugins):
        cached.cache_clear()


def parsed(*argv: str) -> RunConfig:
    return run_config(parser().parse_args(["run", *argv]))


SMALL = ("--generator", "fake:", "--out", "x")


def test_flags_become_a_config() -> None:
    found = parsed(
        *("--suite", "quick", "--generator", "a:1", "--generator", "b:2", "--guidance", "1,3, 6", "--steps", "10,25"),
        *("--sampler", "ddim,euler", "--replicates", "2", "--audits", "x,y", "--limit", "3", "--out", "runs/x"),
        *("--device", "cpu", "--batch", "8", "--shard", "32", "--no-report"),
        *("--task", "img2img", "--strength", "0.3,0.8"),
        *("--guidance-window", "0:1,0.3:0.9", "--guidance-rescale", "0,0.7"),
    )
    assert found == RunConfig(
        suite="quick", generators=("a:1", "b:2"), guidance=(1.0, 3.0, 6.0), steps=(10, 25), samplers=("ddim", "euler"),
        replicates=2, audits=("x", "y"), limit=3, out="runs/x", device="cpu", batch=8, shard=32, report=False,
        task="img2img", strengths=(0.3, 0.8),
        guidance_windows=((0.0, 1.0), (0.3, 0.9)), guidance_rescales=(0.0, 0.7),
    )  # fmt: skip


def test_the_command_line_knows_every_task() -> None:
    assert get_args(Task) == TASKS


def test_what_is_not_given_takes_the_configs_own_defaults() -> None:
    assert parsed(*SMALL) == RunConfig(out="x", generators=("fake:",))


SWEEP = """
[run]
suite = "quick"
generator = ["fake:", "studio:"]
guidance = [1, 3.5]
steps = 25
sampler = "ddim"
replicates = 2
audits = ["fake.red"]
out = "from-file"
report = false
[audits."fake.red"]
offset = 2.5
"""


def test_a_sweep_file_says_the_same_and_flags_override_it(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP)
    found = parsed(str(path), "--steps", "10", "--generator", "fake:?batch=2")
    assert found == RunConfig(
        suite="quick", generators=("fake:?batch=2",), guidance=(1.0, 3.5), steps=(10,), samplers=("ddim",),
        replicates=2, audits=("fake.red",), out="from-file", report=False, options={"fake.red": {"offset": 2.5}},
    )  # fmt: skip


def test_every_flag_can_stand_in_the_file(tmp_path: Path) -> None:
    """The two ways in must not drift apart: each key of the file is a flag and the other way round."""
    run = next(action for action in parser()._actions if hasattr(action, "choices") and action.choices)
    flags = {
        action.dest
        for action in run.choices["run"]._actions  # type: ignore[index, call-overload, union-attr]
        if action.option_strings and action.dest != "help"
    }
    path = tmp_path / "sweep.toml"
    path.write_text("[run]\nnonsense_key_far_from_all = 1\n")
    with pytest.raises(ConfigError) as told:
        parsed(str(path))
    assert set(str(told.value).partition("known: ")[2].split(", ")) == flags


def test_every_command_has_help_and_code() -> None:
    [actions] = [each for each in parser()._actions if isinstance(each.choices, dict)]
    assert actions.choices is not None
    assert set(actions.choices) == set(cli.COMMANDS)


@pytest.mark.parametrize("name", [[], *([each] for each in cli.COMMANDS)])
def test_help_is_there(name: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([*name, "--help"])
    assert left.value.code == 0
    assert "usage: audit" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    probe = (
        "import sys, audit.cli\n"
        "try:\n    audit.cli.main(['run', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'PIL', 'pyarrow', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def run(tmp_path: Path, installed: None, capsys: pytest.CaptureFixture[str]) -> Path:
    """A small finished run, made by the command itself."""
    prompts = tmp_path / "prompts.csv"
    prompts.write_text('id,text\none,a red cube\ntwo,"a cube, blue"\nü/3,please refuse\n')
    out = tmp_path / "run"
    code = cli.main(
        [
            *("run", "--suite", str(prompts), "--generator", "fake:", "--guidance", "1,6", "--out", str(out)),
            *("--audits", "fake.red,fake.spread,fake.word", "--no-report"),
        ]
    )
    told = capsys.readouterr()
    assert code == 0, told.err
    return out


def test_a_run_ends_with_its_headline(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "fake.red" in shown
    assert "guidance=6" in shown
    assert "fake.features" not in shown
    lines = [line.split() for line in shown.splitlines() if "fake.word ↓" in line]
    assert [line[-6:] for line in lines] == [["↓", "-", "-", "0", "3", "0"]] * 2
    assert "fake.word: nothing to average: no expected text" in shown


def test_score_adds_an_audit_without_making_pictures(run: Path) -> None:
    before = RunFolder(run).artifacts()
    assert cli.main(["score", str(run), "--audits", "fake.red,fake.dark"]) == 0
    folder = RunFolder(run)
    assert {each.audit for each in folder.estimates()} == {"fake.red", "fake.dark"}
    assert [each["name"] for each in folder.manifest()["audits"]] == ["fake.dark", "fake.red"]
    assert folder.artifacts().equals(before)


def test_score_heeds_an_edited_expectation(run: Path) -> None:
    path = run / "prompts.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["expect"] = {"text": "OPEN"}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main(["score", str(run)]) == 0
    assert list(RunFolder(run).scores("fake.word")["status"]) == ["ok", "skipped", "skipped"] * 2


def test_export_writes_files_that_the_images_generator_reads_back(run: Path, tmp_path: Path) -> None:
    to = tmp_path / "plain"
    assert cli.main(["export", str(run), "--to", str(to)]) == 0
    with (to / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 3
    assert {row["audit"] for row in rows} == {"fake.red", "fake.features", "fake.word"}
    pictures = sorted(path.relative_to(to).as_posix() for path in to.rglob("*.png"))
    assert len(pictures) == 4
    assert pictures == sorted({row["file"] for row in rows if row["status"] == "ok"})
    assert len((to / "estimates.csv").read_text().splitlines()) == 1 + 4 * 2
    again = generators.load.load(f"images:{to}")
    assert {(name, text) for name, text, _, _ in again.prompts()} == {  # type: ignore[attr-defined]
        (name, "a red cube" if "/one-" in name else "a cube, blue") for name in pictures
    }


def test_export_spares_a_folder_in_use(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert cli.main(["export", str(run), "--to", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_failed_picture_makes_the_exit_code_1_and_is_named_last(
    tmp_path: Path, installed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a cube\na cursed cube\n")
    argv = [
        *("run", "--suite", str(prompts), "--generator", "fake:?fail=cursed", "--out", str(tmp_path / "run")),
        *("--audits", "fake.red,fake.broken", "--no-report"),
    ]
    assert cli.main(argv) == 1
    told = capsys.readouterr().err.splitlines()
    assert "pictures: 1 failed" in told[-2]
    assert "cannot draw 'a cursed cube'" in told[-2]
    assert cli.main([word.replace("?fail=cursed", "") for word in argv]) == 1
    assert "audit fake.broken: 1 failed; the first: ZeroDivisionError: a bug" in capsys.readouterr().err


def test_list_names_everything(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("builtin:ldm", "images:DIR", "fake:", "quick", "fake.red", "higher is better"):
        assert name in shown


def test_weights_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["weights"]) == 0
    assert "licence" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("openai:https://h/v1?api_key=abc&size=3", "openai:https://h/v1?api_key=***&size=3"),
        ("x:?hf_token=abc", "x:?hf_token=***"),
        ("x:?client_secret=a%20b", "x:?client_secret=***"),
        ("x:https://me:pw@host/p", "x:https://***@host/p"),
        ("x:?max_tokens=77&monkeys=2", "x:?max_tokens=77&monkeys=2"),
        ("diffusers:a/b@rev?dtype=float32", "diffusers:a/b@rev?dtype=float32"),
    ],
)
def test_secrets_are_blotted_out(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_no_secret_reaches_the_run_folder(tmp_path: Path, installed: None) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a cube\na cursed cube\n")
    spec = "fake:?api_key=hunter2&fail=cursed"
    assert cli.main(["run", "--suite", str(prompts), "--generator", spec, "--audits", "fake.red", "--no-report",
                     "--out", str(tmp_path / "run")]) == 1  # fmt: skip
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path
    assert set(RunFolder(tmp_path / "run").jobs()["generator"]) == {"fake:?api_key=***&fail=cursed"}
