"""Figures as files for papers, drawn by a real browser."""

import builtins
import doctest
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reports.png
from reports.png import SCALE, NoBrowserError, figures_to_png

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra browser)")
needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on the path")


def pixels(path: Path):
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture(scope="module")
def files(page, tmp_path_factory) -> list[Path]:
    return figures_to_png(page, tmp_path_factory.mktemp("png") / "new")


@needs_chromium
def test_every_figure_becomes_a_file_named_by_section_and_figure(files):
    names = {path.name for path in files}
    assert {"tradeoff.guidance.clip_score.png", "tradeoff.scatter.fd_studio.png"} <= names
    assert {"ranks.radar.png", "ranks.clip_score.png", "heatmaps.fd_studio.png"} <= names
    assert len(names) == len(files)
    assert all(path.is_file() for path in files)


@needs_chromium
def test_files_are_white_at_their_edge_and_hold_a_drawing_at_twice_the_size(files):
    for path in files:
        image = pixels(path)
        assert (image[[0, -1]] == 255).all(), path.name
        assert (image[:, [0, -1]] == 255).all(), path.name
        assert (image < 128).any(axis=2).sum() > 200, path.name
    plot = pixels(next(path for path in files if path.name == "tradeoff.guidance.clip_score.png"))
    assert plot.shape[1] == 640 * SCALE


@needs_chromium
def test_a_plot_keeps_its_legend_though_that_stands_outside_it_on_the_page(files):
    """Steps 25 is orange: its line is one patch of the plot, its key another, above it."""
    image = pixels(next(path for path in files if path.name == "tradeoff.guidance.clip_score.png")).astype(int)
    rows = np.flatnonzero((abs(image - (0xD5, 0x5E, 0x00)).sum(axis=2) < 30).any(axis=1))
    assert (np.diff(rows) > 1).any()


def test_examples_in_docstrings_hold():
    outcome = doctest.testmod(reports.png)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_what_is_no_report_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.html is no report"):
        figures_to_png(tmp_path / "nothing.html", tmp_path / "out")


def test_without_playwright_the_error_says_what_to_install(page, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("playwright"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NoBrowserError, match=r"sixthfinger\[browser\].*apt install chromium"):
        figures_to_png(page, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_browser_that_does_not_start_is_an_error_that_says_so(page, tmp_path, monkeypatch):
    monkeypatch.setattr(reports.png, "BROWSERS", ("false",))
    with pytest.raises(NoBrowserError, match=r"does not start.*install"):
        figures_to_png(page, tmp_path / "out")
