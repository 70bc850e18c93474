"""The gate on small runs of fakes: what passes, what fails, what stays open, and that it fails closed, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.compare import CompareError, Comparison, Measure, Side, paired
from audit.gate import EXIT, gate, judge
from audit.policy import Policy, PolicyError, Primary, read_policy
from audit.splits import plant, self_test, split
from audit.statistics.paired import Difference
from audit.store import RunFolder
from audit.summarise import Point
from generators.api import Pixels, Refusal, Request, Settings
from tests.fakes import FakeGenerator, config, suite, walked

PROMPTS = [f"prompt {n}" for n in range(12)]
POLICY = Policy(primary=(Primary(audit="fake.red", margin=2.0),), pairs=20, prompts=10)


class Tinted(FakeGenerator):
    """Adds so many grey levels of red to every picture, and some noise of its own that depends on the picture."""

    def __init__(self, red: float = 0.0, noise: float = 0.0, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]
        self.red, self.noise = red, noise

    def fingerprint(self) -> str:
        return f"{super().fingerprint()}-{self.red:g}-{self.noise:g}"

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        for index, made in super().generate(requests):
            if isinstance(made, Refusal):
                yield index, made
                continue
            rng = np.random.default_rng([requests[index].seed % 2**32, int(100 * abs(self.red))])
            shifted = made.astype(np.float64)
            shifted[..., 0] += self.red + self.noise * rng.normal()
            yield index, np.clip(np.rint(shifted), 0, 255).astype(np.uint8)


def run(
    folder: Path, generator: FakeGenerator | None = None, prompts: Sequence[str] = PROMPTS, **given: object
) -> Side:
    audits = given.pop("audits", ("fake.red", "fake.dark", "fake.word"))
    settings = {"replicates": 3} | given
    walked(config(folder, **settings), suite(*prompts), generator or Tinted(), audits=audits)  # type: ignore[arg-type]
    return Side.of(RunFolder(folder))


def kinds(verdict: object) -> list[str]:
    return [each.kind for each in verdict.breaches]  # type: ignore[attr-defined]


def test_a_rerun_passes(tmp_path: Path) -> None:
    verdict = gate(run(tmp_path / "a"), run(tmp_path / "b"), POLICY)
    assert (verdict.status, verdict.exit_code, verdict.breaches) == ("pass", 0, ())
    [each] = verdict.judgements
    assert (each.harm, each.harm_low, each.harm_high) == (0.0, 0.0, 0.0)
    assert each.comparison.pairs == 36
    assert "same generator" in verdict.notes[0]


def test_what_got_worse_by_more_than_the_margin_fails(tmp_path: Path) -> None:
    verdict = gate(run(tmp_path / "a"), run(tmp_path / "b", Tinted(-6, 1.0)), POLICY)
    [each] = verdict.judgements
    assert (verdict.status, verdict.exit_code, each.status) == ("fail", 1, "fail")
    assert each.harm == pytest.approx(6, abs=0.7)
    assert each.harm_low is not None
    assert each.harm_low > 0
    assert each.p_harm is not None
    assert each.p_harm < 0.05


def test_what_got_worse_by_less_than_the_margin_passes_and_is_told(tmp_path: Path) -> None:
    policy = replace(POLICY, primary=(Primary(audit="fake.red", margin=5.0),))
    verdict = gate(run(tmp_path / "a"), run(tmp_path / "b", Tinted(-2, 0.5)), policy)
    [each] = verdict.judgements
    assert each.status == "pass"
    assert "worse, but less than the margin" in each.reason


def test_better_is_no_harm(tmp_path: Path) -> None:
    verdict = gate(run(tmp_path / "a"), run(tmp_path / "b", Tinted(9, 1.0)), POLICY)
    assert verdict.status == "pass"
    assert verdict.judgements[0].harm == pytest.approx(-9, abs=0.7)


def test_too_much_noise_is_inconclusive_and_says_how_many_pictures_it_takes(tmp_path: Path) -> None:
    verdict = gate(run(tmp_path / "a"), run(tmp_path / "b", Tinted(0, 15.0)), POLICY)
    [each] = verdict.judgements
    assert (verdict.status, verdict.exit_code) == ("inconclusive", 3)
    assert each.needed is not None
    assert each.needed > each.comparison.pairs
    assert f"{each.needed:,} pairs" in each.reason


def test_harm_that_so_few_prompts_cannot_show_asks_for_prompts_not_for_pictures(tmp_path: Path) -> None:
    few, policy = PROMPTS[:4], replace(POLICY, prompts=2, pairs=4)
    verdict = gate(run(tmp_path / "a", prompts=few), run(tmp_path / "b", Tinted(-6, 1.0), prompts=few), policy)
    [each] = verdict.judgements
    assert each.status == "inconclusive"
    assert "4 may all agree by chance; 5 would settle it" in each.reason
    assert each.needed == 15
    more = PROMPTS[:5]
    told = gate(run(tmp_path / "c", prompts=more), run(tmp_path / "d", Tinted(-6, 1.0), prompts=more), policy)
    assert told.judgements[0].status == "fail"


def comparison(value: float, error: float, better: str = "lower") -> Comparison:
    from scipy import stats

    measure = Measure(
        name="m", version=1, options={}, better=better, unit="u", kind="one", statistic="mean", on="", headline=True
    )
    found = Difference(
        value=value,
        low=value - 1.96 * error,
        high=value + 1.96 * error,
        error=error,
        p=0.5,
        more=float(stats.norm.sf(value / error)),
        less=float(stats.norm.cdf(value / error)),
        above=lambda bound: float(stats.norm.sf((value - bound) / error)),
    )
    return Comparison(
        measure=measure,
        cell="all cells",
        before=0.0,
        after=value,
        difference=found,
        pairs=100,
        prompts=50,
        replicates=2,
        skipped=0,
        failed=0,
        unpaired=0,
    )


@pytest.mark.parametrize(
    ("value", "error", "status"),
    [(0.0, 0.1, "pass"), (0.9, 0.1, "fail"), (1.5, 0.1, "fail"), (0.5, 0.5, "inconclusive"), (0.4, 0.2, "pass")],
)
@pytest.mark.parametrize("worse", ["higher", "lower"])
def test_the_verdict_reads_the_same_in_both_directions(value: float, error: float, status: str, worse: str) -> None:
    signed = comparison(value if worse == "higher" else -value, error)
    found = judge(Primary(audit="m", margin=1.0, worse=worse), signed, POLICY)
    assert found.status == status
    assert found.harm == pytest.approx(value)
    assert found.harm_low == pytest.approx(value - 1.96 * error)


def test_every_status_has_its_own_exit_code() -> None:
    assert EXIT == {"pass": 0, "fail": 1, "inconclusive": 3}


def test_many_metrics_make_each_harder_to_fail(tmp_path: Path) -> None:
    """Holm: what one metric alone would fail, ten together may not, when the other nine see nothing."""
    from audit.gate import judged

    harmed, clean = comparison(0.9, 0.45), comparison(0.0, 0.1)
    primary = Primary(audit="m", margin=1.0, worse="higher")
    alone = judged([(primary, harmed)], POLICY)[0]
    among = judged([(primary, harmed), *[(primary, clean)] * 9], POLICY)[0]
    assert (alone.status, among.status) == ("fail", "inconclusive")


# fails closed


def test_a_metric_that_a_run_was_not_scored_for_fails_by_name(tmp_path: Path) -> None:
    lacking = run(tmp_path / "b", audits=("fake.word",))
    verdict = gate(run(tmp_path / "a"), lacking, POLICY)
    assert verdict.status == "fail"
    assert kinds(verdict) == ["missing metric"]
    assert "the candidate was not scored" in verdict.breaches[0].text


def test_a_metric_that_is_skipped_everywhere_fails_by_name(tmp_path: Path) -> None:
    policy = replace(POLICY, primary=(Primary(audit="fake.word", margin=1.0),))
    verdict = gate(run(tmp_path / "a"), run(tmp_path / "b"), policy)
    assert verdict.status == "fail"
    assert "no expected text" in verdict.breaches[0].text


def test_a_picture_that_failed_fails_by_name(tmp_path: Path) -> None:
    verdict = gate(run(tmp_path / "a"), run(tmp_path / "b", Tinted(fail="prompt 7")), POLICY)
    assert verdict.status == "fail"
    assert kinds(verdict) == ["failed pictures"]
    assert "3 of 36 pictures of the candidate" in verdict.breaches[0].text
    assert "cannot draw" in verdict.breaches[0].text
    assert gate(run(tmp_path / "a"), Side.of(RunFolder(tmp_path / "b")), replace(POLICY, failed=0.1)).status == "pass"


def test_a_scorer_that_broke_fails_by_name(tmp_path: Path) -> None:
    prompts = [*PROMPTS, "a cursed one"]
    sides = [run(tmp_path / name, prompts=prompts, audits=("fake.broken",)) for name in "ab"]
    verdict = gate(*sides, replace(POLICY, primary=(Primary(audit="fake.broken", margin=1.0),)))
    assert kinds(verdict) == ["failed scores"]
    assert "ZeroDivisionError" in verdict.breaches[0].text


def test_a_set_statistic_that_raises_fails_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = [run(tmp_path / name, audits=("fake.spread", "fake.features")) for name in "ab"]

    def raises(self: Measure) -> None:
        raise ZeroDivisionError("no reference")

    monkeypatch.setattr(Measure, "set_scorer", raises)
    verdict = gate(*sides, replace(POLICY, primary=(Primary(audit="fake.spread", margin=1.0),)), explore=False)
    assert kinds(verdict) == ["raised scorer"]
    assert "ZeroDivisionError: no reference" in verdict.breaches[0].text


def test_fewer_pictures_than_the_policy_declares_fail_by_name(tmp_path: Path) -> None:
    verdict = gate(run(tmp_path / "a"), run(tmp_path / "b"), replace(POLICY, pairs=37, prompts=13))
    assert kinds(verdict) == ["too few", "too few"]
    assert "36 scored pairs, the policy asks for 37" in verdict.breaches[0].text


def test_another_suite_fails_by_name(tmp_path: Path) -> None:
    verdict = gate(run(tmp_path / "a"), run(tmp_path / "b", prompts=PROMPTS[:11]), POLICY)
    assert kinds(verdict) == ["suite"]
    assert "11 prompts ask the same" in verdict.breaches[0].text


def test_a_run_that_stopped_fails_by_name(tmp_path: Path) -> None:
    stopped = run(tmp_path / "b", shard=6)
    RunFolder(tmp_path / "b").image_files()[-1].unlink()
    verdict = gate(run(tmp_path / "a"), stopped, POLICY)
    assert "missing pictures" in kinds(verdict)


def red_of(manifest: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    return next(each for each in manifest["audits"] if each["name"] == "fake.red")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda told: told["packages"].update(torch="0.1"), "versions", "torch"),
        (lambda told: red_of(told).update(version=2), "versions", "versions 1 and 2"),
        (lambda told: red_of(told).update(options={"offset": 3.0}), "versions", "offset"),
    ],
)
def test_what_was_changed_between_the_runs_fails_by_name(tmp_path: Path, change: object, kind: str, words: str) -> None:
    side = run(tmp_path / "b")
    path = tmp_path / "b" / "manifest.json"
    told = json.loads(path.read_text())
    change(told)  # type: ignore[operator]
    path.write_text(json.dumps(told))
    verdict = gate(run(tmp_path / "a"), Side.of(side.folder), POLICY)
    assert verdict.status == "fail"
    assert kinds(verdict) == [kind]
    assert words in verdict.breaches[0].text


def test_weights_of_a_scorer_that_differ_fail_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audit import breaches
    from audit.weights import Weight

    weight = Weight(
        name="net", used_by=("fake.red",), licence="", size=1, sha256="", source="", fetch="", looked="", path=None
    )
    monkeypatch.setattr(breaches, "weights", lambda: [weight])
    sides = []
    for name in "ab":
        run(tmp_path / name)
        path = tmp_path / name / "manifest.json"
        told = json.loads(path.read_text())
        told["weights"] = [{"name": each, "sha256": name, "licence": "x"} for each in ("net", "the generator's own")]
        path.write_text(json.dumps(told))
        sides.append(Side.of(RunFolder(tmp_path / name)))
    verdict = gate(*sides, POLICY)
    assert kinds(verdict) == ["weights"]
    assert "'net'" in verdict.breaches[0].text


def points(values: Sequence[float | None], replicates: int = 4) -> list[Point]:
    return [
        Point(
            generator="g",
            settings=Settings(),
            prompt=f"p{place // replicates}",
            replicate=place % replicates,
            status="skipped" if value is None else "ok",
            value=value,
            reason="" if value is not None else "no hand",
        )
        for place, value in enumerate(values)
    ]


def test_a_candidate_that_is_skipped_far_more_often_fails_by_name() -> None:
    from audit.breaches import _skips

    before = [(False, n % 2 == 0, f"p{n // 4}") for n in range(160)]
    assert "50% of the candidate's" in _skips("m", before, POLICY)[0].text
    assert _skips("m", [(n % 2 == 0, n % 2 == 1, f"p{n // 4}") for n in range(160)], POLICY) == []


# bad input


def test_a_policy_that_speaks_of_nothing_is_refused(tmp_path: Path) -> None:
    one, two = run(tmp_path / "a"), run(tmp_path / "b")

    def policy(**given: object) -> Policy:
        return replace(POLICY, primary=(Primary(**given),))  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=r"no audit named 'hands\.wrnog'"):
        gate(one, two, policy(audit="hands.wrnog", margin=1))
    with pytest.raises(PolicyError, match="neither end of it is better"):
        gate(one, two, policy(audit="fake.dark", margin=0.1))
    with pytest.raises(PolicyError, match="no cell 'guidance=99'"):
        gate(one, two, policy(audit="fake.red", margin=1, cell="guidance=99"))


def test_a_run_of_several_generators_must_say_which(tmp_path: Path) -> None:
    given = config(tmp_path / "a", generators=("fake:", "fake:2"), replicates=2)
    walked(given, suite(*PROMPTS), Tinted(), Tinted(3, name="fake:2"), audits=("fake.red",))
    with pytest.raises(CompareError, match="2 generators; say which is meant: fake:, fake:2"):
        Side.of(RunFolder(tmp_path / "a"))
    one, two = (Side.of(RunFolder(tmp_path / "a"), name) for name in ("fake:", "fake:2"))
    verdict = gate(one, two, replace(POLICY, primary=(Primary(audit="fake.red", margin=1.0, worse="higher"),)))
    assert verdict.status == "fail"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[primary."a"]\nmargin = 0', "margin = 0: must be a number above 0"),
        ('[primary."a"]\nworse = "higher"', "no margin"),
        ("[gate]\nalpah = 0.1", "no key 'alpah'; did you mean alpha?"),
        ("[gate]\nalpha = 2", "must be a number from"),
        ("[require]\npairs = 1.5", "must be a whole number"),
        ("[primary.hands.wrong]\nmargin = 1", "in quotes"),
        ("", "names no primary metric"),
        ("[primary", "not valid TOML"),
        ("gate = 3", "must be a table"),
    ],
)
def test_a_bad_policy_says_where(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=r"gate\.toml") as raised:
        read_policy(path)
    assert told in str(raised.value)


def test_no_policy_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="--init"):
        read_policy(tmp_path / "none.toml")


# splits


def test_a_split_shares_no_picture_and_loses_none() -> None:
    found = split(points([float(n) for n in range(40)]), np.random.default_rng(0))
    values = [point.value for pair in found.pairs for point in pair]
    assert sorted(values) == [float(n) for n in range(40)]  # type: ignore[type-var]
    assert all(one.prompt == two.prompt for one, two in found.pairs)


def test_planted_harm_is_the_margin() -> None:
    values = [float(n % 10 == 0) for n in range(4000)]
    halves = split(points(values), np.random.default_rng(0))
    measure = replace(comparison(0, 1).measure, statistic="rate")
    harmed = plant(measure, Primary(audit="m", margin=0.2, worse="higher"), halves, np.random.default_rng(1))
    before, after = (np.mean([two.value for _, two in each.pairs]) for each in (halves, harmed))
    assert after - before == pytest.approx(0.2, abs=0.02)
    shifted = plant(
        comparison(0, 1).measure, Primary(audit="m", margin=0.2, worse="lower"), halves, np.random.default_rng(1)
    )
    assert np.mean([two.value for _, two in shifted.pairs]) == pytest.approx(before - 0.2)


def test_a_self_test_keeps_its_promise_and_sees_large_harm(tmp_path: Path) -> None:
    side = run(tmp_path / "a", Tinted(0, 2.0), replicates=4)
    noise = self_test(side, replace(POLICY, primary=(Primary(audit="fake.red", margin=4.0),)), splits=20)
    assert noise.false_alarm.value is not None
    assert noise.false_alarm.value <= 0.1
    assert noise.blocked["fake.red"].value is not None
    assert noise.blocked["fake.red"].value > 0.9
    assert noise.power["fake.red"].value is not None
    assert noise.power["fake.red"].value > 0.8


def test_one_replicate_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(CompareError, match="--replicates 2"):
        self_test(run(tmp_path / "a", replicates=1), POLICY, splits=2)


def test_pairs_share_prompt_and_seed_whatever_their_order() -> None:
    one, two = points([1.0, 2.0, 3.0, 4.0]), points([5.0, 6.0, 7.0, 8.0])
    found = paired(one, list(reversed(two))[1:])
    assert [(a.value, b.value) for a, b in found.pairs] == [(1.0, 5.0), (2.0, 6.0), (3.0, 7.0)]
    assert found.unpaired == 1
