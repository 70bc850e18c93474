"""The Parquet files of a run: their columns, and writing them so that a reader never meets half a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit.types import Artifact, Contrast, Estimate, Json, Score, fields_of

Row = Mapping[str, Any]
Identity = tuple[str, str, int, str, str]
BROKEN = (pa.ArrowException, OSError, KeyError, TypeError, ValueError)
"""What reading a damaged file, and making sense of its rows, raises."""

_TEMPORARY = ".tmp-"

LATER = {b"later": b"1"}
"""Marks a column that summaries of earlier versions lack."""

JOBS = pa.schema(
    [
        ("key", pa.string()),
        ("generator", pa.string()),
        ("fingerprint", pa.string()),
        ("prompt_id", pa.string()),
        ("cell", pa.string()),
        ("settings", pa.string()),
        ("replicate", pa.int32()),
        ("seed", pa.int64()),
        ("shard", pa.int32()),
    ]
)
SCORES = pa.schema(
    [
        ("key", pa.string()),
        ("digest", pa.string()),
        ("audit", pa.string()),
        ("version", pa.int32()),
        ("options", pa.string()),
        ("expectation", pa.string()),
        ("status", pa.string()),
        ("value", pa.float64()),
        ("vector", pa.list_(pa.float32())),
        ("reason", pa.string()),
        ("evidence", pa.string()),
    ]
)
_ARTIFACT = [
    ("key", pa.string(), "string"),
    ("status", pa.string(), "string"),
    ("digest", pa.string(), "string"),
    ("width", pa.int32(), "int32"),
    ("height", pa.int32(), "int32"),
    ("seconds", pa.float64(), "float64"),
    ("device", pa.string(), "string"),
    ("error", pa.string(), "string"),
]
ARTIFACT_COLUMNS = [name for name, _, _ in _ARTIFACT]
# datasets.load_dataset("parquet") shows the bytes as pictures when the file says that they are
_FEATURES = {name: {"dtype": kind, "_type": "Value"} for name, _, kind in _ARTIFACT} | {"image": {"_type": "Image"}}
IMAGES = pa.schema(
    [(name, kind) for name, kind, _ in _ARTIFACT]
    + [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))],
    metadata={b"huggingface": json.dumps({"info": {"features": _FEATURES}}).encode()},
)
ESTIMATES = pa.schema(
    [(name, pa.string()) for name in ("generator", "cell", "audit", "statistic")]
    + [(name, pa.float64()) for name in ("value", "low", "high")]
    + [(name, pa.int64()) for name in ("n", "skipped", "failed", "prompts", "replicates")]
    + [("note", pa.string())]
    + [(name, pa.float64()) for name in ("corrected", "corrected_low", "corrected_high")]
    + [("card", pa.string())]
)
CONTRASTS = pa.schema(
    [(name, pa.string()) for name in ("generator", "before", "after", "audit")]
    + [(name, pa.float64()) for name in ("value", "low", "high")]
    + [(name, pa.int64()) for name in ("pairs", "prompts")]
    + [("note", pa.string()), pa.field("mde", pa.float64(), metadata=LATER)]
    + [pa.field(name, pa.int64(), metadata=LATER) for name in ("replicates", "skipped", "failed")]
)


@dataclass(frozen=True, kw_only=True)
class StoredPicture:
    """An artifact with its lossless WebP bytes, which are empty where there is no picture."""

    artifact: Artifact
    image: bytes = b""


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """A score with all that it depends on.

    Attributes:
        key: the job's key.
        digest: of the picture's pixels; empty where there is no picture.
        options: canonical JSON of every option of the audit.
        expectation: digest of the prompt's text and expectations.
    """

    key: str
    digest: str
    audit: str
    version: int
    options: str
    expectation: str
    score: Score

    @property
    def identity(self) -> Identity:
        """Equal identities have equal scores, whichever job they belong to."""
        return self.digest, self.audit, self.version, self.options, self.expectation


def canonical(value: Json) -> str:
    """JSON with sorted keys; a value that is not finite or not JSON is an error (ValueError, TypeError)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def picture_rows(pictures: Iterable[StoredPicture]) -> list[Row]:
    """Rows of `IMAGES`."""
    return [
        fields_of(each.artifact)
        | {"image": {"bytes": each.image, "path": f"{each.artifact.key}.webp"} if each.image else None}
        for each in pictures
    ]


def pictures_of(rows: Iterable[Row]) -> list[StoredPicture]:
    """Back from rows of `IMAGES`."""
    return [
        StoredPicture(
            artifact=Artifact(**{name: row[name] for name in ARTIFACT_COLUMNS}),
            image=(row["image"] or {"bytes": b""})["bytes"],
        )
        for row in rows
    ]


def score_rows(scores: Iterable[ScoreRow]) -> list[Row]:
    """Rows of `SCORES`."""
    return [
        {
            "key": each.key,
            "digest": each.digest,
            "audit": each.audit,
            "version": each.version,
            "options": each.options,
            "expectation": each.expectation,
            "status": each.score.status,
            "value": each.score.value,
            "vector": each.score.vector,
            "reason": each.score.reason,
            "evidence": canonical(dict(each.score.evidence)),
        }
        for each in scores
    ]


def scores_of(rows: Iterable[Row]) -> list[ScoreRow]:
    """Back from rows of `SCORES`."""
    return [
        ScoreRow(
            **{name: row[name] for name in ("key", "digest", "audit", "version", "options", "expectation")},
            score=Score(
                status=row["status"],
                value=row["value"],
                vector=None if row["vector"] is None else tuple(row["vector"]),
                reason=row["reason"],
                evidence=json.loads(row["evidence"]),
            ),
        )
        for row in rows
    ]


def estimate_rows(estimates: Iterable[Estimate] | Iterable[Contrast]) -> list[Row]:
    """Rows of `ESTIMATES` or `CONTRASTS`."""
    return [fields_of(each) for each in estimates]


def write_table(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    """Write a Parquet file with page checksums; it appears whole or not at all."""
    table = pa.Table.from_pylist(list(rows), schema=schema)
    write_aside(path, lambda temporary: pq.write_table(table, temporary, write_page_checksum=True))


def holds(path: Path, rows: Sequence[Row], schema: pa.Schema) -> bool:
    """Whether a file is there that holds these rows and can be read."""
    try:
        return bool(read_table(path, schema=schema).equals(pa.Table.from_pylist(list(rows), schema=schema)))
    except BROKEN:
        return False


def read_table(path: Path, columns: Sequence[str] | None = None, schema: pa.Schema | None = None) -> pa.Table:
    """Read a Parquet file, checking the checksums of the pages read; damage raises one of `BROKEN`.

    Args:
        columns: to read; all where None.
        schema: what they were written as. Names and types lie outside the pages, where no checksum guards them.
    """
    file = pq.ParquetFile(path, page_checksum_verification=True)
    _plausible(file.metadata, path.stat().st_size)
    table = file.read(
        columns=None if columns is None else list(columns),
        use_threads=False,  # which for files as small as shards costs more than it gains
    )
    wrong = set(columns or ()) - set(table.column_names)  # which Arrow passes over
    if schema is not None:
        due, kinds, told = _as_written(schema)
        wrong |= (due if columns is None else set(columns)) - set(table.column_names)
        for name, column in zip(table.column_names, table.columns, strict=True):
            if column.type != kinds.get(name) or (name in told and column.null_count):
                wrong.add(name)
    if wrong:
        raise KeyError(f"column {', '.join(sorted(wrong))} is missing or not as it was written")
    return table


def _plausible(told: pq.FileMetaData, size: int) -> None:
    """Refuse a file that claims more than its bytes can hold, before room is taken for it.

    Every row of ours costs more than a byte, for it has a key or a name of its own, and Snappy cannot pack 64 into one.
    """
    groups = [told.row_group(place) for place in range(told.num_row_groups)]
    rows = max(told.num_rows, sum(each.num_rows for each in groups))
    unpacked = sum(each.total_byte_size for each in groups)
    if rows > size or unpacked > 64 * size:
        raise ValueError(f"it claims {rows:,} rows and {unpacked:,} bytes, which {size:,} bytes cannot hold")


@cache
def _as_written(schema: pa.Schema) -> tuple[set[str], dict[str, pa.DataType], set[str]]:
    """The columns that every version wrote, the type of each, and those never without a value.

    Texts and whole numbers are always told; a number or a vector may be absent.
    """
    due = {each.name for each in schema if each.metadata is None or LATER.keys() - each.metadata.keys()}
    told = {each.name for each in schema if each.type == pa.string() or pa.types.is_integer(each.type)}
    return due, {each.name: each.type for each in schema}, told


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text; the file appears whole or not at all."""
    write_aside(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, raw: bytes) -> None:
    """Write bytes; the file appears whole or not at all."""
    write_aside(path, lambda temporary: temporary.write_bytes(raw))


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary neighbour, flush it to the disk and rename it into place.

    What raises leaves the old file as it was, and no temporary one: a full disk needs the room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{_TEMPORARY}{os.getpid()}")
    try:
        write(temporary)
        _flush(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(path.parent)


def remove_temporaries(folder: Path) -> int:
    """Remove what interrupted writes left behind; how many files that were."""
    left = [path for path in folder.rglob(f".*{_TEMPORARY}*") if path.is_file()]
    for path in left:
        path.unlink()
    return len(left)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
