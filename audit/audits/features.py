"""Features: each picture as a vector, for the audits of whole sets in `distribution.py` and `published.py`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from audit.api import ScoreBatch, ScoreOne, View, audit
from audit.features import clip, dino, inception, models
from audit.types import Score

CLIP, CLIP_TAG = "ViT-L-14-336", "openai"


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
    return _of_clip(models.load("studio"))


@audit(
    "features.pair",
    version=1,
    better="neither",
    unit="vector",
    source="image and text tower of the studio CLIP or another image–text model, each embedding of length 1",
    kind="batch",
    headline=False,
)
def pair(model: str = "studio", pretrained: str = "") -> ScoreBatch:
    """The embedding of the picture, and behind it that of its prompt: what telling prompts apart needs.

    `model` and `pretrained` are those of clip_score. A picture whose prompt has no words is skipped.
    """
    loaded = models.load(model, pretrained)

    def score(views: Sequence[View]) -> list[Score]:
        spoken = [view for view in views if view.prompt.text.strip()]
        images = torch.nn.functional.normalize(clip.image_rows(loaded, spoken), dim=-1)
        texts = torch.nn.functional.normalize(loaded.text_features([view.prompt.text for view in spoken]), dim=-1)
        rows = torch.cat([images, texts], dim=-1)
        found = {id(view): _vector(row, loaded.digest) for view, row in zip(spoken, rows, strict=True)}
        return [found.get(id(view)) or Score.skipped("the prompt has no words") for view in views]

    return score


@audit(
    "features.clip",
    version=1,
    better="neither",
    unit="vector",
    source="Radford et al. 2021: image embedding of ViT-L/14 at 336 pixels, as CMMD uses; any model of open_clip",
    kind="batch",
    headline=False,
)
def clip_image(model: str = CLIP, pretrained: str = CLIP_TAG) -> ScoreBatch:
    """Image embedding of an open_clip model whose weights are on disk, not normalised, resized as that model asks."""
    return _of_clip(models.load(model, pretrained))


@audit(
    "features.dino",
    version=1,
    better="neither",
    unit="vector",
    source="Oquab et al. 2023 (DINOv2 ViT-L/14 by transformers); class token at 224 pixels as in Stein et al. 2023",
    kind="batch",
    headline=False,
)
def dino_class(folder: str = "") -> ScoreBatch:
    """Class token of DINOv2; `folder` names another of its sizes in transformers' layout."""
    model = dino.load(folder)

    def score(views: Sequence[View]) -> list[Score]:
        return [_vector(row, model.digest) for row in model.features([view.image for view in views])]

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
    return _of_inception("legacy")


@audit(
    "features.inception_clean",
    version=1,
    better="neither",
    unit="vector",
    source="Parmar et al. 2022 (clean-fid): the same network, resized by Pillow's bicubic on float channels",
    headline=False,
)
def inception_clean() -> ScoreOne:
    """Pool features of the network that defines FID, resized as clean-fid does. No other weights will do."""
    return _of_inception("clean")


def _of_clip(model: clip.Clip) -> ScoreBatch:
    def score(views: Sequence[View]) -> list[Score]:
        return [_vector(row, model.digest) for row in clip.image_rows(model, views)]

    return score


def _of_inception(protocol: inception.Protocol) -> ScoreOne:
    extractor = inception.load()

    def score(view: View) -> Score:
        return _vector(extractor.features(view.image, protocol), extractor.identity(protocol))

    return score


def _vector(row: torch.Tensor, digest: str) -> Score:
    return Score(status="ok", vector=tuple(row.tolist()), evidence={"model": digest[:16]})
