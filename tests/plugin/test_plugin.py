"""The example plugin beside this file, installed for real, is found by name: generator, audit and suite."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROBE = """
import json, sys
import torch
from audit import registry, suites
from audit.api import View
from generators.api import Generator, Request, Settings
from generators.load import load, schemes

suite = suites.load("greys?limit=1")
generator = load("flat:200")
assert isinstance(generator, Generator)
[(_, picture)] = generator.generate([Request(text=suite.prompts[0].text, settings=Settings(height=4, width=6))])
view = View(image=torch.from_numpy(picture).permute(2, 0, 1), prompt=suite.prompts[0])
[score] = registry.find_audit("flat.same")()([view])
wrong = []
for make in (lambda: load("flta:200"), lambda: suites.load("grays"), lambda: load("flat:300")):
    try:
        make()
    except ValueError as error:
        wrong.append(str(error))
print(json.dumps({"suite": [p.id for p in suite.prompts], "shape": picture.shape, "score": score.value, "wrong": wrong,
                  "scheme": schemes()[-1]}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the plugin installed by pip, offline; built from a copy, to leave nothing beside the source."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "sixthfinger_flat.py"):
        shutil.copy(HERE / name, source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--target", str(folder / "site"), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return folder / "site"


def test_an_installed_plugin_adds_a_generator_an_audit_and_a_suite(installed):
    path = os.pathsep.join([str(installed), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["suite"] == ["light"]
    assert found["shape"] == [4, 6, 3]
    assert found["score"] == 1.0
    assert found["scheme"] == "flat"
    scheme, suite, level = found["wrong"]
    assert "no generator scheme 'flta' (in 'flta:200'); did you mean flat?" in scheme
    assert "no suite named 'grays'; did you mean greys?" in suite
    assert "found '300'" in level
