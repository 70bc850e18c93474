"""What `audit gate` prints and writes: exit codes, JUnit, Markdown, annotations, the self-test, the first policy."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from audit import cli
from audit.breaches import Breach
from audit.compare import Side
from audit.gate import Verdict, gate
from audit.policy import Policy, Primary, read_policy
from reports.gating import initialise, lines, write
from reports.junit import junit
from reports.markdown import markdown, workflow_commands
from reports.words import visible
from tests.test_gate import Tinted, run

HOSTILE = "<script>alert(1)</script> | `x` \x1b[31m ]]> @everyone\n::error::mine"


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Side]:
    folder = tmp_path_factory.mktemp("gate")
    made = {"same": Tinted(0, 1.0), "worse": Tinted(-6, 1.0), "noisy": Tinted(0, 15.0)}
    return {name: run(folder / name, each, replicates=4) for name, each in made.items()}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "gate.toml"
    path.write_text('[require]\npairs = 20\nprompts = 10\n[primary."fake.red"]\nmargin = 2.0\n')
    return path


def command(sides: dict[str, Side], candidate: str, *flags: str) -> int:
    return cli.main(["gate", str(sides["same"].folder.path), str(sides[candidate].folder.path), *flags])


@pytest.mark.parametrize(("candidate", "code"), [("same", 0), ("worse", 1), ("noisy", 3)])
def test_the_exit_code_is_the_verdict(
    sides: dict[str, Side], policy: Path, tmp_path: Path, candidate: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(sides, candidate, "--policy", str(policy), "--out", str(tmp_path)) == code
    said = capsys.readouterr().out
    assert said.startswith({0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE"}[code])
    told = json.loads((tmp_path / "verdict.json").read_text())
    assert told["status"].upper() in said
    assert told["primary"][0]["audit"] == "fake.red"
    assert told["primary"][0]["pairs"] == 48
    assert {each["audit"] for each in told["explored"]} == {"fake.dark"}


def test_files_lie_beside_the_candidate_unless_told_otherwise(sides: dict[str, Side], policy: Path) -> None:
    command(sides, "worse", "--policy", str(policy))
    folder = sides["worse"].folder.path / "gate"
    assert {each.name for each in folder.iterdir()} == {"verdict.json", "junit.xml", "summary.md"}


def test_bad_input_has_code_two_and_one_line(
    sides: dict[str, Side], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(sides, "worse", "--policy", str(tmp_path / "none.toml")) == 2
    assert cli.main(["gate", str(tmp_path), str(tmp_path)]) == 2
    assert cli.main(["gate", str(sides["same"].folder.path), "--policy", str(tmp_path / "none.toml")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 3


def hostile(verdict: Verdict) -> Verdict:
    [each] = verdict.judgements
    return replace(
        verdict,
        status="fail",
        candidate=HOSTILE,
        breaches=(Breach(HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
        judgements=(replace(each, primary=replace(each.primary, audit=HOSTILE), reason=HOSTILE),),
    )


@pytest.fixture
def verdict(sides: dict[str, Side]) -> Verdict:
    policy = Policy(primary=(Primary(audit="fake.red", margin=2.0),), pairs=20)
    return gate(sides["same"], sides["worse"], policy)


def test_junit_has_a_case_for_each_metric_and_breach(verdict: Verdict) -> None:
    root = ElementTree.fromstring(junit(replace(verdict, breaches=(Breach("versions", "torch differs"),))))
    [suite] = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "1")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert set(cases) == {"fake.red", "versions"}
    failure = cases["fake.red"].find("failure")
    assert failure is not None
    assert failure.get("type") == "fail"
    assert "margin: 2 grey levels lower" in (failure.text or "")


def test_junit_of_hostile_texts_is_still_xml(verdict: Verdict) -> None:
    root = ElementTree.fromstring(junit(hostile(verdict)))
    assert {case.get("name") for case in root.iter("testcase")} == {visible(HOSTILE)}


def test_markdown_has_the_numbers_and_fits_a_comment(verdict: Verdict) -> None:
    text = markdown(verdict)
    assert text.startswith("### ❌ FAIL")
    [row] = [line for line in text.splitlines() if line.startswith("| ❌")]
    assert "fake.red" in row
    assert "48 pairs, 12 prompts" in row
    assert "| 2 lower |" in row
    assert len(text) < 65_000


def test_markdown_of_hostile_texts_stays_in_its_place(verdict: Verdict) -> None:
    text = markdown(hostile(verdict))
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "@everyone" not in text
    assert not any(line.startswith("::") for line in text.splitlines())


def test_annotations_are_single_commands(verdict: Verdict) -> None:
    [error] = workflow_commands(verdict)
    assert error.startswith("::error title=fake.red fail::")
    found = workflow_commands(hostile(verdict))
    assert len(found) == 2
    assert all("\n" not in each and each.count("::error title") == 1 for each in found)


def test_github_gets_annotations_and_a_summary(
    sides: dict[str, Side],
    policy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "shared.md"))
    command(sides, "worse", "--policy", str(policy), "--out", str(tmp_path / "gate"))
    assert "\n::error title=fake.red fail::" in capsys.readouterr().out
    assert (tmp_path / "shared.md").read_text() == (tmp_path / "gate" / "summary.md").read_text()


def test_the_terminal_shows_no_escape_of_a_model(verdict: Verdict) -> None:
    said = [visible(line) for line in lines(hostile(verdict))]
    assert not any("\x1b" in line for line in said)


def test_a_first_policy_can_be_read_and_lets_the_baseline_pass(sides: dict[str, Side], tmp_path: Path) -> None:
    path = tmp_path / "first.toml"
    assert "1 metrics" in initialise(sides["same"], path)
    policy = read_policy(path)
    assert [each.audit for each in policy.primary] == ["fake.red"]
    assert gate(sides["same"], sides["same"], policy).status == "pass"
    assert tomllib.loads(path.read_text())["require"]["pairs"] == 38
    assert cli.main(["gate", str(sides["same"].folder.path), "--init", "--policy", str(path)]) == 2


def test_the_margin_of_a_first_policy_is_what_the_run_can_judge(sides: dict[str, Side], tmp_path: Path) -> None:
    initialise(sides["same"], tmp_path / "quiet.toml")
    initialise(sides["noisy"], tmp_path / "noisy.toml")
    quiet, noisy = (read_policy(tmp_path / f"{name}.toml").primary[0].margin for name in ("quiet", "noisy"))
    assert noisy > 1.2 * quiet


def test_a_self_test_is_told_and_written(
    sides: dict[str, Side], policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = str(sides["same"].folder.path)
    flags = ["--self-test", "--splits", "10", "--policy", str(policy), "--out", str(tmp_path)]
    assert cli.main(["gate", same, same, *flags]) == 0
    said = capsys.readouterr().out
    assert "48 of 48 pictures are the same to the last bit" in said
    told = json.loads((tmp_path / "self-test.json").read_text())
    assert told["false_alarm"]["n"] == 10
    assert told["rerun"]["verdict"]["status"] == "pass"
    assert command(sides, "worse", *flags) == 2


def test_nothing_is_written_when_the_folder_cannot_be(verdict: Verdict, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="choose another --out"):
        write(verdict, tmp_path / "file")
