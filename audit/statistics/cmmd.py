"""CMMD: 1000 times the squared maximum mean discrepancy of normalised CLIP embeddings under a Gaussian kernel, σ = 10.

Source: Jayasumana et al. 2024, "Rethinking FID" (arXiv 2401.09603). The paper writes the unbiased estimator, Eq. 4; the
authors' code computes the biased one, which is larger by about 1000 (1 − mean k) / n for each side. Here the unbiased
one is the value, and the other stands in the note, for comparison with published tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audit.statistics.mmd import Gaussian, biased_mmd, mmd_interval
from audit.statistics.resample import checked
from audit.types import Interval

SCALE = 1000.0
Floats = NDArray[np.float64]


def cmmd_interval(features: Floats, clusters: Sequence[str], reference: Floats, *, seed: int = 0) -> Interval:
    """CMMD of rows (n, d) and (m, d), which are normalised here, with its 95 % interval; see `mmd_interval`."""
    one, two = normalised(checked(features, "CMMD")), normalised(checked(reference, "CMMD, reference"))
    found = mmd_interval(one, clusters, two, Gaussian(), scale=SCALE, seed=seed)
    if found.value is None:
        return found
    biased = f"as the authors' code computes it, biased: {SCALE * biased_mmd(one, two, Gaussian()):.3f}"
    return replace(found, note="; ".join(part for part in (found.note, biased) if part))


def normalised(rows: Floats) -> Floats:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))
