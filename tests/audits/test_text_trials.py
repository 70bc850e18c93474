"""Signs with planted edits: the truth is what is drawn, every time the same, and the figures are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from audit.audits.text import cer, normalised
from audit.calibrate import card_of
from audit.registry import trials
from audit.statistics.edits import edits
from audit.trial import Case
from audit.trials.text import _floor, _repairs, _with_wrong, sign
from audit.types import Prompt, Score


def case(asked: str, drawn: str, words: str = "common", **groups: str) -> Case:
    prompt = Prompt(id=f"{asked} {drawn} {words}", text="a sign", expect={"text": asked})
    pixels = np.zeros((8, 8, 3), np.uint8)
    return Case(pixels=pixels, planted=asked != drawn, prompt=prompt, truth=drawn, groups={"words": words, **groups})


def read(some: Case, said: str) -> Score:
    return Score.of(float(normalised(said) == normalised(some.prompt.expect["text"])), read=said)


@pytest.mark.parametrize("wrong", [0, 1, 2, 3])
def test_so_many_letters_are_wrong(wrong):
    for seed in range(40):
        drawn, kind = _with_wrong("BAKERY INN", wrong, np.random.default_rng(seed))
        distance = edits("BAKERY INN", drawn).distance
        assert distance <= 2 * wrong  # neighbours exchanged are two edits
        assert bool(distance) == bool(wrong) == bool(kind)


def test_a_planted_sign_differs_from_its_clean_twin_and_is_the_same_every_time():
    clean, wrong, again = (sign(5, wrong=n, nonce=True, condition=(64, 0.0)) for n in (0, 1, 1))
    assert clean.prompt.expect == wrong.prompt.expect
    assert clean.truth == clean.prompt.expect["text"] != wrong.truth == again.truth
    assert not clean.planted
    assert wrong.planted
    assert np.array_equal(wrong.pixels, again.pixels)
    assert not np.array_equal(wrong.pixels, clean.pixels)
    assert (clean.groups["size"], clean.groups["words"]) == ("64", "made up")


def test_repairs_misreadings_and_good_readings_are_told_apart():
    cases = [case("OPEN", "OPN"), case("OPEN", "OPEM"), case("HOTEL", "HOTL"), case("CAFE", "CAFE")]
    said = ["OPEN", "OPEM", "HOTI", "GAFE"]
    found = _repairs(cases, [read(each, text) for each, text in zip(cases, said, strict=True)])
    assert found["autocorrect"].value == pytest.approx(1 / 3)
    assert found["recall"].value == pytest.approx(2 / 3)
    assert found["read_as_drawn"].value == pytest.approx(1 / 3)
    assert found["autocorrect_nonce"].value is None
    assert found["ocr_floor"].value == pytest.approx(1 / 4)


def test_the_floor_is_told_by_size_and_blur_and_the_bias_by_how_much_too_much_is_measured():
    cases = [case("OPEN", "OPEN", size="64"), case("CAFE", "CAFE", size="128", blur="0"), case("TAXI", "TAXY")]
    scores = [Score.of(0.5, read="OPXX"), Score.of(0.0, read="CAFE"), Score.of(0.25, read="TAXY")]
    found = _floor(cases, scores)
    assert found["floor"].value == pytest.approx(0.25)
    assert (found["floor_size_64"].value, found["floor_size_128"].value) == (0.5, 0.0)
    assert found["floor_blur_1"].value is None
    assert found["bias"].value == pytest.approx(0.5 / 3)


def test_more_blur_means_a_higher_floor():
    """The same four clean signs, blurred more and more."""
    floors = []
    for blur in (0.0, 4.0, 8.0):
        cases = [sign(seed, wrong=0, nonce=seed % 2 == 1, condition=(128, blur)) for seed in range(4)]
        floors.append(_floor(cases, cer()([each.view() for each in cases]))["floor"].value)
    assert floors == sorted(floors)
    assert floors[-1] > floors[0]


@pytest.mark.parametrize("name", ["text.exact@studio", "smear.text@studio", "smear.hand@studio", "smear.face@studio"])
def test_a_handful_of_cases_makes_a_card(name):
    card = card_of(trials()[name], 4)
    told = card.confusion
    assert told.planted + told.abstained_planted == told.unplanted + told.abstained_clean == 2
    assert (told.miss, told.false_alarm) == (0, 0)
