"""References of memorization: the pictures a generator was trained on, small, and what fresh pictures score on them.

    python -m audit.memorized --shown generators/weights/memorizer/shown.jsonl \\
        --out audit/references/studio-memorized.npz
    python -m audit.memorized --pictures TRAINING --held-out FRESH --out mine.npz

The first draws the studio scenes of a list (JSON lines with "seed") and held-out scenes; each training scene, having
been drawn independently, is fresh to the others as well. The second reads two sets of pictures, each a folder of them
or Parquet: what the generator was trained on, and pictures of the same kind that it never saw. How near fresh pictures
come to the training pictures is measured here once, and is what audits call chance.
"""

from __future__ import annotations

import argparse
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audit import images
from audit.features import sscd
from audit.features.copies import Index, Match, cut, sheet, small
from audit.reference_pictures import SUFFIXES, BadReferenceError, pictures
from audit.references import unpacked
from audit.weights import ROOT, MissingWeightsError
from generators.api import Pixels

VERSION = 1
"""Goes up when similarities change: the null of an older reference no longer holds."""
QUALITY = 90  # of the JPEG sheet that the small pictures are kept in
FRESH = 1500  # held-out scenes that a studio reference is measured on
DRAWN = 128  # pixels a side of a scene: what the built-in generators learned from and draw
MOST = 1_000_000  # pictures that a reference is made of
FIELDS = {"version", "names", "null", "text"}
STORED = ("sheet", "descriptors", "model")


class Looks(Protocol):
    """An index of known pictures."""

    def __len__(self) -> int:
        """How many."""
        ...

    def nearest(self, picture: Pixels, *, without: int | None = None) -> Match | None:
        """The known picture nearest to one of any size, `without` one row; None for one that shows nothing."""
        ...


@dataclass(frozen=True)
class Memory:
    """Training pictures and chance.

    Attributes:
        index: looks among the pictures.
        stored: what the index is made of, as arrays by name, for the file.
        names: of each of them.
        null: (m,) rising: the similarity of fresh pictures to their nearest training picture.
        text: what the pictures are.
    """

    name: str
    index: Looks
    stored: Mapping[str, NDArray[Any]]
    names: tuple[str, ...]
    null: NDArray[np.float64]
    text: str

    def threshold(self, false_alarm: float) -> float:
        """The similarity that at most a share `false_alarm` of fresh pictures exceeds.

        It is the ⌈(m + 1)(1 - false_alarm)⌉-th of the m of the null, so that a further fresh picture exceeds it with at
        most that chance. Source: split conformal prediction (Vovk et al. 2005).

        Raises:
            BadReferenceError: so small a share cannot be told from so few fresh pictures.
        """
        place = math.ceil(round((len(self.null) + 1) * (1 - false_alarm), 6))
        if not 0 < false_alarm < 1 or place > len(self.null):
            raise BadReferenceError(
                f"reference {self.name}: {len(self.null)} fresh pictures tell false-alarm rates from "
                f"{1 / (len(self.null) + 1):.2g} to 1, not {false_alarm:g}"
            )
        return float(self.null[place - 1])

    def chance(self, similarity: float) -> float:
        """The share of fresh pictures that come as near, this one counted among them: in 0..1, never 0."""
        above = len(self.null) - int(np.searchsorted(self.null, similarity))
        return (above + 1) / (len(self.null) + 1)


def build(
    name: str,
    known: Iterable[tuple[str, Pixels]],
    fresh: Iterable[Pixels],
    text: str,
    *,
    model: str = "pixels",
    independent: bool = False,
) -> Memory:
    """A reference of named training pictures and fresh ones, of any sizes.

    Args:
        model: "pixels", or "sscd" for those who have its weights.
        independent: the training pictures were drawn independently, so that each is fresh to all the others and tells
            of chance as well. Photographs of one afternoon, or frames of one film, were not.

    Raises:
        BadReferenceError: no training pictures, or no fresh one that shows anything.
        MissingWeightsError: SSCD is not here.
    """
    names: list[str] = []
    own: list[Pixels] = []

    def named() -> Iterator[Pixels]:
        for each, picture in known:
            names.append(each)
            if independent:
                own.append(picture)
            yield picture

    stored = _described(named()) if model == "sscd" else _tiled(named())
    if not names:
        raise BadReferenceError(f"reference {name}: no training pictures")
    # What is stored is what is compared: packing loses a little, and chance must be measured with that loss.
    index = _index(name, stored, len(names))
    found = [match.similarity for picture in fresh if (match := index.nearest(picture)) is not None]
    alone = (index.nearest(picture, without=place) for place, picture in enumerate(own))
    found += [match.similarity for match in alone if match is not None]
    if not found:
        raise BadReferenceError(f"reference {name}: no fresh pictures; without them nobody knows what is chance")
    return Memory(name, index, stored, tuple(names), np.sort(np.array(found)), text)


def _tiled(pictures: Iterator[Pixels]) -> dict[str, NDArray[Any]]:
    tiles = [small(each) for each in pictures]
    return {"sheet": np.frombuffer(images.encode_jpeg(sheet(np.array(tiles)), QUALITY), np.uint8)} if tiles else {}


def _described(pictures: Iterator[Pixels]) -> dict[str, NDArray[Any]]:
    model = sscd.load()
    rows = [model.describe(part) for part in iter(lambda: list(islice(pictures, sscd.BATCH)), [])]
    return {"descriptors": np.concatenate(rows).astype(np.float16), "model": np.array(model.digest)} if rows else {}


def _index(name: str, stored: Mapping[str, NDArray[Any]], count: int) -> Looks:
    if "descriptors" not in stored:
        return Index(cut(images.decode(stored["sheet"].tobytes()), count))
    model = sscd.load()
    if model.digest != str(stored["model"]):
        raise BadReferenceError(
            f"reference {name} was made with SSCD weights {str(stored['model'])[:12]}…, those at hand are "
            f"{model.digest[:12]}…; build it again"
        )
    return sscd.SscdIndex(model, stored["descriptors"].astype(np.float32))


def save(memory: Memory, path: Path) -> None:
    """Write it as .npz: a JPEG sheet of small pictures or descriptors, and chance."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    arrays: dict[str, Any] = {
        "version": VERSION,
        "names": np.array(memory.names),
        "null": memory.null.astype(np.float32),
        "text": memory.text,
        **memory.stored,
    }
    np.savez_compressed(packed, **arrays)
    path.write_bytes(packed.getvalue())


def load(name: str) -> Memory:
    """The reference of that name in `audit/references`, or in a file ending in .npz; read once a process.

    Raises:
        MissingWeightsError: it is not here.
        BadReferenceError: it is no such reference, of another version, damaged, or would unpack to gigabytes.
    """
    path = Path(name) if name.endswith(".npz") else ROOT / "audit/references" / f"{name}.npz"
    if not path.is_file():
        raise MissingWeightsError(f"no reference at {path}; build one: {_command(path)}")
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, changed: int) -> Memory:
    again = _command(path)
    with unpacked(path, f"build it again: {again}") as kept:
        if lacking := FIELDS - set(kept):
            raise BadReferenceError(f"{path} is no reference of memorization: it lacks {', '.join(sorted(lacking))}")
        if int(kept["version"]) != VERSION:
            raise BadReferenceError(
                f"{path} is of version {int(kept['version'])}, this program's is {VERSION}; build it again: {again}"
            )
        names, null = tuple(kept["names"].tolist()), kept["null"].astype(np.float64)
        stored = {key: kept[key] for key in STORED if key in kept}
        return Memory(path.stem, _index(path.stem, stored, len(names)), stored, names, null, str(kept["text"]))


def _command(path: Path) -> str:
    source = f"--pictures TRAINING --held-out FRESH --out {path}"
    if path == ROOT / "audit/references/studio-memorized.npz":
        source = "--shown generators/weights/memorizer/shown.jsonl --out audit/references/studio-memorized.npz"
    return f"python -m audit.memorized {source}"


def named_pictures(data: Path) -> Iterator[tuple[str, Pixels]]:
    """Name and pixels of each picture of a folder (its path in there) or of Parquet (its row); see `pictures`.

    Raises:
        BadReferenceError: there is no picture, or a file that is none.
    """
    _, found = pictures(data, MOST)
    files = [] if data.is_file() or any(data.rglob("*.parquet")) else sorted(data.rglob("*"))
    names = (path.relative_to(data).as_posix() for path in files if path.suffix.lower() in SUFFIXES)
    yield from zip(names if files else (f"row {row}" for row in count()), found, strict=False)


def shown_scenes(rows: Sequence[dict[str, int]]) -> Iterator[tuple[str, Pixels]]:
    """The studio scenes of a list, drawn again; each is named by its seed."""
    for row in rows:
        yield f"scene {row['seed']}", _scene(row["seed"])


def fresh_scenes(count: int) -> Iterator[Pixels]:
    """The first held-out scenes."""
    from generators.studio.dataset import HELD_OUT_FROM

    for seed in range(HELD_OUT_FROM, HELD_OUT_FROM + count):
        yield _scene(seed)


def _scene(seed: int) -> Pixels:
    from generators.studio.drawing import draw, family_of

    return draw(family_of(seed), {}, seed=seed, defects={}, size=DRAWN).image


def main(argv: list[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    training = parser.add_mutually_exclusive_group(required=True)
    training.add_argument("--shown", type=Path, help="JSON lines with the seeds of studio scenes")
    training.add_argument("--pictures", type=Path, help="training pictures: a folder of them, or Parquet")
    parser.add_argument("--held-out", type=Path, help="fresh pictures likewise, with --pictures")
    parser.add_argument("--fresh", type=int, default=FRESH, help="fresh scenes, with --shown")
    parser.add_argument("--model", choices=("pixels", "sscd"), default="pixels", help="what tells copies")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    given = parser.parse_args(argv)
    if given.pictures and not given.held_out:
        parser.error("--pictures needs --held-out: pictures like them that the generator never saw")
    if given.pictures:
        text, fresh = f"pictures of {given.pictures.name}", pictures(given.held_out, MOST)[1]
        known = named_pictures(given.pictures)
    else:
        rows = [json.loads(line) for line in given.shown.read_text(encoding="utf-8").splitlines()]
        text = f"{len(rows)} studio scenes shown to the memorizing sibling"
        known, fresh = shown_scenes(rows), fresh_scenes(given.fresh)
    memory = build(given.out.stem, known, fresh, text, model=given.model, independent=not given.pictures)
    save(memory, given.out)
    told = len(memory.null)
    print(f"{given.out}: {len(memory.names)} pictures; {told} fresh ones tell false alarms from {1 / (told + 1):.2g}")


if __name__ == "__main__":
    main()
