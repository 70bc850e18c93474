"""Distribution: whether a set of pictures looks like held-out studio scenes, in the features of our own network.

The same statistics on published networks are in `published.py`; the names say whose features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from audit import sets
from audit.api import ScoreSet, audit
from audit.references import load
from audit.statistics import prdc
from audit.statistics.cmmd import cmmd_interval
from audit.statistics.kid import kid_interval
from audit.statistics.vendi import vendi_interval
from audit.types import Interval
from audit.weights import require, sha256_of

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
    return sets.frechet(load(reference, model=_studio_model()))


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
    return sets.sized(known, lambda rows, prompts: kid_interval(rows, prompts, known.rows()))


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
    "cmmd_studio",
    version=1,
    better="lower",
    unit="1000 x squared MMD",
    source="Jayasumana et al. 2024 (sigma 10, normalised, U-statistic) on the studio CLIP; interval: block jackknife",
    kind="set",
    statistic="cmmd",
    on=STUDIO,
    headline=False,
)
def cmmd_studio(reference: str = HELD_OUT) -> ScoreSet:
    """Unbiased Gaussian-kernel distance of normalised embeddings to held-out rendered scenes; may fall below 0.

    The note gives the biased figure that the authors' code would print.
    """
    known = load(reference, model=_studio_model())
    return sets.sized(known, lambda rows, prompts: cmmd_interval(rows, prompts, known.rows()))


@audit(
    "fd_infinity_studio",
    version=1,
    better="lower",
    unit="Fréchet distance",
    source="Chong & Forsyth 2020 on the studio CLIP's features, both sides extrapolated; interval: grouped jackknife",
    kind="set",
    statistic="fd infinity",
    on=STUDIO,
    headline=False,
)
def fd_infinity_studio(reference: str = HELD_OUT) -> ScoreSet:
    """Fréchet distance extrapolated to infinitely many pictures and references: about 0 where nothing differs.

    Needs 8 pictures for each dimension of the features (1024 for ours); with fewer there is no value.
    """
    return sets.infinite(load(reference, model=_studio_model()))


@audit(
    "vendi_studio",
    version=1,
    better="higher",
    unit="Vendi score over that of as many held-out scenes",
    source="Friedman & Dieng 2022 (cosine kernel) on the studio CLIP; null: 200 draws of the reference; jackknife",
    kind="set",
    statistic="vendi",
    on=STUDIO,
    headline=False,
)
def vendi_studio(reference: str = HELD_OUT) -> ScoreSet:
    """How varied the pictures are, as a share of how varied as many held-out scenes are: 1 is as varied as they.

    The bare score grows with n and has no good value of its own. The note gives it, and the band of the null.
    """
    known = load(reference, model=_studio_model())
    return sets.sized(known, lambda rows, prompts: vendi_interval(rows, prompts, known.rows()))


def _near(reference: str, k: int, interval: Callable[[Floats, Sequence[str], prdc.Reference], Interval]) -> ScoreSet:
    """A statistic of who lies within whose reach."""
    known = load(reference, model=_studio_model())
    balls = known.balls(k)
    return sets.sized(known, lambda rows, prompts: interval(rows, prompts, balls))


def _studio_model() -> str:
    return sha256_of(require("studio-clip"))
