"""A name in a suite, a table or a folder of pictures leads nowhere but into that folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audit import suites
from audit.suites import SuiteError
from audit.weights import ManifestError, read_manifest
from generators.adapters.images import ImagesGenerator
from generators.api import GeneratorError, Refusal, Request
from tests.hostile.fragments import chunk, png
from tests.hostile.targets import WEIGHTS

SECRET = "a secret prompt"


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder of pictures beside files that are none of its business."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(png()[:33] + chunk(b"tEXt", b"parameters\0" + SECRET.encode()) + png()[33:])
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "secret.csv").write_text(f"file,prompt\na.png,{SECRET}\n")
    return own


OUTSIDE = ["../secret.png", "x/../../secret.png", "/etc/hostname", "..", "a\x00.png", "a\n.png", "\x1b[2J.png"]


@pytest.mark.parametrize("name", [*OUTSIDE, "link.png"])
def test_a_suite_cannot_bring_a_picture_from_elsewhere(world: Path, name: str) -> None:
    (world / "link.png").symlink_to(world.parent / "secret.png")
    (world / "s.jsonl").write_text(f'{{"text": "a", "inputs": {{"source": {_json(name)}}}}}\n')
    with pytest.raises(SuiteError, match=r"s\.jsonl, row 1: source .*(lies outside|is no file's name)"):
        suites.load(str(world / "s.jsonl"))


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_table_cannot_name_a_picture_from_elsewhere(world: Path, name: str) -> None:
    (world / "prompts.jsonl").write_text(f'{{"file": {_json(name)}, "prompt": "a"}}\n')
    with pytest.raises(GeneratorError, match=r"prompts\.jsonl, row 1: .*(is not in|is no file's name)"):
        ImagesGenerator.parse(str(world))


def test_a_link_out_of_the_folder_is_a_failed_picture_and_tells_nothing(world: Path) -> None:
    (world / "link.png").symlink_to(world.parent / "secret.png")
    (world / "a.txt").symlink_to(world.parent / "secret.txt")
    generator = ImagesGenerator.parse(str(world))
    before = generator.fingerprint()
    assert SECRET not in repr(generator.prompts())
    answers = dict(generator.generate([Request(text="", seed=0, name=name) for name in ("a.png", "link.png")]))
    assert not isinstance(answers[0], Refusal)
    assert isinstance(answers[1], Refusal)
    assert "leads out of the folder" in answers[1].reason
    (world.parent / "secret.png").write_bytes(png(5, 5))
    assert generator.fingerprint() == before


def test_a_link_within_the_folder_and_a_folder_that_is_one_are_followed(world: Path) -> None:
    (world / "b.png").symlink_to("a.png")
    (world.parent / "same").symlink_to(world)
    for folder in (world, world.parent / "same"):
        generator = ImagesGenerator.parse(str(folder))
        answers = dict(generator.generate([Request(text="", seed=0, name="b.png")]))
        assert not isinstance(answers[0], Refusal)


def test_a_table_that_is_a_link_is_read_where_it_was_named_and_not_where_it_was_found(world: Path) -> None:
    (world / "prompts.csv").symlink_to(world.parent / "secret.csv")
    with pytest.raises(GeneratorError, match="leads out of"):
        ImagesGenerator.parse(str(world))
    assert ImagesGenerator.parse(f"{world}?prompts=prompts.csv").pictures["a.png"].text == SECRET


def test_a_pipe_is_not_waited_for(world: Path) -> None:
    for name in ("pipe.png", "pipe.jsonl", "a.txt"):
        os.mkfifo(world / name)
    (world / "s.jsonl").write_text('{"text": "a", "inputs": {"source": "pipe.png"}}\n')
    with pytest.raises(SuiteError, match="No such file"):
        suites.load(str(world / "s.jsonl"))
    with pytest.raises(SuiteError, match="no such file"):
        suites.load(str(world / "pipe.jsonl"))
    assert list(ImagesGenerator.parse(str(world)).pictures) == ["a.png"]


@pytest.mark.parametrize("name", [b"\xff.png", b"a\nb.png", b"\x1b[31m.png"])
def test_a_file_whose_name_is_no_text_is_named(world: Path, name: bytes) -> None:
    (world / os.fsdecode(name)).write_bytes(png())
    with pytest.raises(GeneratorError, match="rename it") as told:
        ImagesGenerator.parse(str(world))
    assert str(told.value).isprintable()


@pytest.mark.parametrize("spec", ["a" * 5000, "~nobody-of-that-name/x", "\x00", "a/" * 3000, "x.csv\x00"])
def test_a_name_that_no_file_can_have_is_an_error_in_words(spec: str) -> None:
    with pytest.raises(SuiteError):
        suites.load(spec)
    with pytest.raises(GeneratorError):
        ImagesGenerator.parse(spec)


def test_a_table_may_name_a_picture_that_no_disk_could_hold(world: Path) -> None:
    (world / "prompts.csv").write_text(f"file,prompt\na.png,a\n{'b' * 300}.png,b\n")
    generator = ImagesGenerator.parse(str(world))
    assert generator.fingerprint()
    [(_, answer)] = generator.generate([Request(text="b", seed=0)])
    assert isinstance(answer, Refusal)


@pytest.mark.parametrize("place", ["../x", "/etc/passwd", "a:../../x", "a/../../x"])
def test_weights_are_not_looked_for_outside_their_place(tmp_path: Path, place: str) -> None:
    (tmp_path / "w.toml").write_text(WEIGHTS.replace("a/b.safetensors", place))
    with pytest.raises(ManifestError, match=r"entry 1: place .* leads elsewhere"):
        read_manifest(tmp_path / "w.toml")


def _json(text: str) -> str:
    import json

    return json.dumps(text)
