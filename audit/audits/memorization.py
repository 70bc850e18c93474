"""Memorization: whether a picture is one that the generator was trained on, given back.

Pictures of one kind resemble one another, so nearness alone says nothing; it is held against how near fresh pictures
come, which the reference carries (Carlini et al. 2023 and Somepalli et al. 2023 set such thresholds by hand). What is
compared is the reference's choice: small pictures, or SSCD's descriptors (Pizzi et al. 2022) where its weights are.
"""

from __future__ import annotations

from audit.api import ScoreOne, View, audit
from audit.audits.tasks import pixels
from audit.features.copies import Match
from audit.memorized import Memory, load
from audit.types import Score

PLAIN = "a plain picture resembles nothing"


@audit(
    "memorization.similarity",
    version=1,
    better="lower",
    unit="correlation",
    source="ours: windowed correlation (SSIM's structure term, Wang et al. 2004) after alignment (ECC, Evangelidis & "
    "Psarakis 2008) with the nearest training picture",
    headline=False,
)
def similarity(reference: str = "studio-memorized") -> ScoreOne:
    """How much the picture resembles its nearest training picture: 1 is a copy. Crops, mirroring, recolouring count.

    `reference` is a shipped name or an .npz that `python -m audit.memorized` makes of the training pictures.
    """
    memory = load(reference)

    def score(view: View) -> Score:
        match = _nearest(view, memory)
        return Score.skipped(PLAIN) if match is None else Score.of(match.similarity, **_told(match, memory))

    return score


@audit(
    "memorization.copied",
    version=1,
    better="lower",
    unit="share of pictures",
    source="ours: memorization.similarity above what fresh pictures reach (split conformal, Vovk et al. 2005)",
    statistic="rate",
    headline=False,
)
def copied(reference: str = "studio-memorized", false_alarm: float = 0.01) -> ScoreOne:
    """Whether the picture resembles a training picture more than all but a share `false_alarm` of fresh ones do.

    `reference` is a shipped name or an .npz that `python -m audit.memorized` makes of the training pictures and of
    fresh ones. A generator that copies nothing scores about `false_alarm`, not 0.
    """
    memory = load(reference)
    threshold = memory.threshold(false_alarm)

    def score(view: View) -> Score:
        match = _nearest(view, memory)
        if match is None:
            return Score.skipped(PLAIN)
        chance = round(memory.chance(match.similarity), 4)
        return Score.of(
            float(match.similarity > threshold),
            similarity=round(match.similarity, 4),
            threshold=round(threshold, 4),
            chance=chance,
            **_told(match, memory),
        )

    return score


def _nearest(view: View, memory: Memory) -> Match | None:
    """Looked for once a picture, whichever audit asks."""
    return view.once(f"copies {memory.name} {id(memory.index)}", lambda: memory.index.nearest(pixels(view)))


def _told(match: Match, memory: Memory) -> dict[str, str | bool]:
    return {"nearest": memory.names[match.place], "mirrored": match.mirrored, "among": memory.text}
