from __future__ import annotations

from dataclasses import replace

import pytest

from audit.plan import PlanError, Source, Sweep, cells, plan, shard_size, shards
from audit.types import cell_name
from generators.api import Settings
from tests.fakes import suite

ALL = frozenset({"guidance", "steps", "sampler"})


def source(name: str = "g", knobs: frozenset[str] = ALL, batch: int = 4) -> Source:
    return Source(name=name, fingerprint=f"print of {name}", knobs=knobs, batch=batch)


def test_a_sweep_is_the_product_of_its_knobs() -> None:
    found = cells(Sweep(guidance=(1, 3), steps=(10, 25), samplers=("ddim",)), ALL)
    assert found == [Settings(guidance=g, steps=n, sampler="ddim") for g in (1, 3) for n in (10, 25)]


def test_a_knob_that_a_generator_lacks_collapses() -> None:
    assert cells(Sweep(guidance=(1, 3), steps=(10, 25)), {"steps"}) == [Settings(steps=10), Settings(steps=25)]
    assert cells(Sweep(guidance=(1, 3), steps=(10, 25)), set()) == [Settings()]


def test_repeated_values_are_one_cell() -> None:
    assert cells(Sweep(guidance=(3.0, 3.0)), ALL) == [Settings(guidance=3.0)]


def test_values_that_would_share_a_name_are_refused() -> None:
    with pytest.raises(PlanError, match="would both be called"):
        cells(Sweep(guidance=(3.0, 3.00000001)), ALL)


def test_every_prompt_meets_every_cell_and_replicate_once() -> None:
    jobs = plan(suite("a", "b", "c"), [source(), source("flat", frozenset())], Sweep(guidance=(1, 3), replicates=2))
    assert len(jobs) == 3 * 2 * 2 + 3 * 1 * 2
    assert len({job.key for job in jobs}) == len(jobs)


def test_seeds_are_equal_in_every_cell_and_generator_and_differ_between_replicates() -> None:
    jobs = plan(suite("a"), [source("one"), source("two")], Sweep(guidance=(1, 3), replicates=2))
    assert len({job.seed for job in jobs if job.replicate == 0}) == 1
    assert len({job.seed for job in jobs}) == 2


def test_windows_and_rescaling_are_swept_and_named() -> None:
    sweep = Sweep(guidance=(3.0,), guidance_windows=((0.0, 1.0), (0.3, 0.9)), guidance_rescales=(0.7,))
    found = cells(sweep, ALL | {"guidance_window", "guidance_rescale"})
    assert [each.guidance_window for each in found] == [(0.0, 1.0), (0.3, 0.9)]
    assert cell_name(found[1]) == "guidance=3 guidance_rescale=0.7 guidance_window=0.3:0.9"


def test_strength_and_control_scale_go_with_their_tasks() -> None:
    knobs = ALL | {"strength", "control_scale"}
    assert cells(Sweep(task="inpaint", strengths=(0.5, 1.0)), knobs) == [
        Settings(task="inpaint", strength=0.5),
        Settings(task="inpaint", strength=1.0),
    ]
    [one] = cells(Sweep(task="control", control_scales=(0.5,)), knobs)
    assert cell_name(one) == "control_scale=0.5 task=control"
    with pytest.raises(PlanError, match="goes with control"):
        Sweep(control_scales=(1.0,))
    with pytest.raises(PlanError, match="0 or more, got -1"):
        Sweep(task="control", control_scales=(-1.0,))


def test_a_task_whose_picture_a_prompt_lacks_is_refused() -> None:
    with pytest.raises(PlanError, match="img2img needs a source"):
        plan(suite("a"), [source()], Sweep(task="img2img"))


@pytest.mark.parametrize("window", [(0.5, 0.5), (0.9, 0.3), (-0.1, 1.0), (0.0, 1.5), (float("nan"), 1.0)])
def test_a_window_that_is_none_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(PlanError, match="must rise within 0 to 1"):
        Sweep(guidance_windows=(window,))


def test_a_generator_that_packs_gets_a_pictures_cells_together() -> None:
    sweep = Sweep(guidance=(1, 3), steps=(5, 10), replicates=2)
    jobs = plan(suite("a", "b"), [replace(source(), packs=True)], sweep)
    assert [(job.replicate, job.prompt.id) for job in jobs[::4]] == [(0, "p0"), (0, "p1"), (1, "p0"), (1, "p1")]
    apart = plan(suite("a", "b"), [source()], sweep)
    assert {job.key for job in jobs} == {job.key for job in apart}
    assert len({job.settings for job in apart[:4]}) == 1


def test_shards_are_whole_batches_of_one_generator() -> None:
    sources = [source("one", batch=5), source("two", batch=40)]
    cut = shards(plan(suite(*"abcdefghij"), sources, Sweep(replicates=5)), sources)
    assert [shard.number for shard in cut] == list(range(len(cut)))
    assert [len(shard.jobs) for shard in cut] == [20, 20, 10, 40, 10]
    assert all(len({job.generator for job in shard.jobs}) == 1 for shard in cut)


@pytest.mark.parametrize(("batch", "wanted", "size"), [(1, None, 16), (15, None, 30), (64, None, 64), (4, 6, 8)])
def test_a_shard_is_a_multiple_of_the_batch(batch: int, wanted: int | None, size: int) -> None:
    assert shard_size(batch, wanted) == size


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"replicates": 0}, "replicates must be 1 or more, got 0"),
        ({"replicates": -2}, "got -2"),
        ({"steps": (10, 0)}, "steps must be 1 or more, got 0"),
        ({"guidance": (-1.0,)}, "guidance must be"),
        ({"guidance": (float("nan"),)}, "guidance must be"),
    ],
)
def test_impossible_sweeps_are_refused(values: dict[str, object], what: str) -> None:
    with pytest.raises(PlanError, match=what):
        Sweep(**values)  # type: ignore[arg-type]


def test_a_generator_named_twice_is_refused() -> None:
    with pytest.raises(PlanError, match="named twice"):
        plan(suite("a"), [source(), source()], Sweep())


def test_two_names_for_the_same_weights_are_refused() -> None:
    same = Source(name="other", fingerprint=source().fingerprint, knobs=ALL, batch=1)
    with pytest.raises(PlanError, match="same fingerprint"):
        plan(suite("a"), [source(), same], Sweep())


def test_an_empty_suite_is_refused() -> None:
    empty = suite("a")
    with pytest.raises(PlanError, match="no prompts"):
        plan(type(empty)(name="empty", version="1", prompts=()), [source()], Sweep())
