import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.evidence import boxes, differences, facts, reading

LETTERS = st.text(st.characters(categories=("L", "N", "Z")), max_size=30)


@given(LETTERS, LETTERS)
def test_differences_lose_no_letter_of_what_was_asked_for(expected, read):
    runs = differences(expected, read)
    asked = "".join(text for kind, text in runs if kind != "+")
    assert "".join(asked.split()) == "".join(differences_letters(expected).split())
    assert all(text for _, text in runs)


def differences_letters(text):
    return "".join(part for _, part in differences(text, text))


def test_case_and_spaces_make_no_difference():
    assert differences("Open Now", "OPENNOW") == [("=", "Open Now")]


def test_nothing_read_is_all_missing():
    assert differences("OPEN", "") == [("-", "OPEN")]


def test_reading_needs_both_sides():
    assert reading({"text": "A"}, {"tokens": 3}) is None
    assert reading({}, {"read": "A"}) is None
    assert reading({"text": ["A", "B"]}, {"read": "A B"}) == [("=", "A B")]
    assert reading({}, {"read": "b", "expected": "a"}) == [("-", "a"), ("+", "b")]


@pytest.mark.parametrize(
    "given_box",
    [[1, 2, 5, 6], [[1, 2], [5, 2], [5, 6], [1, 6]], {"box": [1, 2, 5, 6]}, {"quad": [[1, 2], [5, 2], [5, 6], [1, 6]]}],
)
def test_boxes_are_found_however_they_are_written(given_box):
    [box] = boxes({"boxes": [given_box]})
    assert box["points"] == [[1.0, 2.0], [5.0, 2.0], [5.0, 6.0], [1.0, 6.0]]


def test_what_is_no_box_is_not_drawn():
    assert boxes({"boxes": [[1, 2], "x", {"box": None}, {"box": [["a", 1]] * 4}], "lines": "no list"}) == []


def test_unsure_lines_are_marked_and_labelled():
    [sure, unsure] = boxes(
        {
            "lines": [{"text": "A", "confidence": 0.9, "box": [0, 0, 1, 1]}],
            "unsure": [{"text": "B", "box": [0, 0, 1, 1]}],
        }
    )
    assert (sure["label"], sure["unsure"]) == ("A (0.90)", False)
    assert (unsure["label"], unsure["unsure"]) == ("B", True)


def test_facts_leave_out_what_is_shown_elsewhere_and_are_short():
    told = facts({"read": "x", "lines": [], "cosine": 0.5, "long": "y" * 999, "confusions": [["E", "3"], ["N", ""]]})
    assert told["cosine"] == 0.5
    assert len(told["long"]) == 300
    assert told["confusions"] == "E → 3, N → nothing"
    assert set(told) == {"cosine", "long", "confusions"}
