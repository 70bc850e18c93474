"""A folder of pictures: where prompts are found, how files become pixels, what is refused."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from audit.suites import of_images
from generators.adapters.embedded import embedded_prompt, text_chunks
from generators.adapters.images import ImagesGenerator
from generators.api import Generator, GeneratorError, Refusal, Request

SHARED = Path(os.environ.get("AUDIT_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "generated"
COMFY = {
    "3": {"class_type": "KSampler", "inputs": {"positive": ["9", 0], "negative": ["7", 0], "model": ["4", 0]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["12", 0], "clip": ["4", 1]}},
    "9": {"class_type": "ControlNetApplyAdvanced", "inputs": {"positive": ["6", 0], "negative": ["7", 0]}},
    "12": {"class_type": "PrimitiveString", "inputs": {"value": "a red mug"}},
}
FLUX = {
    "1": {"class_type": "SamplerCustomAdvanced", "inputs": {"guider": ["2", 0], "noise": ["5", 0]}},
    "2": {"class_type": "BasicGuider", "inputs": {"model": ["6", 0], "conditioning": ["3", 0]}},
    "3": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["4", 0]}},
    "4": {"class_type": "CLIPTextEncodeFlux", "inputs": {"clip_l": "mug", "t5xxl": "a red mug", "guidance": 3.5}},
}
LOOP = {
    "1": {"class_type": "KSampler", "inputs": {"positive": ["2", 0]}},
    "2": {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["2", 0]}},
}
WEBUI = "a red mug,\n(large:1.2)\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"


def picture(path: Path, value: int = 128, **save) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (value, 0, 0)).save(path, **save)
    return path


def with_chunks(path: Path, **chunks: str) -> Path:
    info = PngImagePlugin.PngInfo()
    for name, text in chunks.items():
        info.add_text(name.replace("__", "-"), text)
    return picture(path, pnginfo=info)


def prompts(folder: Path, options: str = "") -> dict[str, str]:
    return {name: text for name, text, _, _ in ImagesGenerator.parse(f"{folder}{options}").prompts()}


def only(generator: ImagesGenerator, name: str):
    [(index, answer)] = generator.generate([Request(text="", name=name)])
    assert index == 0
    return answer


def test_pictures_are_found_at_any_depth_and_sorted(tmp_path):
    for name in ("b.png", "sub/deep/a.JPG", "c.webp", "d.bmp", "e.jpeg"):
        picture(tmp_path / name)
    (tmp_path / "notes.md").write_text("no picture")
    generator = ImagesGenerator.parse(str(tmp_path))
    assert isinstance(generator, Generator)
    assert [name for name, *_ in generator.prompts()] == ["b.png", "c.webp", "d.bmp", "e.jpeg", "sub/deep/a.JPG"]
    assert generator.knobs == frozenset()


def test_pictures_are_looked_up_by_name_then_by_text(tmp_path):
    for name, value in (("a.png", 10), ("b.png", 20), ("c.png", 30)):
        picture(tmp_path / name, value)
    (tmp_path / "prompts.csv").write_text("file,prompt\na.png,a mug\nb.png,a cup\nc.png,a cup\n")
    generator = ImagesGenerator.parse(str(tmp_path))
    wanted = [
        Request(text="a mug", name="b.png"),
        Request(text="a mug", name="c"),
        Request(text="a mug", name="elsewhere"),
        Request(text="a cup", seed=0),
        Request(text="a cup", seed=1),
        Request(text="a jug", name="d.png"),
    ]
    answers = dict(generator.generate(wanted))
    assert [int(answers[i][0, 0, 0]) for i in range(5)] == [20, 30, 10, 20, 30]
    assert answers[5].status == "skipped"
    assert "d.png" in answers[5].reason


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prompts.csv", "file,prompt\na.png,a mug\n"),
        ("prompts.tsv", "filename\ttext\n./a.png\ta mug\n"),
        ("metadata.jsonl", '{"file_name": "a.png", "text": "a mug"}\n'),
        ("prompts.jsonl", '{"image": "a.png", "caption": "a mug"}\n'),
        ("index.csv", "file,prompt_slug,origin\na.png,a_mug,x\n"),
    ],
)
def test_a_table_in_the_folder_gives_the_prompts(tmp_path, name, content):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / name).write_text(content)
    assert prompts(tmp_path) == {"a.png": "a mug", "b.png": ""}


def test_a_table_that_is_named_wins_and_may_lie_elsewhere(tmp_path):
    with_chunks(tmp_path / "out/a.png", parameters=WEBUI)
    (tmp_path / "out/prompts.csv").write_text("file,prompt\na.png,from the folder\n")
    (tmp_path / "my list.csv").write_text('path,text,tags,expect_text\nout/a.png,from me,x;y,"OPEN"\n')
    generator = ImagesGenerator.parse(f"{tmp_path / 'out'}?prompts={tmp_path}/my%20list.csv")
    assert generator.prompts() == [("a.png", "from me", {"text": "OPEN"}, ("x", "y"))]


def test_a_picture_its_table_names_but_the_folder_lacks_is_counted_as_failed(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "prompts.csv").write_text("file,prompt\na.png,a mug\nb.png,a cup\n")
    generator = ImagesGenerator.parse(str(tmp_path))
    assert [name for name, *_ in generator.prompts()] == ["a.png", "b.png"]
    answer = only(generator, "b.png")
    assert answer.status == "failed"
    assert "not in the folder" in answer.reason


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,prompt\na.png,x\n", "row 2: wanted a column file or filename"),
        ("file,words\na.png,x\n", "a column prompt or text or caption; found file, words"),
        ("file,prompt\na.png,x\na.png,y\n", "row 3: 'a.png' was already named in row 2"),
        ("file,prompt\nz.png,x\n", "names no picture of"),
        ("file,prompt\n../z.png,x\n", "row 2: '../z.png' is not in"),
    ],
)
def test_a_bad_table_says_what_is_wrong(tmp_path, table, message):
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "prompts.csv").write_text(table)
    with pytest.raises(GeneratorError) as caught:
        ImagesGenerator.parse(str(tmp_path / "in"))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        ({"parameters": WEBUI}, "a red mug,\n(large:1.2)"),
        ({"parameters": "a red mug\nSteps: 20, CFG scale: 7.000000, Version: stable-diffusion.cpp"}, "a red mug"),
        ({"parameters": json.dumps({"sui_image_params": {"prompt": "a red mug", "steps": 20}})}, "a red mug"),
        ({"parameters": "Steps: 20, Sampler: Euler"}, ""),
        ({"prompt": json.dumps(COMFY)}, "a red mug"),
        ({"prompt": json.dumps(FLUX)}, "a red mug"),
        ({"prompt": json.dumps(LOOP)}, ""),
        ({"prompt": "not a graph"}, ""),
        ({"prompt": "[1, 2]"}, ""),
        ({"invokeai_metadata": json.dumps({"positive_prompt": "a red mug", "negative_prompt": "b"})}, "a red mug"),
        ({"sd__metadata": json.dumps({"image": {"prompt": [{"prompt": "a red mug", "weight": 1}]}})}, "a red mug"),
        ({"sd__metadata": json.dumps({"image": {"prompt": "a red mug"}})}, "a red mug"),
        ({"Software": "somebody"}, ""),
    ],
)
def test_prompts_embedded_by_programs_are_read(tmp_path, chunks, text):
    with_chunks(tmp_path / "a.png", **chunks)
    assert prompts(tmp_path) == {"a.png": text}


def test_a_negative_branch_is_never_taken_for_the_prompt(tmp_path):
    graph = COMFY | {"12": {"class_type": "PrimitiveString", "inputs": {"value": ""}}}
    assert embedded_prompt({"prompt": json.dumps(graph)}) == ""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"tEXt", b"parameters\0a caf\xe9"),
        chunk(b"tEXt", "parameters\0a café".encode()),
        chunk(b"zTXt", b"parameters\0\0" + zlib.compress("a café".encode())),
        chunk(b"iTXt", b"parameters\0\0\0\0\0" + "a café".encode()),
        chunk(b"iTXt", b"parameters\0\1\0en\0x\0" + zlib.compress("a café".encode())),
    ],
    ids=["latin-1", "utf-8", "compressed", "international", "international compressed"],
)
@pytest.mark.parametrize("where", ["before", "after"])
def test_text_chunks_are_read_before_and_after_the_pixels(tmp_path, text, where):
    data = picture(tmp_path / "a.png").read_bytes()
    at = 33 if where == "before" else len(data) - 12
    (tmp_path / "a.png").write_bytes(data[:at] + text + data[at:])
    assert prompts(tmp_path) == {"a.png": "a café"}


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * 17 * 2**20)),
        chunk(b"zTXt", b"parameters\0\0garbage"),
        chunk(b"iTXt", b"parameters\0\0"),
        b"\xff\xff\xff\xfftEXtparameters",
    ],
    ids=["bomb", "not compressed", "cut short", "length beyond the file"],
)
def test_broken_text_chunks_are_passed_over(tmp_path, text):
    data = picture(tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:33] + text + data[33:])
    with (tmp_path / "a.png").open("rb") as stream:
        assert embedded_prompt(text_chunks(stream)) == ""


@pytest.mark.parametrize("sidecar", ["a.txt", "a.jpg.txt"])
def test_a_text_file_beside_a_picture_is_its_prompt(tmp_path, sidecar):
    picture(tmp_path / "a.jpg")
    (tmp_path / sidecar).write_text("a red mug\n")
    assert prompts(tmp_path) == {"a.jpg": "a red mug"}


def test_the_embedded_prompt_comes_before_the_text_file(tmp_path):
    with_chunks(tmp_path / "a.png", parameters="inside")
    (tmp_path / "a.txt").write_text("beside")
    assert prompts(tmp_path) == {"a.png": "inside"}


def saved(path: Path, image: Image.Image, **save) -> ImagesGenerator:
    image.save(path, **save)
    return ImagesGenerator.parse(str(path.parent))


def test_transparency_is_laid_over_white(tmp_path):
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (200, 0, 0, 128))
    pixels = only(saved(tmp_path / "a.png", image), "a.png")
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert np.abs(pixels[0, 1].astype(int) - [227, 127, 127]).max() <= 1


def test_palettes_with_transparency_are_laid_over_white(tmp_path):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([9, 9, 9, 10, 200, 30])
    image.putpixel((1, 0), 1)
    assert only(saved(tmp_path / "a.png", image, transparency=0), "a.png").tolist() == [[[255] * 3, [10, 200, 30]]]


def test_sixteen_bit_greys_keep_their_brightness(tmp_path):
    levels = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    pixels = only(saved(tmp_path / "a.png", Image.fromarray(levels)), "a.png")
    assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]
    assert pixels.shape == (1, 4, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "CMYK"])
def test_other_modes_become_rgb(tmp_path, mode):
    name = "a.jpg" if mode == "CMYK" else "a.png"
    pixels = only(saved(tmp_path / name, Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)), name)
    assert pixels.shape == (8, 8, 3)
    assert pixels.min() >= 250


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (4, 2), (255, 255, 255))
    image.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = only(saved(tmp_path / "a.png", image, exif=exif), "a.png")
    assert pixels.shape == (4, 2, 3)
    assert pixels[0, 1].tolist() == [255, 0, 0]


def test_a_corrupt_picture_fails_alone(tmp_path):
    whole = picture(tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.jpg").write_bytes(b"this is no picture")
    picture(tmp_path / "d.png", 7)
    generator = ImagesGenerator.parse(str(tmp_path))
    answers = dict(generator.generate([Request(text="", name=name) for name in ("a.png", "b.png", "c.jpg", "d.png")]))
    for index, name in ((1, "b.png"), (2, "c.jpg")):
        assert isinstance(answers[index], Refusal)
        assert answers[index].status == "failed"
        assert f"{tmp_path / name}: cannot be decoded" in answers[index].reason
    assert answers[3][0, 0, 0] == 7


@pytest.mark.parametrize("side", [10_100, 40_000])
def test_pictures_over_100_megapixels_are_refused_unread(tmp_path, side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    answer = only(ImagesGenerator.parse(str(tmp_path)), "a.png")
    assert answer.status == "failed"
    assert "over 100 megapixels" in answer.reason


def test_the_fingerprint_follows_names_and_contents_but_not_prompts(tmp_path):
    picture(tmp_path / "a.png")
    before = ImagesGenerator.parse(str(tmp_path)).fingerprint()
    (tmp_path / "a.txt").write_text("a mug")
    assert ImagesGenerator.parse(str(tmp_path)).fingerprint() == before
    picture(tmp_path / "a.png", 129)
    changed = ImagesGenerator.parse(str(tmp_path)).fingerprint()
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert len({before, changed, ImagesGenerator.parse(str(tmp_path)).fingerprint()}) == 3


def test_folders_without_pictures_are_errors(tmp_path):
    with pytest.raises(GeneratorError, match=r"no pictures under .*; known endings: \.png"):
        ImagesGenerator.parse(str(tmp_path))
    with pytest.raises(GeneratorError, match="does not exist"):
        ImagesGenerator.parse(str(tmp_path / "nowhere"))
    with pytest.raises(GeneratorError, match="give a folder of pictures"):
        ImagesGenerator.parse("?prompts=x.csv")
    with pytest.raises(GeneratorError, match="is a file"):
        ImagesGenerator.parse(str(picture(tmp_path / "a.png")))
    with pytest.raises(GeneratorError, match=r"no file 'x\.csv', neither here nor in"):
        ImagesGenerator.parse(f"{tmp_path}?prompts=x.csv")
    with pytest.raises(GeneratorError, match=r"no option 'promts'; did you mean prompts\?"):
        ImagesGenerator.parse(f"{tmp_path}?promts=x.csv")


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no pictures in {SHARED}; set AUDIT_SHARED_DATA")
def test_real_outputs_of_stable_diffusion_are_read_as_they_lie():
    generator = ImagesGenerator.parse(str(SHARED))
    suite = of_images(generator)
    assert len(suite.prompts) == 28
    assert suite.prompts[0].text == "a high quality photo of an astronaut riding a dragon in space"
    assert sum(bool(prompt.text) for prompt in suite.prompts) == 16
    answers = dict(generator.generate([Request(text=p.text, name=p.id) for p in suite.prompts[::5]]))
    assert all(answer.shape[2] == 3 and answer.std() > 10 for answer in answers.values())
