"""A report of hostile runs in a real browser: every section there, every text shown, no script obeyed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.types import Prompt, Score
from generators.api import Settings
from reports.api import sections
from reports.render import SCRIPTS, render
from tests.reports.browser import CHROMIUM, chromium, until, watched
from tests.reports.fake_run import BROUGHT, HOSTILE, write_run
from tests.reports.found_run import write_found

pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

NASTY = HOSTILE[0] + "'\"" + HOSTILE[3]
"""Ends a script and an attribute, opens elements that run scripts, and is a template."""


NOT_HERE = {"verdict"}
"""Sections that tell of what another command wrote beside the run."""


def nasty_runs(folder: Path) -> list[Path]:
    """Runs whose every text from a person, a prompt or a model is hostile, with something to show in all sections."""
    names = [f"studio:{NASTY}", f"images:{NASTY}"]
    swept = write_run(folder / HOSTILE[3].replace("/", "") / "swept", generators=names)
    manifest = json.loads((swept / "manifest.json").read_text(encoding="utf-8"))
    kept = {"better", "kind", "statistic", "name", "on", "headline"}

    def poisoned(value, name=""):
        if isinstance(value, dict):
            return {key: poisoned(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [poisoned(each, name) for each in value]
        return value + NASTY if isinstance(value, str) and name not in kept else value

    (swept / "manifest.json").write_text(json.dumps(poisoned(manifest)), encoding="utf-8")
    box = [[10, 10], [40, 12], [38, 30], [9, 28]]
    lines = [{"text": NASTY, "confidence": 0.5, "box": box}]
    read = {"read": NASTY, "lines": lines, "easyocr": NASTY, "unsure": lines}
    say = {
        "hands.wrong": lambda job: Score.of(
            1, digits=[6], posterior=[{NASTY: 0.9}], expected_digits=NASTY, marks={NASTY: [[10, 10]], "tip": [[20, 20]]}
        ),
        "text.exact": lambda job: Score.of(0, **read, expected=NASTY, confusions=[[NASTY, "<b>"]]),
        "text.cer": lambda job: Score.of(1, **read, expected=NASTY, confusions=[[NASTY, "<b>"]]),
        "bias.found": lambda job: Score.of(job.seed % 2),
        "bias.tone": lambda job: Score.skipped(NASTY),
        "physics.light_wrong": lambda job: Score.of(1, apart=120.0, shadows_point=NASTY, shading_says=NASTY),
        "physics.shadow_wrong": lambda job: Score.of(
            1, counted=[50.0], turns=[NASTY], boxes=[{"box": box, "label": NASTY}], lines=[]
        ),
        "upscale.wrong": lambda job: Score.of(1, **read, expected=NASTY, small=NASTY),
        "edit.leaked": lambda job: Score.of(1, why=[NASTY], shift=[3, 4], colour=9.0, patch=90.0),
        "memorization.copied": lambda job: Score.of(
            1, nearest=NASTY, among=NASTY, similarity=0.9, threshold=0.5, chance=0.01, mirrored=True
        ),
        "clip_score": lambda job: Score.failed(NASTY),
        "tone.clipped": lambda job: Score.of(job.seed % 97, **{NASTY: NASTY}),
    }
    asked = [
        Prompt(
            id=f"{NASTY}{place}",
            text=NASTY,
            tags=(NASTY, f"{NASTY}{place % 2}"),
            expect={"text": NASTY, "occupation": NASTY, NASTY: NASTY},
            inputs=dict(zip(("source", "mask"), BROUGHT, strict=True)),
            origin=NASTY,
        )
        for place in range(12)
    ]
    chosen = [Settings(guidance=guidance, sampler=NASTY) for guidance in (1.0, 2.0, 4.0, 6.0, 9.0)]
    found = write_found(folder / "found", say, asked, generators=names, settings=chosen, brought=BROUGHT)
    return [swept, found]


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator[tuple[object, list[str]]]:
    folder = tmp_path_factory.mktemp("hostile")
    out = render(nasty_runs(folder), folder / "report.html", pictures=True)
    wrong: list[str] = []
    with chromium() as browser:
        tab = watched(browser, wrong)
        tab.goto(out.as_uri())
        yield tab, wrong


def test_no_section_obeys_hostile_prompts_names_settings_tags_or_evidence(opened):
    tab, wrong = opened
    shown = set(tab.locator("main > section").evaluate_all("all => all.map(each => each.id)"))
    assert {each.name for each in sections()} - shown <= NOT_HERE
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    until(tab, "[...document.querySelectorAll('[data-figure]')].every(p => p.dataset.drawn === 'yes')")
    tab.check("#filters [name=evidence]")
    tiles = tab.locator("#pictures .strip:not(.head)").last.locator(".tile")
    for place in range(0, tiles.count(), 3):
        tiles.nth(place).click()
        assert "onerror=alert(1)" in tab.locator("dialog[open]").inner_text()
        tab.keyboard.press("Escape")
    tab.fill("#filters [name=words]", NASTY.lower())
    assert not tab.locator("#count").inner_text().startswith("0 ")
    assert tab.locator("body").inner_text().count("onerror=alert(1)") > 100
    assert tab.evaluate("document.scripts.length") == len(SCRIPTS) + 1
    assert tab.locator("img[src='x'], svg[onload]").count() == 0
    assert tab.evaluate(
        "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on')).length"
    ) == 0  # fmt: skip
    assert wrong == []
