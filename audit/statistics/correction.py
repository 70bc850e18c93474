"""What share of pictures has a defect, when the detector that counted them errs at known rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.types import Interval

DRAWS = 20_000
CHANCE = 0.05
"""A detector whose sensitivity + specificity - 1 is below this says nothing about prevalence."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often a detector was right in its trial; abstentions apart."""

    hit: int = 0
    miss: int = 0
    false_alarm: int = 0
    clean: int = 0
    abstained_planted: int = 0
    abstained_clean: int = 0

    @property
    def planted(self) -> int:
        """Planted pictures it decided on."""
        return self.hit + self.miss

    @property
    def unplanted(self) -> int:
        """Clean pictures it decided on."""
        return self.false_alarm + self.clean


def rogan_gladen(positives: float, n: float, confusion: Confusion, *, level: float = 0.95) -> Interval:
    """True prevalence from `positives` of `n` decided pictures (n may be an effective, fractional number).

    prevalence among the decided = (rate + specificity - 1) / (sensitivity + specificity - 1), cut to 0..1; then undone
    is that planted and clean pictures are abstained from at different rates. The interval is the middle of
    draws in which the rate and all four of the card's rates follow their Jeffreys posteriors, so it holds the card's
    own uncertainty.

    Source: Rogan & Gladen 1978, Eq. 2; the simulated interval as in Greenland 1996.
    """
    if n <= 0:
        return Interval(value=None, note="nothing to correct")
    if not confusion.planted or not confusion.unplanted:
        return Interval(value=None, note="the card knows planted or clean pictures only")
    sensitivity = confusion.hit / confusion.planted
    specificity = confusion.clean / confusion.unplanted
    if sensitivity + specificity - 1 < CHANCE:
        return Interval(value=None, note="the detector is no better than chance")
    value = _prevalence(
        np.array([positives / n]),
        np.array([sensitivity]),
        np.array([specificity]),
        np.array([_kept(confusion.planted, confusion.abstained_planted)]),
        np.array([_kept(confusion.unplanted, confusion.abstained_clean)]),
    )
    rng = np.random.default_rng(1978)

    def drawn(yes: float, no: float) -> NDArray[np.float64]:
        return rng.beta(yes + 0.5, no + 0.5, DRAWS)

    draws = _prevalence(
        drawn(positives, n - positives),
        drawn(confusion.hit, confusion.miss),
        drawn(confusion.clean, confusion.false_alarm),
        drawn(confusion.planted, confusion.abstained_planted),
        drawn(confusion.unplanted, confusion.abstained_clean),
    )
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=float(value[0]), low=min(float(low), float(value[0])), high=max(float(high), float(value[0])))


def _kept(decided: int, abstained: int) -> float:
    return decided / (decided + abstained)


def _prevalence(
    rate: NDArray[np.float64],
    sensitivity: NDArray[np.float64],
    specificity: NDArray[np.float64],
    kept_planted: NDArray[np.float64],
    kept_clean: NDArray[np.float64],
) -> NDArray[np.float64]:
    youden = np.maximum(sensitivity + specificity - 1, CHANCE)
    decided = np.clip((rate + specificity - 1) / youden, 0, 1)
    planted, clean = decided / kept_planted, (1 - decided) / kept_clean
    prevalence: NDArray[np.float64] = planted / (planted + clean)
    return prevalence
