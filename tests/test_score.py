from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from audit import images
from audit.api import View
from audit.registry import UnknownNameError
from audit.score import OptionError, choose, view_of
from audit.scorers import Scorers, scored
from audit.types import Job, Prompt, Score
from generators.api import Pixels, Settings
from tests.fakes import AUDITS, FakeGenerator, config, picture, red, suite, walked


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every picture decoded."""
    seen: list[int] = []
    real = images.decode

    def counted(raw: bytes) -> Pixels:
        seen.append(len(raw))
        return real(raw)

    monkeypatch.setattr(images, "decode", counted)
    return seen


def values(frame: pd.DataFrame) -> dict[str, tuple[str, float]]:
    return {row.key: (row.status, row.value) for row in frame.itertuples()}


def test_fresh_pictures_are_scored_from_memory(tmp_path: Path, decodes: list[int]) -> None:
    folder = walked(config(tmp_path / "run"), suite(*"abcd"), audits=["fake.red", "fake.dark", "fake.spread"]).folder
    assert len(folder.scores()) == 3 * 4
    assert decodes == []


def test_stored_pictures_are_decoded_once_for_all_audits(tmp_path: Path, decodes: list[int]) -> None:
    given = config(tmp_path / "run")
    walked(given, suite(*"abcd"), audits=["fake.red"])
    walked(given, suite(*"abcd"), audits=["fake.red", "fake.dark", "fake.spread", "fake.word"])
    assert len(decodes) == 4


def test_scoring_from_memory_and_from_file_agree_to_the_bit(tmp_path: Path) -> None:
    given = config(tmp_path / "run", guidance=(1.0, 7.5))
    fresh = walked(given, suite(*"abcdef"), audits=["fake.red", "fake.spread"]).folder.scores()
    for path in (tmp_path / "run" / "scores").rglob("*.parquet"):
        path.unlink()
    again = walked(given, suite(*"abcdef"), audits=["fake.red", "fake.spread"]).folder.scores()
    pd.testing.assert_frame_equal(fresh, again, check_exact=True)


def test_a_finished_run_is_left_alone(tmp_path: Path, decodes: list[int]) -> None:
    given, generator = config(tmp_path / "run"), FakeGenerator()
    prompts = suite("a", "please refuse", "b")
    walked(given, prompts, generator, audits=["fake.red", "fake.word"])
    files = sorted((tmp_path / "run").glob("*/**/*.parquet"))
    before, calls = [path.stat().st_mtime_ns for path in files], generator.made
    walked(given, prompts, generator, audits=["fake.red", "fake.word"])
    assert generator.made == calls
    assert decodes == []
    assert [path.stat().st_mtime_ns for path in files] == before


def test_correcting_an_expectation_rescores_that_prompt_alone(tmp_path: Path, decodes: list[int]) -> None:
    given, generator = config(tmp_path / "run"), FakeGenerator()
    prompts = [Prompt(id=f"p{n}", text=f"sign {n}", expect={"text": "OPEN"}) for n in range(3)]
    whole = type(suite())(name="s", version="1", prompts=tuple(prompts))
    walked(given, whole, generator, audits=["fake.word"])
    corrected = type(whole)(
        name="s", version="1", prompts=(*prompts[:2], Prompt(id="p2", text="sign 2", expect={"text": "SHUT!"}))
    )
    folder = walked(given, corrected, generator, audits=["fake.word"]).folder
    assert generator.made == 3
    assert len(decodes) == 1
    assert list(folder.scores("fake.word")["value"]) == [4, 4, 5]


def test_other_options_and_versions_are_scored_anew(tmp_path: Path) -> None:
    generator = FakeGenerator()
    first = walked(config(tmp_path / "run"), suite("a"), generator, audits=["fake.red"]).folder.scores("fake.red")
    given = config(tmp_path / "run", options={"fake.red": {"offset": 100.0}})
    second = walked(given, suite("a"), generator, audits=["fake.red"]).folder.scores("fake.red")
    assert second["value"][0] == pytest.approx(first["value"][0] + 100)
    assert json.loads(second["options"][0]) == {"offset": 100.0}
    assert generator.made == 1


def test_the_culprit_fails_with_its_reason_and_the_others_are_scored(tmp_path: Path) -> None:
    outcome = walked(config(tmp_path / "run"), suite("a", "cursed", "b"), audits=["fake.broken", "fake.red"])
    rows = outcome.folder.scores("fake.broken")
    assert list(rows["status"]) == ["ok", "failed", "ok"]
    assert rows["reason"][1] == "ZeroDivisionError: a bug"
    assert list(outcome.folder.scores("fake.red")["status"]) == ["ok"] * 3
    assert outcome.problems == ("audit fake.broken: 1 failed; the first: ZeroDivisionError: a bug",)


def test_failed_scores_are_tried_again(tmp_path: Path) -> None:
    prompts, given = suite("a", "cursed"), config(tmp_path / "run")
    walked(given, prompts, audits=["fake.broken"])
    fixed = config(tmp_path / "run", options={"fake.broken": {"on": "nothing"}})
    assert walked(fixed, prompts, audits=["fake.broken"]).problems == ()


def test_a_picture_that_never_was_is_not_scored_but_counted(tmp_path: Path) -> None:
    outcome = walked(
        config(tmp_path / "run"), suite("a", "please refuse", "BAD"), FakeGenerator(fail="BAD"), audits=["fake.red"]
    )
    rows = outcome.folder.scores("fake.red")
    assert list(rows["status"]) == ["ok", "skipped", "failed"]
    assert rows["reason"][1] == "no picture: declined"
    [estimate] = outcome.folder.estimates()
    assert (estimate.n, estimate.skipped, estimate.failed) == (1, 1, 1)
    [problem] = outcome.problems
    assert problem == "pictures: 1 failed; the first (fake:, prompt p2, default): RuntimeError: cannot draw 'BAD'"


def test_a_generator_that_breaks_in_a_batch_costs_only_the_culprit(tmp_path: Path) -> None:
    generator = FakeGenerator(fail="BAD")
    outcome = walked(config(tmp_path / "run"), suite("a", "b", "BAD", "c", "nonsense"), generator, audits=["fake.red"])
    rows = outcome.folder.artifacts()
    assert list(rows["status"]) == ["ok", "ok", "failed", "ok", "failed"]
    assert "unusable: expected uint8" in rows["error"][4]
    assert [len(call) for call in generator.calls] == [4, 1, 1, 1, 1, 1]


def test_failed_pictures_are_tried_again_and_only_they(tmp_path: Path) -> None:
    prompts, given = suite("a", "b", "BAD"), config(tmp_path / "run")
    walked(given, prompts, FakeGenerator(fail="BAD"), audits=["fake.red"])
    mended = FakeGenerator()
    outcome = walked(given, prompts, mended, audits=["fake.red"])
    assert mended.made == 1
    assert outcome.problems == ()
    assert list(outcome.folder.scores("fake.red")["status"]) == ["ok"] * 3


def test_a_scorer_that_loses_a_picture_fails_instead_of_shifting(tmp_path: Path) -> None:
    views = [view("a"), view("b")]
    [first, second] = scored(lambda given: [Score.of(1.0)] * (len(given) - 1), views)
    assert first.status == second.status == "failed"
    assert "0 scores for 1 pictures" in first.reason


def test_evidence_that_is_not_json_is_the_audits_failure() -> None:
    [score] = scored(lambda given: [Score.of(1.0, box=object()) for _ in given], [view("a")])
    assert score.status == "failed"
    assert score.reason.startswith("TypeError")


def test_results_belong_to_their_pictures_in_any_order() -> None:
    views = [view(str(n), seed=n) for n in range(5)]
    straight = scored(red(), views)
    assert scored(red(), views[::-1]) == straight[::-1]


def test_choosing_brings_the_features_that_a_set_audit_works_on() -> None:
    assert [each.audit.name for each in choose(["fake.spread"], {}, AUDITS)] == ["fake.features", "fake.spread"]


def test_the_default_is_every_headline_audit_with_what_it_needs() -> None:
    names = [each.audit.name for each in choose([], {}, AUDITS)]
    assert names == ["fake.dark", "fake.features", "fake.red", "fake.spread", "fake.word"]


def test_options_are_recorded_with_their_defaults() -> None:
    [choice] = choose(["fake.dark"], {}, AUDITS)
    assert choice.options == {"below": 90}


def test_unknown_audits_and_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean fake\.red"):
        choose(["fake.rad"], {}, AUDITS)
    with pytest.raises(UnknownNameError, match=r"fake\.word"):
        choose(["fake.red"], {"fake.wrod": {}}, AUDITS)
    with pytest.raises(OptionError, match="no option 'ofset'; it has offset"):
        choose(["fake.red"], {"fake.red": {"ofset": 1}}, AUDITS)


def view(text: str, seed: int = 0) -> View:
    from generators.api import Request

    job = Job(generator="g", fingerprint="f", prompt=Prompt(id=text, text=text), settings=Settings(), replicate=0)
    return view_of(job, picture(Request(text=text, seed=seed), 8))


def test_a_view_is_a_copy_that_can_be_spoilt() -> None:
    from generators.api import Request

    pixels = picture(Request(text="a"), 8)
    kept = pixels.copy()
    job = Job(generator="g", fingerprint="f", prompt=Prompt(id="a", text="a"), settings=Settings(), replicate=0)
    seen = view_of(job, pixels)
    assert seen.image.shape == (3, 8, 8)
    seen.image.zero_()
    assert (pixels == kept).all()


def test_an_audit_that_cannot_start_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    from audit.score import Bench, Choice
    from audit.weights import MissingWeightsError

    def cannot(error: Exception) -> Choice:
        def factory() -> None:
            raise error

        return Choice(type(red)(**{**vars(red), "factory": factory}), {})

    told: list[str] = []
    views: Sequence[View] = [view("a"), view("b")]
    missing = Bench([cannot(MissingWeightsError("get them with: audit weights"))], {}, told.append)
    assert {s.status for s in missing._fresh(Scorers(), missing.choices[0], views)} == {"skipped"}
    buggy = Bench([cannot(KeyError("x")), Choice(AUDITS["fake.dark"], {"below": 90})], {}, told.append)
    reasons = [score.reason for score in buggy._fresh(Scorers(), buggy.choices[0], views)]
    assert reasons == ["the audit could not start: KeyError: 'x'"] * 2
    assert {s.status for s in buggy._fresh(Scorers(), buggy.choices[1], views)} == {"ok"}
