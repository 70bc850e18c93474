"""Generators by specification: schemes, near names, and nothing imported before it is needed."""

import re
import subprocess
import sys

import pytest
from PIL import Image

from generators.adapters.options import OptionError, split_options
from generators.api import Generator, GeneratorError
from generators.load import load, schemes


def test_a_folder_of_pictures_loads_by_its_specification(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    generator = load(f"images:{tmp_path}")
    assert isinstance(generator, Generator)
    assert generator.name == f"images:{tmp_path}"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("image:out", "no generator scheme 'image' (in 'image:out'); did you mean images?"),
        ("zzz:out", "no generator scheme 'zzz' (in 'zzz:out'); there is builtin, studio, images, diffusers, openai"),
        ("builtin", "'builtin' is no generator; write SCHEME:REST"),
        ("", "'' is no generator; write SCHEME:REST"),
    ],
)
def test_unknown_schemes_offer_near_ones(spec, message):
    with pytest.raises(GeneratorError, match=re.escape(message)):
        load(spec)


def test_a_bare_folder_is_told_how_to_be_written(tmp_path):
    with pytest.raises(GeneratorError, match=re.escape(f"write images:{tmp_path} or diffusers:{tmp_path}")):
        load(str(tmp_path))


def test_the_five_schemes_are_there():
    assert schemes()[:5] == ["builtin", "studio", "images", "diffusers", "openai"]


def test_loading_a_folder_of_pictures_imports_no_model_library(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    code = "import sys; from generators.load import load; load(sys.argv[1]); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, f"images:{tmp_path}"], capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout.strip() == "False"


def test_options_are_known_single_and_filled():
    assert split_options("a?x=1&y=b%26c", ["x", "y"]) == ("a", {"x": "1", "y": "b&c"})
    assert split_options("a", ["x"]) == ("a", {})
    for rest, message in (("a?z=1", "no option 'z'"), ("a?x=", "needs a value"), ("a?x=1&x=2", "given twice")):
        with pytest.raises(OptionError, match=message):
            split_options(rest, ["x", "y"])
