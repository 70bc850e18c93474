"""What `audit gate` does once its input is read: judge, say it, and write it where CI servers and people find it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from audit.compare import CompareError, Side
from audit.derive import written
from audit.gate import Verdict, gate
from audit.policy import Policy, PolicyError
from audit.splits import Noise
from audit.splits import self_test as split_test
from audit.store import StoreError
from audit.summary import rows_of
from audit.tables import write_text
from audit.types import Interval, Json
from reports.junit import junit
from reports.markdown import markdown, workflow_commands
from reports.verdict_words import FOUND, SIGNS, change, counts, direction_of, headline, moved
from reports.words import dashed, number, visible, with_interval

Tell = Callable[[str], None]
MOST = 8


def initialise(baseline: Side, path: Path) -> str:
    """Write a policy derived from the baseline; the result says so.

    Raises:
        PolicyError: the file is there already, or nothing can be judged.
    """
    if path.exists():
        raise PolicyError(f"{path} is there already; name another with --policy, or remove it")
    text = written(baseline, Policy(primary=()))
    count = text.count("\n[primary.")
    if not count:
        raise PolicyError(
            f"{baseline.folder.path}: no headline metric with a better end has enough prompts to be judged"
        )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PolicyError(f"cannot write {path}: {error.strerror}") from error
    return f"{path}: {count} metrics; look at the margins, and remove what should not decide"


def judge(baseline: Side, candidate: Side, policy: Policy, out: Path, *, tell: Tell) -> int:
    """Judge, tell, write DIR/verdict.json, junit.xml and summary.md; the result is the exit code."""
    verdict = gate(baseline, candidate, policy)
    for line in lines(verdict):
        tell(visible(line))
    write(verdict, out)
    tell(f"{out}: verdict.json, junit.xml, summary.md")
    for line in workflow_commands(verdict) if os.environ.get("GITHUB_ACTIONS") else ():
        tell(line)
    return verdict.exit_code


def self_test(baseline: Side, rerun: Side | None, policy: Policy, out: Path, *, splits: int, tell: Tell) -> int:
    """The noise of a policy on a baseline, told and written to DIR/self-test.json; 1 where it fails too often.

    Raises:
        CompareError: the rerun is of another generator.
    """
    if rerun is not None and rerun.fingerprint != baseline.fingerprint:
        raise CompareError(
            f"{rerun.folder.path} is no rerun of {baseline.folder.path}: the generators' fingerprints differ; "
            "leave out --self-test to judge it"
        )
    noise = split_test(baseline, policy, splits=splits)
    told: dict[str, Json] = {"baseline": baseline.folder.path.name, "policy": policy.digest, **noise.as_json()}
    for line in noise_lines(noise, policy):
        tell(line)
    good = noise.false_alarm.low is None or noise.false_alarm.low <= policy.alpha
    if rerun is not None:
        verdict = gate(baseline, rerun, policy, explore=False)
        told["rerun"] = {**_same_pictures(baseline, rerun), "verdict": verdict.as_json()}
        tell(f"rerun: {told['rerun']['same']:,} of {told['rerun']['pictures']:,} pictures are the same to the last bit")
        for line in lines(verdict):
            tell(visible(line))
        good = good and verdict.status != "fail"
    _save(out / "self-test.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    tell(f"{out / 'self-test.json'}")
    return 0 if good else 1


def write(verdict: Verdict, out: Path) -> None:
    """DIR/verdict.json, junit.xml, summary.md; the summary also to GitHub's job summary where there is one."""
    _save(out / "verdict.json", json.dumps(verdict.as_json(), indent=1, ensure_ascii=False) + "\n")
    _save(out / "junit.xml", junit(verdict))
    summary = markdown(verdict)
    _save(out / "summary.md", summary)
    if os.environ.get("GITHUB_ACTIONS") and os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as shared:
            shared.write(summary)


def lines(verdict: Verdict) -> list[str]:
    """The verdict for a terminal."""
    told = [headline(verdict)]
    told += [f"  ✗ {each.kind}: {each.text}" for each in verdict.breaches]
    for each in verdict.judgements:
        found = each.comparison
        ends = f"{dashed(found.before)} → {dashed(found.after)}"
        told.append(
            f"  {SIGNS[each.status]} {each.primary.audit}  {ends}  {change(found)}  margin {each.primary.margin:g}"
        )
        told.append(f"      {each.reason}; {counts(found)}")
    found_elsewhere = moved(verdict)
    told += [f"  also moved (q ≤ {FOUND:g}):"] if found_elsewhere else []
    for comparison in found_elsewhere[:MOST]:
        where = f" on {comparison.tag}" if comparison.tag else ""
        told.append(f"      {comparison.measure.name}{where}: {change(comparison)}, {direction_of(comparison)}")
    told += [f"      and {len(found_elsewhere) - MOST} more"] if len(found_elsewhere) > MOST else []
    return told + [f"  note: {each}" for each in verdict.notes]


def noise_lines(noise: Noise, policy: Policy) -> list[str]:
    """A self-test for a terminal."""
    told = [
        f"{noise.splits} splits of the baseline's replicates, nothing differs between their halves:",
        f"  fails {_share(noise.false_alarm)} (promised: at most {policy.alpha:.0%}), "
        f"inconclusive {_share(noise.inconclusive)}",
    ]
    for primary in policy.primary:
        name = primary.audit
        floor, margin = number(noise.floor[name]), f"margin {primary.margin:g}"
        told.append(f"  {name}: {noise.pairs[name]:,} pairs a split, noise ±{floor}, {margin}")
        if name in noise.power:
            power, blocked = _share(noise.power[name]), _share(noise.blocked[name])
            told.append(f"      harm of just the margin fails {power}, is kept from passing {blocked}")
    return told


def _share(each: Interval) -> str:
    if each.value is None or each.low is None or each.high is None:
        return "-"
    return " ".join(with_interval(each.value, each.low, each.high))


def _same_pictures(one: Side, two: Side) -> Mapping[str, int]:
    digests = [
        {row["key"]: row["digest"] for row in rows_of(side.folder.artifacts()) if row["status"] == "ok"}
        for side in (one, two)
    ]
    shared = [key for key in digests[0] if key in digests[1]]
    return {"pictures": len(shared), "same": sum(digests[0][key] == digests[1][key] for key in shared)}


def _save(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; choose another --out") from error
