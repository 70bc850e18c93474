"""Retrieval precision: whether a picture finds its own prompt among others.

Source: R-precision of Xu et al. 2018 (AttnGAN): one true text against 99 drawn ones. The draw is not made here: the
chance that the true text beats k texts drawn from the m others is known exactly from how many it beats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audit.statistics.means import mean_interval
from audit.statistics.resample import checked, left_out_of_mean, numbered
from audit.types import Interval

OTHERS = 99
SAME = 1e-9
"""Squared distance below which two prompts' embeddings are one: float32 leaves about 1e-13."""
Floats = NDArray[np.float64]


def beats_all(beaten: NDArray[np.int64], others: NDArray[np.int64], k: int) -> Floats:
    """Chance that k texts drawn from `others` (n,), none twice, are all among the `beaten` (n,) of them; (n,)."""
    chance = np.ones(len(beaten))
    for drawn in range(k):
        chance *= np.clip(beaten - drawn, 0, None) / (others - drawn)
    return chance


def retrieval_interval(pairs: Floats, clusters: Sequence[str], *, k: int = OTHERS) -> Interval:
    """Share of pictures nearer to their own prompt than to k other prompts of the set, with its interval over prompts.

    Prompts with the same embedding are one prompt under two names and never each other's distractors. With fewer than k
    other prompts, all of them are taken, and the note says how many.

    Args:
        pairs: (n, 2d): the embedding of the picture, then that of its prompt, each of length 1.
        clusters: the prompt of each row.
    """
    rows = checked(pairs, "retrieval precision")
    if rows.shape[1] % 2:
        raise ValueError(f"retrieval precision: {rows.shape[1]} features are no pairs of embeddings")
    if not len(rows):
        return Interval(value=None, note="no pictures")
    images, texts = np.split(rows, 2, axis=1)
    codes = numbered(clusters)
    count = int(codes.max()) + 1
    prompts = np.zeros((count, texts.shape[1]))
    np.add.at(prompts, codes, texts)
    prompts /= np.bincount(codes)[:, None]
    lengths = np.square(prompts).sum(axis=1)
    twins = lengths[:, None] + lengths[None] - 2 * (prompts @ prompts.T) < SAME
    own = (images * texts).sum(axis=1)
    lower = (images @ prompts.T) < own[:, None]
    beaten, others = (lower & ~twins[codes]).sum(axis=1), (~twins[codes]).sum(axis=1)
    drawn = min(k, int(others.min()))
    if drawn < 1:
        return Interval(value=None, note="no other prompt to tell apart")
    ahead = beats_all(beaten, others, drawn)
    found = left_out_of_mean(mean_interval(ahead, clusters), ahead, clusters)
    told = f"{drawn} other prompts of the set; chance {1 / (drawn + 1):.3f}"
    return replace(found, note="; ".join(part for part in (found.note, told) if part))
