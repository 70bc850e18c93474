"""The generated reference page is the one in the repository, and the README's commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from audit.parser import parser
from audit.registry import audits

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse words its help differently in each version")
def test_reference_page_is_current():
    script = "import sys; sys.path.insert(0, 'docs'); import build; sys.stdout.write(build.page())"
    made = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout == (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), "run `make docs`"


def test_every_audit_says_its_unit_direction_source_and_card() -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    own = [each for each in audits().values() if each.factory.__module__.startswith("audit.")]
    assert len(own) > 50
    for each in own:
        [entry] = re.findall(rf"^### `{re.escape(each.name)}` .*?(?=^##)", page, re.M | re.S)
        for word in (f"unit: {each.unit}", f"better: {each.better}", f"source: {each.source}", "card: "):
            assert f"- {word}" in entry or f"; {word}" in entry


def test_every_command_and_flag_has_help() -> None:
    [actions] = [each for each in parser()._actions if isinstance(each.choices, dict)]
    helpless = [
        f"{name} {' '.join(flag.option_strings) or flag.dest}"
        for name, command in actions.choices.items()
        for flag in command._actions
        if not flag.help
    ]
    assert helpless == []
    assert len(actions._choices_actions) == len(actions.choices)  # a command without help is not listed


@pytest.mark.parametrize("line", re.findall(r"^audit .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M))
def test_commands_of_the_readme_parse(line):
    words = line.split("#")[0].split()[1:]
    assert parser().parse_args(words).command == words[0]


def test_the_workflow_for_model_updates_is_one_and_its_commands_parse() -> None:
    [path] = sorted((ROOT / "docs" / "workflows").glob("*.yml"))
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    [job] = told["jobs"].values()
    lines = [line.strip() for step in job["steps"] for line in step.get("run", "").splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("audit ")]
    assert [parser().parse_args(words).command for words in commands] == ["run", "run", "gate", "report"]


@pytest.mark.parametrize(
    "target",
    [
        *("quickstart", "test", "slow", "lint", "docs", "scenes", "suites", "reference"),
        *(f"train-{name}" for name in ("autoencoder", "fine", "clip", "ldm", "control", "upscale", "baselines")),
        "train-memorizer",
    ],
)
def test_make_targets_named_anywhere_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
