"""Features: each picture as a vector, for the audits of whole sets in `distribution.py`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from audit.api import ScoreBatch, ScoreOne, View, audit
from audit.features import clip, inception, models
from audit.types import Score


@audit(
    "features.studio",
    version=1,
    better="neither",
    unit="vector",
    source="ours: image tower of the studio CLIP, trained with open_clip on captions of rendered scenes",
    kind="batch",
    headline=False,
)
def studio() -> ScoreBatch:
    """Image embedding of the studio feature model, not normalised."""
    model = models.load("studio")

    def score(views: Sequence[View]) -> list[Score]:
        return [_vector(row, model.digest) for row in clip.image_rows(model, views)]

    return score


@audit(
    "features.inception",
    version=1,
    better="neither",
    unit="vector",
    source="Heusel et al. 2017: pool features (2048) of the TensorFlow Inception of 2015-12-05, by torch-fidelity",
    headline=False,
)
def inception_pool() -> ScoreOne:
    """Pool features of the network that defines FID, resized as that network's graph does. No other weights will do."""
    extractor = inception.load()

    def score(view: View) -> Score:
        return _vector(extractor.features(view.image), extractor.digest)

    return score


def _vector(row: torch.Tensor, digest: str) -> Score:
    return Score(status="ok", vector=tuple(row.tolist()), evidence={"model": digest[:16]})
