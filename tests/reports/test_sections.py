import base64
import io
import re
from dataclasses import replace

import pytest
from PIL import Image

from audit.types import Contrast, Estimate
from reports.api import Part, section, sections
from reports.load import load
from reports.sections.breakdown import breakdown
from reports.sections.failures import failures
from reports.sections.gallery import gallery
from reports.sections.headline import headline
from reports.sections.knees import knees_of_guidance
from reports.sections.limits import limits
from reports.sections.tradeoff import tradeoff
from reports.shown import Footnotes, change, shown
from tests.reports.fake_run import BROKE, LOST, prompts, write_run


def words_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", str(html)))


def test_sections_come_in_reading_order_under_names_that_can_be_anchors():
    names = [each.name for each in sections()]
    assert names == [
        "provenance", "verdict", "headline", "comparison", "tradeoff", "knees", "ranks", "heatmaps", "breakdown",
        "hands", "text", "bias", "physics", "upscale", "editing", "memorization", "gallery", "failures", "limits",
    ]  # fmt: skip
    assert all(each.write.__doc__ for each in sections())
    with pytest.raises(ValueError, match="identifier"):
        section("no anchor", title="x", order=1)


def test_headline_has_every_cell_and_headline_audit_with_interval_and_n(report):
    part = headline.write(report)
    assert part is not None
    assert str(part.html).count('<tr><th scope="row">') == len(report.columns) == 6
    column, audit = report.columns[0], report.audits["clip_score"]
    cell = shown(column, audit)
    assert f"{cell.value} {cell.interval}" in words_of(part.html).replace("  ", " ")
    assert "features.studio" not in part.html


def test_an_absent_value_says_why_and_is_never_zero(tmp_path):
    report = load([write_run(tmp_path / "run", asked=[p for p in prompts() if p.id.startswith("hands")])])
    cell = shown(report.columns[0], report.audits["text.exact"])
    assert cell.value == ""
    assert cell.absent == "skipped: the prompt expects no text"
    assert cell.counts == "n 0 · 6 skipped"
    assert "skipped: the prompt expects no text" in headline.write(report).html


def test_an_audit_that_a_run_lacks_is_not_run_there(report):
    stranger = replace(report.audits["clip_score"], name="other")
    assert shown(report.columns[0], stranger).absent == "not run"


@pytest.mark.parametrize(
    ("low", "high", "better", "verdict"),
    [
        (0.1, 2, "higher", "better"),
        (0.1, 2, "lower", "worse"),
        (-2, -0.1, "lower", "better"),
        (-2, -0.1, "neither", "changed"),
        (-0.1, 2, "higher", ""),
        (0, 2, "higher", ""),
        (None, None, "higher", ""),
    ],
)
def test_a_change_is_marked_only_where_its_interval_excludes_zero(low, high, better, verdict):
    contrast = Contrast(
        generator="g", before="a", after="b", audit="x", value=1.0, low=low, high=high, pairs=4, prompts=2
    )
    assert change(contrast, better).verdict == verdict


def test_tradeoff_draws_a_line_per_steps_along_guidance_and_names_the_pooled_change(report):
    part = tradeoff.write(report)
    curve = part.data["figures"]["guidance.clip_score"]
    assert [trace["name"] for trace in curve["data"] if "name" in trace] == ["steps 10", "steps 25"]
    assert {"steps.clip_score", "scatter.tone.saturation", "scatter.fd_studio"} <= set(part.data["figures"])
    assert "guidance 1 → 6" in part.html
    assert "pooled" in part.html


def test_nothing_swept_draws_no_curve_and_no_heatmap(tmp_path):
    report = load([write_run(tmp_path / "run", guidances=[3.0], steps=[10])])
    written = {each.name: each.write(report) for each in sections()}
    assert written["heatmaps"] is None
    assert written["tradeoff"] is None
    assert written["headline"] is not None


def test_breakdown_agrees_with_the_scores_of_its_tag(report):
    html = words_of(breakdown.write(report).html)
    run = report.runs[0]
    ids = {prompt.id for prompt in run.prompts.values() if "hands" in prompt.tags}
    mine = run.scored[(run.scored.audit == "clip_score") & run.scored.prompt_id.isin(ids)]
    column = report.columns[0]
    here = mine[(mine.cell == column.cell) & (mine.status == "ok")]
    assert f"{here.value.mean():.1f}" in html.partition("hands")[2]
    assert f"n {len(here)}" in html.partition("hands")[2]


def test_failures_count_every_lost_picture_once_and_its_scores_not_again(report):
    html = failures.write(report).html
    run = report.runs[0]
    lost = run.pictures[run.pictures.status != "ok"]
    assert f"{len(lost)} of {len(run.pictures)} pictures" in html
    assert LOST.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in html
    assert "no picture:" not in html
    assert BROKE.partition("<")[0] in html


def test_limits_say_not_validated_and_never_call_studio_distances_fid(report):
    html = words_of(limits.write(report).html)
    assert html.count("not validated") == len(report.per_picture)
    assert "not an FID" in html


def test_gallery_pairs_pictures_by_prompt_and_replicate(report):
    data = gallery.write(report).data
    assert len(data["rows"]) == 24
    assert len(data["pictures"]) == 144
    places = {(picture["row"], picture["column"]) for picture in data["pictures"]}
    assert len(places) == 144
    rows = [{p["seed"] for p in data["pictures"] if p["row"] == row} for row in range(24)]
    assert all(len(seeds) == 1 for seeds in rows)
    lost = [picture for picture in data["pictures"] if picture["status"] != "ok"]
    assert lost
    assert all(not picture["source"] and picture["error"] for picture in lost)


def test_gallery_shows_the_pictures_that_prompts_brought(report):
    data = gallery.write(report).data
    brought = {row["id"]: set(row["inputs"]) for row in data["rows"] if row["inputs"]}
    assert brought == {f"hands/{place:02d}": {"source", "mask"} for place in range(3)}
    assert len(data["inputs"]) == 2
    wanted = {digest for row in data["rows"] for digest in row["inputs"].values()}
    assert set(data["inputs"]) == wanted
    small = Image.open(io.BytesIO(base64.b64decode(next(iter(data["inputs"].values())))))
    assert small.size == (64, 64)


def test_pictures_that_are_gone_are_left_out(tmp_path):
    folder = write_run(tmp_path / "run", asked=prompts()[5:7], guidances=[1.0], steps=[10])
    for file in (folder / "inputs").iterdir():
        file.unlink()
    assert gallery.write(load([folder])).data["inputs"] == {}


def test_gallery_shows_an_even_spread_of_rows_when_there_are_too_many(report, monkeypatch):
    monkeypatch.setattr("reports.sections.gallery.MOST_PICTURES", 36)
    part = gallery.write(report)
    assert len(part.data["rows"]) == 6
    assert "6 of 24 rows" in part.html
    assert part.data["rows"][0]["id"] == "signs/00"
    assert part.data["rows"][-1]["id"] == "tabletop/03"


def test_several_runs_are_told_apart(run, tmp_path):
    second = write_run(tmp_path / "second", generators=["builtin:ldm", "studio:"], guidances=[3.0])
    report = load([run, second])
    assert [report.who(column) for column in report.columns[5:7]] == ["first · builtin:ldm", "second · builtin:ldm"]
    assert len(report.columns) == 6 + 2 + 2
    data = gallery.write(report).data
    assert len(data["rows"]) == 24, "the same prompts and replicates share their rows"
    assert "first · builtin:ldm" in headline.write(report).html


def test_folders_of_one_name_are_told_apart_by_their_parents(tmp_path):
    few = prompts()[:2]
    folders = [write_run(tmp_path / name / "run", asked=few, guidances=[1.0], steps=[10]) for name in ("a", "b")]
    assert [run.label for run in load(folders).runs] == ["a/run", "b/run"]


def test_a_run_that_was_stopped_shows_what_is_there(tmp_path):
    report = load([write_run(tmp_path / "run", stop_after=4)])
    pictures = report.runs[0].pictures
    assert (pictures.status == "missing").sum() == 144 - 4 * 16
    html = failures.write(report).html
    assert "not made: the run stopped before it" in html
    assert len(gallery.write(report).data["pictures"]) == 144


def test_a_run_before_its_first_summary_still_shows_its_pictures(tmp_path):
    folder = write_run(tmp_path / "run", stop_after=2)
    (folder / "estimates.parquet").unlink()
    (folder / "contrasts.parquet").unlink()
    written = {each.name: each.write(load([folder])) for each in sections()}
    assert written["headline"] is None
    assert isinstance(written["gallery"], Part)


def test_no_folder_and_a_wrong_folder_are_explained(tmp_path):
    with pytest.raises(ValueError, match="at least one run folder"):
        load([])
    with pytest.raises(ValueError, match="no run folder"):
        load([tmp_path])


def test_notes_that_differ_in_numbers_share_a_footnote():
    notes = Footnotes()
    marks = [notes.mark(each) for each in ("floor at n=22: 1.5", "", "few prompts", "floor at n=9: 2.25")]
    assert marks == [1, None, 2, 1]
    assert notes.texts == ["floor at n=9 to 22: 1.5 to 2.25", "few prompts"]


def test_estimates_of_a_set_show_their_note(report):
    estimate = report.columns[0].estimate("fd_studio")
    assert isinstance(estimate, Estimate)
    assert "biased upwards; floor at n=22 to 23" in headline.write(report).html


def test_knees_are_told_for_every_setting_where_enough_guidances_were_swept(report, tmp_path):
    assert knees_of_guidance.write(report) is None
    swept = load([write_run(tmp_path / "swept", guidances=(1, 2, 4, 6, 9))])
    part = knees_of_guidance.write(swept)
    assert part is not None
    assert str(part.html).count('<tr><th scope="row">') == 2
    slopes = [float(each) for each in re.findall(r"rises by ([\d.]+) per unit", words_of(part.html))]
    assert [each for each in slopes if each > 1] == pytest.approx([4.5, 4.5], rel=0.15)  # saturation
    assert len(slopes) == 4  # and clipping
    short = load([write_run(tmp_path / "short", guidances=(1, 2, 4, 6), asked=prompts()[:3])])
    assert "no knee: 3 prompts" in words_of(knees_of_guidance.write(short).html)
