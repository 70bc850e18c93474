"""Runs -> one HTML file that opens from disk, asks the network for nothing and escapes every foreign text."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from reports.api import sections
from reports.load import Report, load
from reports.page import asset, embedded, fill
from reports.pictures import write_full
from reports.sections.gallery import folder_of, shown_keys

SCRIPTS = (
    "vendor/plotly-basic-4.1.1.min.js",
    "js/page.js",
    "js/figures.js",
    "js/overlay.js",
    "js/gallery.js",
    "js/dialog.js",
)


def render(runs: Sequence[Path], out: Path, *, pictures: bool = False) -> Path:
    """Write the report of one run, or of several side by side.

    Args:
        runs: run folders, as `audit run --out` made them.
        out: the HTML file; it appears whole or not at all.
        pictures: also write every picture that the gallery shows, lossless, into a folder beside the file: beside
            report.html lies report.pictures/KEY.webp, and with several runs report.pictures/1/KEY.webp and so on. The
            page shows them when asked for a picture; without the folder it shows its own small copies.

    Returns:
        `out`.

    Raises:
        ValueError: no run, or a folder that is none (from the store, which says what would help).
    """
    report, out = load(runs), Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    if pictures:
        beside = out.with_suffix(".pictures")
        write_full(shown_keys(report), [beside / folder_of(report, run) for run in report.runs])
        report = replace(report, full=quote(beside.name))
    page = page_of(report)
    aside = out.with_name(f".{out.name}.{os.getpid()}")
    aside.write_text(page, encoding="utf-8", errors="replace")
    aside.replace(out)
    return out


def page_of(report: Report) -> str:
    """The whole page as text."""
    written = [(each, part) for each in sections() if (part := each.write(report)) is not None]
    data = {each.name: dict(part.data) for each, part in written if part.data}
    # Our own files and the vendored library; they hold no foreign text.
    scripts = [Markup(asset(name)) for name in SCRIPTS]
    return fill(
        "report.html",
        title=" and ".join(run.label for run in report.runs),
        created=max(str(run.manifest.get("created", "")) for run in report.runs),
        sections=written,
        data=embedded(data),
        scripts=scripts,
        hashes=[_hash(script) for script in scripts],
        style=Markup(asset("report.css")),
        beside=bool(report.full),
    )


def _hash(script: str) -> str:
    """What the page's content security policy calls a script that may run; any other script may not."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
