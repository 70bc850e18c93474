import doctest
import json
import math

import pytest

import reports.evidence
import reports.figures
import reports.shown
import reports.words
from reports.page import embedded, fill
from reports.words import number, settings_words, visible, with_interval


@pytest.mark.parametrize("module", [reports.evidence, reports.figures, reports.shown, reports.words])
def test_examples_in_docstrings_hold(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0.00"), (999.6, "1,000"), (9.996, "10.00"), (-0.00001, "−1.00e−5"), (123456.0, "123,000"), (-0.0, "0.00")],
)
def test_numbers_show_three_significant_digits(value, words):
    assert number(value) == words


def test_interval_keeps_the_place_of_what_is_wider():
    assert with_interval(0.0001, -0.3, 0.3) == ("0.000", "[−0.300, 0.300]")
    assert with_interval(5.0, None, 9.0) == ("5.00", "")
    assert with_interval(1.5, -0.5, 3.5, signed=True) == ("+1.50", "[−0.50, +3.50]")


def test_controls_and_direction_marks_become_visible():
    assert visible("a\x00b\x1b[0m\u202ec\ud800") == "a␀b␛[0m⟦U+202E⟧c⟦U+D800⟧"
    assert visible("two\nlines\tkept, שלום kept") == "two\nlines\tkept, שלום kept"


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<!--", "a&b", "\u2028\u2029", "\x00", "\ud800"]
)
def test_embedded_json_cannot_leave_its_element_and_reads_back(text):
    told = str(embedded({"prompt": text, text: [math.nan, math.inf, 1.5]}))
    assert not set("<>&\u2028\u2029\x00") & set(told)
    told.encode("utf-8")
    assert json.loads(told) == {"prompt": visible(text), visible(text): [None, None, 1.5]}


def test_templates_escape_what_they_are_given():
    html = fill("sections/macros.html")
    assert "<" not in html.strip()
    run = {"label": "<b>&\x00", "manifest": _Nothing(), "facts": {"seconds_per_picture": None}, "config": "</pre>"}
    html = fill("sections/provenance.html", runs=[run], figures=[("<i>", "<u>")], several=True)
    assert "&lt;b&gt;&amp;␀" in html
    assert "&lt;/pre&gt;" in html
    assert not {"<b>", "<i>", "<u>"} & set(html.split("\n"))
    assert "<b>" not in html
    assert "<i>" not in html


def test_settings_that_were_not_chosen_are_left_out():
    assert settings_words({"task": "text2img", "steps": None, "guidance": 3.0}) == ["guidance 3"]
    assert settings_words({"task": "text2img", "steps": None}) == ["default"]
    assert settings_words({"task": "inpaint"}) == ["task inpaint"]


class _Nothing(dict):
    def __missing__(self, key):
        return None
