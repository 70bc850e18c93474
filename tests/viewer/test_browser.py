"""The viewer in a real browser: opened with the token, ten pictures judged by two people, their agreement."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator

import pytest

from audit import reviews
from audit.reviewed import reviewed
from audit.store import RunFolder
from tests.reports.fake_run import HOSTILE
from tests.viewer.conftest import Served

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")
CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
PATIENCE = 60_000
"""Milliseconds; a busy machine is slow, not wrong."""
AUDIT = "text.exact"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser, served: Served) -> Iterator[object]:
    """A fresh browser profile that was let in; whatever goes wrong in it fails the test."""
    wrong: list[str] = []
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 800})
    context.on("console", lambda message: wrong.append(f"console {message.type}: {message.text}"))
    context.on("weberror", lambda error: wrong.append(f"page error: {error.error}"))
    context.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    context.on("request", lambda request: elsewhere(request.url, served.base, wrong))
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    tab.goto(served.stall.address)
    assert tab.url == served.base + "/"
    yield tab
    context.close()
    assert wrong == []


def elsewhere(url: str, base: str, wrong: list[str]) -> None:
    if not url.startswith((base + "/", "data:", "blob:")):
        wrong.append(f"request to {url}")


def until(tab, holds: str, arg: object = None) -> None:
    """Wait until a script says true. Playwright's own waiting compiles text in the page, which our policy forbids."""
    end = time.monotonic() + PATIENCE / 1000
    while not tab.evaluate(holds, arg):
        assert time.monotonic() < end, f"never came true: {holds}"
        tab.wait_for_timeout(20)


def begin(tab, served: Served, reviewer: str) -> None:
    """From the first page into the review, as a person goes."""
    tab.goto(served.base)
    tab.fill("input[name=reviewer]", reviewer)
    tab.click(f"button[value='{AUDIT}']")
    until(tab, "document.getElementById('asking')?.dataset.at !== undefined")


def answered(tab) -> int:
    return int(tab.locator("#progress").inner_text().split(" ")[0])


def press(tab, key: str, holds: str) -> None:
    tab.keyboard.press(key)
    until(tab, f"() => {holds}")


def answer(tab, key: str) -> None:
    n = answered(tab)
    press(tab, key, f"document.getElementById('progress').textContent.startsWith('{n + 1} of')")
    until(tab, "document.getElementById('image').complete")


def judge_ten(tab, served: Served, reviewer: str, say: Callable[[str], str]) -> None:
    begin(tab, served, reviewer)
    for _ in range(10):
        assert tab.locator("#drawn").is_hidden()
        key = tab.locator("#image").get_attribute("src").split("/")[-1].partition("?")[0]
        answer(tab, say(key))
        assert "The detector" in tab.locator("#verdict").inner_text()


def test_two_people_judge_ten_pictures_by_keyboard_and_see_how_far_they_agree(tab, served):
    run = RunFolder(served.run)
    flagged = reviews.findings(run, AUDIT).pictures.set_index("key").flagged
    common = reviews.order(reviews.findings(run, AUDIT), "ada")[:10]
    # all that one reviewer is asked first lies in the first block, so that two who finish it share its pictures
    judge_ten(tab, served, "ada", lambda key: "y" if flagged[key] else "n")
    assert answered(tab) == 10
    judge_ten(tab, served, "ben", lambda key: "n" if key in common[:2] else "y" if flagged[key] else "n")
    tab.goto(served.base + "/agreement")
    text = tab.locator(f"article[data-audit='{AUDIT}']").inner_text()
    told = reviewed(reviews.findings(run, AUDIT), reviews.read(run))
    [pair] = told.pairs
    assert pair.n > 0
    assert tab.locator("td.kappa").inner_text().startswith(f"{pair.kappa.value:.3g}")
    assert f"{told.judged} pictures judged" in text
    assert "sensitivity" in text
    if told.judged >= 20:
        assert "audit reviews" in text
    else:
        assert f"no card from {told.judged} judged pictures" in text


def test_a_person_who_comes_back_goes_on_and_the_card_appears(tab, served):
    begin(tab, served, "cyd")
    for _ in range(3):
        answer(tab, "y")
    begin(tab, served, "cyd")
    assert answered(tab) == 3
    assert tab.evaluate("document.getElementById('asking').dataset.at") == "3"
    for place in range(18):
        answer(tab, "yn"[place % 2])
    tab.goto(served.base + "/agreement")
    card = tab.locator(f"article[data-audit='{AUDIT}'] .card-of").inner_text()
    assert "reviewed: sensitivity" in card
    assert "audit reviews" in card


def test_undo_and_arrows_and_a_second_thought(tab, served):
    begin(tab, served, "dan")
    first = tab.locator("#image").get_attribute("src")
    answer(tab, "y")
    second = tab.locator("#image").get_attribute("src")
    assert second != first
    press(tab, "u", "document.getElementById('verdict').textContent === 'Taken back.'")
    assert tab.locator("#image").get_attribute("src") == first
    assert answered(tab) == 0
    answer(tab, "n")
    press(tab, "ArrowLeft", "document.getElementById('asking').dataset.at === '0'")
    assert "it is not there" in tab.locator("#verdict").inner_text()
    assert tab.locator("[data-answer=no]").get_attribute("aria-pressed") == "true"
    press(tab, "y", "document.getElementById('verdict').textContent.includes('here: the defect is there')")
    press(tab, "ArrowRight", "document.getElementById('asking').dataset.at === '1'")
    assert tab.locator("#verdict").inner_text() == ""
    answer(tab, "s")
    told = reviews.read(RunFolder(served.run)).verdicts["dan"]
    assert [each.answer for each in told] == ["yes", "undo", "no", "yes", "skip"]
    assert [each.blind for each in told] == [True, False, False, False, True]


def test_evidence_is_hidden_until_asked_for_and_an_answer_after_it_is_not_blind(tab, served):
    begin(tab, served, "eve")
    assert tab.locator("#drawn").is_hidden()
    assert tab.locator("#rest").inner_text() == ""
    press(tab, "e", "!document.getElementById('drawn').hidden")
    assert tab.locator("#drawn polygon.sure").count() == 1
    assert tab.locator("#rest .diff").count() == 1
    press(tab, "e", "document.getElementById('drawn').hidden")
    answer(tab, "y")
    assert tab.locator("#drawn").is_hidden()
    answer(tab, "y")
    assert [each.blind for each in reviews.read(RunFolder(served.run)).verdicts["eve"]] == [False, True]


def test_an_answer_that_was_not_kept_is_told(tab, served):
    begin(tab, served, "fay")
    cut = "window.kept = window.fetch; window.fetch = () => Promise.reject(new Error('The line is cut.'))"
    tab.evaluate(f"() => {{ {cut} }}")
    press(tab, "y", "!document.getElementById('trouble').hidden")
    assert "The line is cut." in tab.locator("#trouble").inner_text()
    tab.evaluate("() => { window.fetch = window.kept }")
    answer(tab, "y")
    assert tab.locator("#trouble").is_hidden()


def test_browsing_filters_sorts_pages_and_walks(tab, served):
    tab.click("text=Browse")
    tab.wait_for_url(re.compile("/browse$"))  # until it is loaded: keys are heard by its script
    assert tab.locator("output").inner_text() == "288 of 288 pictures"
    assert tab.locator(".tiles-grid li").count() == 60
    tab.keyboard.press("ArrowRight")
    tab.wait_for_url(re.compile("at=2"))
    tab.select_option("select[name=finding]", f"{AUDIT} flagged")
    tab.wait_for_url(re.compile("finding=text"))
    assert 0 < int(tab.locator("output").inner_text().split(" ")[0]) < 288
    tab.fill("[name=words]", "bakery")
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile("words=bakery"))
    assert set(tab.locator(".tiles-grid bdi").all_inner_texts()) == {'a shop sign that says "BAKERY", oblique view'}
    tab.locator(".tiles-grid a").first.click()
    tab.wait_for_url(re.compile("/picture/"))
    assert tab.locator(".drawn:visible").count() == 0
    tab.check("#evidence")
    assert tab.locator(".drawn:visible polygon.sure").count() == 1
    first = tab.url
    tab.keyboard.press("ArrowRight")
    tab.wait_for_url(lambda url: url != first)
    assert "place=1" in tab.url


def test_hostile_prompts_are_shown_and_not_obeyed(tab, served):
    tab.goto(served.base + "/browse?words=onerror")
    assert tab.locator(".tiles-grid bdi").first.text_content() == HOSTILE[0]
    tab.locator(".tiles-grid a").first.click()
    tab.wait_for_url(re.compile("/picture/"))
    assert tab.locator("h1 bdi").text_content() == HOSTILE[0]
    begin(tab, served, "gus")
    seen = set()
    while len(seen) < 4 and answered(tab) < 60:
        text = tab.locator("#prompt").text_content()
        seen |= {text} if any(mark in text for mark in ("onerror", "onload", "U+202E", "␀")) else set()
        answer(tab, "s")
    assert len(seen) == 4
    assert tab.locator("#asking svg, img[src='x']").count() == 0
    assert tab.evaluate("[...document.images].every(image => new URL(image.src).origin === location.origin)")


def test_the_report_is_served_and_cannot_act_in_the_viewers_name(tab, served):
    with tab.context.expect_page() as opened:
        tab.click("text=Report")
    report = opened.value
    report.set_default_timeout(PATIENCE)
    until(report, "document.getElementById('count') !== null")
    assert "Audit of" in report.title()
    assert report.evaluate("window.origin") == "null"
    assert report.locator("#theme").is_visible()


@pytest.mark.parametrize("path", ["/", "/browse", "/agreement", f"/review/0?audit={AUDIT}&reviewer=hal"])
def test_nothing_sticks_out_on_a_phone(tab, served, path):
    tab.set_viewport_size({"width": 390, "height": 780})
    tab.goto(served.base + path)
    tab.wait_for_load_state("networkidle")
    until(tab, "document.documentElement.scrollWidth <= 390")
    if "review" in path:
        for button in tab.locator(".answers button").all():
            box = button.bounding_box()
            assert box["y"] + box["height"] <= 780
            assert box["width"] >= 150
        tab.locator("[data-answer=yes]").click()
        until(tab, "document.getElementById('progress').textContent.startsWith('1 of')")


def test_without_the_token_a_browser_sees_nothing(browser, served):
    tab = browser.new_context().new_page()
    assert tab.goto(served.base + "/browse").status == 403
    assert "audit view printed" in tab.inner_text("body")
    tab.context.close()
