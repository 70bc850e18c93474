"""What the disturbed runs of these tests are held against: a small run that nobody disturbed, and what was found."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pandas as pd

from audit.run import Outcome
from audit.store import RunFolder
from tests.fakes import FakeGenerator, config, suite, walked
from tests.test_resume import contents

AUDITS = ["fake.dark", "fake.red", "fake.spread"]
SHARD = 4
PICTURES = 16


def sitting(out: Path, generator: FakeGenerator | None = None, **values: object) -> Outcome:
    """One attempt at the run: 8 prompts, 2 guidance strengths, 4 shards."""
    given = config(out, **({"guidance": (1.0, 3.0), "shard": SHARD} | values))
    return walked(given, suite(*"abcdefgh"), generator or FakeGenerator(), audits=AUDITS)


@cache
def undisturbed() -> dict[str, pd.DataFrame]:
    """What the run finds out when nothing happens to it."""
    with tempfile.TemporaryDirectory() as folder:
        return contents(sitting(Path(folder) / "alone").folder)


def assert_as_undisturbed(folder: RunFolder, alone: dict[str, pd.DataFrame] | None = None) -> None:
    """Digests, scores, estimates: everything to the bit, and nothing half-written beside it."""
    wanted, found = alone or undisturbed(), contents(folder)
    for name, frame in wanted.items():
        assert len(frame), f"the undisturbed run has no {name}, so comparing would show nothing"
        pd.testing.assert_frame_equal(found[name], frame, check_exact=True, obj=name)
    artifacts = found["artifacts"]
    pictures = list(artifacts["key"][artifacts["status"] == "ok"])
    assert [key for key, _ in folder.images(pictures)] == pictures
    assert not list(folder.path.rglob("*.tmp-*"))


def assert_whole(folder: RunFolder, alone: dict[str, pd.DataFrame] | None = None) -> None:
    """What is there so far is readable, right, and there once; the rest may be missing."""
    wanted = alone or undisturbed()
    rows = {("artifacts", path): folder.read_artifacts(path, verify=True) for path in folder.image_files()}
    digests = dict(zip(wanted["artifacts"]["key"], wanted["artifacts"]["digest"], strict=True))
    seen = [each for artifacts in rows.values() for each in artifacts]
    assert len({each.key for each in seen}) == len(seen), "a picture is there twice"
    assert all(digests[each.key] == each.digest for each in seen), "a wrong picture"
    for name, frame in wanted["scores"].groupby("audit"):
        values = dict(zip(frame["key"], frame["value"], strict=True))
        scored = [row for path in folder.score_files(str(name)).values() for row in folder.read_scores(path)]
        assert len({row.key for row in scored}) == len(scored), f"{name}: a row is there twice"
        for row in scored:
            assert row.digest == digests[row.key], f"{name}: a score of another picture"
            assert row.score.value is None or row.score.value == values[row.key], f"{name}: a wrong score"
