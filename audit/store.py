"""The run folder: the only place that knows where a run's files lie.

Written a shard at a time, aside and renamed, so that whatever is there is whole. Reports read through the same class.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from audit import tables
from audit.checked import manifest_fault, prompt_of
from audit.images import decode, encode_webp
from audit.plan import Shard
from audit.tables import BROKEN, Row, ScoreRow, StoredPicture, read_table, write_bytes, write_table, write_text
from audit.types import Artifact, Contrast, Estimate, Job, Json, Prompt, cell_name, fields_of
from generators.api import Pixels, Settings

T = TypeVar("T")
FORMAT = 1
READERS = 4  # threads that read shards: most of a small file's reading is done outside the interpreter


class StoreError(ValueError):
    """A run folder that cannot be read or written; the message says which file and what would help."""


class RunFolder:
    """A run on disk.

    Reading needs nothing but the path. Writing starts with `open_for_writing()` and holds the lock meanwhile.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._where: dict[str, int] | None = None
        self._recent: tuple[int, dict[str, bytes]] | None = None

    # reading

    def manifest(self) -> dict[str, Any]:
        """What was run, with what, where: see `audit.manifest`."""
        path = self.path / "manifest.json"
        if not path.is_file():
            raise StoreError(f"{self.path} is no run folder: it has no manifest.json; give the --out of an audit run")
        try:
            manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{path} is damaged ({error}); run the same command again to rewrite it") from error
        if isinstance(manifest, dict) and manifest.get("format") != FORMAT:
            raise StoreError(f"{path} has format {manifest.get('format')!r}; this version reads format {FORMAT}")
        if wrong := manifest_fault(manifest):
            raise StoreError(f"{path} is damaged ({wrong}); run the same command again to rewrite it")
        return manifest

    def prompts(self) -> dict[str, Prompt]:
        """The suite's prompts by id, in suite order."""
        path = self.path / "prompts.jsonl"
        found: dict[str, Prompt] = {}
        try:
            # not splitlines(), which also cuts at separators that may stand inside a prompt
            for line in filter(None, path.read_text(encoding="utf-8").split("\n")):
                prompt = prompt_of(json.loads(line))
                found[prompt.id] = prompt
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(f"{path}, line {len(found) + 1}: cannot be read ({error})") from error
        return found

    def jobs(self) -> pd.DataFrame:
        """One row per job, in plan order.

        Columns: key, generator, fingerprint, prompt_id, cell, settings (JSON), replicate, seed, shard.
        """
        return self._joined([self.path / "jobs.parquet"], tables.JOBS.names, tables.JOBS)

    def artifacts(self) -> pd.DataFrame:
        """What became of each job so far: key, status, digest, width, height, seconds, device, error."""
        return self._joined(self.image_files(), tables.ARTIFACT_COLUMNS, tables.IMAGES)

    def image(self, key: str) -> Pixels:
        """The picture of a job, (height, width, 3) uint8; KeyError where there is none."""
        return decode(self._bytes(key))

    def images(self, keys: Iterable[str]) -> Iterator[tuple[str, Pixels]]:
        """Pairs of key and picture, in the order asked for."""
        for key in keys:
            yield key, self.image(key)

    def scores(self, audit: str | None = None, columns: Sequence[str] = tables.SCORES.names) -> pd.DataFrame:
        """Score rows of one audit, or of every audit of the run, in plan order.

        Columns: key, digest, audit, version, options (JSON), expectation, status, value, vector, reason,
        evidence (JSON); or those named, which are all that is read.
        """
        names = [audit] if audit is not None else [each["name"] for each in self.manifest()["audits"]]
        files = [path for name in names for path in self.score_files(name).values()]
        return self._joined(files, columns, tables.SCORES)

    def estimates(self) -> list[Estimate]:
        """Every audit summarised over every cell; empty before the first summary."""
        return [Estimate(**row) for row in self._rows(self.path / "estimates.parquet", tables.ESTIMATES)]

    def contrasts(self) -> list[Contrast]:
        """Every paired difference between cells; empty before the first summary."""
        return [Contrast(**row) for row in self._rows(self.path / "contrasts.parquet", tables.CONTRASTS)]

    def shards(self) -> list[Shard]:
        """The plan, rebuilt from jobs.parquet and prompts.jsonl.

        Raises:
            StoreError: a prompt was edited in a way that would have made another picture.
        """
        prompts = self.prompts()
        grouped: dict[int, list[Job]] = {}
        for row in self._rows(self.path / "jobs.parquet", tables.JOBS, required=True):
            if row["prompt_id"] not in prompts:
                raise StoreError(f"{self.path / 'prompts.jsonl'} lacks the prompt {row['prompt_id']!r} of the plan")
            job = Job(
                generator=row["generator"],
                fingerprint=row["fingerprint"],
                prompt=prompts[row["prompt_id"]],
                settings=settings_of(row["settings"]),
                replicate=row["replicate"],
            )
            if job.key != row["key"]:
                raise StoreError(
                    f"{self.path / 'prompts.jsonl'}: the text or inputs of {row['prompt_id']!r} changed after its "
                    f"picture was made; only tags and expectations may change, otherwise run again"
                )
            grouped.setdefault(row["shard"], []).append(job)
        return [Shard(number=number, batch=1, jobs=tuple(mine)) for number, mine in sorted(grouped.items())]

    # writing

    def open_for_writing(self) -> contextlib.AbstractContextManager[int]:
        """Create the folder, take its lock, remove half-written files; the value is how many there were."""
        self._create()
        return self._locked()

    def write_manifest(self, manifest: Mapping[str, Json]) -> None:
        """Replace the manifest."""
        with writing(self.path / "manifest.json") as path:
            write_text(path, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")

    def write_plan(self, prompts: Iterable[Prompt], shards: Sequence[Shard]) -> None:
        """Write the suite as read and one row per job; what is there already is left as it is."""
        lines = "".join(json.dumps(fields_of(prompt), ensure_ascii=False) + "\n" for prompt in prompts)
        with writing(self.path / "prompts.jsonl") as path:
            if not path.is_file() or path.read_bytes() != lines.encode():
                write_text(path, lines)
        rows = job_rows(shards)
        if not tables.holds(self.path / "jobs.parquet", rows, tables.JOBS):
            _write(self.path / "jobs.parquet", rows, tables.JOBS)
        self._where = None

    def image_file(self, number: int) -> Path:
        """Where the pictures of a shard lie."""
        return self.path / "images" / f"shard-{number:05d}.parquet"

    def input_file(self, digest: str) -> Path:
        """Where a picture that prompts bring with them lies."""
        return self.path / "inputs" / f"{digest}.webp"

    def write_inputs(self, files: Mapping[str, Path]) -> None:
        """Keep a copy of every picture that prompts bring, so that the run can be read without the suite."""
        for digest, source in files.items():
            if not self.input_file(digest).is_file():
                raw = encode_webp(decode(source.read_bytes()))
                with writing(self.input_file(digest)) as path:
                    write_bytes(path, raw)

    def input(self, digest: str) -> Pixels:
        """A picture that a prompt brought."""
        pixels: Pixels = self._read(self.input_file(digest), lambda path: decode(path.read_bytes()))
        return pixels

    def score_file(self, audit: str, number: int) -> Path:
        """Where the scores of a shard lie."""
        return self.path / "scores" / audit / f"shard-{number:05d}.parquet"

    def score_files(self, audit: str) -> dict[int, Path]:
        """One audit's shards of scores that are there, by number."""
        found = sorted((self.path / "scores" / audit).glob("shard-*.parquet"))
        return {int(path.stem.removeprefix("shard-")): path for path in found}

    def input_files(self) -> list[Path]:
        """Every picture that prompts bring."""
        return sorted((self.path / "inputs").glob("*.webp"))

    def shard_files(self) -> list[Path]:
        """Every shard of pictures of this plan and of scores that is there."""
        return sorted([*self.image_files(), *(self.path / "scores").glob("*/shard-*.parquet")])

    def image_files(self) -> list[Path]:
        """Every shard of pictures of this plan that is there."""
        return sorted((self.path / "images").glob("shard-*.parquet"))

    def earlier_files(self) -> list[Path]:
        """Shards of pictures made under another plan of this folder."""
        return sorted((self.path / "earlier").glob("*.parquet"))

    def set_aside(self, path: Path, name: str) -> Path:
        """Move a shard of another plan out of the way; its pictures can still be looked up, in the path returned."""
        target = self.path / "earlier" / f"{name}.parquet"
        with writing(target):
            target.parent.mkdir(exist_ok=True)
            return path.replace(target)

    def remove(self, path: Path) -> None:
        """Delete a file of the run that this plan needs no more, or that cannot be read."""
        with writing(path):
            path.unlink()

    def write_pictures(self, number: int, pictures: Iterable[StoredPicture]) -> None:
        """Commit a shard of pictures."""
        _write(self.image_file(number), tables.picture_rows(pictures), tables.IMAGES)
        self._recent = None

    def read_images(self, number: int) -> dict[str, bytes]:
        """The pictures of a shard, lossless WebP by key; none where the run stopped before it."""
        path = self.image_file(number)
        if not path.is_file():
            return {}
        rows = self._read(path, lambda p: read_table(p, ["key", "image"], tables.IMAGES).to_pylist())
        return {row["key"]: row["image"]["bytes"] for row in rows if row["image"] and row["image"]["bytes"]}

    def read_pictures(self, path: Path) -> list[StoredPicture]:
        """The artifacts of a shard with their bytes."""
        return self._read(path, lambda p: tables.pictures_of(read_table(p, schema=tables.IMAGES).to_pylist()))

    def read_artifacts(self, path: Path, *, verify: bool = False) -> list[Artifact]:
        """The artifacts of a shard, without their pictures; `verify` holds these to their checksums as well."""

        def read(path: Path) -> list[Artifact]:
            table = read_table(path, None if verify else tables.ARTIFACT_COLUMNS, tables.IMAGES)
            return [Artifact(**row) for row in table.select(tables.ARTIFACT_COLUMNS).to_pylist()]

        return self._read(path, read)

    def write_scores(self, audit: str, number: int, scores: Iterable[ScoreRow]) -> None:
        """Commit one audit's scores of a shard."""
        _write(self.score_file(audit, number), tables.score_rows(scores), tables.SCORES)

    def scored_keys(self, path: Path) -> list[str]:
        """The keys alone of one audit's scores of a shard."""
        keys: list[str] = self._read(path, lambda p: read_table(p, ["key"], tables.SCORES)["key"].to_pylist())
        return keys

    def read_scores(self, path: Path) -> list[ScoreRow]:
        """One audit's scores of a shard."""
        return self._read(path, lambda p: tables.scores_of(read_table(p, schema=tables.SCORES).to_pylist()))

    def write_summary(self, estimates: Iterable[Estimate], contrasts: Iterable[Contrast]) -> None:
        """Replace estimates and contrasts."""
        _write(self.path / "estimates.parquet", tables.estimate_rows(estimates), tables.ESTIMATES)
        _write(self.path / "contrasts.parquet", tables.estimate_rows(contrasts), tables.CONTRASTS)

    # helpers

    def _create(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            others = sorted(each.name for each in self.path.iterdir())
        except OSError as error:
            raise StoreError(f"cannot write to {self.path}: {error.strerror}; choose another --out") from error
        if others and not {"lock", "manifest.json"} & set(others):
            raise StoreError(
                f"{self.path} holds other files ({', '.join(others[:3])}) and is no run folder; "
                f"choose a new or empty folder for --out"
            )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold RUN/lock. The system frees it when its process dies, however it dies, so that none is ever stale."""
        path = self.path / "lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"cannot write to {path}: {error.strerror}; choose another --out") from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.read(handle, 4096).decode(errors="replace").strip() or "another process"
                raise StoreError(
                    f"{self.path} is being written by {holder}; wait for it, or choose another --out"
                ) from error
            with writing(path):
                left = tables.remove_temporaries(self.path)  # first, since the disk may be full of them
                os.ftruncate(handle, 0)
                os.write(handle, json.dumps({"pid": os.getpid(), "host": platform.node()}).encode())
            yield left
        finally:
            os.close(handle)

    def _bytes(self, key: str) -> bytes:
        if self._where is None:
            jobs = self.jobs()
            self._where = dict(zip(jobs["key"], jobs["shard"].tolist(), strict=True))
        shard = self._where[key]
        if self._recent is None or self._recent[0] != shard:
            # one shard is kept, since neighbours are asked for together
            self._recent = shard, self.read_images(shard)
        if key not in self._recent[1]:
            raise KeyError(f"{key}: there is no picture; its artifact says why")
        return self._recent[1][key]

    def _joined(self, files: Iterable[Path], columns: Sequence[str], schema: pa.Schema) -> pd.DataFrame:
        """Many small files as one table, which becomes a frame much faster than each of them would."""

        def part(path: Path) -> pa.Table:
            return self._read(path, lambda p: read_table(p, columns, schema).select(columns))

        with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as pool:
            parts = pool.map(part, files)
        joined: pd.DataFrame = pa.concat_tables([schema.empty_table().select(columns), *parts]).to_pandas()
        return joined

    def _rows(self, path: Path, schema: pa.Schema, *, required: bool = False) -> list[dict[str, Any]]:
        if not required and not path.is_file():
            return []
        return self._read(path, lambda p: read_table(p, schema=schema).to_pylist())

    def _read(self, path: Path, read: Callable[[Path], T]) -> T:
        try:
            return read(path)
        except FileNotFoundError as error:
            raise StoreError(f"{path} is missing; run the same command again") from error
        except BROKEN as error:
            raise StoreError(f"{path} is damaged ({error}); delete it and run the same command again") from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """What the system raises while this file is written comes out as StoreError, with what to do."""
    try:
        yield path
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}; what is done is kept: "
            f"make room or mend the folder, then run the same command again"
        ) from error


def _write(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    with writing(path):
        write_table(path, rows, schema)


def job_rows(shards: Iterable[Shard]) -> list[Row]:
    """The rows of jobs.parquet."""
    cell = cache(cell_name)
    told = cache(lambda settings: tables.canonical(fields_of(settings)))
    return [
        {
            "key": key,
            "generator": job.generator,
            "fingerprint": job.fingerprint,
            "prompt_id": job.prompt.id,
            "cell": cell(job.settings),
            "settings": told(job.settings),
            "replicate": job.replicate,
            "seed": job.seed,
            "shard": shard.number,
        }
        for shard in shards
        for job, key in zip(shard.jobs, shard.keys, strict=True)
    ]


def settings_of(text: str) -> Settings:
    """Settings back from their JSON."""
    values = json.loads(text)
    if values.get("guidance_window") is not None:
        values["guidance_window"] = tuple(values["guidance_window"])
    return Settings(**values)
