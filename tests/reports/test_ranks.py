import re

import pytest

from reports.load import load
from reports.sections.ranks import MOST_SHAPES, ranks
from reports.sections.tradeoff import tradeoff
from tests.reports.fake_run import prompts, write_run


def words_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", str(html)))


def card_of(html, audit):
    return next(card for card in re.findall(r"<figure.*?</figure>", str(html), re.S) if f'data-name="{audit}"' in card)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Three generators over six settings each: 18 columns, which are pooled."""
    folder = tmp_path_factory.mktemp("runs") / "several"
    return load([write_run(folder, generators=("builtin:ldm", "studio:", "<b>gan"), replicates=1)])


def test_one_column_has_nothing_to_be_ranked_against(tmp_path):
    report = load([write_run(tmp_path / "run", guidances=[3.0], steps=[10])])
    assert ranks.write(report) is None


def test_ranks_are_told_best_first_with_intervals_that_hold_the_rank(report):
    html = ranks.write(report).html
    card = card_of(html, "tone.clipped")
    rows = re.findall(r'class="value">([\d.]+)</span> <span class="interval">\[(\d), (\d)\]', card)
    assert len(rows) == len(report.columns) == 6
    places = [float(rank) for rank, _, _ in rows]
    assert places == sorted(places)
    assert all(int(low) <= float(rank) <= int(high) for rank, low, high in rows)
    first = re.search(r"<bdi>(.*?)</bdi>", card).group(1)
    assert first.startswith("guidance 1"), "clipping rises with guidance, and lower is better"
    assert int(re.search(r"(\d+) of 15 pairs told apart", card).group(1)) >= 12


def test_pairs_that_some_lack_are_left_out_and_counted(report):
    run = report.runs[0]
    mine = run.scored[(run.scored.audit == "tone.clipped") & (run.scored.status == "ok")]
    per_pair = mine.groupby(["prompt_id", "replicate"]).size()
    complete = int((per_pair == 6).sum())
    assert 0 < complete < len(per_pair)
    words = words_of(card_of(ranks.write(report).html, "tone.clipped"))
    assert f"{complete} pictures each" in words
    assert f"{len(per_pair) - complete} left out" in words


def test_audits_without_a_better_end_and_sets_have_no_rank_and_few_prompts_are_named(report):
    html = ranks.write(report).html
    assert 'data-name="tone.saturation"' not in html
    assert 'data-name="fd_studio"' not in html
    assert re.search(r"Not ranked: text.cer \( ?\d prompts, at least 10 are needed", words_of(html))


def test_many_columns_are_pooled_to_their_generators(several):
    part = ranks.write(several)
    card = card_of(part.html, "clip_score")
    assert card.count('class="whisker"') == 3
    assert "&lt;b&gt;gan" in card
    assert "The settings of each generator are pooled" in part.html


def test_the_radar_draws_few_columns_and_audits_with_a_better_end(several):
    html = str(ranks.write(several).html)
    radar = card_of(html, "radar")
    assert radar.count('class="shape"') == MOST_SHAPES
    assert f"{len(several.columns) - MOST_SHAPES} are left out" in html
    axes = re.findall(r"<text x.*?</text>", radar, re.S)
    assert {words_of(each).replace(" ", "") for each in axes} == {
        "clip_score↑", "fd_studio↓", "text.cer↓", "text.exact↑", "tone.clipped↓",
    }  # fmt: skip


def test_outward_is_better_on_the_radar(report):
    """Guidance raises alignment (higher is better) and clipping (lower is better)."""
    radar = card_of(ranks.write(report).html, "radar")
    reach = {}
    for x, y, name in re.findall(r'class="dot" x="([-\d.]+)" y="([-\d.]+)".*?<title>(.*?)</title>', radar):
        column, _, audit = name.partition(": ")
        reach[column, audit.split(" ")[0]] = float(x) ** 2 + float(y) ** 2
    mild, strong = "guidance 1 · steps 25", "guidance 6 · steps 25"
    assert reach[mild, "clip_score"] < reach[strong, "clip_score"]
    assert reach[mild, "tone.clipped"] > reach[strong, "tone.clipped"]


def test_the_best_trade_offs_are_sought_among_the_cells_of_all_runs(run, tmp_path):
    """The second run's distance grows with the length of its generator's name, so that none of its cells is best."""
    second = write_run(tmp_path / "second", generators=["a generator of a very long name"], guidances=[1.0])
    both = load([run, second])
    figure = tradeoff.write(both).data["figures"]["scatter.fd_studio"]
    best, *clouds = figure["data"]
    assert best["name"] == "best trade-offs"
    assert [len(cloud["x"]) for cloud in clouds] == [6, 2]
    alone = tradeoff.write(load([run])).data["figures"]["scatter.fd_studio"]["data"][0]
    assert (best["x"], best["y"]) == (alone["x"], alone["y"])
    third = write_run(tmp_path / "third", generators=["x"], guidances=[6.0])
    best, *clouds = tradeoff.write(load([run, third])).data["figures"]["scatter.fd_studio"]["data"]
    assert set(best["y"]) & set(clouds[1]["y"]), "its name is short, so its distance is less"


def test_points_of_one_prompt_asked_otherwise_in_a_later_run_do_not_pair(tmp_path):
    asked = prompts(hostile=False)
    reworded = [each if place else type(each)(id=each.id, text="something else") for place, each in enumerate(asked)]
    first = write_run(tmp_path / "first", asked=asked, guidances=[3.0], steps=[10])
    other = write_run(tmp_path / "other", asked=reworded, guidances=[3.0], steps=[10])
    card = card_of(ranks.write(load([first, other])).html, "clip_score")
    assert "11 prompts" in card
