"""Figures of a report as PNG files for papers: white ground, twice the pixels, legends included."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reports.render import render

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTH, SCALE, PATIENCE = 1280, 2, 120_000
"""Of the window in CSS pixels; picture pixels for each of them; milliseconds."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_STYLE = """
:root { --page: #fff; --surface: #fff; --raised: #fff; --shadow: none; }
.top, .contents, .skip { display: none !important; }
.frame, .plots, .grids { display: block !important; }
figure.card { border: 0 !important; border-radius: 0; width: min-content; min-width: 640px; }
.plots figure.card, .radar { width: 640px !important; }
.scroll { overflow: visible; }
"""
# Every figure with its section's name and its own; the legend of a row of plots is copied into each of them.
_PREPARE = """() => {
  document.documentElement.dataset.theme = "light";
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
  for (const legend of document.querySelectorAll("main .legend")) {
    const row = legend.nextElementSibling;
    if (!row?.classList.contains("plots")) continue;
    row.querySelectorAll("figure figcaption").forEach((caption) => caption.after(legend.cloneNode(true)));
  }
  const figures = [...document.querySelectorAll("main figure.card")];
  document.querySelectorAll("[data-drawn]").forEach((each) => { delete each.dataset.drawn; });
  dispatchEvent(new Event("beforeprint"));
  return figures.map((figure, place) => {
    figure.dataset.png = place;
    const plot = figure.querySelector("[data-figure]");
    const name = figure.dataset.name || plot?.dataset.figure || figure.querySelector(".audit")?.textContent;
    return [figure.closest("section").id, name || "figure"];
  });
}"""
_DRAWN = "() => [...document.querySelectorAll('[data-figure]')].every((each) => each.dataset.drawn === 'yes')"


class NoBrowserError(RuntimeError):
    """There is no browser to draw with; the message says what to install."""


def figures_to_png(source: Path | Sequence[Path], out: Path) -> list[Path]:
    """Write every figure of a report as out/SECTION.FIGURE.png and return the files, in reading order.

    Args:
        source: a report (an HTML file that `render` wrote), or run folders to make one of.
        out: the folder; made where it is not there. Files of the same names are replaced.

    Raises:
        NoBrowserError: playwright or Chromium is missing.
        ValueError: no report and no run folder.
    """
    if isinstance(source, Path):
        if not source.is_file():
            raise ValueError(f"{source} is no report; give a report.html, or run folders")
        return _drawn(source, out)
    with tempfile.TemporaryDirectory() as folder:
        return _drawn(render(source, Path(folder) / "report.html"), out)


def _drawn(report: Path, out: Path) -> list[Path]:
    with _opened(report) as page:
        names = _file_names(page.evaluate(_PREPARE))
        page.wait_for_timeout(50)
        for _ in range(PATIENCE // 50):
            # not wait_for_function: it compiles text within the page, which the page's policy forbids
            if page.evaluate(_DRAWN):
                break
            page.wait_for_timeout(50)
        out.mkdir(parents=True, exist_ok=True)
        files = [out / name for name in names]
        for place, file in enumerate(files):
            page.locator(f'[data-png="{place}"]').screenshot(path=file, animations="disabled")
    return files


@contextmanager
def _opened(report: Path) -> Iterator[Page]:
    """The report in a browser that asks the network for nothing."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise NoBrowserError(
            "figures are drawn by a browser, and playwright is missing: pip install 'sixthfinger[browser]', "
            "and Chromium (Debian: apt install chromium)"
        ) from error
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    flags = ["--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as driver:
        try:
            # Chromium refuses its sandbox to root; the page runs no script but ours
            browser = driver.chromium.launch(
                executable_path=program, args=flags + ["--no-sandbox"] * (os.geteuid() == 0), timeout=PATIENCE
            )
        except Error as error:
            raise NoBrowserError(
                f"figures are drawn by Chromium, which does not start ({str(error).splitlines()[0]}): install it "
                f"(Debian: apt install chromium, elsewhere: playwright install chromium)"
            ) from error
        try:
            page = browser.new_page(
                viewport={"width": WIDTH, "height": 900},
                device_scale_factor=SCALE,
                color_scheme="light",
                reduced_motion="reduce",
            )
            page.set_default_timeout(PATIENCE)
            page.goto(report.resolve().as_uri())
            page.add_style_tag(content=_STYLE)
            yield page
        finally:
            browser.close()


def _file_names(found: Sequence[Sequence[str]]) -> list[str]:
    """File names of figures from their sections and names, in letters that every file system takes, none twice.

    >>> _file_names([["tradeoff", "steps.fid"], ["heatmaps", "a/b c"], ["heatmaps", "a b/c"]])
    ['tradeoff.steps.fid.png', 'heatmaps.a-b-c.png', 'heatmaps.a-b-c-2.png']
    """
    names: list[str] = []
    for section, figure in found:
        own = figure.strip().removeprefix(f"{section}.")
        plain = f"{section}.{re.sub('[^A-Za-z0-9._-]+', '-', own)[:80]}"
        count = 1 + sum(re.fullmatch(re.escape(plain) + r"(-\d+)?\.png", name) is not None for name in names)
        names.append(f"{plain}-{count}.png" if count > 1 else f"{plain}.png")
    return names
