"""Reference sets: features of real pictures that generated ones are compared with, and the model they came from.

    python -m audit.references --data DIR --out audit/references/studio-held-out.npz --limit 2000

reads pictures (a folder of them, Parquet with an image column, or the held-out scenes of a studio dataset, halved to 64
pixels) and writes their features, or with --moments their mean and covariance alone. A reference made with other
weights than those at hand is refused: distances between features of two models mean nothing. Each file carries the hash
of what it holds, which is checked; "FILE.npz#1a2b3c" asks for the one whose hash begins so.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.reference_pictures import BadReferenceError, features, pictures
from audit.statistics import prdc
from audit.statistics.frechet import Moments, held_out_floor, split_half_floor
from audit.weights import ROOT, MissingWeightsError, require

FLOOR_SIZES = (50, 100, 200, 300, 500, 1000)
FLOOR_SEEDS = range(5)
MOST_BYTES = 2**32
"""Of a reference's numbers once unpacked: a million pictures of 1024 features."""
PUBLISHED = "published"
"""Model of statistics that do not say whose they are: pytorch-fid's and clean-fid's files of mu and sigma."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """Features of real pictures, or their mean and covariance alone.

    Attributes:
        features: (n, d) float64, one row a picture; (0, d) where only `kept` is known.
        model: SHA-256 of the feature model's weights; PUBLISHED where nothing says so.
        text: what the pictures are.
        floors: n -> distance between two disjoint sets of n of them (mean of 5 draws): nobody scores lower at that n.
        kept: moments that came without features.
    """

    name: str
    features: Floats
    model: str
    text: str
    floors: Mapping[int, float] = field(default_factory=dict)
    kept: Moments | None = None

    @cached_property
    def moments(self) -> Moments:
        """For Fréchet distances."""
        return Moments.of(self.features) if self.kept is None else self.kept

    @property
    def width(self) -> int:
        """Features a picture."""
        return int(self.features.shape[1])

    def rows(self) -> Floats:
        """The features.

        Raises:
            BadReferenceError: only mean and covariance are known.
        """
        if self.kept is not None:
            raise BadReferenceError(f"reference {self.name} holds a mean and a covariance only; this needs features")
        return self.features

    def balls(self, k: int) -> prdc.Reference:
        """For precision and recall."""
        return prdc.Reference.of(self.rows(), k)

    def floor(self, n: int) -> float:
        """What a perfect generator scores with n pictures; see `held_out_floor`."""
        return held_out_floor(self.rows(), n)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (64 hexadecimal digits) over model, text and numbers, whatever the file's format."""
        told = hashlib.sha256(f"{self.model}\n{self.text}\n{self.features.shape}\n".encode())
        told.update(self.features.astype(np.float32).tobytes())
        if self.kept is not None:
            told.update(str(self.kept.count).encode() + self.kept.mean.tobytes() + self.kept.scatter.tobytes())
        return told.hexdigest()


def build(name: str, features: NDArray[np.floating], *, model: str, text: str) -> Reference:
    """A reference of feature rows (n, d), with its floors."""
    rows = np.asarray(features, dtype=np.float32).astype(np.float64)
    sizes = [n for n in FLOOR_SIZES if 2 * n <= len(rows)]
    floors = {n: float(np.mean([split_half_floor(rows, seed, n) for seed in FLOOR_SEEDS])) for n in sizes}
    return Reference(name, rows, model, text, floors)


def build_moments(name: str, batches: Iterable[NDArray[np.floating]], *, model: str, text: str) -> Reference:
    """A reference of mean and covariance alone, from batches (b, d) of any sizes of which one is held at a time.

    Raises:
        BadReferenceError: no batch.
    """
    whole: Moments | None = None
    for batch in batches:
        part = Moments.of(batch)
        whole = part if whole is None else whole.merge(part)
    if whole is None:
        raise BadReferenceError(f"{name}: no pictures")
    return Reference(name, np.empty((0, len(whole.mean))), model, text, kept=whole)


def save(reference: Reference, path: Path) -> None:
    """Write it with its digest; features in float32, so that reading gives the same numbers, moments in float64."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = reference.kept
    moments: dict[str, Any] = {} if kept is None else {"count": kept.count, "mean": kept.mean, "scatter": kept.scatter}
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        features=reference.features.astype(np.float32),
        model=reference.model,
        text=reference.text,
        floor_sizes=np.array(list(reference.floors), dtype=np.int64),
        floors=np.array(list(reference.floors.values()), dtype=np.float64),
        digest=reference.digest,
        **moments,
    )
    path.write_bytes(packed.getvalue())


def load(name: str, *, model: str) -> Reference:
    """The reference of that name in `audit/references`, or in a file ending in .npz, with "#hash" behind it or not.

    A file of `mu` and `sigma`, as pytorch-fid and clean-fid save them, is taken as moments of the model at hand: the
    file does not say whose they are.

    Args:
        model: SHA-256 of the weights that the other side's features come from.

    Raises:
        MissingWeightsError: it is not here.
        BadReferenceError: it was made with other weights, was changed, has another hash, or is no reference.
    """
    file, _, wanted = name.partition("#")
    path = Path(file) if file.endswith(".npz") else _shipped(file)
    if not os.path.isfile(path):
        raise MissingWeightsError(f"no reference at {path}; build one: {_command(path)}")
    found, recorded = _opened(path)
    if recorded != found.digest:
        raise BadReferenceError(f"{path} was changed after it was made: its numbers do not go with its digest")
    if wanted and not found.digest.startswith(wanted):
        raise BadReferenceError(f"{path} has the hash {found.digest[:16]}…, not {wanted}")
    if found.model not in (model, PUBLISHED):
        raise BadReferenceError(
            f"reference {found.name} was made with a feature model {found.model[:12]}…, the one at hand is "
            f"{model[:12]}…; build it again: {_command(path)}"
        )
    return found


def main(argv: list[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures, Parquet, or a studio dataset")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--limit", type=int, default=2000, help="how many pictures, the first by name")
    parser.add_argument(
        "--model",
        default="studio",
        help='"studio", a model folder, "ARCHITECTURE:TAG" of open_clip, "inception", "inception-clean" or "dino"',
    )
    parser.add_argument("--moments", action="store_true", help="keep mean and covariance only: enough for fd and fid")
    chosen = parser.parse_args(argv)
    told, some = pictures(chosen.data, chosen.limit)
    digest, batches = features(chosen.model, some)
    name, out = chosen.out.stem, chosen.out
    if chosen.moments:
        made = build_moments(name, batches, model=digest, text=told)
    else:
        made = build(name, np.concatenate(list(batches)), model=digest, text=told)
    save(made, out)
    count = made.moments.count
    print(f"{out}: {count} {told}, {made.width} features, {out.stat().st_size / 1e6:.2f} MB, hash {made.digest[:16]}")
    for n, floor in made.floors.items():
        print(f"  split-half floor at n = {n}: {floor:.4f}")


def _opened(path: Path) -> tuple[Reference, str]:
    """The reference and the digest it was written with (its own where none is on record)."""
    with unpacked(path, _command(path)) as kept:
        found = _read(path, kept)
        return found, str(kept["digest"]) if "digest" in kept else found.digest


@contextmanager
def unpacked(path: Path, build: str) -> Iterator[Any]:
    """The arrays of an .npz file by name; `build` is the command that makes such a file.

    A file from a stranger may claim any size: what it unpacks to is summed up first, and no pickle is ever read.

    Raises:
        BadReferenceError: it is too large, or damaged, which is what anything else counts as that reading it raises.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(each.file_size for each in packed.infolist())
        if size > MOST_BYTES:
            raise BadReferenceError(f"{path} would unpack to {size:,} bytes, more than {MOST_BYTES:,}")
        with np.load(path, allow_pickle=False) as kept:
            yield kept
    except (BadReferenceError, MissingWeightsError):
        raise
    except _DAMAGE as error:
        raise BadReferenceError(f"{path} is damaged or no reference: {error}; {build}") from error


_DAMAGE = (OSError, ValueError, TypeError, LookupError, EOFError, SyntaxError, NotImplementedError, RuntimeError,
           MemoryError, ArithmeticError, AttributeError, zipfile.BadZipFile, zlib.error)  # fmt: skip
"""What zipfile and numpy raise at damaged archives; RuntimeError where one claims to be encrypted, AttributeError where
a member is no array, which then comes as bytes."""


def _read(path: Path, kept: Any) -> Reference:
    if {"mu", "sigma"} <= set(kept):
        mean, covariance = (np.asarray(kept[key], dtype=np.float64) for key in ("mu", "sigma"))
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise BadReferenceError(f"{path}: mu {mean.shape} and sigma {covariance.shape} are no mean and covariance")
        count = len(mean) + 2  # how many pictures is not said; a covariance of full rank has more than its width
        moments = Moments(count, mean, covariance * (count - 1))
        return Reference(path.stem, np.empty((0, len(mean))), PUBLISHED, "published statistics", kept=moments)
    lacking = {"features", "model", "text", "floor_sizes", "floors"} - set(kept)
    if lacking:
        raise BadReferenceError(f"{path} is no reference: it lacks {', '.join(sorted(lacking))}")
    if kept["features"].ndim != 2:
        raise BadReferenceError(f"{path}: features must be (n, d), found {kept['features'].shape}")
    floors = dict(zip(kept["floor_sizes"].tolist(), kept["floors"].tolist(), strict=True))
    moments_kept = Moments(int(kept["count"]), kept["mean"], kept["scatter"]) if "scatter" in kept else None
    rows = kept["features"].astype(np.float64)
    return Reference(path.stem, rows, str(kept["model"]), str(kept["text"]), floors, moments_kept)


def _shipped(name: str) -> Path:
    if name == "studio-held-out":
        return require(name)
    return ROOT / "audit" / "references" / f"{name}.npz"


def _command(path: Path) -> str:
    return f"python -m audit.references --data DIR --out {path} --limit 2000"


if __name__ == "__main__":
    main()
