"""The verdict's section and every page of the viewer in a real browser, full of texts that would run if obeyed."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.gate import gate
from reports.gating import write
from reports.render import render
from tests.reports.browser import CHROMIUM, chromium, until, watched
from tests.reports.test_hostile import NASTY, nasty_runs
from tests.reports.test_verdict import POLICY
from tests.test_gate import Tinted, run

for package in ("playwright.sync_api", "fastapi", "uvicorn"):
    pytest.importorskip(package, reason=f"{package} is not installed (extra dev)")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

KEPT = {"status", "direction", "better", "worse", "statistic", "kind"}
"""Words of the verdict that decide what is drawn; all other texts are poisoned."""
OBEYED = (
    "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on')).length"
    " + document.querySelectorAll(\"img[src='x'], svg[onload]\").length"
)


def poisoned(value: Any, name: str = "") -> Any:
    """The JSON value with every text made hostile."""
    if isinstance(value, dict):
        return {key: poisoned(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, name) for each in value]
    return value + NASTY if isinstance(value, str) and name not in KEPT else value


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def wrong() -> list[str]:
    return []


def test_the_verdicts_section_shows_hostile_texts_and_obeys_none(
    browser: Any, wrong: list[str], tmp_path: Path
) -> None:
    before, after = run(tmp_path / "before", Tinted(0, 1.0)), run(tmp_path / "after", Tinted(-6, 1.0))
    folder = after.folder.path / "gate"
    write(gate(before, after, POLICY), folder)
    told = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    told |= {"breaches": [{"kind": NASTY, "text": NASTY}], "notes": [NASTY]}
    (folder / "verdict.json").write_text(json.dumps(poisoned(told)), encoding="utf-8")
    out = render([before.folder.path, after.folder.path], tmp_path / "report.html")
    tab = watched(browser, wrong)
    tab.goto(out.as_uri())
    section = tab.locator("section#verdict")
    assert section.inner_text().count("onerror=alert(1)") >= 3
    assert tab.evaluate(OBEYED) == 0
    tab.set_viewport_size({"width": 390, "height": 800})
    until(tab, "document.documentElement.scrollWidth <= 390")
    assert wrong == []


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from reports.viewer.serve import stalled

    folder = tmp_path_factory.mktemp("viewed")
    stall = stalled(nasty_runs(folder), reviewer="")
    thread = threading.Thread(target=stall.serve, daemon=True)
    thread.start()
    while not stall.server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield stall.address
    stall.server.should_exit = True
    thread.join(30)
    shutil.rmtree(folder)


def test_no_page_of_the_viewer_obeys_names_prompts_tags_settings_or_evidence(
    browser: Any, wrong: list[str], address: str
) -> None:
    tab = watched(browser, wrong)
    base = address.partition("/?")[0]

    def seen(path: str, at_least: int) -> None:
        tab.goto(path)
        assert tab.evaluate(OBEYED) == 0
        assert tab.locator("body").inner_text().count("onerror=alert(1)") >= at_least, path

    seen(address, 1)
    seen(f"{base}/browse?words=onerror", 20)
    tab.locator(".tiles-grid a").first.click()
    tab.wait_for_url(lambda url: "/picture/" in url)
    seen(tab.url, 2)
    seen(f"{base}/review/1?audit=hands.wrong&reviewer=ann", 0)
    until(tab, "document.getElementById('prompt').textContent.includes('onerror=alert(1)')")
    tab.keyboard.press("y")
    until(tab, "document.getElementById('progress').textContent.startsWith('1 of')")
    assert tab.evaluate(OBEYED) == 0
    seen(f"{base}/agreement", 0)
    own = [each for each in wrong if not each.startswith(f"request to {base}/")]
    assert own == []
