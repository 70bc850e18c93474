"""Chromium for tests of the page: a tab that notes what goes wrong in it, and waiting that the page's policy allows."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 120_000
"""Milliseconds; a busy machine is slow, not wrong."""


@contextmanager
def chromium() -> Iterator[object]:
    """A browser that is closed in the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


def watched(browser, wrong: list[str]):
    """A tab that adds to `wrong` whatever its page complains of, asks the network for, or pops up."""
    tab = browser.new_page(color_scheme="light", reduced_motion="reduce", viewport={"width": 1280, "height": 800})
    tab.set_default_timeout(PATIENCE)
    tab.on("console", lambda message: wrong.append(f"console {message.type}: {message.text}"))
    tab.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
    tab.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    tab.on("request", lambda request: _note_request(request.url, wrong))
    return tab


def until(tab, holds: str, arg: object = None) -> None:
    """Wait until a script says true. Playwright's own waiting compiles text in the page, which our policy forbids."""
    end = time.monotonic() + PATIENCE / 1000
    while not tab.evaluate(holds, arg):
        assert time.monotonic() < end, f"never came true: {holds}"
        tab.wait_for_timeout(20)


def _note_request(url: str, wrong: list[str]) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        wrong.append(f"request to {url}")
