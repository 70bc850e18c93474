import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from audit.images import decode
from audit.store import RunFolder
from reports.page import asset
from reports.pictures import COPIES, SMALL, Copy, affordable, encoded, thumbnail
from reports.render import SCRIPTS, render
from tests.reports.fake_run import HOSTILE, write_run


class Page(HTMLParser):
    """Every start tag with its attributes, and the text of the embedded data."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self._inside = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = dict(attributes).get("id") == "data"

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        self.data += data if self._inside else ""


@pytest.fixture(scope="module")
def parsed(page):
    return Page(page.read_text(encoding="utf-8"))


def test_the_page_refers_to_nothing_outside_itself(parsed):
    for tag, attributes in parsed.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert not [attributes for tag, attributes in parsed.tags if any(name.startswith("on") for name in attributes)]


def test_the_policy_lets_only_our_scripts_run(parsed):
    [policy] = [
        a["content"] for t, a in parsed.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'")
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in scripts
    assert scripts.count("'sha256-") == len(SCRIPTS)


def test_hostile_prompts_stay_text(page, parsed):
    text = page.read_text(encoding="utf-8")
    assert "onerror=alert(1)>" not in text
    assert "\x00" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    asked = {row["text"] for row in json.loads(parsed.data)["gallery"]["rows"]}
    assert HOSTILE[0] in asked
    assert "a sign ⟦U+202E⟧reading⟦U+202C⟧ EXIT ⟦U+2066⟧left⟦U+2069⟧" in asked


def test_tables_have_captions_and_ids_are_unique(parsed, page):
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"<table\b", text)) == len(re.findall(r"<caption\b", text)) > 10
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_vendored_script_cannot_end_its_element():
    for name in SCRIPTS:
        assert "</script" not in asset(name).lower()
        assert "<!--" not in asset(name)


def test_small_pictures_are_shown_as_they_are(run, parsed):
    picture = next(p for p in json.loads(parsed.data)["gallery"]["pictures"] if p["source"])
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture["source"]))).convert("RGB"))
    assert np.array_equal(shown, RunFolder(run).image(picture["key"]))


def test_large_pictures_are_made_small_and_keep_their_shape():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 600, 3), dtype=np.uint8)
    image = Image.open(io.BytesIO(thumbnail(pixels, Copy(96))))
    assert image.size == (96, 48)


def test_copies_get_smaller_until_they_fit_the_budget():
    rng = np.random.default_rng(0)
    sample = [rng.integers(0, 256, (256, 256, 3), dtype=np.uint8) for _ in range(2)]
    kinds = [affordable(sample, count, budget=1_000_000) for count in (1, 20, 60, 10_000)]
    assert [kind.edge for kind in kinds] == sorted((kind.edge for kind in kinds), reverse=True)
    assert kinds[0] == COPIES[0]
    assert kinds[-1] == COPIES[-1]
    chosen = affordable(sample, 20, budget=1_000_000)
    assert 20 * np.mean([len(encoded(pixels, chosen)) for pixels in sample]) <= 1_000_000
    assert max(COPIES[-1].edge, SMALL) == SMALL


def test_rendering_again_gives_the_same_bytes_and_leaves_no_other_file(run, page, tmp_path):
    again = render([run], tmp_path / "new" / "again.html")
    assert again.read_bytes() == page.read_bytes()
    assert list(again.parent.iterdir()) == [again]


def test_full_pictures_lie_beside_the_page_as_the_run_keeps_them(run, tmp_path):
    out = render([run], tmp_path / "a #1 report.html", pictures=True)
    data = json.loads(Page(out.read_text(encoding="utf-8")).data)["gallery"]
    made = [picture for picture in data["pictures"] if picture["status"] == "ok"]
    assert {column["full"] for column in data["columns"]} == {"a%20%231%20report.pictures/"}
    beside = tmp_path / "a #1 report.pictures"
    assert {path.stem for path in beside.iterdir()} == {picture["key"] for picture in made}
    shown = decode((beside / f"{made[0]['key']}.webp").read_bytes())
    assert np.array_equal(shown, RunFolder(run).image(made[0]["key"]))


def test_runs_keep_their_full_pictures_apart(run, tmp_path):
    other = write_run(tmp_path / "other", guidances=[3.0], steps=[10], size=32)
    out = render([run, other], tmp_path / "report.html", pictures=True)
    data = json.loads(Page(out.read_text(encoding="utf-8")).data)["gallery"]
    key = next(p["key"] for p in data["pictures"] if p["column"] == 6 and p["status"] == "ok")
    raw = [(tmp_path / data["columns"][place]["full"] / f"{key}.webp").read_bytes() for place in (2, 6)]
    sizes = [Image.open(io.BytesIO(each)).size for each in raw]
    assert data["columns"][2]["settings"] == data["columns"][6]["settings"]
    assert sizes == [(64, 64), (32, 32)]


def test_a_page_alone_links_to_nothing_and_may_load_nothing(page, parsed):
    assert {column["full"] for column in json.loads(parsed.data)["gallery"]["columns"]} == {""}
    assert "img-src data: blob:;" in page.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 128])
def test_two_thousand_pictures_fit_in_fifteen_megabytes_whatever_their_size(tmp_path, size):
    folder = write_run(tmp_path / "run", replicates=28, size=size)
    out = render([folder], tmp_path / "report.html")
    data = json.loads(Page(out.read_text(encoding="utf-8")).data)["gallery"]
    assert 1_900 <= len(data["pictures"]) <= 2_000
    pictures = sum(len(picture["source"]) for picture in data["pictures"])
    words = out.stat().st_size - pictures
    assert 1_000_000 < out.stat().st_size <= 15_000_000
    # larger ones take the room that is left to pictures, be they gradients or noise
    rng = np.random.default_rng(0)
    large = [rng.integers(0, 256, (512, 512, 3), dtype=np.uint8) for _ in range(3)]
    copy = affordable(large, 2_000)
    assert words + 2_000 * np.mean([len(encoded(pixels, copy)) for pixels in large]) <= 15_000_000
