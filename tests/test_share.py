"""Shares: who makes what follows from the plan alone, and launchers are understood or refused in words."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from audit.config import ConfigError, RunConfig, run_config
from audit.parser import parser
from audit.plan import Shard, Source, Sweep, plan, shards
from audit.share import Share, ShareError, plan_digest, share_of
from tests.fakes import suite


def cut(prompts: int = 50, size: int = 4) -> list[Shard]:
    source = Source(name="g", fingerprint="f", knobs=frozenset({"guidance"}), batch=size)
    jobs = plan(suite(*(f"prompt {n}" for n in range(prompts))), [source], Sweep(guidance=(1.0, 3.0)))
    return shards(jobs, [source], size)


@pytest.mark.parametrize("of", [1, 2, 3, 7, 25, 40])
def test_shares_hold_every_shard_once_and_are_even(of: int) -> None:
    whole = cut()
    shares = [Share(number, of).take(whole) for number in range(1, of + 1)]
    assert sorted(shard.number for share in shares for shard in share) == list(range(len(whole)))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for share in shares:
        assert [shard.number for shard in share] == sorted(shard.number for shard in share)
        assert all(shard is whole[shard.number] for shard in share)


def test_the_cells_of_a_sweep_are_spread_over_the_shares() -> None:
    """A slow cell, such as many steps, must not fall to one process."""
    whole = cut(prompts=800)
    slow = [sum(shard.jobs[0].settings.guidance == 3.0 for shard in Share(n, 4).take(whole)) for n in (1, 2, 3, 4)]
    assert sum(slow) == len(whole) / 2
    assert min(slow) > 0.3 * len(whole) / 4


def test_the_digest_of_a_plan_knows_its_jobs_and_its_cut() -> None:
    assert plan_digest(cut()) == plan_digest(cut())
    assert len({plan_digest(each) for each in (cut(), cut(prompts=51), cut(size=5), cut()[:-1])}) == 4


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "1", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Share(2, 8, seat=1)),
        ({"SLURM_PROCID": "7", "SLURM_NTASKS": "8", "SLURM_LOCALID": "3"}, Share(8, 8, seat=3)),
        ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "4"}, Share(1, 4)),
        (
            {
                "SLURM_ARRAY_TASK_ID": "14",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            Share(3, 4),
        ),
        # srun in each task of an array: as many shares as processes in all
        (
            {
                "SLURM_ARRAY_TASK_ID": "2",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_PROCID": "1",
                "SLURM_NTASKS": "8",
            },
            Share(18, 32),
        ),
        # torchrun on two nodes that srun started: srun counts the nodes, torchrun the processes
        (
            {"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": "1", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"},
            Share(10, 16, 1),
        ),
    ],
)
def test_a_launcher_says_which_share_this_is(environment: Mapping[str, str], expected: Share | None) -> None:
    assert share_of(None, environment) == expected


def test_a_share_on_the_command_line_comes_before_the_launcher() -> None:
    environment = {"RANK": "1", "WORLD_SIZE": "8"}
    assert share_of("3/4", environment) == Share(3, 4)
    assert share_of("1/1", environment) is None


@pytest.mark.parametrize(
    ("told", "environment", "words"),
    [
        ("2", {}, "write 2/8"),
        ("9/8", {}, "the last 8/8"),
        ("0/8", {}, "the first is 1/8"),
        ("1/0", {}, "no share 1/0"),
        (None, {"RANK": "1"}, "WORLD_SIZE is not"),
        (None, {"WORLD_SIZE": "8"}, "RANK is not"),
        (None, {"RANK": "8", "WORLD_SIZE": "8"}, "counts from 0"),
        (None, {"RANK": "one", "WORLD_SIZE": "8"}, "'one' is no whole number"),
        (
            None,
            {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"},
            "--array=0-2",
        ),
    ],
)
def test_what_is_no_share_is_refused_with_what_would_work(
    told: str | None, environment: Mapping[str, str], words: str
) -> None:
    with pytest.raises(ShareError, match=words):
        share_of(told, environment)


def test_processes_of_one_machine_take_turns_at_its_gpus() -> None:
    assert [Share(1, 8, seat).device("auto", 4) for seat in range(5)] == [
        "cuda:0",
        "cuda:1",
        "cuda:2",
        "cuda:3",
        "cuda:0",
    ]
    assert Share(1, 8, 3).device("cuda:2", 4) == "cuda:2"
    assert Share(1, 8, 3).device("cpu", 4) == "cpu"
    # one visible GPU each is what srun --gpus-per-task gives
    assert Share(1, 8, 3).device("auto", 1) == "auto"


def test_the_config_takes_the_share_from_flag_or_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(*more: str) -> RunConfig:
        return run_config(parser().parse_args(["run", "--generator", "fake:", "--out", "runs/x", *more]))

    assert str(parsed().folder) == "runs/x"
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert str(parsed().folder) == "runs/x/part-00002-of-00008"
    assert str(parsed("--share", "3/4").folder) == "runs/x/part-00003-of-00004"
    assert str(parsed("--share", "1/1").folder) == "runs/x"
    with pytest.raises(ConfigError, match="drop one"):
        parsed("--engine", "ray")
