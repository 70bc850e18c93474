"""The generated reference page is the one in the repository, and the README's commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from audit.config import parser

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse words its help differently in each version")
def test_reference_page_is_current():
    script = "import sys; sys.path.insert(0, 'docs'); import build; sys.stdout.write(build.page())"
    made = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout == (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), "run `make docs`"


@pytest.mark.parametrize("line", re.findall(r"^audit .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M))
def test_commands_of_the_readme_parse(line):
    words = line.split("#")[0].split()[1:]
    assert parser().parse_args(words).command == words[0]


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
