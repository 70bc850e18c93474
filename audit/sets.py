"""What audits of whole sets share: their features held against a reference's, with the reference's floor and hash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from audit.api import ScoreSet
from audit.reference_pictures import BadReferenceError
from audit.references import PUBLISHED, Reference, load
from audit.statistics.frechet import frechet_interval
from audit.statistics.infinity import fd_infinity_interval
from audit.types import Interval
from audit.weights import MissingWeightsError

Floats = NDArray[np.float64]


def given(reference: str, *, model: str, audit: str, build: str) -> Reference:
    """The reference an audit was given, for audits that have none of their own.

    Args:
        model: identity of the feature model.
        build: how `python -m audit.references` names that model.

    Raises:
        MissingWeightsError: none was given; the message says how to build one.
    """
    if not reference:
        raise MissingWeightsError(
            f"{audit} has no reference of its own; build one and give it as the option reference: "
            f"python -m audit.references --model {build} --data DIR --out FILE.npz"
        )
    return load(reference, model=model)


def frechet(known: Reference) -> ScoreSet:
    """Fréchet distance, with what fresh pictures of the reference itself score at this n in the note."""

    floor_at = cache(known.floor)

    def score(rows: Floats, prompts: Sequence[str]) -> Interval:
        found = frechet_interval(rows, prompts, known.moments)
        if found.value is None or known.kept is not None:
            return found
        size = min(len(rows), len(known.features) // 2)
        floor = f"floor at n={size}: {floor_at(size):.3g}"
        return replace(found, note="; ".join(part for part in (found.note, floor) if part))

    return sized(known, score)


def infinite(known: Reference) -> ScoreSet:
    """Fréchet distance extrapolated to infinitely many pictures and, where its rows are at hand, references."""
    side = known.features if known.kept is None else known.kept
    return sized(known, lambda rows, prompts: fd_infinity_interval(rows, prompts, side))


def sized(known: Reference, score: Callable[[Floats, Sequence[str]], Interval]) -> ScoreSet:
    """Refuse features of another length than the reference's; name a reference that does not say whose it is.

    The scorer that comes back raises BadReferenceError at such features.
    """

    def checked(rows: Floats, prompts: Sequence[str]) -> Interval:
        if rows.ndim == 2 and rows.shape[1] != known.width:
            raise BadReferenceError(
                f"{rows.shape[1]} features against {known.width} in reference {known.name}: "
                "the pictures were scored with another feature model; run again with a fresh --out"
            )
        found = score(rows, prompts)
        if known.model != PUBLISHED:
            return found
        said = f"statistics {known.name} (hash {known.digest[:12]}) do not say which network made them"
        return replace(found, note="; ".join(part for part in (found.note, said) if part))

    return checked
