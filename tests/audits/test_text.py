import numpy as np
import pytest

from audit.api import View
from audit.audits import text
from audit.audits.text import cer, disagreement, exact, extra, ned, normalised, words
from audit.features.ocr import Line, Reading, in_order, rapidocr
from audit.types import Prompt
from audit.weights import MissingWeightsError
from tests.audits.toys import noise, plain, view, written

WORDS = ["OPEN", "CAFE", "TAXI", "7421", "HOTEL", "SALE"]


def asked(pixels, wanted) -> View:
    """A picture whose prompt asked for `wanted` to be written."""
    shown = view(pixels)
    return View(image=shown.image, prompt=Prompt(id="p", text="a sign", expect={"text": wanted}))


@pytest.fixture
def says(monkeypatch):
    """Replace the engine by one that says what it is told, to test what is computed behind it."""
    monkeypatch.setattr(text, "easyocr", lambda: None)

    def set_reading(*said):
        box = ((0.0, 0.0), (9.0, 0.0), (9.0, 4.0), (0.0, 4.0))
        reading = Reading("rapidocr", tuple(Line(each, 0.9, box) for each in said), ())
        monkeypatch.setattr(text, "rapidocr", lambda: lambda pixels: reading)

    return set_reading


@pytest.mark.parametrize("word", WORDS)
def test_clean_words_at_64_pixels_read_without_error(word):
    shown = asked(written(word, size=20 if len(word) < 5 else 16), word)
    [score], [right] = cer()([shown]), exact()([shown])
    assert score.value == 0, score.evidence
    assert right.value == 1
    assert score.evidence["confusions"] == []
    [line] = score.evidence["lines"]
    assert line["confidence"] > 0.5
    xs, ys = zip(*line["box"], strict=True)
    assert min(xs) > -4
    assert max(xs) < 68
    assert min(ys) < 32 < max(ys)  # the box is in the picture's own pixels


@pytest.mark.parametrize(
    ("asked_for", "drawn"), [("OPEN", "OFEN"), ("TAXI", "TAXT"), ("7421", "7427"), ("SALE", "SAL")]
)
def test_a_planted_one_letter_error_costs_one_over_the_length(asked_for, drawn):
    [score] = cer()([asked(written(drawn, size=20), asked_for)])
    assert score.value == pytest.approx(1 / len(asked_for)), score.evidence
    assert len(score.evidence["confusions"]) == 1


def test_two_lines_are_read_in_order_and_exchanged_lines_are_wrong():
    shown = written("FRESH", "BREAD", size=18)
    [right], [wrong] = cer()([asked(shown, "Fresh bread")]), cer()([asked(shown, "Bread fresh")])
    assert right.value == 0, right.evidence
    assert wrong.value > 0.5
    assert cer()([asked(shown, ["FRESH", "BREAD"])])[0].value == 0


@pytest.mark.parametrize("pixels", [plain(), plain((255, 255, 255)), noise(0)])
def test_a_picture_without_letters_is_wholly_wrong_and_not_absent(pixels):
    shown = asked(pixels, "OPEN")
    assert cer()([shown])[0].value == pytest.approx(1.0)
    assert ned()([shown])[0].value == 0
    assert exact()([shown])[0].value == 0
    assert extra()([shown])[0].value == 0


def test_prompts_that_expect_no_text_are_skipped():
    nothing = view(written("OPEN"))
    for each in (cer, ned, exact, extra, words):
        [score] = each()([nothing])
        assert (score.status, score.reason) == ("skipped", "the prompt expects no text")
    none_wanted = asked(written("OPEN", size=20), "")
    assert cer()([none_wanted])[0].status == "skipped"
    assert extra()([none_wanted])[0].value == 4


@pytest.mark.parametrize(
    ("wanted", "said", "cer_", "ned_", "exact_", "extra_"),
    [
        ("OPEN", ["open"], 0, 1, 1, 0),
        ("OPEN DAILY", ["OPENDAILY"], 0, 1, 1, 0),
        ("OPEN DAILY", ["DAILY", "OPEN"], 8 / 9, 1 / 9, 0, 4),
        ("OPEN", ["OPEN", "XQZ"], 3 / 4, 4 / 7, 0, 3),
        ("AB", ["ABCDEF"], 2, 1 / 3, 0, 4),
        ("OPEN", ["0PEN"], 1 / 4, 3 / 4, 0, 0),
        ("OPEN", [], 1, 0, 0, 0),
    ],
)
def test_known_readings_have_known_scores(says, wanted, said, cer_, ned_, exact_, extra_):
    says(*said)
    shown = asked(plain(), wanted)
    assert cer()([shown])[0].value == pytest.approx(cer_)
    assert ned()([shown])[0].value == pytest.approx(ned_)
    assert exact()([shown])[0].value == exact_
    assert extra()([shown])[0].value == extra_


def test_all_audits_share_one_reading(monkeypatch):
    calls = []
    inner = rapidocr()
    monkeypatch.setattr(text, "rapidocr", lambda: lambda pixels: calls.append(1) or inner(pixels))
    monkeypatch.setattr(text, "easyocr", lambda: None)
    shown = asked(written("OPEN", size=20), "OPEN")
    for each in (cer, ned, exact, extra, words):
        each()([shown])
    assert len(calls) == 1


def test_a_second_engine_is_evidence_and_no_score(monkeypatch):
    monkeypatch.setattr(text, "easyocr", lambda: lambda pixels: Reading("easyocr", (), ()))
    [score] = cer()([asked(written("OPEN", size=20), "OPEN")])
    assert score.value == 0
    assert score.evidence["easyocr"] == ""
    assert score.evidence["engines_agree"] is False


def test_unsure_lines_are_evidence_only():
    """Letters blurred beyond reading: whatever the engine guesses below 0.5 must not count as read."""
    from PIL import Image

    word = Image.fromarray(written("HOTEL", size=16)).resize((12, 12)).resize((64, 64))
    reading = rapidocr()(np.asarray(word))
    assert all(line.confidence >= 0.5 for line in reading.lines)
    assert all(line.confidence < 0.5 for line in reading.unsure)
    assert normalised(reading.text) != "hotel"


def test_reading_order_is_rows_then_left_to_right():
    def line(text, x, y, height=10):
        return Line(text, 1.0, ((x, y), (x + 20, y), (x + 20, y + height), (x, y + height)))

    mixed = [line("d", 30, 41), line("b", 40, 2), line("a", 0, 5), line("c", 0, 38)]
    assert [each.text for each in in_order(mixed)] == ["a", "b", "c", "d"]
    assert in_order([]) == []


def test_blur_raises_the_error_rate_dose_by_dose():
    from PIL import Image, ImageFilter

    def mean_error(radius):
        blurred = [
            np.asarray(
                Image.fromarray(written(w, size=20 if len(w) < 5 else 16)).filter(ImageFilter.GaussianBlur(radius))
            )
            for w in WORDS
        ]
        return np.mean([score.value for score in cer()([asked(p, w) for p, w in zip(blurred, WORDS, strict=True)])])

    doses = [mean_error(radius) for radius in (0, 2, 5)]
    assert doses[0] == 0
    assert doses[0] <= doses[1] <= doses[2]
    assert doses[2] > 0.6


def test_more_wrong_letters_raise_the_error_rate_and_lower_the_share_of_words(says):
    doses = []
    for said in ("FRESH BREAD", "FRESH BREAK", "FRESH BROOK", "FLASH BROOK"):
        says(said)
        shown = asked(plain(), "FRESH BREAD")
        doses.append((cer()([shown])[0].value, words()([shown])[0].value))
    assert [error for error, _ in doses] == pytest.approx([0, 0.1, 0.3, 0.5])
    assert [share for _, share in doses] == [1, 0.5, 0.5, 0]


def test_drawn_letters_that_are_wrong_raise_the_error_rate_one_by_one():
    doses = [
        cer()([asked(written(drawn, size=16), "HOTEL")])[0].value for drawn in ("HOTEL", "HOTEX", "HUTEX", "HUTKX")
    ]
    assert doses == pytest.approx([0, 0.2, 0.4, 0.6])


def test_words_that_were_not_read_are_named(says):
    says("OPEN", "DAILV")
    [score] = words()([asked(plain(), "Open daily")])
    assert score.value == 0.5
    assert score.evidence["missed"] == ["daily"]


@pytest.mark.parametrize(("said", "differ"), [("Open", 0.0), ("OPEN!", 1.0), ("", 1.0)])
def test_two_engines_disagree_where_they_read_other_letters(says, monkeypatch, said, differ):
    says("OPEN")
    line = Line(said, 0.9, ((0.0, 0.0), (9.0, 0.0), (9.0, 4.0), (0.0, 4.0)))
    monkeypatch.setattr(text, "require", lambda name: None)
    monkeypatch.setattr(text, "easyocr", lambda: lambda pixels: Reading("easyocr", (line,), ()))
    [score] = disagreement()([asked(plain(), "OPEN")])
    assert score.value == differ
    assert (score.evidence["rapidocr"], score.evidence["easyocr"]) == ("OPEN", said)
    assert disagreement()([view(plain())])[0].status == "skipped"


def test_without_the_second_engines_weights_there_is_no_disagreement(monkeypatch):
    def missing(name):
        raise MissingWeightsError(f"{name} is not here")

    monkeypatch.setattr(text, "require", missing)
    with pytest.raises(MissingWeightsError, match="easyocr-craft is not here"):
        disagreement()
