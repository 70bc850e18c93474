"""Reference sets: features of real pictures that generated ones are compared with, and the model they came from.

    python -m audit.references --data DIR --out audit/references/studio-held-out.npz --limit 2000

reads the held-out scenes of a studio dataset, halves them to 64 pixels and writes their features. A reference made with
other weights than those at hand is refused: distances between features of two models mean nothing.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audit.images import decode
from audit.statistics import prdc
from audit.statistics.frechet import Moments, held_out_floor, split_half_floor
from audit.weights import ROOT, MissingWeightsError, require
from generators.api import Pixels

FLOOR_SIZES = (50, 100, 200, 300, 500, 1000)
FLOOR_SEEDS = range(5)


class BadReferenceError(ValueError):
    """A reference that cannot be used; the message says how to make one that can."""


@dataclass(frozen=True)
class Reference:
    """Features of real pictures.

    Attributes:
        features: (n, d) float64, one row a picture.
        model: SHA-256 of the feature model's weights.
        text: what the pictures are.
        floors: n -> distance between two disjoint sets of n of them (mean of 5 draws): nobody scores lower at that n.
    """

    name: str
    features: NDArray[np.float64]
    model: str
    text: str
    floors: Mapping[int, float] = field(default_factory=dict)

    @cached_property
    def moments(self) -> Moments:
        """For Fréchet distances."""
        return Moments.of(self.features)

    def balls(self, k: int) -> prdc.Reference:
        """For precision and recall."""
        return prdc.Reference.of(self.features, k)

    def floor(self, n: int) -> float:
        """What a perfect generator scores with n pictures; see `held_out_floor`."""
        return held_out_floor(self.features, n)


def build(name: str, features: NDArray[np.floating], *, model: str, text: str) -> Reference:
    """A reference of feature rows (n, d), with its floors."""
    rows = np.asarray(features, dtype=np.float32).astype(np.float64)
    sizes = [n for n in FLOOR_SIZES if 2 * n <= len(rows)]
    floors = {n: float(np.mean([split_half_floor(rows, seed, n) for seed in FLOOR_SEEDS])) for n in sizes}
    return Reference(name, rows, model, text, floors)


def save(reference: Reference, path: Path) -> None:
    """Write it; float32, so that reading gives the same numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        features=reference.features.astype(np.float32),
        count=len(reference.features),
        model=reference.model,
        text=reference.text,
        floor_sizes=np.array(list(reference.floors), dtype=np.int64),
        floors=np.array(list(reference.floors.values()), dtype=np.float64),
    )
    path.write_bytes(packed.getvalue())


def load(name: str, *, model: str) -> Reference:
    """The reference of that name in `audit/references`, or in a file ending in .npz.

    Args:
        model: SHA-256 of the weights that the other side's features come from.

    Raises:
        MissingWeightsError: it is not here.
        BadReferenceError: it was made with other weights, or is no reference.
    """
    path = Path(name) if name.endswith(".npz") else _shipped(name)
    if not path.is_file():
        raise MissingWeightsError(f"no reference at {path}; build one: {_command(path)}")
    with np.load(path, allow_pickle=False) as kept:
        lacking = {"features", "model", "text", "floor_sizes", "floors"} - set(kept)
        if lacking:
            raise BadReferenceError(f"{path} is no reference: it lacks {', '.join(sorted(lacking))}")
        found = Reference(
            path.stem,
            kept["features"].astype(np.float64),
            str(kept["model"]),
            str(kept["text"]),
            dict(zip(kept["floor_sizes"].tolist(), kept["floors"].tolist(), strict=True)),
        )
    if found.model != model:
        raise BadReferenceError(
            f"reference {found.name} was made with a feature model {found.model[:12]}…, the one at hand is "
            f"{model[:12]}…; build it again: {_command(path)}"
        )
    return found


def held_out(folder: Path, limit: int) -> Iterator[Pixels]:
    """The first `limit` held-out pictures of a studio dataset, at 64 pixels (the mean of each 2 x 2 block)."""
    from generators.studio.dataset import load as tables
    from generators.studio.drawing import halved

    pictures = (raw for table in tables(folder, "held_out", columns=["image"]) for raw in table["image"].to_pylist())
    for raw in islice(pictures, limit):
        yield halved(decode(raw))


def main(argv: list[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of a studio dataset")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--limit", type=int, default=2000, help="how many pictures")
    parser.add_argument("--model", default="studio", help='"studio", a model folder, or "inception"')
    chosen = parser.parse_args(argv)
    rows, digest = _features(chosen.model, held_out(chosen.data, chosen.limit))
    text = f"{len(rows)} held-out studio scenes at 64 pixels"
    made = build(chosen.out.stem, rows, model=digest, text=text)
    save(made, chosen.out)
    print(f"{chosen.out}: {text}, {rows.shape[1]} features, {chosen.out.stat().st_size / 1e6:.2f} MB")
    for n, floor in made.floors.items():
        print(f"  split-half floor at n = {n}: {floor:.4f}")


def _features(model: str, pictures: Iterator[Pixels]) -> tuple[NDArray[np.float32], str]:
    from audit.features import inception, models

    images = [torch.from_numpy(np.ascontiguousarray(each.transpose(2, 0, 1))) for each in pictures]
    if model == "inception":
        extractor = inception.load()
        return torch.stack([extractor.features(image) for image in images]).numpy(), extractor.digest
    loaded = models.load(model)
    return loaded.image_features(images).numpy(), loaded.digest


def _shipped(name: str) -> Path:
    if name == "studio-held-out":
        return require(name)
    return ROOT / "audit" / "references" / f"{name}.npz"


def _command(path: Path) -> str:
    return f"python -m audit.references --data DIR --out {path} --limit 2000"


if __name__ == "__main__":
    main()
