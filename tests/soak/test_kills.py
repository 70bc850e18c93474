from __future__ import annotations

import json
from pathlib import Path

from benchmarks.measure import RESULTS
from tests.soak.faults import FAULTS
from tests.soak.kills import SHARD, kill_repeatedly


def test_ten_random_kills_cost_a_shard_at_most_and_nothing_is_done_twice(tmp_path: Path) -> None:
    tally = kill_repeatedly(tmp_path, kills=10, seed=1)
    assert tally.kills == 10
    assert tally.runs >= 1
    assert tally.pictures_lost <= SHARD
    assert tally.scores_lost <= SHARD
    assert (tally.made_again, tally.scored_again) == (0, 0)
    assert tally.early < 10


def test_the_committed_soak_survived_all_that_it_tried() -> None:
    told = json.loads((RESULTS / "soak.json").read_text(encoding="utf-8"))
    rows = {each["name"]: each for each in told["faults"]}
    assert set(rows) == {"kill", "memory", *FAULTS}
    assert rows["kill"]["tried"] >= 200
    assert rows["kill"]["made_again"] == rows["kill"]["scored_again"] == 0
    assert rows["kill"]["pictures_lost"] <= rows["kill"]["shard"]
    for row in rows.values():
        assert row["survived"] == row["tried"], row
        assert row["tried"] or row["unavailable"], row
