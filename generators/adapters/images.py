"""`images:DIR[?prompts=FILE]`: pictures that exist already, made by any program, looked up instead of generated.

A picture's prompt is the first of: its row in ?prompts=FILE or in a table in the folder (prompts.csv, prompts.tsv,
prompts.jsonl, metadata.jsonl, metadata.csv, index.csv); the text its program embedded (see `embedded`); the file
beside it with the same name and the ending .txt; else none, and audits that need one skip the picture. A picture that
a table names and the folder lacks is listed and fails, so that it is counted.

Conversion to 8-bit sRGB, in this order: EXIF orientation is applied; 16-bit greys are divided by 257; palettes, greys
and CMYK become RGB; transparency is laid over white. Of an animation the first frame counts. Colour profiles are not
applied.

A folder may come from a stranger. What leads out of it, by "../" or by a link, is not followed: such a picture fails by
name, such a table or text file is refused. Only the formats above (and a GIF under their endings) are decoded,
and only after the header has said that the picture is of ordinary size.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import warnings
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from generators.adapters.embedded import LONGEST, embedded_prompt, text_chunks
from generators.adapters.options import OptionError, split_options
from generators.adapters.tables import Row, TableError, column, expectations, listed, read_rows, tags_of
from generators.api import GeneratorError, Pixels, Refusal, Request, Task

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
TABLES = ("prompts.csv", "prompts.tsv", "prompts.jsonl", "metadata.jsonl", "metadata.csv", "index.csv")
FILE_COLUMNS = ("file", "filename", "file_name", "image", "path")
TEXT_COLUMNS = ("prompt", "text", "caption")
SLUG_COLUMNS = ("prompt_slug",)
MOST_PIXELS = 100_000_000
MOST_BYTES = 2**29
"""Of a picture's file."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
"""What is decoded. Pillow knows forty more, some of which start other programs (EPS) or are seldom looked after."""
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError,
              NotImplementedError, MemoryError, struct.error, zlib.error)  # fmt: skip
"""What Pillow's decoders raise at damaged files, most of it by accident."""


@dataclass(frozen=True)
class Picture:
    """A picture of the folder and what is known of it; `name` is its path in the folder, with forward slashes."""

    name: str
    text: str = ""
    expect: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


class ImagesGenerator:
    """A folder as a generator; see the module."""

    def __init__(self, folder: Path, pictures: Sequence[Picture], name: str) -> None:
        self.name = name
        self.tasks: frozenset[Task] = frozenset({"text2img"})
        self.knobs: frozenset[str] = frozenset()
        self.batch = 32
        self.folder = folder
        self.pictures = {picture.name: picture for picture in pictures}
        self.stems = grouped((str(PurePosixPath(name).with_suffix("")), name) for name in self.pictures)
        self.texts = grouped((picture.text, picture.name) for picture in pictures if picture.text)

    @classmethod
    def parse(cls, rest: str) -> ImagesGenerator:
        """The generator of "DIR?prompts=FILE", where FILE is looked for here and then in DIR.

        Raises:
            GeneratorError: no such folder, no picture in it, or a table that cannot be read.
        """
        try:
            subject, options = split_options(rest, ["prompts"])
            folder = home(subject)
            names = picture_names(subject)
            rows = told(folder, names, options.get("prompts"))
        except (OptionError, TableError) as error:
            raise GeneratorError(f"images: {error}") from None
        pictures = [rows.get(name) or Picture(name) for name in sorted({*names, *rows})]
        present = set(names)
        found = [
            picture if picture.text or picture.name not in present else own_prompt(folder, picture)
            for picture in pictures
        ]
        return cls(folder, found, name=f"images:{rest}")

    def prompts(self) -> list[tuple[str, str, dict[str, Any], tuple[str, ...]]]:
        """(name, text, expect, tags) of each picture, sorted by name."""
        return [(each.name, each.text, dict(each.expect), each.tags) for each in self.pictures.values()]

    def fingerprint(self) -> str:
        """SHA-256 over names, sizes and contents; prompts and expectations do not shape a picture and are left out."""
        total = hashlib.sha256()
        for name in self.pictures:
            path = self.folder / name
            size, digest = 0, hashlib.sha256()
            if os.path.isfile(path) and inside(path, self.folder):
                with path.open("rb") as stream:
                    size, digest = os.fstat(stream.fileno()).st_size, hashlib.file_digest(stream, "sha256")
            total.update(f"{name}\x00{size}\x00{digest.hexdigest()}\n".encode())
        return total.hexdigest()

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        """Each request's picture, or why there is none."""
        for index, request in enumerate(requests):
            name = self.find(request)
            if name is None:
                wanted = request.name or request.text
                yield index, Refusal("skipped", f"{self.folder}: no picture named {wanted!r}, none with that prompt")
            else:
                yield index, read_picture(self.folder, name)

    def find(self, request: Request) -> str | None:
        """A picture by name, with or without ending, else by exact text; the seed picks where several share it."""
        if request.name in self.pictures:
            return request.name
        named = self.stems.get(request.name, [])
        if len(named) == 1:
            return named[0]
        same = self.texts.get(request.text, [])
        return same[request.seed % len(same)] if same else None


def grouped(pairs: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    """Values by key, in order."""
    groups: dict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)


def picture_names(subject: str) -> list[str]:
    """Every picture under a folder, relative to it, sorted."""
    folder = home(subject)
    if not subject or not os.path.isdir(folder):
        what = "is a file" if subject and os.path.exists(folder) else "does not exist"
        raise GeneratorError(f"images: {subject!r} {what}; give a folder of pictures, as in images:outputs/")
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and os.path.isfile(path)
    )
    for name in names:
        if not name.isprintable():
            raise GeneratorError(
                f"images: {str(folder)!r} holds {name!r}, whose name is not text on one line; rename it"
            )
    if not names:
        raise GeneratorError(f"images: no pictures under {str(folder)!r}; known endings: {', '.join(SUFFIXES)}")
    return names


def told(folder: Path, names: Sequence[str], file: str | None) -> dict[str, Picture]:
    """What a table says of the pictures, by name; empty where there is no table."""
    if file is None:
        found = [folder / name for name in TABLES if os.path.isfile(folder / name)]
        if found and not inside(found[0], folder):
            raise TableError(f"{found[0]} is a link that leads out of {str(folder)!r}; name it with ?prompts=FILE")
    else:
        found = [path for path in (home(file), folder / file) if os.path.isfile(path)]
        if not found:
            raise GeneratorError(f"images: no file {file!r}, neither here nor in {str(folder)!r}")
    if not found:
        return {}
    table = found[0]
    pictures: dict[str, Picture] = {}
    rows: dict[str, int] = {}
    for row in read_rows(table):
        picture = told_by(row, table, folder)
        if picture.name in rows:
            raise TableError(
                f"{table}, row {row.number}: {picture.name!r} was already named in row {rows[picture.name]}"
            )
        rows[picture.name], pictures[picture.name] = row.number, picture
    if not set(names) & set(pictures):
        first = next(iter(pictures))
        raise TableError(f"{table}: names no picture of {str(folder)!r}, where there is {names[0]!r}; it has {first!r}")
    return pictures


def told_by(row: Row, table: Path, folder: Path) -> Picture:
    """One row as a picture; underscores of a slug are read as spaces."""
    where = f"{table}, row {row.number}"
    columns = list(row.values)
    file, text = column(columns, FILE_COLUMNS), column(columns, TEXT_COLUMNS)
    slug = column(columns, SLUG_COLUMNS)
    if file is None or (text is None and slug is None):
        raise TableError(
            f"{where}: wanted a column {' or '.join(FILE_COLUMNS)} and a column {' or '.join(TEXT_COLUMNS)};"
            f" found {listed(columns)}"
        )
    name, prompt = row.values[file], row.values[text] if text else row.values[slug or ""]
    if not isinstance(name, str) or not name or not isinstance(prompt, str | None):
        raise TableError(f"{where}: {file} must name a picture and its prompt must be text; found {name!r}, {prompt!r}")
    return Picture(
        name=relative(name, where, table, folder),
        text=(prompt or "") if text else (prompt or "").replace("_", " "),
        expect=expectations(row.values, where),
        tags=tags_of(row.values.get("tags") or [], where),
    )


def relative(name: str, where: str, table: Path, folder: Path) -> str:
    """The picture's path in the folder; the table may write it relative to the folder, to itself, or absolute."""
    if not name.isprintable():
        raise TableError(f"{where}: {name!r} is no file's name")
    root = os.path.abspath(folder)
    inside, beside = os.path.abspath(folder / name), os.path.abspath(table.parent / name)
    path = Path(beside if os.path.exists(beside) and not os.path.exists(inside) else inside)
    if not path.is_relative_to(root):
        raise TableError(f"{where}: {name!r} is not in {str(folder)!r}")
    return path.relative_to(root).as_posix()


def own_prompt(folder: Path, picture: Picture) -> Picture:
    """The picture with the prompt found inside its file or in the .txt beside it, if any."""
    path, text = folder / picture.name, ""
    if not inside(path, folder):
        return picture
    try:
        with path.open("rb") as stream:
            text = embedded_prompt(text_chunks(stream))
        for sidecar in (path.with_suffix(".txt"), path.with_name(path.name + ".txt")):
            if not text and os.path.isfile(sidecar) and inside(sidecar, folder):
                with sidecar.open("rb") as stream:
                    text = stream.read(LONGEST).decode("utf-8-sig", errors="replace").strip()
    except OSError as error:
        raise GeneratorError(f"images: {path}: cannot be read: {error.strerror}") from None
    return Picture(picture.name, text, picture.expect, picture.tags)


def home(text: str) -> Path:
    """The path with "~" written out, where there is such a home."""
    return Path(os.path.expanduser(text))


def inside(path: Path, folder: Path) -> bool:
    """Whether what the path leads to, links followed, lies in the folder."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_picture(folder: Path, name: str) -> Pixels | Refusal:
    """A file as pixels; a broken, missing or enormous one is a refusal of that picture alone."""
    path = folder / name
    if not os.path.isfile(path):
        return Refusal("failed", f"{path}: not in the folder, though its table names it")
    if not inside(path, folder):
        return Refusal("failed", f"{path}: a link that leads out of the folder; copy the picture into it")
    try:
        with opened(path) as image:
            return to_rgb(ImageOps.exif_transpose(image))
    except TooLargeError as error:
        return Refusal("failed", f"{path}: {error}")
    except UNREADABLE as error:
        return Refusal("failed", f"{path}: cannot be decoded: {error}")


class TooLargeError(ValueError):
    """A picture whose header or file says that it is larger than is ever decoded."""


@contextmanager
def opened(source: Path | bytes) -> Iterator[Image.Image]:
    """A picture of an accepted format and size, of which nothing but the header is read yet.

    Raises:
        TooLargeError: over `MOST_PIXELS` or `MOST_BYTES`.
        UNREADABLE: what the decoder stumbles over, here or later.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > MOST_BYTES:
        raise TooLargeError(f"{size:,} bytes are over {MOST_BYTES // 2**20} MiB")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # damage that Pillow mends; sizes are looked at below
        try:
            image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
        except Image.DecompressionBombError:
            raise TooLargeError("over 100 megapixels") from None
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise TooLargeError(f"{image.width} x {image.height} is over 100 megapixels")
            yield image


def to_rgb(image: Image.Image) -> Pixels:
    """(height, width, 3) in 0..255; see the module for the order of conversions."""
    if image.mode.startswith(("I", "F")):
        levels = np.asarray(image).astype(np.float64) / 257
        grey = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layered)
    return np.array(image.convert("RGB"), dtype=np.uint8)
