"""The table behind the browse pages, and the pages that come of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd
import pytest

from reports.viewer import browse, pages, shelf
from reports.viewer.browse import PAGE, Query, QueryError, choose
from reports.viewer.review import Desk
from reports.viewer.shelf import MissingError, Shelf
from tests.reports.fake_run import HOSTILE, write_run

BETTER = {"text.exact": "higher"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    root = tmp_path_factory.mktemp("browse")
    runs = [write_run(root / "one", size=16), write_run(root / "two", size=16, stop_after=5, guidances=(3.0,))]
    return Shelf(runs)


@pytest.fixture
def frame(opened: Shelf) -> pd.DataFrame:
    return opened.frame()


def test_there_is_one_row_per_job_with_the_scores_of_its_own_run(opened, frame):
    assert len(frame) == sum(len(run.pictures) for run in opened.report.runs) == 144 + 48
    assert not frame.duplicated(["run", "key"]).any()
    for number, run in enumerate(opened.report.runs):
        row = frame[(frame.run == number) & (frame.status == "ok")].iloc[7]
        scores = run.scores[run.scores.key == row.key].set_index("audit")
        assert row["value clip_score"] == scores.value["clip_score"]
        assert row["status text.exact"] == scores.status["text.exact"]
        assert row.text == run.prompts[row.prompt_id].text


def test_words_are_searched_in_any_case_and_all_must_occur(frame):
    found = choose(frame, Query(words="SIGN bakery"), BETTER)
    assert len(found) == 12 + 4
    assert set(found.text) == {'a shop sign that says "BAKERY", oblique view'}
    assert len(choose(frame, Query(words="tabletop/00"), BETTER)) == 12 + 4
    assert choose(frame, Query(words=".*"), BETTER).empty


def test_generator_settings_and_findings_narrow_what_is_shown(frame):
    one = choose(frame, Query(generator="one · builtin:ldm", cell="guidance 3 · steps 10"), BETTER)
    assert len(one) == 24
    kinds = {what: choose(frame, Query(finding=f"text.exact {what}"), BETTER) for what in browse.FINDINGS}
    assert set(kinds["flagged"]["value text.exact"]) == {0.0}
    assert set(kinds["not flagged"]["value text.exact"]) == {1.0}
    assert len(kinds["scored"]) == len(kinds["flagged"]) + len(kinds["not flagged"]) > 0
    assert set(kinds["skipped"]["status text.exact"]) == {"skipped"}
    assert set(kinds["failed"]["status text.exact"]) == {"failed"}


@pytest.mark.parametrize("order", ["up", "down"])
def test_scores_sort_with_what_has_none_at_the_end(frame, order):
    found = choose(frame, Query(audit="tone.clipped", order=order), BETTER)["value tone.clipped"]
    values = found.dropna()
    assert len(found) == len(frame) > len(values)
    assert values.is_monotonic_increasing if order == "up" else values.is_monotonic_decreasing
    assert found.iloc[len(values) :].isna().all()


@pytest.mark.parametrize("query", [{"finding": "x flagged"}, {"finding": "text.exact odd"}, {"audit": "x"}])
def test_what_cannot_be_asked_is_told(frame, query):
    with pytest.raises(QueryError, match="no "):
        choose(frame, Query(**query), BETTER)


def test_pages_hold_sixty_and_beyond_the_last_is_the_last(opened):
    first, last = pages.browse(opened, Query()), pages.browse(opened, Query(at=99))
    assert first.count("<li><a") == PAGE
    assert "page 1 of 4" in first
    assert last.count("<li><a") == 192 - 3 * PAGE
    assert "page 4 of 4" in last


def test_hostile_prompts_are_text_on_every_page(opened):
    page = pages.browse(opened, Query(words="onerror"))
    assert HOSTILE[0] not in page
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in page
    assert "\u202e" not in pages.browse(opened, Query(words="tabletop/01"))
    row = choose(opened.frame(), Query(words="onerror"), BETTER).iloc[0]
    assert HOSTILE[0] not in pages.picture(opened, int(row.run), row.key, Query(), None)


def test_neighbours_of_a_picture_are_those_of_the_query(opened):
    query = Query(audit="clip_score", order="down")
    rows = choose(opened.frame(), query, BETTER)
    page = pages.picture(opened, int(rows.run.iloc[1]), rows.key.iloc[1], query, 1)
    for place in (0, 2):
        address = (
            f"/picture/{rows.run.iloc[place]}/{rows.key.iloc[place]}?audit=clip_score&amp;order=down&amp;place={place}"
        )
        assert address in page
    assert "/browse?audit=clip_score&amp;order=down" in page


def test_a_picture_that_was_not_made_says_why(opened):
    row = opened.frame().query("status == 'failed'").iloc[0]
    assert "out of &lt;memory&gt; &amp; patience" in pages.picture(opened, int(row.run), row.key, Query(), None)
    with pytest.raises(MissingError, match="holds no picture"):
        opened.copy(int(row.run), row.key)


def test_a_run_that_goes_on_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "PATIENCE", 0.0)
    run = write_run(tmp_path / "run", size=16, replicates=1, stop_after=2)
    opened = Shelf([run])
    before = opened.frame().status.value_counts()
    assert before["missing"] > 0
    write_run(run, size=16, replicates=1)
    for path in run.glob("*.parquet"):
        os.utime(path, (time.time() + 5, time.time() + 5))
    assert "missing" not in set(opened.frame().status)


def test_an_item_tells_nothing_of_the_detector_until_it_is_answered(tmp_path):
    opened = Shelf([write_run(tmp_path / "run", size=16)])
    desk = Desk(opened, 0, "text.exact", "ada")
    item = desk.item()
    assert (item["at"], item["judged"], item["flagged"], item["answer"]) == (0, 0, None, None)
    assert not {"value", "evidence", "boxes", "facts"} & set(item)
    flagged = desk.answer(item["key"], "yes", seconds=2, peeked=False)
    assert desk.item(0)["flagged"] == flagged
    assert desk.item()["at"] == 1
    assert desk.undo() == 0
    assert desk.item()["key"] == item["key"]
    assert desk.undo() is None
    desk.answer(item["key"], "no", seconds=2, peeked=False)
    desk.answer(desk.item()["key"], "no", seconds=2, peeked=True)
    told = [(each.answer, each.blind) for each in desk._said()]
    assert told == [("yes", True), ("undo", False), ("no", False), ("no", False)]


def test_the_last_answer_ends_the_review(tmp_path):
    opened = Shelf([write_run(tmp_path / "run", size=16, replicates=1, guidances=(3.0,), steps=(10,))])
    desk = Desk(opened, 0, "text.exact", "ada")
    for _ in desk.asked:
        desk.answer(desk.item()["key"], "skip", seconds=1, peeked=False)
    assert desk.item() == {"key": None, "total": len(desk.asked), "judged": len(desk.asked)}
    assert Path(opened.run(0).folder.path, "reviews", "ada.jsonl").read_text().count("\n") == len(desk.asked)
