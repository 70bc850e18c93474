"""The report in a real browser: every section opened, every control used, no error, no request, no prompt obeyed."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")
CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")


PATIENCE = 120_000
"""Milliseconds; a busy machine is slow, not wrong."""


@pytest.fixture(scope="module")
def wrong() -> list[str]:
    """Whatever the page complains of, asks the network for, or pops up."""
    return []


@pytest.fixture(scope="module")
def opened(page: Path, wrong: list[str]) -> Iterator[object]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        tab = browser.new_page(color_scheme="light", reduced_motion="reduce")
        tab.set_default_timeout(PATIENCE)
        tab.on("console", lambda message: wrong.append(f"console {message.type}: {message.text}"))
        tab.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
        tab.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on("request", lambda request: _note_request(request.url, wrong))
        tab.goto(page.as_uri())
        yield tab
        browser.close()


@pytest.fixture
def tab(opened, wrong: list[str]) -> Iterator[object]:
    """The open report as a reader first meets it; whatever goes wrong in it fails the test that used it."""
    opened.set_viewport_size({"width": 1280, "height": 800})
    opened.evaluate("document.getElementById('picture').close()")
    _clear(opened)
    opened.evaluate("scrollTo(0, 0)")
    yield opened
    assert wrong == []


def until(tab, holds: str, arg: object = None) -> None:
    """Wait until a script says true. Playwright's own waiting compiles text in the page, which our policy forbids."""
    end = time.monotonic() + PATIENCE / 1000
    while not tab.evaluate(holds, arg):
        assert time.monotonic() < end, f"never came true: {holds}"
        tab.wait_for_timeout(20)


def _clear(tab) -> None:
    tab.click("#filters [type=reset]")
    until(tab, "document.getElementById('count').textContent.startsWith('144')")


def _note_request(url: str, wrong: list[str]) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        wrong.append(f"request to {url}")


def count(tab) -> str:
    return tab.locator("#count").inner_text()


def test_every_section_is_reached_from_the_contents_and_every_plot_is_drawn(tab):
    links = tab.locator(".contents a")
    assert links.count() == 8
    for place in range(links.count()):
        links.nth(place).click()
        target = links.nth(place).get_attribute("href")
        until(tab, "id => { const b = document.querySelector(id).getBoundingClientRect();"
                              " return b.top < innerHeight && b.bottom > 0 }", arg=target)  # fmt: skip
    until(tab, "document.querySelector('.contents a[aria-current]') !== null")
    plots = tab.locator("[data-figure]")
    assert plots.count() == 2 * 6 + 2
    for place in range(plots.count()):
        plots.nth(place).scroll_into_view_if_needed()
        until(tab, "n => document.querySelectorAll('[data-figure]')[n].dataset.drawn === 'yes'", arg=place)
    assert tab.locator(".plot svg.main-svg").count() >= plots.count()


def test_theme_turns_dark_and_back_and_plots_follow(tab):
    plot = tab.locator("[data-figure]").first
    plot.scroll_into_view_if_needed()
    line = plot.locator(".scatterlayer .js-line").last
    line.wait_for(state="attached")
    light = (tab.evaluate("getComputedStyle(document.body).backgroundColor"), line.get_attribute("style"))
    tab.click("#theme")
    assert tab.locator("#theme").get_attribute("aria-pressed") == "true"
    until(tab, "old => document.querySelector('[data-figure] .scatterlayer').innerHTML.indexOf(old) < 0",
                          arg="rgb(0, 114, 178)")  # fmt: skip
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light[0]
    tab.click("#theme")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == light[0]


def test_gallery_filters_by_words_tag_status_and_settings(tab):
    assert count(tab) == "144 of 144 pictures"
    tab.fill("#filters [name=words]", "bakery SIGN")
    assert count(tab) == "12 of 144 pictures"
    _clear(tab)
    tab.select_option("#filters [name=tag]", "hands")
    assert count(tab) == "36 of 144 pictures"
    tab.select_option("#filters [name=cell]", "guidance 6 · steps 25")
    assert count(tab) == "6 of 144 pictures"
    _clear(tab)
    tab.select_option("#filters [name=status]", "lost")
    lost = int(count(tab).split(" ")[0])
    assert lost == tab.locator("#pictures .lost").count() == 7
    tab.fill("#filters [name=words]", "nobody asked for this")
    assert "No picture fits" in tab.locator("#pictures").inner_text()


def test_what_a_prompt_brought_is_shown_beside_it_and_in_the_dialog(tab):
    tab.select_option("#filters [name=tag]", "hands")
    assert tab.locator("#pictures .brought img").count() == 6 * 2
    assert tab.locator("#pictures .brought figcaption").first.text_content() == "source"
    tab.locator("#pictures .tile").first.click()
    assert tab.locator("dialog .brought img").count() == 2
    until(tab, "[...document.querySelectorAll('dialog .brought img')].every(each => each.naturalWidth === 64)")
    tab.keyboard.press("Escape")


def test_gallery_sorts_by_a_score_with_missing_ones_last(tab):
    tab.select_option("#filters [name=layout]", "grid")
    tab.select_option("#filters [name=sort]", label="tone.clipped ↓")
    tab.evaluate("while (!document.getElementById('more').hidden) document.getElementById('more').click()")
    shown = tab.locator("#pictures .tile").evaluate_all(
        "tiles => tiles.map(t => t.querySelector('.under b').textContent)"
    )
    values = [float(text) for text in shown if text[0].isdigit()]
    assert len(shown) == 144
    assert values == sorted(values, reverse=True)
    assert len(values) == 137
    assert not any(text[0].isdigit() for text in shown[137:])
    tab.select_option("#filters [name=order]", "up")
    assert float(tab.locator("#pictures .tile .under b").first.inner_text()) == min(values)


def test_a_picture_opens_with_its_evidence_and_the_arrow_keys_walk_on(tab):
    first = tab.locator("#pictures .tile").first
    first.focus()
    tab.keyboard.press("Enter")
    dialog = tab.locator("dialog[open]")
    assert dialog.locator("h3").inner_text() == "builtin:ldm · guidance 1 · steps 10"
    assert 'says "OPEN"' in dialog.inner_text()
    assert dialog.locator(".stage polygon.sure").count() == 1
    assert dialog.locator(".diff").first.inner_text() == "OPEN"
    assert "clip_score" in dialog.locator("table").inner_text()
    dialog.locator("figcaption input").uncheck()
    assert not dialog.locator(".stage svg").is_visible()
    tab.keyboard.press("ArrowRight")
    assert dialog.locator("h3").inner_text() == "builtin:ldm · guidance 1 · steps 25"
    tab.keyboard.press("ArrowDown")
    assert dialog.locator("dt:text-is('replicate') + dd").inner_text() == "2"
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowLeft")
    assert dialog.locator("h3").inner_text() == "builtin:ldm · guidance 1 · steps 10"
    assert dialog.locator("[data-go=previous]").is_disabled()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Escape")
    assert tab.locator("dialog[open]").count() == 0
    # The picture last looked at takes the focus once the dialog's closing is announced.
    until(tab, "document.activeElement.querySelector('img')?.alt.includes('steps 25')")


def test_hostile_prompts_are_shown_and_not_obeyed(tab):
    tab.fill("#filters [name=words]", "onerror")
    assert count(tab) == "12 of 144 pictures"
    assert "</script><img src=x onerror=alert(1)>" in tab.locator("#pictures .asked p").first.text_content()
    tab.locator("#pictures .tile img").first.click()
    assert "</script><img src=x onerror=alert(1)>" in tab.locator("dialog[open]").inner_text()
    assert tab.locator("img[src='x']").count() == 0
    assert tab.locator("dialog[open] .told img, dialog[open] .told svg").count() == 0
    assert tab.evaluate("[...document.images].every(image => image.src.startsWith('data:'))")


def test_nothing_sticks_out_on_a_phone(tab):
    tab.set_viewport_size({"width": 375, "height": 720})
    until(tab, "document.documentElement.scrollWidth <= 375")
    tab.locator("#pictures .tile").first.click()
    box = tab.locator("dialog[open]").bounding_box()
    assert box["width"] <= 375


def test_printing_draws_every_plot_and_every_row(tab):
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    until(tab, "[...document.querySelectorAll('[data-figure]')].every(p => p.dataset.drawn === 'yes')")
    assert tab.locator("#pictures .strip:not(.head)").count() == 24
    assert tab.pdf()[:4] == b"%PDF"
