"""Round trips of an autoencoder: what is kept scores 0, what is blurred away scores worse the more it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit import images
from audit.api import View
from audit.audits.smear import face, hand, text
from audit.suites import load
from audit.trials.smear import harmless, smeared
from audit.types import Prompt
from generators.api import Settings
from tests.audits.toys import noise, plain, written

SIZES = ("large", "middle", "small")


def trip(made: np.ndarray, source: np.ndarray, strength: float | None = 0.0, **expect: str) -> View:
    image = torch.from_numpy(np.ascontiguousarray(made.transpose(2, 0, 1)))
    prompt = Prompt(id="p", text="a sign", expect=expect, inputs={"source": "source"})
    settings = Settings(task="img2img", strength=strength)
    return View(image=image, prompt=prompt, settings=settings, look={"source": source}.__getitem__)


def sources(family: str) -> list[tuple[Prompt, np.ndarray]]:
    suite = load("smear")
    return [
        (prompt, images.decode(suite.files[prompt.inputs["source"]].read_bytes()))
        for prompt in suite.prompts
        if family in prompt.tags
    ]


def value(scorer, shown: View) -> float:
    [score] = scorer()([shown])
    assert score.status == "ok", score.reason
    return float(score.value)


def test_text_that_comes_through_scores_nothing_and_more_smear_scores_worse():
    source = written("HOTEL", size=30, side=128)
    doses = [value(text, trip(smeared(source, side), source, text="HOTEL")) for side in (128, 64, 16, 8)]
    assert doses[0] == 0
    assert doses == sorted(doses)
    assert doses[-1] == 1


def test_a_round_trip_is_judged_against_what_the_source_reads():
    """One letter is wrong in the source already: the round trip did not do that."""
    source = written("HOTEX", size=30, side=128)
    shown = trip(source, source, text="HOTEL")
    assert value(text, shown) == 0
    [score] = text()([shown])
    assert (score.evidence["read"], score.evidence["read_in_source"]) == ("HOTEX", "HOTEX")


@pytest.mark.parametrize(("scorer", "family"), [(hand, "hands"), (face, "portraits")])
def test_landmarks_stay_under_harmless_losses_and_are_lost_with_the_picture(scorer, family):
    for prompt, source in sources(family):
        doses = [value(scorer, trip(made, source)) for made in (source, harmless(source), plain(height=128, width=128))]
        assert doses == [0, pytest.approx(0, abs=0.1), 1], prompt.id


@pytest.mark.parametrize(
    ("scorer", "shown", "words"),
    [
        (text, trip(plain(), plain(), 0.5, text="A"), "strength is 0.5; at --strength 0 alone"),
        (hand, trip(plain(), plain(), None), "strength is not set"),
        (text, trip(plain(), plain()), "the prompt expects no text"),
        (text, trip(plain(), plain(), text="OPEN"), "the source itself reads ''"),
        (hand, trip(plain(), plain()), "no hand is found in the source"),
        (face, trip(noise(0), noise(0)), "no face is found in the source"),
        (face, trip(plain(), plain(height=32)), "source 32 x 64, picture 64 x 64: sizes differ"),
        (
            text,
            View(image=torch.zeros(3, 8, 8, dtype=torch.uint8), prompt=Prompt(id="p", text="")),
            "no source picture",
        ),
    ],
)
def test_where_there_is_no_round_trip_or_nothing_to_lose_the_reason_is_given(scorer, shown, words):
    [score] = scorer()([shown])
    assert score.status == "skipped"
    assert words in score.reason


@pytest.mark.parametrize("size", SIZES)
def test_the_suite_has_readable_signs_hands_and_faces_of_every_size(size):
    for family, scorer, count in (("signs", text, 4), ("hands", hand, 2), ("portraits", face, 2)):
        rows = [(prompt, source) for prompt, source in sources(family) if size in prompt.tags]
        assert len(rows) == count
        for prompt, source in rows:
            expect = {"text": prompt.expect["text"]} if family == "signs" else {}
            [score] = scorer()([trip(source, source, **expect)])
            assert score.value == 0, prompt.id
            if family == "signs":
                assert score.evidence["read"].replace(" ", "") == prompt.expect["text"].replace(" ", "")
