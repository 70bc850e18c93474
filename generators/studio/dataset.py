"""Studio scenes as a dataset: Parquet shards of pictures, captions, annotations, depth, normals and object ids.

    python -m generators.studio.dataset --out DIR --scenes 16000 --held-out 2000 --size 128 --workers 2

Training seeds count from 0, held-out seeds from 1,000,000,000. A shard is written aside and renamed, so whatever lies
in the folder is whole; an interrupted build goes on where it stopped and ends in the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from generators.studio.drawing import FAMILY_SHARES, draw, family_of, scene_record
from generators.studio.generator import studio_fingerprint

SHARD = 250
"""Scenes a shard."""
HELD_OUT_FROM = 1_000_000_000
SPLITS = ("train", "held_out")
SCHEMA = pa.schema(
    [
        ("seed", pa.int64()),
        ("family", pa.string()),
        ("caption", pa.string()),
        ("image", pa.binary()),
        ("annotations", pa.string()),
        ("depth", pa.binary()),
        ("normals", pa.binary()),
        ("ids", pa.binary()),
    ]
)
"""image: lossless WebP. annotations: JSON of `scene_record`, with `depth_scale`. depth: 16-bit PNG, times depth_scale =
distance from the camera, 0 = nothing. normals: PNG, (value / 127.5) - 1 = world x, y, z. ids: PNG, 0 = nothing, k = the
k-th of `objects`."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One file of the dataset: those of `count` seeds, counting up from `first`, whose scenes are of the `families`.

    `size` is pixels a side.
    """

    path: Path
    first: int
    count: int
    size: int
    families: tuple[str, ...] = tuple(FAMILY_SHARES)

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds of its scenes, in order."""
        return [seed for seed in range(self.first, self.first + self.count) if family_of(seed) in self.families]


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build did: shards drawn now, shards found whole, and what was wrong with those drawn again."""

    drawn: int
    found: int
    broken: tuple[str, ...]
    foreign: tuple[str, ...]


def shards(
    out: Path,
    *,
    scenes: int,
    held_out: int,
    size: int,
    shard: int = SHARD,
    families: Sequence[str] = tuple(FAMILY_SHARES),
) -> list[Shard]:
    """The plan: every shard of both splits; scenes of other families are left out of those that the seeds count."""
    if scenes > HELD_OUT_FROM:
        raise ValueError(f"{scenes} training scenes would run into the held-out seeds, which start at {HELD_OUT_FROM}")
    return [
        Shard(
            path=out / split / f"shard-{start // shard:05d}.parquet",
            first=base + start,
            count=min(shard, total - start),
            size=size,
            families=tuple(families),
        )
        for split, base, total in zip(SPLITS, (0, HELD_OUT_FROM), (scenes, held_out), strict=True)
        for start in range(0, total, shard)
    ]


def build(plan: Sequence[Shard], *, workers: int = 1, quiet: bool = False) -> Built:
    """Draw every shard that is not there yet; a broken one is drawn again and reported.

    Raises:
        RuntimeError: a scene that cannot be drawn, named by its seed and family; finished shards stay.
    """
    fingerprint = studio_fingerprint()
    missing, broken, foreign = [], [], []
    for shard in plan:
        if not shard.path.exists():
            missing.append(shard)
        elif trouble := fault(shard):
            broken.append(f"{shard.path}: {trouble}; drawn again")
            missing.append(shard)
        elif _metadata(shard.path).get("studio") != fingerprint:
            foreign.append(f"{shard.path}: drawn by another version of the studio; delete it to draw it again")
    if not quiet:
        for line in (*broken, *foreign):
            print(line, file=sys.stderr)
    _draw_all(missing, fingerprint, workers=workers, quiet=quiet)
    return Built(drawn=len(missing), found=len(plan) - len(missing), broken=tuple(broken), foreign=tuple(foreign))


def fault(shard: Shard) -> str:
    """What is wrong with a shard on disk; "" when it is whole."""
    try:
        seeds = pq.read_table(shard.path, columns=["seed"])["seed"].to_pylist()
        size = _metadata(shard.path).get("size")
        schema = pq.read_schema(shard.path)
    except (OSError, pa.ArrowException) as error:
        return f"it does not open ({error})"
    if not schema.equals(SCHEMA):
        return f"its columns are {', '.join(schema.names)}"
    if seeds != shard.seeds:
        return f"it holds {len(seeds)} scenes, not the {len(shard.seeds)} from seed {shard.first}"
    return "" if size == str(shard.size) else f"its pictures have {size} pixels a side, not {shard.size}"


def load(folder: Path, split: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The tables of a split, shard by shard, in order of seed.

    Raises:
        FileNotFoundError: a split that is not there.
    """
    paths = sorted((Path(folder) / split).glob("shard-*.parquet"))
    if not paths:
        raise FileNotFoundError(f"no shards in {Path(folder) / split}; a dataset's splits are {', '.join(SPLITS)}")
    for path in paths:
        yield pq.read_table(path, columns=None if columns is None else list(columns))


def row(seed: int, size: int) -> dict[str, Any]:
    """One scene as a row of the dataset.

    Raises:
        RuntimeError: where the scene cannot be drawn; it names seed and family.
    """
    name = family_of(seed)
    try:
        drawn = draw(name, {}, seed=seed, defects={}, size=size)
    except Exception as error:
        raise RuntimeError(f"scene {seed} ({name}): {type(error).__name__}: {error}") from error
    step = drawn.rendered.depth.shape[0] // size  # 2 where the scene was rendered larger than its picture
    depth, scale = levels(drawn.rendered.depth[::step, ::step])
    normals, ids = drawn.rendered.normals[::step, ::step], drawn.rendered.ids[::step, ::step]
    return {
        "seed": seed,
        "family": name,
        "caption": drawn.caption,
        "image": encoded(drawn.image, "WEBP", lossless=True, method=0),
        "annotations": json.dumps({**scene_record(drawn), "depth_scale": scale}, default=_plain),
        "depth": encoded(depth, "PNG"),
        "normals": encoded(np.rint((normals + 1) * 127.5).astype(np.uint8), "PNG"),
        "ids": encoded(ids, "PNG"),
    }


def levels(depth: NDArray[np.float32]) -> tuple[NDArray[np.uint16], float]:
    """Depth as 16-bit levels, and the scale that turns them back: depth = levels * scale."""
    scale = float(depth.max()) / 65535 or 1.0
    values: NDArray[np.uint16] = np.rint(depth.astype(np.float64) / scale).astype(np.uint16)
    return values, scale


def encoded(pixels: NDArray[Any], kind: str, **options: Any) -> bytes:
    """Pixels (h, w) or (h, w, 3), 8 or 16 bits, as the bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format=kind, **options)
    return buffer.getvalue()


def contact_sheet(folder: Path, *, rows: int = 8, columns: int = 12, seed: int = 0) -> Image.Image:
    """Random training scenes side by side, the same ones for the same seed and dataset."""
    counts = [pq.read_metadata(path).num_rows for path in sorted((folder / "train").glob("shard-*.parquet"))]
    rng = np.random.default_rng(seed)
    chosen = set(rng.choice(sum(counts), size=min(rows * columns, sum(counts)), replace=False).tolist())
    pictures, start = [], 0
    for table in load(folder, "train", ["image"]):
        inside = sorted(index - start for index in chosen if start <= index < start + len(table))
        pictures += [Image.open(io.BytesIO(table["image"][index].as_py())).convert("RGB") for index in inside]
        start += len(table)
    order = rng.permutation(len(pictures))
    side = pictures[0].width
    sheet = Image.new("RGB", (columns * side, rows * side))
    for place, index in enumerate(order):
        sheet.paste(pictures[index], (place % columns * side, place // columns * side))
    return sheet


def _draw_all(missing: Sequence[Shard], fingerprint: str, *, workers: int, quiet: bool) -> None:
    """Draw shards one after another, or in `workers` processes that take one shard at a time."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    for shard in missing:
        shard.path.parent.mkdir(parents=True, exist_ok=True)
    bar = Progress(
        TextColumn("scenes"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
        console=Console(stderr=True, quiet=quiet),
    )
    with bar:
        task = bar.add_task("scenes", total=sum(len(shard.seeds) for shard in missing))
        if workers <= 1:
            for shard in missing:
                for _ in _write(shard, fingerprint):
                    bar.advance(task)
            return
        context = multiprocessing.get_context("spawn")
        done = context.Value("q", 0)
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(done,)) as pool:
            waiting: set[Future[None]] = {pool.submit(_work, shard, fingerprint) for shard in missing}
            try:
                while waiting:
                    finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                    for future in finished:
                        future.result()
                    bar.update(task, completed=done.value)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


_done: Any = None  # a worker's counter of scenes, shared with the process that shows the bar


def _start(done: Any) -> None:
    """Make this process a worker: it reports to `done` and renders in its own thread."""
    global _done
    _done = done
    from generators.studio.render import mitsuba

    if mitsuba().variant().startswith("llvm"):
        import drjit

        # Not 1: that is a pool of one thread which this one waits for, at a quarter of the speed on a busy machine.
        drjit.set_thread_count(0)


def _work(shard: Shard, fingerprint: str) -> None:
    for _ in _write(shard, fingerprint):
        with _done.get_lock():
            _done.value += 1


def _write(shard: Shard, fingerprint: str) -> Iterator[int]:
    """Draw a shard, yielding each seed once its scene is drawn; the file appears whole after the last."""
    rows = []
    for seed in shard.seeds:
        rows.append(row(seed, shard.size))
        yield seed
    schema = SCHEMA.with_metadata({"studio": fingerprint, "size": str(shard.size)})
    aside = shard.path.with_suffix(".partial")
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), aside, compression="zstd")
    os.replace(aside, shard.path)


def _metadata(path: Path) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (pq.read_schema(path).metadata or {}).items()}


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays as JSON knows them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"an annotation holds a {type(value).__name__}, which JSON does not know: {value!r}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m generators.studio.dataset", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the dataset; an interrupted build goes on")
    parser.add_argument("--scenes", type=int, default=16_000, help="training scenes")
    parser.add_argument("--held-out", type=int, default=2_000, help="held-out scenes, from seeds of their own")
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    told = "draw scenes of these families alone, and count the others' seeds"
    parser.add_argument("--families", nargs="+", choices=tuple(FAMILY_SHARES), default=tuple(FAMILY_SHARES), help=told)
    parser.add_argument("--workers", type=int, default=1, help="processes; each draws a shard at a time")
    parser.add_argument("--contact-sheet", type=Path, help="also write 8 x 12 random training scenes to this PNG file")
    options = parser.parse_args(arguments)
    plan = shards(
        options.out, scenes=options.scenes, held_out=options.held_out, size=options.size, families=options.families
    )
    built = build(plan, workers=options.workers)
    print(f"{options.out}: {built.drawn} shards drawn, {built.found} found whole")
    if options.contact_sheet:
        contact_sheet(options.out).save(options.contact_sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
