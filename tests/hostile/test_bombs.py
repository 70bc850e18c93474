"""Small files that claim to be, or unpack to, enormous ones are refused by what they say, before it is done."""

from __future__ import annotations

import base64
import io
import json
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from audit import images, memorized, references, suites
from audit.suites import SuiteError
from generators.adapters import embedded, tables
from generators.adapters.embedded import embedded_prompt, text_chunks
from generators.adapters.images import ImagesGenerator, read_picture
from generators.adapters.openai import picture_of
from generators.api import Refusal
from tests.hostile.fragments import chunk, png

MEGABYTE = 2**20
SIDE = 11_000
"""121 megapixels: below what Pillow itself refuses."""


@pytest.fixture
def light() -> Iterator[None]:
    """The test may hold 64 MB of what Python knows of, and take ten seconds."""
    tracemalloc.start()
    begun = time.monotonic()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * MEGABYTE
    assert time.monotonic() - begun < 10


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header says that it has these sides, with honest checksums."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png()[:8] + chunk(b"IHDR", header) + png()[33:]


SIDES = [(SIDE, SIDE), (30_000, 30_000), (2**31 - 1, 2**31 - 1), (100_000_001, 1)]


@pytest.mark.parametrize(("width", "height"), SIDES)
def test_a_picture_of_huge_sides_is_refused_unread_at_every_door(
    tmp_path: Path, light: None, width: int, height: int
) -> None:
    raw = claiming(width, height)
    (tmp_path / "a.png").write_bytes(raw)
    (tmp_path / "s.jsonl").write_text('{"text": "a", "inputs": {"source": "a.png"}}\n')
    with pytest.raises(images.ImageError, match="100 megapixels"):
        images.decode(raw)
    with pytest.raises(SuiteError, match=r"row 1: source .a\.png.: .*100 megapixels"):
        suites.load(str(tmp_path / "s.jsonl"))
    sent = SimpleNamespace(data=[SimpleNamespace(b64_json=base64.b64encode(raw).decode())])
    for refused in (read_picture(tmp_path, "a.png"), picture_of(sent)):
        assert isinstance(refused, Refusal)
        assert "100 megapixels" in refused.reason


def test_a_picture_just_within_the_limit_is_opened(tmp_path: Path) -> None:
    assert images.decode(png(300, 200)).shape == (200, 300, 3)


def test_a_file_of_a_gigabyte_is_not_read(tmp_path: Path, light: None) -> None:
    for name in ("a.png", "s.jsonl"):
        with (tmp_path / name).open("wb") as file:
            file.write(png())
            file.truncate(2**30)
    assert "512 MiB" in str(read_picture(tmp_path, "a.png"))
    with pytest.raises(images.ImageError, match="512 MiB"):
        images.read(tmp_path / "a.png")
    with pytest.raises(SuiteError, match=r"s\.jsonl: 1,073,741,824 bytes are more than"):
        suites.load(str(tmp_path / "s.jsonl"))


def test_a_hundred_packed_texts_cost_no_more_than_one(light: None) -> None:
    bomb = zlib.compress(b"a" * (embedded.LONGEST + 2))
    texts = b"".join(chunk(b"zTXt", b"k%d\0\0" % place + bomb) for place in range(100))
    good = chunk(b"tEXt", b"parameters\0a red cube")
    assert text_chunks(io.BytesIO(png()[:33] + texts + png()[33:])) == {}
    assert embedded_prompt(text_chunks(io.BytesIO(png()[:33] + good + texts + png()[33:]))) == "a red cube"


def test_a_graph_in_which_every_node_leads_to_the_next_twice_is_walked_once(light: None) -> None:
    graph = {
        str(place): {
            "class_type": "CLIPTextEncode",
            "inputs": {each: [str(place + 1), 0] for each in ("text", "value")},
        }
        for place in range(60)
    }
    graph["s"] = {"class_type": "KSampler", "inputs": {"positive": ["0", 0]}}
    assert embedded_prompt({"prompt": json.dumps(graph)}) == ""
    graph["60"] = {"class_type": "CLIPTextEncode", "inputs": {"text": "found"}}
    assert embedded_prompt({"prompt": json.dumps(graph)}) == "found"


def deep(count: int) -> str:
    return "[" * count + "]" * count


@pytest.mark.parametrize("text", [deep(100), deep(100_000), "9" * 5000, "1e999", '"\\ud800"', "NaN", "-Infinity"])
def test_json_that_could_not_be_written_again_is_refused_by_row(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.jsonl").write_text('{"text": "fine"}\n{"text": "a", "expect": {"x": ' + text + "}}\n")
    with pytest.raises(SuiteError, match=r"s\.jsonl, row 2: "):
        suites.load(str(tmp_path / "s.jsonl"))


def test_nesting_that_people_write_is_read() -> None:
    assert tables.json_value(deep(tables.DEEPEST), "x")


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, raw in members.items():
            packed.writestr(f"{name}.npy", raw)
    return path


def header(shape: tuple[int, ...]) -> bytes:
    """An array's header that claims a shape, and no array."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return out.getvalue()


def pickled() -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.array([Runs()], dtype=object), allow_pickle=True)
    return out.getvalue()


class Runs:
    """Unpickled, it would leave a file."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return open, ("obeyed", "w")


FIELDS = {"model": header(()), "text": header(()), "floor_sizes": header((0,)), "floors": header((0,))}


@pytest.mark.parametrize(
    ("features", "what"),
    [
        (header((10**9, 1024)), "damaged"),
        (header((10**15, 10**15)), "damaged"),
        (pickled(), "allow_pickle=False"),
        (b"no array", "damaged"),
    ],
    ids=["terabytes", "more than there is", "pickle", "no array"],
)
def test_a_reference_that_claims_too_much_or_would_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: bytes, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = archive(tmp_path / "r.npz", features=features, **FIELDS)
    with pytest.raises(references.BadReferenceError, match=what):
        references.load(str(path), model="m")
    assert not (tmp_path / "obeyed").exists()


def test_a_reference_that_unpacks_to_gigabytes_is_refused_unread(
    tmp_path: Path, light: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "MOST_BYTES", 32 * MEGABYTE)
    path = archive(tmp_path / "r.npz", features=bytes(33 * MEGABYTE), **FIELDS)
    assert path.stat().st_size < MEGABYTE
    with pytest.raises(references.BadReferenceError, match="would unpack to"):
        references.load(str(path), model="m")


MEMORY = {"version": header(()), "names": header((2,)), "null": header((3,)), "text": header(())}


def test_a_reference_of_memorization_that_unpacks_to_gigabytes_is_refused_unread(
    tmp_path: Path, light: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "MOST_BYTES", 32 * MEGABYTE)
    path = archive(tmp_path / "r.npz", sheet=bytes(33 * MEGABYTE), **MEMORY)
    assert path.stat().st_size < MEGABYTE
    with pytest.raises(references.BadReferenceError, match=r"r\.npz would unpack to"):
        memorized.load(str(path))


@pytest.mark.parametrize("null", [header((10**15, 10**15)), pickled(), b"", b"no array"])
def test_a_damaged_reference_of_memorization_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, null: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    version = io.BytesIO()
    np.save(version, np.array(memorized.VERSION))
    path = archive(tmp_path / "r.npz", **MEMORY | {"version": version.getvalue(), "names": null, "null": null})
    with pytest.raises(references.BadReferenceError, match=r"r\.npz is damaged .*python -m audit\.memorized") as told:
        memorized.load(str(path))
    assert "\n" not in str(told.value)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(references.BadReferenceError, match="is damaged"):
        memorized.load(str(path))
    assert not (tmp_path / "obeyed").exists()


@pytest.mark.parametrize("kind", ["EPS", "TIFF", "PPM", "PCX"])
def test_formats_beyond_the_listed_are_not_decoded_whatever_their_ending(tmp_path: Path, kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, kind)
    (tmp_path / "a.png").write_bytes(out.getvalue())
    (tmp_path / "b.png").write_bytes(png())
    [one] = [refused for refused in (read_picture(tmp_path, "a.png"),) if isinstance(refused, Refusal)]
    assert "cannot be decoded" in one.reason
    assert not isinstance(read_picture(tmp_path, "b.png"), Refusal)
    assert len(ImagesGenerator.parse(str(tmp_path)).pictures) == 2
