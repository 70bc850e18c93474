"""Verdicts kept beside a run, what they say of reviewers and of the detector, and the card they make."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from audit import cards, reviews
from audit.registry import UnknownNameError
from audit.reviewed import as_json, as_text, card_from_reviews, every, reviewed, write_cards
from audit.reviews import BLOCK, Findings, ReviewError, findings, order
from audit.statistics.correction import rogan_gladen
from audit.statistics.kappa import agreement, cohen, krippendorff
from audit.statistics.stratified import Stratum, effective, sensitivity_specificity
from audit.store import RunFolder
from audit.tables import SCORES, read_table, write_table
from tests.reports.fake_run import write_run

AUDIT = "text.exact"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("reviews") / "run", size=16)


@pytest.fixture
def run(made: Path) -> RunFolder:
    """The run without any review."""
    for path in (made / "reviews").glob("*"):
        path.unlink()
    return RunFolder(made)


def judge(run: RunFolder, reviewer: str, say: Callable[[str, bool], str], count: int | None = None) -> Findings:
    """Let a reviewer answer the first `count` pictures in their order."""
    found = findings(run, AUDIT)
    flagged = dict(zip(found.pictures["key"], found.pictures["flagged"], strict=True))
    for key in order(found, reviewer)[:count]:
        reviews.append(run, reviewer, found.verdict(key, say(key, flagged[key]), seconds=1.5))
    return found


def agrees(key: str, flagged: bool) -> str:
    return "yes" if flagged else "no"


def test_verdicts_come_back_as_they_were_given_and_nothing_else_of_the_run_changes(run):
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    found = judge(run, "ada", agrees, 5)
    told = reviews.read(run)
    assert [each.key for each in told.verdicts["ada"]] == order(found, "ada")[:5]
    assert told.verdicts["ada"][0].seconds == 1.5
    assert told.verdicts["ada"][0].digest == found.pictures.set_index("key").digest[order(found, "ada")[0]]
    assert told.notes == ()
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert set(after) - set(before) == {run.path / "reviews" / "ada.jsonl"}
    assert {path: after[path] for path in before} == before


def test_the_last_answer_holds_and_undo_takes_it_back(run):
    found = findings(run, AUDIT)
    first, second = order(found, "ada")[:2]
    for key, answer in ((first, "yes"), (second, "no"), (first, "no"), (second, "undo")):
        reviews.append(run, "ada", found.verdict(key, answer))
    standing = reviews.read(run).standing("ada")
    assert {key: each.answer for (_, key), each in standing.items()} == {first: "no"}
    assert len((run.path / "reviews" / "ada.jsonl").read_text().splitlines()) == 4


def test_a_torn_last_line_is_named_and_what_comes_after_is_whole(run):
    found = judge(run, "ada", agrees, 3)
    path = run.path / "reviews" / "ada.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    told = reviews.read(run)
    assert len(told.verdicts["ada"]) == 2
    assert told.notes == (f"{path}, line 3: left out, torn, the program ended while it was written",)
    reviews.append(run, "ada", found.verdict(order(found, "ada")[2], "no"))
    told = reviews.read(run)
    assert [each.answer for each in told.verdicts["ada"]][2:] == ["no"]
    assert len(told.notes) == 1
    assert "line 3: left out, damaged" in told.notes[0]


@pytest.mark.parametrize("line", ["[]", "7", '{"key": 1}', '{"a"', "\x00", '{"key": "k", "answer": "perhaps"}'])
def test_a_line_that_is_no_verdict_is_named_and_left_out(run, line):
    judge(run, "ada", agrees, 1)
    path = run.path / "reviews" / "ada.jsonl"
    path.write_text(line + "\n" + path.read_text())
    told = reviews.read(run)
    assert len(told.verdicts["ada"]) == 1
    assert told.notes[0].startswith(f"{path}, line 1: left out, damaged")


@pytest.mark.parametrize("name", ["", "../ada", "a b", "a/b", "ä", "a\n", "x" * 65, ".."])
def test_a_name_that_could_be_a_path_is_refused(run, name):
    found = findings(run, AUDIT)
    with pytest.raises(ReviewError, match="cannot be a reviewer's name"):
        reviews.append(run, name, found.verdict(order(found, "ada")[0], "yes"))


def test_a_file_by_another_name_is_no_reviewer(run):
    judge(run, "ada", agrees, 1)
    (run.path / "reviews" / "a b.jsonl").write_text("{}\n")
    told = reviews.read(run)
    assert list(told.verdicts) == ["ada"]
    assert "its name is no reviewer's" in told.notes[0]


def test_reviewers_get_the_same_pictures_in_another_order_half_of_them_flagged(run):
    found = findings(run, AUDIT)
    flagged = set(found.pictures[found.pictures.flagged].key)
    ada, ben = order(found, "ada"), order(found, "ben")
    assert sorted(ada) == sorted(found.pictures.key) == sorted(ben)
    half = min(BLOCK // 2, len(flagged))
    size = half + min(BLOCK // 2, len(ada) - len(flagged))
    assert set(ada[:size]) == set(ben[:size])
    assert ada != ben
    assert ada == order(found, "ada")
    first = [key in flagged for key in ada[:size]]
    assert sum(first) == half < size
    assert first not in (sorted(first), sorted(first, reverse=True))


def test_only_detectors_of_defects_can_be_reviewed(run):
    assert reviews.reviewable(run) == [AUDIT]
    with pytest.raises(UnknownNameError, match=r"did you mean text\.exact"):
        findings(run, "text.exat")


def test_scores_of_two_kinds_are_refused(run, tmp_path):
    folder = RunFolder(write_run(tmp_path / "run", size=16, replicates=1))
    path = folder.score_files(AUDIT)[0]
    rows = [{**row, "options": '{"strict": true}'} for row in read_table(path).to_pylist()]
    write_table(path, rows, SCORES)
    with pytest.raises(ReviewError, match="in 2 ways"):
        findings(folder, AUDIT)


def test_reviewers_are_held_against_each_other_and_against_the_detector(run):
    found = judge(run, "ada", agrees)
    turned = set(order(found, "ada")[:6])
    judge(run, "ben", lambda key, flagged: agrees(key, flagged != (key in turned)))
    judge(run, "cyd", lambda key, flagged: "skip", 3)
    [result] = every(run)[0]
    n = len(found.pictures)
    [pair] = [each for each in result.pairs if each.n]
    assert (pair.first, pair.second, pair.n) == ("ada", "ben", n)
    assert pair.agreement.value == pytest.approx(1 - 6 / n)
    assert pair.kappa.low < pair.kappa.value < pair.kappa.high
    assert result.ties == 6
    assert result.judged == n - 6
    assert result.sensitivity.value == result.specificity.value == 1
    assert result.counts["cyd"] == {"yes": 0, "no": 0, "skip": 3, "not blind": 0}
    text = as_text(run)
    assert f"n {n}, agreement" in text
    told = json.loads(as_json(run))["audits"][0]
    assert told["judged"] == n - 6
    assert told["pairs"][0]["kappa"]["value"] == pytest.approx(pair.kappa.value)


def test_answers_about_what_the_run_no_longer_holds_are_left_out(run):
    judge(run, "ada", agrees, 4)
    path = run.path / "reviews" / "ada.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["digest"], rows[1]["version"], rows[2]["options"] = "0" * 64, 2, "0" * 16
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = reviewed(findings(run, AUDIT), reviews.read(run))
    assert (result.stale, result.judged) == (3, 1)


def test_a_run_without_reviews_says_how_to_get_some(run):
    assert "audit view" in as_text(run)
    assert json.loads(as_json(run)) == {"audits": [], "notes": []}
    with pytest.raises(ReviewError, match="has no reviews"):
        write_cards(run, run.path / "cards", "x")


def test_kappa_is_that_of_an_independent_implementation():
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5):
        first = list(rng.random(80) < share)
        second = [bool(a != (rng.random() < 0.2)) for a in first]
        found = cohen(first, second, [str(n) for n in range(80)])
        assert found.value == pytest.approx(cohen_kappa_score(first, second))
        assert found.low < found.value < found.high


def test_kappa_intervals_cover_the_truth():
    """Two reviewers who each err at a tenth of pictures, half of them defective: kappa is 0.64."""
    rng = np.random.default_rng(1960)
    met = 0
    for _ in range(400):
        truth = rng.random(50) < 0.5
        first, second = (list(truth ^ (rng.random(50) < 0.1)) for _ in range(2))
        found = cohen(first, second, [str(n) for n in range(50)])
        met += found.low <= 0.64 <= found.high
    assert 0.92 <= met / 400 <= 0.99


def test_full_agreement_is_not_called_certain_and_one_answer_has_no_kappa():
    names = [str(n) for n in range(10)]
    found = cohen([True, False] * 5, [True, False] * 5, names)
    assert found.value == 1
    assert found.low < 0.6
    assert "one and the same answer" in cohen([True] * 10, [True] * 10, names).note
    assert agreement([], [], []).value is None


def test_pictures_of_one_prompt_count_for_less():
    first, second = [True, False] * 20, [True, False] * 17 + [False, True] * 3
    apart = cohen(first, second, [str(n) for n in range(40)])
    together = cohen(first, second, [str(n // 8) for n in range(40)])
    assert together.value == apart.value
    assert together.high - together.low > apart.high - apart.low


def test_alpha_of_two_is_scotts_pi_corrected_for_few_and_missing_answers_are_allowed():
    """Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example A: 10 units, alpha 0.095."""
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    answers = [[bool(a), bool(b)] for a, b in zip(first, second, strict=True)]
    assert krippendorff(answers).value == pytest.approx(0.095, abs=5e-4)
    assert krippendorff([*answers, [True], []]).value == krippendorff(answers).value
    assert krippendorff([[True, True, True]] * 9).value is None
    assert krippendorff([[True, True], [False, False]] * 9).note == "no interval: all agree"


def stratum(rng: np.random.Generator, size: int, judged: int, share: float) -> Stratum:
    return Stratum(size=size, judged=judged, defects=int(rng.binomial(judged, share)))


def test_weighted_rates_cover_the_truth_where_the_mix_alone_would_mislead():
    """A tenth is flagged, 8 of 10 flagged have the defect and 2 of 100 others: sensitivity 0.816, specificity 0.978."""
    rng = np.random.default_rng(1983)
    true = (0.08 / 0.098, 0.882 / 0.902)
    met = [0, 0]
    for _ in range(200):
        flagged = int(rng.binomial(2000, 0.1))
        found = sensitivity_specificity(stratum(rng, flagged, 60, 0.8), stratum(rng, 2000 - flagged, 60, 0.02))
        for place in range(2):
            met[place] += found[place].low <= true[place] <= found[place].high
    assert all(0.91 <= each / 200 <= 0.995 for each in met)


def test_weighting_is_exact_where_everything_was_judged():
    found = sensitivity_specificity(Stratum(size=40, judged=40, defects=30), Stratum(size=160, judged=160, defects=10))
    assert [each.value for each in found] == [pytest.approx(30 / 40), pytest.approx(150 / 160)]


def test_a_kind_that_nobody_judged_gives_no_rates():
    found = sensitivity_specificity(Stratum(size=40, judged=9, defects=3), Stratum(size=160, judged=0, defects=0))
    assert [each.value for each in found] == [None, None]
    assert "that was not flagged" in found[0].note


@pytest.mark.parametrize(("right", "n"), [(9, 10), (45, 50), (190, 200), (10, 10), (0, 10)])
def test_effective_counts_of_a_plain_trial_are_its_own(right, n):
    from audit.statistics.rates import wilson

    counts = effective(wilson(right, n), 10 * n)
    assert counts[0] / sum(counts) == pytest.approx(right / n)
    assert sum(counts) == pytest.approx(n, rel=0.25)
    assert sum(counts) <= n


def test_a_card_from_reviews_is_accepted_as_any_card_is(run, tmp_path):
    """Everything judged, so that the card must say what can be counted: every 5th not flagged one has the defect."""
    missed = set(findings(run, AUDIT).pictures.query("not flagged").key.iloc[::5])
    found = judge(run, "ada", lambda key, flagged: "yes" if flagged or key in missed else "no")
    written, refused = write_cards(run, tmp_path / "cards", "shop signs")
    assert refused == []
    [card] = cards.cards(tmp_path / "cards")
    assert written == [tmp_path / "cards" / "text.exact@shop-signs.json"]
    flagged = int(found.pictures.flagged.sum())
    assert card.sensitivity.value == pytest.approx(flagged / (flagged + len(missed)), abs=1e-6)
    assert card.specificity.value == 1
    assert card.n == len(found.pictures)
    assert card.confusion.hit / card.confusion.planted == pytest.approx(card.sensitivity.value, abs=0.03)
    assert card.refusal(1, {}, {}) == ""
    assert card.refusal(2, {}, {}) != ""
    assert "not planted: 1 person" in card.planted
    true = (flagged + len(missed)) / card.n
    freed = rogan_gladen(flagged, card.n, card.confusion)
    assert freed.low < true < freed.high


def test_the_weights_that_scored_are_on_the_card(run, tmp_path):
    folder = RunFolder(write_run(tmp_path / "run", size=16, replicates=1))
    for path in folder.score_files(AUDIT).values():
        rows = [{**r, "options": '{"limit": 2, "weights": {"reader": "ab"}}'} for r in read_table(path).to_pylist()]
        write_table(path, rows, SCORES)
    judge(folder, "ada", agrees)
    card = card_from_reviews(folder, AUDIT, "x")
    assert (card.options, card.weights) == ({"limit": 2}, {"reader": "ab"})


def test_too_few_verdicts_make_no_card(run):
    judge(run, "ada", agrees, 7)
    with pytest.raises(ReviewError, match="no card from 7 judged pictures"):
        card_from_reviews(run, AUDIT, "x")


@pytest.mark.parametrize("domain", ["", "../x", "a/b", "-" * 65, "a\nb"])
def test_a_domain_that_could_be_a_path_is_refused(run, domain):
    with pytest.raises(ReviewError, match="use 1 to 64 letters"):
        card_from_reviews(run, AUDIT, domain)


@pytest.mark.parametrize(
    ("better", "doc", "said"),
    [
        ("lower", "Share of pictures in which a hand is odd.", "Defects are pictures in which a hand is odd."),
        ("higher", "Share of pictures that read well.", "Defects are all but pictures that read well."),
        ("lower", "Whether it leaked. More.", "The question: Whether it leaked. The defect is there if so."),
        ("higher", "Whether it is found.\nMore.", "The question: Whether it is found. The defect is there if not."),
    ],
)
def test_what_yes_means_is_said_in_the_direction_of_the_audit(better, doc, said):
    assert Findings("x", 1, "{}", better, doc, pd.DataFrame(), 0).defect == said
