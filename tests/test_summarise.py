from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.summarise import Point, contrasts, empty_estimates, estimates, set_estimates
from audit.types import Interval, Status
from generators.api import Settings
from tests.fakes import dark, features, red, spread


def point(value: float | None, prompt: str = "p", replicate: int = 0, status: Status = "ok", **knobs: object) -> Point:
    return Point(
        generator="g",
        settings=Settings(**knobs),  # type: ignore[arg-type]
        prompt=prompt,
        replicate=replicate,
        status=status,
        value=value,
    )


def test_a_mean_counts_what_is_behind_it_and_what_is_not() -> None:
    points = [point(float(n), f"p{n}") for n in range(4)]
    points += [point(2.0, "p0", 1), point(None, "p4", status="skipped"), point(None, "p5", status="failed")]
    [found] = estimates(red, points)
    assert found.value == pytest.approx((0 + 1 + 2 + 3 + 2) / 5)
    assert (found.n, found.skipped, found.failed, found.prompts, found.replicates) == (5, 1, 1, 4, 2)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


def test_a_mean_of_nothing_is_absent() -> None:
    nothing = [point(None, f"p{n}", status="skipped") for n in range(3)]
    reasons = ["no hand", "too small", "no hand"]
    [found] = estimates(red, [replace(each, reason=why) for each, why in zip(nothing, reasons, strict=True)])
    assert (found.value, found.low, found.high, found.n, found.skipped) == (None, None, None, 0, 3)
    assert found.note == "nothing to average: no hand"


def test_a_rate_stays_within_zero_and_one() -> None:
    [found] = estimates(dark, [point(1.0, f"p{n}") for n in range(8)])
    assert found.statistic == "rate"
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low is not None
    assert 0.5 < found.low < 1


def test_cells_are_kept_apart_and_in_order() -> None:
    points = [point(g, f"p{n}", guidance=g) for g in (6.0, 1.0) for n in range(3)]
    assert [(each.cell, each.value) for each in estimates(red, points)] == [("guidance=6", 6.0), ("guidance=1", 1.0)]


def test_the_order_of_the_pictures_does_not_matter() -> None:
    points = [point(float(np.sin(n)), f"p{n % 15}", n) for n in range(60)]
    [one], [other] = estimates(red, points), estimates(red, points[::-1])
    assert one.value == pytest.approx(other.value, abs=1e-12)


def test_feature_vectors_have_no_mean_but_are_counted() -> None:
    points = [Point(generator="g", settings=Settings(), prompt="p", replicate=0, status="ok", vector=(1.0, 2.0))]
    [found] = estimates(features, points)
    assert (found.value, found.n) == (None, 1)


def test_a_set_audit_sees_the_good_vectors_of_its_cell() -> None:
    points = [
        Point(generator="g", settings=Settings(guidance=g), prompt=f"p{n}", replicate=0, status="ok", vector=(g * n, 0))
        for g in (1.0, 2.0)
        for n in range(4)
    ]
    points.append(Point(generator="g", settings=Settings(guidance=2.0), prompt="x", replicate=0, status="failed"))
    found = set_estimates(spread, spread.set_scorer(), points)
    assert [(each.value, each.n, each.failed) for each in found] == [(3.0, 4, 0), (6.0, 4, 1)]
    assert found[0].statistic == "spread"


def test_a_set_audit_is_not_asked_about_nothing() -> None:
    def scorer(rows: NDArray[np.float64], prompts: Sequence[str]) -> Interval:
        raise AssertionError("called")

    [found] = set_estimates(spread, scorer, [point(None, status="skipped")])
    assert (found.value, found.skipped) == (None, 1)


def test_an_audit_that_could_not_run_says_why_in_every_cell() -> None:
    points = [point(1.0, guidance=1.0), point(None, guidance=1.0, status="failed"), point(1.0, guidance=3.0)]
    found = empty_estimates(spread, points, "no reference", failed=False)
    assert [(each.n, each.skipped, each.failed, each.note) for each in found] == [
        (0, 2, 0, "no reference"),
        (0, 1, 0, "no reference"),
    ]


def test_contrasts_pair_by_prompt_and_seed() -> None:
    """Prompts differ far more than guidance does: only a paired interval can see the step of 1."""
    rng = np.random.default_rng(0)
    level = {(f"p{n}", r): 100 * rng.normal() for n in range(12) for r in range(2)}
    points = [
        point(value + g + 0.01 * rng.normal(), prompt, r, guidance=g)
        for g in (6.0, 1.0, 3.0)
        for (prompt, r), value in level.items()
    ]
    found = contrasts(red, points)
    assert [(each.before, each.after) for each in found] == [
        ("guidance=1", "guidance=3"),
        ("guidance=1", "guidance=6"),
    ]
    assert [each.value for each in found] == pytest.approx([2, 5], abs=0.02)
    assert all(each.low is not None and each.low > 1.9 for each in found)
    assert [(each.pairs, each.prompts) for each in found] == [(24, 12)] * 2


def test_contrasts_hold_the_other_knobs_and_pool_over_them() -> None:
    points = [
        point(g * 10 + n + p, f"p{p}", guidance=g, steps=n) for g in (1.0, 6.0) for n in (10, 25) for p in range(3)
    ]
    found = {(each.before, each.after): each for each in contrasts(red, points)}
    assert set(found) == {
        ("guidance=1 steps=10", "guidance=6 steps=10"),
        ("guidance=1 steps=25", "guidance=6 steps=25"),
        ("guidance=1", "guidance=6"),
        ("guidance=1 steps=10", "guidance=1 steps=25"),
        ("guidance=6 steps=10", "guidance=6 steps=25"),
        ("steps=10", "steps=25"),
    }
    assert found["guidance=1", "guidance=6"].value == pytest.approx(50)
    assert found["guidance=1", "guidance=6"].pairs == 6
    assert found["steps=10", "steps=25"].value == pytest.approx(15)


def test_samplers_are_compared_with_the_first_one_planned() -> None:
    points = [point(v, f"p{p}", sampler=s) for s, v in (("euler", 1.0), ("ddim", 3.0)) for p in range(3)]
    [found] = contrasts(red, points)
    assert (found.before, found.after, found.value) == ("sampler=euler", "sampler=ddim", 2.0)


def test_a_picture_without_its_partner_is_left_out() -> None:
    points = [point(1.0, f"p{n}", guidance=1.0) for n in range(5)]
    points += [point(2.0, f"p{n}", guidance=3.0) for n in range(3)] + [point(None, "p3", status="failed", guidance=3.0)]
    [found] = contrasts(red, points)
    assert (found.pairs, found.value) == (3, 1.0)


def test_one_cell_has_nothing_to_compare() -> None:
    assert contrasts(red, [point(1.0, f"p{n}") for n in range(3)]) == []
    assert contrasts(red, []) == []
