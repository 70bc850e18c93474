"""Distribution: whether a set of pictures looks like the reference set, feature for feature.

The names say whose features: `fid` is kept for the published network alone, everything else names its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audit.api import ScoreSet, audit
from audit.features import inception
from audit.references import Reference, load
from audit.statistics import prdc
from audit.statistics.frechet import frechet_interval
from audit.statistics.kid import kid_interval
from audit.types import Interval
from audit.weights import MissingWeightsError, require, sha256_of

Floats = NDArray[np.float64]
HELD_OUT = "studio-held-out"
STUDIO = "features.studio"


@audit(
    "fd_studio",
    version=1,
    better="lower",
    unit="Fréchet distance",
    source="Heusel et al. 2017 on the studio CLIP's features; interval: delete-a-group jackknife (Kott 2001)",
    kind="set",
    statistic="frechet",
    on=STUDIO,
)
def fd_studio(reference: str = HELD_OUT) -> ScoreSet:
    """Fréchet distance between Gaussians fitted to our features of the pictures and of held-out rendered scenes.

    Biased upward, the more so the fewer the pictures: compare at equal n only. The note gives the floor, which is what
    fresh scenes of the reference itself score at this n.
    """
    return _fd(load(reference, model=_studio_model()))


@audit(
    "kid_studio",
    version=1,
    better="lower",
    unit="squared MMD",
    source="Bińkowski et al. 2018 on the studio CLIP's features, full-sample U-statistic; interval: block jackknife",
    kind="set",
    statistic="kid",
    on=STUDIO,
)
def kid_studio(reference: str = HELD_OUT) -> ScoreSet:
    """Unbiased kernel distance to held-out rendered scenes; below 0 about half of the time where nothing differs."""
    known = load(reference, model=_studio_model())
    return _sized(known, lambda rows, prompts: kid_interval(rows, prompts, known.features))


@audit(
    "precision_studio",
    version=2,
    better="higher",
    unit="share of pictures",
    source="Kynkäänniemi et al. 2019 (k = 3) on the studio CLIP's features; Wilson interval with a design effect",
    kind="set",
    statistic="precision",
    on=STUDIO,
)
def precision_studio(reference: str = HELD_OUT, k: int = 3) -> ScoreSet:
    """Share of the pictures within the reach of held-out scenes: how often one could be real.

    A lonely reference reaches far, so even flat colours score near 0.4 and real scenes 0.94; see density_studio.
    """
    return _near(reference, k, prdc.precision_interval)


@audit(
    "density_studio",
    version=1,
    better="higher",
    unit="reference balls around a picture, over k",
    source="Naeem et al. 2020 (k = 5) on the studio CLIP's features; interval: prompt-clustered bootstrap",
    kind="set",
    statistic="density",
    on=STUDIO,
)
def density_studio(reference: str = HELD_OUT, k: int = prdc.K) -> ScoreSet:
    """In how many held-out scenes' reach the pictures lie: precision that lonely references do not inflate.

    About 1 for real scenes, more where pictures crowd around the commonest ones; flat colours score 0.1.
    """
    return _near(reference, k, prdc.density_interval)


@audit(
    "recall_studio",
    version=2,
    better="higher",
    unit="share of reference scenes",
    source="Kynkäänniemi et al. 2019 (k = 3) on the studio CLIP's features; interval: jackknife over prompts",
    kind="set",
    statistic="recall",
    on=STUDIO,
)
def recall_studio(reference: str = HELD_OUT, k: int = 3) -> ScoreSet:
    """Share of held-out scenes within the reach of the pictures: how much of what is real gets made. Grows with n."""
    return _near(reference, k, prdc.recall_interval)


@audit(
    "coverage_studio",
    version=1,
    better="higher",
    unit="share of reference scenes",
    source="Naeem et al. 2020 (k = 5) on the studio CLIP's features; interval: jackknife over prompts",
    kind="set",
    statistic="coverage",
    on=STUDIO,
)
def coverage_studio(reference: str = HELD_OUT, k: int = prdc.K) -> ScoreSet:
    """Share of held-out scenes whose own reach holds a picture: recall that a wild picture cannot buy. Grows with n."""
    return _near(reference, k, prdc.coverage_interval)


@audit(
    "fid",
    version=1,
    better="lower",
    unit="Fréchet Inception distance",
    source="Heusel et al. 2017: the Inception of 2015-12-05 through torch-fidelity; interval: delete-a-group jackknife",
    kind="set",
    statistic="frechet",
    on="features.inception",
)
def fid(reference: str = "") -> ScoreSet:
    """Fréchet Inception distance with the published network and no other; skipped where its weights are not on disk.

    `reference` is an .npz of that network's features of the real pictures, made by `python -m audit.references
    --model inception`. Biased in n like every Fréchet distance.
    """
    model = inception.load().digest
    if not reference:
        raise MissingWeightsError(
            "fid has no reference of its own; build one and give it as the option reference: "
            "python -m audit.references --model inception --data DIR --out FILE.npz"
        )
    return _fd(load(reference, model=model))


def _near(reference: str, k: int, interval: Callable[[Floats, Sequence[str], prdc.Reference], Interval]) -> ScoreSet:
    """A statistic of who lies within whose reach."""
    known = load(reference, model=_studio_model())
    balls = known.balls(k)
    return _sized(known, lambda rows, prompts: interval(rows, prompts, balls))


def _fd(known: Reference) -> ScoreSet:
    def score(rows: Floats, prompts: Sequence[str]) -> Interval:
        found = frechet_interval(rows, prompts, known.moments)
        if found.value is None:
            return found
        size = min(len(rows), len(known.features) // 2)
        floor = f"floor at n={size}: {known.floor(size):.3g}"
        return replace(found, note="; ".join(part for part in (found.note, floor) if part))

    return _sized(known, score)


def _sized(known: Reference, score: ScoreSet) -> ScoreSet:
    """Refuse features of another length than the reference's."""

    def sized(rows: Floats, prompts: Sequence[str]) -> Interval:
        if rows.ndim == 2 and rows.shape[1] != known.features.shape[1]:
            raise ValueError(
                f"{rows.shape[1]} features against {known.features.shape[1]} in reference {known.name}: "
                "the pictures were scored with another feature model; run again with a fresh --out"
            )
        return score(rows, prompts)

    return sized


def _studio_model() -> str:
    return sha256_of(require("studio-clip"))
