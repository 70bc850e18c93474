"""Alignment: how well the picture matches its prompt, in the eyes of an image–text model."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from audit.api import ScoreBatch, View, audit
from audit.features import clip, models
from audit.types import Score

SCALE = 100.0


@audit(
    "clip_score",
    version=1,
    better="higher",
    unit="100 x cosine, negatives as 0",
    source="Hessel et al. 2021 (CLIPScore) with the customary weight 100 instead of 2.5",
    kind="batch",
)
def clip_score(model: str = "studio", pretrained: str = "") -> ScoreBatch:
    """Cosine between the embeddings of picture and prompt.

    `model` is "studio" (ours, knows studio scenes only), a folder in open_clip's layout, or an open_clip architecture
    with its `pretrained` tag. Scores of different models do not compare. A prompt longer than the model reads is cut
    at its end, and the evidence says so ("truncated"); it is never split or summarised.
    """
    loaded = models.load(model, pretrained)

    def score(views: Sequence[View]) -> list[Score]:
        spoken = [view for view in views if view.prompt.text.strip()]
        images = torch.nn.functional.normalize(clip.image_rows(loaded, spoken).double(), dim=-1)
        texts = loaded.text_features([view.prompt.text for view in spoken])
        cosines = (images * torch.nn.functional.normalize(texts.double(), dim=-1)).sum(dim=-1).tolist()
        found = {id(view): _score(loaded, view, cosine) for view, cosine in zip(spoken, cosines, strict=True)}
        return [found.get(id(view)) or Score.skipped("the prompt has no words") for view in views]

    return score


def _score(model: clip.Clip, view: View, cosine: float) -> Score:
    tokens = model.tokens(view.prompt.text)
    return Score.of(
        SCALE * max(cosine, 0.0),
        cosine=round(cosine, 6),
        scale=SCALE,
        tokens=tokens,
        truncated=tokens > model.context,
        policy="truncate",
        model=model.digest[:16],
    )
