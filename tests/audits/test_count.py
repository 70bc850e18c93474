"""Counting: exact numbers, sides as the camera sees them, and silence about what the finder does not know."""

from __future__ import annotations

import pytest

from audit.audits import count
from audit.audits.count import error, exact, relation
from audit.features.objects import Table
from audit.suites import load
from tests.audits.tables import Perfect, laid, table, view

SEED = 6_100_000_000


def on(monkeypatch: pytest.MonkeyPatch, seen: Table) -> None:
    monkeypatch.setattr(count, "finder", lambda: Perfect(seen))


@pytest.fixture
def three_balls(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [{"count": 3, "shape": "ball", "colour": "red"}, {"count": 1, "shape": "cube", "colour": "blue"}]
    on(monkeypatch, table(*laid(SEED, groups=groups)))


def asked(*groups: dict[str, object], **more: object):
    return view(objects=list(groups), **more)


@pytest.mark.parametrize("number", range(6))
def test_only_the_exact_number_is_right_and_the_error_is_the_difference(three_balls, number):
    shown = asked({"shape": "ball", "colour": "red", "count": number})
    assert exact()([shown])[0].value == float(number == 3)
    assert error()([shown])[0].value == abs(number - 3)


def test_every_kind_must_be_right(three_balls):
    balls, cube = {"shape": "ball", "count": 3}, {"shape": "cube", "colour": "blue", "count": 1}
    assert exact()([asked(balls, cube)])[0].value == 1
    assert exact()([asked(balls, cube | {"count": 2})])[0].value == 0


def test_a_colour_that_is_not_named_may_be_any_and_one_that_is_must_be_there(three_balls):
    assert exact()([asked({"shape": "ball", "count": 3})])[0].value == 1
    assert exact()([asked({"shape": "ball", "colour": "green", "count": 3})])[0].value == 0


def test_words_of_geneval_are_understood(three_balls):
    assert exact()([asked({"class": "ball", "colour": "red", "count": 3})])[0].value == 1


def test_what_the_finder_cannot_see_is_named(three_balls):
    [score] = exact()(
        [asked({"class": "bench", "count": 1}, {"class": "ball", "count": 3}, {"class": "cow", "count": 2})]
    )
    assert (score.status, score.reason) == ("skipped", "the finder cannot see: bench, cow")


@pytest.mark.parametrize("expect", [{}, {"objects": []}, {"text": "OPEN"}])
def test_no_expectation_no_score(three_balls, expect):
    for scorer in (exact, error, relation):
        assert scorer()([view(**expect)])[0].status == "skipped"


def test_a_number_in_words_is_no_number(three_balls):
    assert "'fewer'" in exact()([asked({"class": "ball", "count": "fewer"})])[0].reason


def test_evidence_shows_what_was_found_where(three_balls):
    evidence = exact()([asked({"shape": "ball", "count": 3})])[0].evidence
    assert evidence["found_objects"] == ["3 of 3 ball"]
    assert sorted(each["label"] for each in evidence["boxes"]) == ["blue cube", "red ball", "red ball", "red ball"]


@pytest.mark.parametrize("way", ["left of", "right of", "in front of", "behind"])
@pytest.mark.parametrize("seed", range(3))
def test_a_relation_holds_as_drawn_and_its_opposite_does_not(monkeypatch, way, seed):
    one, other = {"shape": "cube", "colour": "red", "count": 1}, {"shape": "cone", "colour": "green", "count": 1}
    on(monkeypatch, table(*laid(SEED + seed, groups=[one, other], relation=way)))
    opposite = {"left of": "right of", "right of": "left of", "in front of": "behind", "behind": "in front of"}[way]
    for said, holds in ((way, 1.0), (opposite, 0.0)):
        assert relation()([asked(one, other, relation=said)])[0].value == holds
        assert relation()([asked(other, one | {"position": [said, 0]})])[0].value == holds


def test_a_thing_that_is_not_there_stands_nowhere(three_balls):
    shown = asked({"shape": "cone", "count": 1}, {"shape": "cube", "count": 1}, relation="left of")
    assert relation()([shown])[0].value == 0


@pytest.mark.parametrize("way", ["on top of", "above", "inside"])
def test_relations_that_no_table_shows_are_skipped(three_balls, way):
    shown = asked({"shape": "ball", "count": 1}, {"shape": "cube", "count": 1}, relation=way)
    assert way in relation()([shown])[0].reason


def test_every_prompt_of_the_tabletop_suite_can_be_counted():
    for prompt in load("tabletop").prompts:
        assert not isinstance(count.groups_of(view(**prompt.expect)), str)
        if "relation" in prompt.tags:
            assert not isinstance(count.relation_of(view(**prompt.expect)), str)
