"""The sections on findings: what they count and what they leave out; hands, text and bias."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.audits.bias_sets import OCCUPATIONS, PRESENTATION, TONE, TRAINING, WIDTH, training_shares
from audit.audits.text import normalised
from audit.statistics.edits import edits
from audit.statistics.rates import rate_interval
from audit.types import Interval, Prompt, Score
from generators.api import Settings
from generators.studio.palette import MONK_HEX
from generators.studio.portraits_table import PRESENTATIONS
from reports.bars import Bars, Limit, histogram
from reports.exhibits import BUDGET, Exhibit, Shot, laid_out
from reports.findings import MOST_GROUPS, NOT_ASKED, found, groups_of, in_bins, in_turn, measures
from reports.load import load
from reports.sections.bias import bias, fair_range
from reports.sections.editing import editing
from reports.sections.hands import hands
from reports.sections.memorization import memorization
from reports.sections.physics import physics
from reports.sections.text import text, word_errors
from reports.sections.upscale import upscale
from tests.reports.fake_run import LOST
from tests.reports.found_run import bars_of, hand, number_of, prompts, reading, shown_in, words_of, write_found

SECTIONS = (hands, text, bias, physics, upscale, editing, memorization)
ROOT = Path(__file__).resolve().parents[2]


# shared


def test_a_run_in_which_nothing_was_looked_for_has_no_findings(tmp_path):
    report = load([write_found(tmp_path / "run", {"tone.clipped": lambda job: Score.of(0)}, prompts(3))])
    assert [each.write(report) for each in SECTIONS] == [None] * len(SECTIONS)


def test_a_section_stays_away_where_its_audits_were_asked_nothing(tmp_path):
    say = {"hands.wrong": lambda job: Score.skipped("the prompt speaks of no hand")}
    assert hands.write(load([write_found(tmp_path / "run", say, prompts(3))])) is None


def test_reasons_that_mean_not_asked_are_the_ones_that_audits_give():
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "audit/audits").glob("*.py"))
    assert [reason for reason in NOT_ASKED if f'"{reason}"' not in sources] == []


def test_many_settings_are_pooled_to_their_generator_and_few_are_not(tmp_path):
    say = {"hands.wrong": lambda job: Score.of(0, **hand(5))}
    for count in (MOST_GROUPS, MOST_GROUPS + 1):
        chosen = [Settings(steps=steps) for steps in range(1, count + 1)]
        report = load([write_found(tmp_path / str(count), say, prompts(2), settings=chosen)])
        groups = groups_of(report, ["hands.wrong"])
        assert len(groups) == (count if count == MOST_GROUPS else 1)
        assert sum(len(found(group, "hands.wrong")) for group in groups) == 2 * count


def test_pictures_that_were_never_made_are_told_as_lost_and_not_as_abstentions(tmp_path):
    asked = [*prompts(2, digits=5), Prompt(id="p/09", text="a hand", tags=("lost",))]
    report = load([write_found(tmp_path / "run", {"hands.wrong": lambda job: Score.of(0, **hand(5))}, asked)])
    [group] = groups_of(report, ["hands.wrong"])
    assert len(found(group, "hands.wrong")) == 2
    [(_, _, [row])] = measures(report, ["hands.wrong"])
    assert row.silent == [f"1 failed: no picture: {LOST}"]
    assert bars_of(hands.write(report), "hands.digits")[2] == 1


def test_a_counter_that_leaves_no_evidence_is_shown_without_it(tmp_path):
    report = load([write_found(tmp_path / "run", {"hands.wrong": lambda job: Score.of(1)}, prompts(3, digits=5))])
    assert "not told" in words_of(hands.write(report))


def test_reasons_that_differ_in_numbers_are_told_as_one_the_commonest_first(tmp_path):
    reasons = ["not sure: 4 at 0.50", "no hand was found", "not sure: 6 at 0.61", "not sure: 5 at 0.55"]
    say = {"hands.wrong": lambda job: Score.skipped(reasons[number_of(job)])}
    [(_, _, [row])] = measures(load([write_found(tmp_path / "run", say, prompts(4))]), ["hands.wrong"])
    assert row.silent == ["3 skipped: not sure: 4 to 6 at 0.50 to 0.61", "1 skipped: no hand was found"]
    assert (row.n, row.measured.value, row.corrected) == (0, "", ("", ""))


def test_every_value_falls_into_one_bin_and_what_is_beyond_into_the_nearest():
    shares = [each.value for each in in_bins([-3, 0, 9.9, 10, 25, 400], list("abcdef"), [0, 10, 20, 30])]
    assert shares == pytest.approx([3 / 6, 1 / 6, 2 / 6])


def test_turns_are_taken_until_there_are_enough():
    assert in_turn([[1, 2, 3], [], [4]], 3) == [1, 4, 2]
    assert in_turn([[0, 0]], 9) == [0, 0]


def test_a_limit_beyond_the_last_bin_stands_at_its_end():
    drawn = histogram([Bars("a", (Interval(value=1),), 0)], [0, 10], x_title="x", limit=Limit(99, "wrong"))
    assert drawn["layout"]["shapes"][0]["x0"] == 10


def test_exhibits_keep_to_their_budget_even_where_pictures_are_large_and_noisy():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (640, 640, 3)).astype(np.uint8)
    exhibits = [Exhibit("who", "asked", (Shot(noise), Shot(noise))) for _ in range(12)]
    for share in (1, 3):
        laid = laid_out(exhibits, share=share)
        assert sum(len(shot["source"]) for each in laid for shot in each["shots"]) <= BUDGET // share


# hands


def test_counted_digits_and_abstentions_are_shares_with_wilsons_interval(tmp_path):
    def say(job):
        place = number_of(job)
        if place < 6:
            return Score.of(5, **hand(5))
        if place < 8:
            return Score.of(6, **hand(6))
        reason = "not sure how many digits: 4 at 0.55" if place == 8 else "no hand was found"
        return Score.skipped(reason if place < 10 else "the prompt speaks of no hand")

    part = hands.write(load([write_found(tmp_path / "run", {"hands.digits": say}, prompts(14))]))
    assert bars_of(part, "hands.digits") == pytest.approx([0, 0, 0.6, 0.2, 0, 0.1, 0.1])
    drawn = part.data["figures"]["hands.digits"]["data"]
    six = rate_interval([0] * 8 + [1] * 2, [str(each) for each in range(10)])
    assert drawn[0]["error_y"]["array"][3] == pytest.approx(six.high - six.value)
    assert drawn[0]["error_y"]["arrayminus"][3] == pytest.approx(six.value - six.low)
    assert next(each for each in drawn if each["name"] == "expected")["y"] == [0, 0, 1, 0, 0, 0, 0]


def test_what_prompts_expect_is_drawn_as_they_expect_it(tmp_path):
    asked = [*prompts(3), Prompt(id="p/7", text="a hand with six fingers", expect={"digits": 6})]
    part = hands.write(
        load([write_found(tmp_path / "run", {"hands.wrong": lambda job: Score.of(0, **hand(5))}, asked)])
    )
    [hollow] = [each for each in part.data["figures"]["hands.digits"]["data"] if each["name"] == "expected"]
    assert hollow["y"] == [0, 0, 0.75, 0.25, 0, 0, 0]


def test_raw_and_corrected_rates_stand_side_by_side_and_the_surest_mistake_comes_first(tmp_path):
    def say(job):
        place = number_of(job)
        return Score.of(
            float(place in (1, 3)), **hand(4 if place == 1 else 7 if place == 3 else 5, sure=0.6 + place / 10)
        )

    folder = write_found(
        tmp_path / "run",
        {"hands.wrong": say},
        prompts(4),
        corrected={"hands.wrong": Interval(value=0.4, low=0.1, high=0.8)},
    )
    part = hands.write(load([folder]))
    words = words_of(part)
    assert "0.500 [0.150, 0.850]" in words
    assert "0.400 [0.100, 0.800]" in words
    assert "detector: studio: sensitivity 0.9" in words
    assert words.index("7 (90% sure)") < words.index("4 (70% sure)")
    assert len(shown_in(part)) == 2
    assert 'cx="3.5" cy="4.2"' in part.html


# text


def test_confusions_are_counted_the_commonest_first_without_pictures_in_which_nothing_was_read(tmp_path):
    reads = ["0PEN", "0PEN", "OPFN", "OPENX", "", "OPEN"]
    say = {"text.cer": lambda job: reading("OPEN", reads[number_of(job)])}
    part = text.write(load([write_found(tmp_path / "run", say, prompts(6, text="OPEN"))]))
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td[^>]*>(\d+)</td></tr>', str(part.html))
    told = [(re.sub(r"<[^>]+>", "", pair), int(count)) for pair, count in rows]
    assert told[0] == ("o → 0", 2)
    assert dict(told) == {"o → 0": 2, "e → f": 1, "nothing → x": 1}
    assert "20 letters of 5 pictures; 1 left out" in words_of(part)


def test_the_worst_misreading_comes_first_with_its_differences_and_its_box(tmp_path):
    reads = ["OPEN", "OPFN", "", "XYZN"]
    say = {"text.cer": lambda job: reading("OPEN", reads[number_of(job)])}
    part = text.write(load([write_found(tmp_path / "run", say, prompts(4, text="OPEN"))]))
    assert len(shown_in(part)) == 2, "what is right, or blank, is no misreading"
    first, second = str(part.html).split('<li class="card">')[1:]
    assert "<del>OPE</del>N" in first
    assert "<ins>XYZ</ins>N" in first
    assert "OP<del>E</del>N" in second
    assert 'points="1.0,2.0 30.0,2.0 30.0,20.0 1.0,20.0 "' in first


def test_errors_by_length_give_each_word_its_own(tmp_path):
    say = {"text.cer": lambda job: reading("NO PARKING", "N0 PARKIN" if number_of(job) else "NO PARKING")}
    part = text.write(load([write_found(tmp_path / "run", say, prompts(2, text="NO PARKING"))]))
    line = part.data["figures"]["text.length"]["data"][-1]
    assert line["x"] == [2, 7]
    assert line["y"] == pytest.approx([(0 + 1 / 2) / 2, (0 + 1 / 7) / 2])


@given(st.text("AB c", max_size=9), st.text("AB c", max_size=9))
def test_the_errors_of_all_words_are_the_errors_of_the_text(asked, read):
    found = word_errors(asked, read)
    assert sum(letters for letters, _ in found) == len(normalised(asked))
    if found:
        assert sum(errors for _, errors in found) == edits(normalised(asked), normalised(read)).distance


# bias


def person(occupation: str, tone: int | None, presentation: str | None) -> Score:
    vector = np.zeros(WIDTH)
    vector[0] = OCCUPATIONS.index(occupation)
    if tone is not None:
        vector[TONE.start + tone - 1] = 1
    if presentation is not None:
        vector[PRESENTATION.start + PRESENTATIONS.index(presentation)] = 1
    return Score.features(tuple(vector))


def test_tones_are_shares_of_those_left_open_over_swatches_and_what_chance_would_do(tmp_path):
    tones = [1, 1, 1, 2, None]
    say = {"features.person": lambda job: person("chef", tones[number_of(job)], None)}
    part = bias.write(load([write_found(tmp_path / "run", say, prompts(5, occupation="chef"))]))
    figure = part.data["figures"]["bias.tones"]
    assert bars_of(part, "bias.tones") == pytest.approx([0.75, 0.25, *[0] * 8])
    low, high = fair_range(4, 0.1)
    assert figure["data"][0]["base"] == [low] * 10
    assert figure["data"][0]["y"] == pytest.approx([high - low] * 10)
    assert [each["fillcolor"] for each in figure["layout"]["shapes"]] == [f"#{each}" for each in MONK_HEX]


def test_the_range_of_chance_narrows_with_n_and_holds_95_of_100_fair_draws():
    assert np.ptp(fair_range(400, 0.1)) < np.ptp(fair_range(40, 0.1)) / 2
    draws = np.random.default_rng(3).binomial(200, 0.5, 20_000) / 200
    low, high = fair_range(200, 0.5)
    assert 0.95 <= np.mean((draws >= low) & (draws <= high)) <= 0.97


def test_shares_by_occupation_stand_beside_what_training_taught(tmp_path):
    asked = [
        Prompt(id=f"{job}/{r}", text=f"a {job}", expect={"occupation": job})
        for job in ("chef", "pilot")
        for r in range(4)
    ]

    def say(job):
        women = {"chef": 3, "pilot": 0}[job.prompt.expect["occupation"]]
        return person(job.prompt.expect["occupation"], None, "woman" if number_of(job) < women else "man")

    part = bias.write(load([write_found(tmp_path / "run", {"features.person": say}, asked)]))
    figure = part.data["figures"]["bias.presentation"]
    assert figure["layout"]["yaxis"]["ticktext"] == ["chef", "pilot"]
    _, dots, taught = figure["data"]
    assert dots["x"] == [0.75, 0]
    weights = training_shares(TRAINING, "presentation", PRESENTATIONS)[OCCUPATIONS.index("chef")]
    assert taught["x"][0] == pytest.approx(weights[0] / sum(weights))
    assert "bias.tone" not in part.data["figures"], "every prompt's tone was stated"


def test_a_training_table_that_is_gone_is_told_and_draws_no_marks(tmp_path):
    say = {
        "features.person": lambda job: person("chef", 3, "man"),
        "bias.found": lambda job: Score.of(1),
    }
    folder = write_found(tmp_path / "run", say, prompts(2, occupation="chef"), options={"bias.found": {}})
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["audits"].append(
        {**manifest["audits"][0], "name": "bias.amplification", "options": {"training": "gone.csv"}}
    )
    (folder / "manifest.json").write_text(json.dumps(manifest))
    part = bias.write(load([folder]))
    assert "What training taught is not shown: gone.csv: no such training table" in words_of(part)
    assert part.data["figures"]["bias.presentation"]["data"][-1]["x"] == []


def test_faces_that_are_missed_on_some_tones_are_not_passed_over(tmp_path):
    asked = [Prompt(id=f"p/{r}", text="x", expect={"tone_word": "light" if r < 4 else "very dark"}) for r in range(8)]
    say = {"bias.found": lambda job: Score.of(float(number_of(job) < 5))}
    words = words_of(bias.write(load([write_found(tmp_path / "run", say, asked)])))
    assert re.search(r"very dark 0\.250 \[[^]]+\] n 4", words)
    assert re.search(r" light 1\.00 \[[^]]+\] n 4", words)
    assert "medium" not in words, "nobody asked for it"
