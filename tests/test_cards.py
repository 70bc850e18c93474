"""Cards from trials to corrected rates: a toy detector whose errors are known exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from audit import calibrate, cards, cli
from audit.api import View, audit
from audit.calibrate import CalibrationError, card_of, line_of
from audit.cards import CardError
from audit.corrected import corrected
from audit.registry import audits, trials
from audit.score import Choice, carded
from audit.statistics.correction import Confusion
from audit.summarise import Point, estimates
from audit.trial import Case, by_value, seeds, trial
from audit.truth import own_trial
from audit.types import Score
from generators.api import Settings


@audit("toy.bright", version=3, better="lower", unit="share", source="a toy", statistic="rate")
def bright(limit: int = 100):
    """Calls a picture defective when it is brighter than `limit`; will not speak of black ones."""

    def score(view: View) -> Score:
        level = float(view.image.double().mean())
        return Score.skipped("black") if level == 0 else Score.of(float(level > limit), level=level)

    return score


def grey(level: int, planted: bool, **groups: str) -> Case:
    return Case(pixels=np.full((4, 4, 3), level, np.uint8), planted=planted, truth=level, groups=groups)


@trial(
    "toy.bright",
    domain="toys",
    count=10,
    quick=5,
    planted="paint",
    limits="it is a toy",
    goals={"sensitivity": ">= 0.70", "specificity": ">= 0.90", "brightest": "<= 300"},
    said=lambda score: int(score.value),
    measure=lambda cases, scores: {"brightest": calibrate.Interval(value=max(case.truth for case in cases))},
)
def toys(count: int):
    """Planted: 3 found, 1 missed. Clean: 4 kept, 1 false alarm. One black."""
    every = [grey(200, True, size="big")] * 3 + [grey(50, True, size="small")] + [grey(20, False, size="big")] * 4
    yield from [*every, grey(150, False, size="small"), grey(0, False, size="small")][:count]


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setattr(calibrate, "audits", lambda: {"toy.bright": bright})
    monkeypatch.setattr("audit.truth.find_audit", {"toy.bright": bright}.__getitem__)
    monkeypatch.setattr("audit.truth.trials", lambda: {toys.name: toys})


def test_a_card_counts_what_happened():
    card = card_of(toys, 10)
    assert card.confusion == Confusion(hit=3, miss=1, false_alarm=1, clean=4, abstained_clean=1)
    assert (card.sensitivity.value, card.specificity.value, card.abstain.value) == (0.75, 0.8, 0.1)
    assert card.sensitivity.low < 0.75 < card.sensitivity.high
    assert card.table == {"0": {"abstained": 1}, "150": {"1": 1}, "20": {"0": 4}, "200": {"1": 3}, "50": {"0": 1}}
    assert card.groups["size"]["big"]["sensitivity"][0] == 1.0
    assert card.groups["size"]["small"]["n"] == 3
    assert card.met() == {"sensitivity": True, "specificity": False, "brightest": True}
    assert "missed: specificity >= 0.90" in line_of(card)


def test_a_card_survives_its_file_and_a_changed_one_is_refused(tmp_path):
    card = card_of(toys, 10)
    path = cards.write(card, tmp_path)
    assert cards.cards(tmp_path) == [card]
    path.write_text(path.read_text().replace('"hit": 3', '"hit": 4'))
    with pytest.raises(CardError, match="changed after audit calibrate wrote it"):
        cards.read(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"digest": "x"}', "\x00"])
def test_what_is_no_card_is_named(tmp_path, text):
    (tmp_path / "toy.json").write_text(text)
    with pytest.raises(CardError, match=r"toy\.json: not a card"):
        cards.cards(tmp_path)


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        (Choice(bright, {"limit": 90}), "other options"),
        (Choice(bright, {"limit": 100}, {"net": "1"}), "other weights"),
        (Choice(replace(bright, version=4), {"limit": 100}), "version 3, the detector of version 4"),
    ],
)
def test_a_card_speaks_only_for_the_detector_it_was_measured_on(tmp_path, choice, why):
    cards.write(card_of(toys, 10), tmp_path)
    [found] = carded([choice], [str(tmp_path)])
    assert found.card is None
    assert why in found.doubt
    [estimate] = corrected(found, estimates(bright, points(3, 10)), points(3, 10))
    assert estimate.corrected is None
    assert estimate.card == f"not validated: {found.doubt}"


def points(bad: int, n: int) -> list[Point]:
    return [
        Point(generator="g", settings=Settings(), prompt=f"p{i}", replicate=0, status="ok", value=float(i < bad))
        for i in range(n)
    ]


def test_rates_are_corrected_by_the_card(tmp_path):
    cards.write(card_of(toys, 10), tmp_path)
    [choice] = carded([Choice(bright, {"limit": 100})], [str(tmp_path)])
    [estimate] = corrected(choice, estimates(bright, points(31, 100)), points(31, 100))
    # among the decided (0.31 + 0.8 - 1) / (0.75 + 0.8 - 1) = 0.2; of the clean, one in six was not decided on
    assert estimate.corrected == pytest.approx(0.2 / (0.2 + 0.8 * 6 / 5))
    assert estimate.corrected_low < estimate.corrected < estimate.corrected_high
    assert estimate.value == 0.31
    assert estimate.card.startswith("toys: sensitivity 0.75")


def test_a_detector_that_missed_its_auroc_is_not_validated_and_corrects_nothing():
    card = card_of(toys, 10)
    poor = replace(card, measures={"auroc": calibrate.Interval(value=0.6)}, goals={"auroc": ">= 0.95"})
    assert card.validated
    assert not poor.validated
    assert poor.worth.startswith("not validated: toys: sensitivity 0.75")
    assert poor.worth.endswith("auroc 0.6; the goal was auroc >= 0.95")
    choice = Choice(bright, {"limit": 100}, card=poor)
    [estimate] = corrected(choice, estimates(bright, points(31, 100)), points(31, 100))
    assert estimate.corrected is None
    assert estimate.card == poor.worth


def test_a_share_of_good_pictures_stays_one(tmp_path):
    good = replace(bright, better="higher")
    cards.write(card_of(toys, 10), tmp_path)
    [choice] = carded([Choice(good, {"limit": 100})], [str(tmp_path)])
    [bad] = corrected(replace(choice, audit=bright), estimates(bright, points(31, 100)), points(31, 100))
    [found] = corrected(choice, estimates(good, points(69, 100)), points(69, 100))
    assert found.corrected == pytest.approx(1 - bad.corrected)
    assert found.corrected_low == pytest.approx(1 - bad.corrected_high)


def test_a_detector_that_breaks_is_no_abstention(monkeypatch):
    def broken():
        """Breaks."""

        def score(view: View) -> Score:
            raise RuntimeError("no idea")

        return score

    monkeypatch.setattr(calibrate, "audits", lambda: {"toy.bright": replace(bright, factory=broken)})
    with pytest.raises(CalibrationError, match="no idea"):
        card_of(toys, 10)


def test_own_pictures(tmp_path):
    from PIL import Image

    for name, level in (("a", 200), ("b", 20), ("c", 0)):
        Image.new("RGB", (4, 4), (level,) * 3).save(tmp_path / f"{name}.png")
    truth = tmp_path / "truth.csv"
    truth.write_text("file,planted,truth,lens\na.png,yes,200,wide\nb.png,no,20,wide\nc.png,no,0,long\n")
    card = card_of(own_trial("toy.bright", tmp_path, truth, "mine"), 3)
    assert card.name == "toy.bright@mine"
    assert card.confusion == Confusion(hit=1, clean=1, abstained_clean=1)
    assert card.groups["lens"]["wide"]["n"] == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,planted\na.png,1\n", "no column 'file'"),
        ("file,planted\n", "no rows"),
        ("file,planted\nzz.png,1\n", "row 2: no picture 'zz.png'"),
        ("file,planted\n../../etc/passwd,1\n", "row 2: no picture"),
        ("file,planted\na.png,perhaps\n", "write yes or no"),
        ("file,planted,expect\na.png,1,{\n", "no JSON"),
        ("file,planted,expect\na.png,1,[]\n", "must be a JSON object"),
    ],
)
def test_a_truth_that_cannot_be_used_says_where(tmp_path, text, why):
    (tmp_path / "a.png").write_bytes(b"")
    truth = tmp_path / "truth.csv"
    truth.write_text(text)
    with pytest.raises(CalibrationError, match=why):
        own_trial("toy.bright", tmp_path, truth, "mine")


def test_trials_have_seeds_of_their_own():
    ranges = [seeds(name, 2**16) for name in trials()]
    firsts = sorted(each.start for each in ranges)
    assert all(later - earlier >= 2**16 for earlier, later in pairwise(firsts))


@pytest.mark.parametrize("name", trials())
def test_every_trial_is_of_an_audit_that_can_give_its_verdict(name):
    each = trials()[name]
    assert each.planted
    assert each.limits
    assert 0 < each.quick <= each.count
    audits()[each.detector].options(dict(each.options))
    if each.verdict is None:
        by_value(audits()[each.detector])


def test_goals_are_readable():
    with pytest.raises(ValueError, match="not like"):
        trial("x", domain="y", count=1, quick=1, planted="", limits="", goals={"auroc": "high"})


def test_the_command_prints_cards(tmp_path, capsys):
    cards.write(card_of(toys, 10), tmp_path)
    assert cli.main(["cards", "--cards", str(tmp_path), "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert {"detector", "domain", "version", "sensitivity", "specificity", "abstain", "n"} <= set(told)
    assert told["sensitivity"] == 0.75
    assert told["sensitivity_interval"][0] < 0.75 < told["sensitivity_interval"][1]
    assert cli.main(["cards", "--cards", str(tmp_path)]) == 0
    assert "goal >= 0.90" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["cards", "--cards", "nowhere"], "no such folder"),
        (["calibrate", "hands.wrog"], "did you mean hands.wrong"),
        (["calibrate", "hands.wrong", "--images", "x"], "go together"),
        (["calibrate", "--images", "x", "--truth", "y"], "name the one detector"),
    ],
)
def test_bad_input_is_told_in_one_line(argv, why, capsys):
    assert cli.main(argv) == cli.BAD_INPUT
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("card", cards.cards(), ids=lambda card: card.name)
def test_shipped_cards_speak_for_the_detectors_as_they_are(card):
    from audit.score import choose, weighed

    choices = weighed(choose([card.detector], {card.detector: card.options}, audits()))
    [choice] = [each for each in choices if each.audit.name == card.detector]
    assert card.refusal(choice.audit.version, choice.options, choice.weights) == ""


def test_the_shipped_folder_is_there():
    assert Path(cards.SHIPPED).is_dir()
