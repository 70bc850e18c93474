"""Alignment: how well the picture matches its prompt, in the eyes of an image–text model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from audit.api import ScoreBatch, ScoreSet, View, audit
from audit.features import clip, models
from audit.statistics.retrieval import OTHERS, retrieval_interval
from audit.swaps import Swap, swaps
from audit.types import Score

SCALE = 100.0
Long = Literal["truncate", "chunks"]


@audit(
    "clip_score",
    version=1,
    better="higher",
    unit="100 x cosine, negatives as 0",
    source="Hessel et al. 2021 (CLIPScore) with the customary weight 100 instead of 2.5",
    kind="batch",
)
def clip_score(model: str = "studio", pretrained: str = "", long: Long = "truncate") -> ScoreBatch:
    """Cosine between the embeddings of picture and prompt.

    `model` is "studio" (ours, knows studio scenes only), a folder in open_clip's layout, or an open_clip architecture
    with its `pretrained` tag. Scores of different models do not compare. `long` says what becomes of a prompt longer
    than the model reads (77 tokens for most): "truncate" cuts its end off, as CLIPScore does; "chunks" splits it at
    words into as few pieces as can be read and takes the mean of their embeddings, each of length 1. The evidence names
    the policy, the tokens and whether the prompt was too long. Scores of the two policies do not compare.
    """
    if long not in ("truncate", "chunks"):
        raise ValueError(f"long={long!r}: a long prompt is dealt with by truncate or chunks")
    loaded = models.load(model, pretrained)

    def score(views: Sequence[View]) -> list[Score]:
        spoken = [view for view in views if view.prompt.text.strip()]
        images = _unit(clip.image_rows(loaded, spoken))
        pieces = [clip.chunks(loaded, view.prompt.text) if long == "chunks" else [view.prompt.text] for view in spoken]
        texts = [_unit(_unit(loaded.text_features(piece)).mean(dim=0)) for piece in pieces]
        found = {
            id(view): _score(loaded, view, float(image @ text), long, len(piece))
            for view, image, text, piece in zip(spoken, images, texts, pieces, strict=True)
        }
        return [found.get(id(view)) or Score.skipped("the prompt has no words") for view in views]

    return score


@audit(
    "align.swap",
    version=1,
    better="higher",
    unit="share of pictures",
    source="ours, after Winoground (Thrush et al. 2022): is the prompt nearer than the same words exchanged",
    kind="batch",
    statistic="rate",
    headline=False,
)
def swap(model: str = "studio", pretrained: str = "") -> ScoreBatch:
    """Whether the picture is nearer to its prompt than to every swap of it: colours, sizes or materials exchanged
    between two things, or the two things of a relation exchanged.

    Guessing scores 0.5 with one swap and less with more. A prompt with nothing to swap is skipped. Models that read
    a bag of words fail here; the card says how far this one can be trusted. `model`, `pretrained`: those of clip_score.
    """
    loaded = models.load(model, pretrained)

    def score(views: Sequence[View]) -> list[Score]:
        images = _unit(clip.image_rows(loaded, views))
        return [_swapped(loaded, view, image) for view, image in zip(views, images, strict=True)]

    return score


@audit(
    "clip_retrieval",
    version=1,
    better="higher",
    unit="share of pictures",
    source="R-precision (Xu et al. 2018), its draw of 99 other prompts in expectation; prompt-clustered bootstrap",
    kind="set",
    statistic="retrieval precision",
    on="features.pair",
    headline=False,
)
def clip_retrieval(k: int = OTHERS, model: str = "studio", pretrained: str = "") -> ScoreSet:
    """Share of pictures nearer to their own prompt than to `k` other prompts of the run (all, where there are fewer).

    It depends on how alike the prompts of the suite are: compare only runs of one suite. `model` and `pretrained` are
    those of clip_score and hold for features.pair too.
    """
    if k < 1:
        raise ValueError(f"k={k}: at least one other prompt is needed")
    models.load(model, pretrained)
    return lambda rows, prompts: retrieval_interval(rows, prompts, k=k)


def _score(model: clip.Clip, view: View, cosine: float, long: Long, pieces: int) -> Score:
    tokens = model.tokens(view.prompt.text)
    return Score.of(
        SCALE * max(cosine, 0.0),
        cosine=round(cosine, 6),
        scale=SCALE,
        tokens=tokens,
        truncated=long == "truncate" and tokens > model.context,
        policy=long,
        pieces=pieces,
        model=model.digest[:16],
    )


def _swapped(model: clip.Clip, view: View, image: torch.Tensor) -> Score:
    others = swaps(view.prompt.text)
    if not others:
        return Score.skipped("the prompt has nothing to swap")
    if model.tokens(view.prompt.text) > model.context:
        return Score.skipped(f"the prompt is longer than the {model.context} tokens that the model reads")
    texts = [view.prompt.text, *(each.text for each in others)]
    own, *rest = (_unit(model.text_features(texts)) @ image).tolist()
    return Score.of(
        float(own > max(rest)),
        cosine=round(own, 6),
        margin=round(own - max(rest), 6),
        swaps=[_told(each, cosine) for each, cosine in zip(others, rest, strict=True)],
        model=model.digest[:16],
    )


def _told(each: Swap, cosine: float) -> dict[str, str | float]:
    return {"kind": each.kind, "text": each.text, "cosine": round(cosine, 6)}


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows.double(), dim=-1)
