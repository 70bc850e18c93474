"""The report in a real browser: every section opened, every control used, no error, no request, no prompt obeyed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.api import sections
from reports.render import render
from tests.reports.browser import CHROMIUM, chromium, until, watched

pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")


@pytest.fixture(scope="module")
def wrong() -> list[str]:
    """Whatever the page complains of, asks the network for, or pops up."""
    return []


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def opened(page: Path, browser, wrong: list[str]) -> Iterator[object]:
    tab = watched(browser, wrong)
    tab.goto(page.as_uri())
    yield tab
    tab.close()


@pytest.fixture
def tab(opened, wrong: list[str]) -> Iterator[object]:
    """The open report as a reader first meets it; whatever goes wrong in it fails the test that used it."""
    opened.set_viewport_size({"width": 1280, "height": 800})
    opened.evaluate("document.getElementById('picture').close()")
    _clear(opened)
    opened.evaluate("scrollTo(0, 0)")
    yield opened
    assert wrong == []


def _clear(tab) -> None:
    tab.click("#filters [type=reset]")
    until(tab, "document.getElementById('count').textContent.startsWith('144')")


def count(tab) -> str:
    return tab.locator("#count").inner_text()


def test_every_section_is_reached_from_the_contents_and_every_plot_is_drawn(tab):
    links = tab.locator(".contents a")
    names = links.evaluate_all("links => links.map(link => link.hash.slice(1))")
    assert names == [each.name for each in sections() if each.name in names]
    assert {"provenance", "headline", "tradeoff", "ranks", "heatmaps", "breakdown", "gallery", "limits"} <= set(names)
    for place in range(links.count()):
        links.nth(place).click()
        target = links.nth(place).get_attribute("href")
        until(tab, "id => { const b = document.querySelector(id).getBoundingClientRect();"
                              " return b.top < innerHeight && b.bottom > 0 }", arg=target)  # fmt: skip
    until(tab, "document.querySelector('.contents a[aria-current]') !== null")
    plots = tab.locator("[data-figure]")
    assert plots.count() >= 2 * 6 + 2
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
    tab.select_option("#filters [name=finding]", "lost")
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
    assert dialog.locator("figcaption label").all_inner_texts() == ["boxes"]
    dialog.locator("figcaption input").uncheck()
    assert not dialog.locator(".stage polygon.sure").is_visible()
    tab.keyboard.press("ArrowRight")
    assert dialog.locator("h3").inner_text() == "builtin:ldm · guidance 1 · steps 25"
    assert not dialog.locator(".stage polygon.sure").is_visible(), "a switch keeps its place from picture to picture"
    dialog.locator("figcaption input").check()
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


def test_gallery_filters_by_what_audits_found(tab):
    choices = tab.locator("#filters [name=finding] option").all_inner_texts()
    wrong_words = int(next(each for each in choices if each.startswith("text.exact (")).partition("(")[2].rstrip(")"))
    assert "any audit failed" in choices
    tab.select_option("#filters [name=finding]", label="any defect")
    assert count(tab) == f"{wrong_words} of 144 pictures", "text.exact is the one audit here that says yes or no"
    tab.locator("#pictures .tile").first.click()
    assert tab.locator("dialog tr:has-text('text.exact') td.number").inner_text() == "0"
    tab.keyboard.press("Escape")
    tab.select_option("#filters [name=finding]", "failed:*")
    tab.locator("#pictures .tile").first.click()
    assert "the reader gave no boxes <b>at all</b>" in tab.locator("dialog table").inner_text()
    tab.keyboard.press("Escape")


def test_evidence_is_drawn_over_the_pictures_of_the_gallery_when_asked(tab):
    assert tab.locator("#pictures .tile polygon").count() == 0
    tab.check("#filters [name=evidence]")
    shot = tab.locator("#pictures .tile .shot:has(polygon)").first
    image, drawing = shot.locator("img").bounding_box(), shot.locator("svg").bounding_box()
    assert drawing == pytest.approx(image, abs=1)
    box = shot.locator("polygon.sure").bounding_box()
    assert box["x"] - image["x"] == pytest.approx(0.2 * image["width"], abs=5)


def test_keys_walk_the_gallery_open_close_and_search(tab):
    at = "document.activeElement.querySelector('img')?.alt"
    tab.locator("#pictures .tile").first.focus()
    assert tab.locator('#pictures .tile[tabindex="0"]').count() == 1
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    assert "guidance 3 · steps 10, replicate 2" in tab.evaluate(at)
    assert tab.locator('#pictures .tile[tabindex="0"]').count() == 1
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "one sees where the keyboard is"
    tab.keyboard.press("Enter")
    assert tab.locator("dialog[open] h3").inner_text() == "builtin:ldm · guidance 3 · steps 10"
    tab.keyboard.press("Escape")
    until(tab, "document.activeElement.querySelector('img')?.alt.includes('replicate 2')")
    tab.keyboard.press("/")
    tab.keyboard.type("bak/ery")
    assert tab.evaluate("document.activeElement.name") == "words"
    assert tab.locator("#filters [name=words]").input_value() == "bak/ery", "a slash in the search is a slash"


def test_keys_walk_single_pictures_by_the_rows_one_sees_and_beyond_those_added_yet(tab):
    tab.select_option("#filters [name=layout]", "grid")
    tiles = tab.locator("#pictures .tile")
    tops = tiles.evaluate_all("tiles => tiles.map(tile => tile.offsetTop)")
    wide = tops.count(tops[0])
    tiles.first.focus()
    tab.keyboard.press("ArrowDown")
    here = "[...document.querySelectorAll('#pictures .tile')].indexOf(document.activeElement)"
    assert tab.evaluate(here) == wide > 1
    assert tiles.count() == 120
    tiles.nth(119).focus()
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate(here) == 120


def test_full_pictures_are_shown_where_they_lie_beside_the_page(run, browser, tmp_path):
    out = render([run], tmp_path / "a #1 report.html", pictures=True)
    complaints: list[str] = []
    tab = watched(browser, complaints)
    tab.goto(out.as_uri())
    tab.locator("#pictures .tile").first.click()
    link = tab.locator("dialog a:text-is('full picture')")
    link.wait_for()
    assert link.get_attribute("href").startswith("a%20%231%20report.pictures/")
    shown = "document.querySelector('dialog .stage img')"
    until(tab, f"{shown}.src.startsWith('file:') && {shown}.naturalWidth === 64")
    assert complaints == []
    shutil.rmtree(tmp_path / "a #1 report.pictures")
    tab.reload()
    tab.locator("#pictures .tile").first.click()
    until(tab, f"{shown}?.naturalWidth === 64")
    tab.wait_for_timeout(200)
    assert tab.locator("dialog .stage img").get_attribute("src").startswith("data:")
    assert link.count() == 0
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(tab, scheme):
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": 390, "height": 720})
    until(tab, "document.documentElement.scrollWidth <= 390")
    tab.locator("#pictures .tile").first.click()
    box = tab.locator("dialog[open]").bounding_box()
    assert box["width"] <= 390
    tab.keyboard.press("Escape")
    tab.emulate_media(color_scheme="light")


def test_who_asked_for_less_motion_gets_none(tab):
    motion = "getComputedStyle(document.querySelector('.tile img')).transitionDuration"
    assert tab.evaluate(motion) == "0s"
    assert tab.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    tab.emulate_media(reduced_motion="no-preference")
    assert tab.evaluate(motion) != "0s"
    tab.emulate_media(reduced_motion="reduce")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_lines_stand_out_from_their_ground(tab, scheme):
    """Contrast by WCAG 2.2: 4.5 for words (1.4.3), 3 for what a figure is drawn with (1.4.11)."""
    tab.emulate_media(color_scheme=scheme)
    style = "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"

    def light(name: str) -> float:
        code = tab.evaluate(style, name).removeprefix("#")
        code = "".join(2 * digit for digit in code) if len(code) == 3 else code
        parts = [int(code[start : start + 2], 16) / 255 for start in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        darker, lighter = sorted((light(one), light(other)))
        return (lighter + 0.05) / (darker + 0.05)

    words = ["--ink", "--muted", "--accent", "--good", "--bad"]
    assert {name: contrast(name, "--surface") for name in words if contrast(name, "--surface") < 4.5} == {}
    palette = [f"--c{place}" for place in range(7)]
    assert {name: contrast(name, "--surface") for name in palette if contrast(name, "--surface") < 3} == {}
    tab.emulate_media(color_scheme="light")


def test_printing_draws_every_plot_every_row_and_cuts_no_table(tab):
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    until(tab, "[...document.querySelectorAll('[data-figure]')].every(p => p.dataset.drawn === 'yes')")
    assert tab.locator("#pictures .strip:not(.head)").count() == 24
    assert tab.pdf()[:4] == b"%PDF"
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.set_viewport_size({"width": 718, "height": 1000})  # A4 less its margins, in CSS pixels
    cut = tab.evaluate("""() => [...document.querySelectorAll("main table, main figure, #pictures")]
        .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth + 1)
        .map((each) => each.closest("section").id + " " + each.className)""")
    assert cut == []
    assert tab.locator("details:not([open])").count() == 0, "what is folded away would not be printed"
    tab.emulate_media(media="screen")
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator("table[hidden], .printing, table[style*=zoom]").count() == 0
