"""Where reference pictures come from, and their features batch by batch, for `audit.references`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audit.images import ImageError, decode
from generators.api import Pixels

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
IMAGE_COLUMN = "image"
BATCH = 64


class BadReferenceError(ValueError):
    """A reference that cannot be used; the message says how to make one that can."""


def pictures(data: Path, limit: int) -> tuple[str, Iterator[Pixels]]:
    """What the pictures are, in words, and the first `limit` of them in order of name.

    Args:
        data: a studio dataset (its held-out scenes), a folder of pictures, or Parquet: a file, or a folder of files,
            with a column "image" of encoded pictures, bare or in `datasets`' form {"bytes": ..., "path": ...}.

    Raises:
        BadReferenceError: there is no picture.
    """
    if (data / "held_out").is_dir():
        return "held-out studio scenes at 64 pixels", islice(_held_out(data), limit)
    files = [data] if data.is_file() else sorted(path for path in data.rglob("*") if path.is_file())
    tables = [path for path in files if path.suffix.lower() == ".parquet"]
    if tables:
        return f"pictures of {data.name}", islice(chain.from_iterable(map(_of_table, tables)), limit)
    plain = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not plain:
        raise BadReferenceError(f"{data}: no picture ({', '.join(SUFFIXES)}) and no .parquet file")
    return f"pictures of {data.name}", (_decoded(path.read_bytes(), str(path)) for path in plain[:limit])


def features(model: str, some: Iterator[Pixels]) -> tuple[str, Iterator[NDArray[np.float32]]]:
    """Identity of the feature model, and the features of the pictures in batches (b, d).

    Args:
        model: "studio", a folder in open_clip's layout, "ARCHITECTURE:TAG", "inception", "inception-clean" or "dino".
    """
    from audit.features import dino, inception, models

    def rows(embed: Callable[[list[torch.Tensor]], torch.Tensor]) -> Iterator[NDArray[np.float32]]:
        while part := list(islice(some, BATCH)):
            yield embed([torch.from_numpy(np.ascontiguousarray(each.transpose(2, 0, 1))) for each in part]).numpy()

    if model in ("inception", "inception-clean"):
        extractor = inception.load()
        protocol: inception.Protocol = "clean" if model == "inception-clean" else "legacy"
        return extractor.identity(protocol), rows(
            lambda images: torch.stack([extractor.features(image, protocol) for image in images])
        )
    if model == "dino":
        encoder = dino.load()
        return encoder.digest, rows(encoder.features)
    architecture, _, tag = model.partition(":") if not Path(model).is_dir() else (model, "", "")
    loaded = models.load(architecture, tag)
    return loaded.digest, rows(loaded.image_features)


def _held_out(folder: Path) -> Iterator[Pixels]:
    from generators.studio.dataset import load as tables
    from generators.studio.drawing import halved

    for table in tables(folder, "held_out", columns=[IMAGE_COLUMN]):
        for raw in table[IMAGE_COLUMN].to_pylist():
            yield halved(decode(raw))


def _of_table(path: Path) -> Iterator[Pixels]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    if IMAGE_COLUMN not in file.schema_arrow.names:
        names = ", ".join(file.schema_arrow.names)
        raise BadReferenceError(f"{path}: no column {IMAGE_COLUMN!r} of encoded pictures; found {names}")
    row = 0
    for batch in file.iter_batches(BATCH, columns=[IMAGE_COLUMN]):
        for cell in batch.column(0).to_pylist():
            yield _decoded(_bytes(cell), f"{path}, row {row}")
            row += 1


def _bytes(cell: Any) -> bytes:
    raw = cell.get("bytes") if isinstance(cell, dict) else cell
    return raw if isinstance(raw, bytes) else b""


def _decoded(raw: bytes, place: str) -> Pixels:
    try:
        return decode(raw)
    except ImageError as error:
        raise BadReferenceError(f"{place}: {error}") from error
