from __future__ import annotations

import numpy as np
import pytest

from audit.knees import knees
from audit.summarise import Point
from generators.api import Settings

DOSES = (1.0, 2.0, 3.0, 5.0, 7.0, 9.0)


def points(at: float, *, steps: int = 10, generator: str = "g", seed: int = 0) -> list[Point]:
    rng = np.random.default_rng(seed)
    levels = rng.normal(0, 5, 12)
    return [
        Point(
            generator=generator,
            settings=Settings(guidance=dose, steps=steps),
            prompt=f"p{prompt}",
            replicate=replicate,
            status="ok",
            value=float(levels[prompt] + max(dose - at, 0) + rng.normal(0, 0.2)),
        )
        for prompt in range(12)
        for replicate in range(2)
        for dose in DOSES
    ]


def test_each_generator_and_each_of_the_other_settings_has_its_own_knee() -> None:
    found = knees([*points(3.0), *points(5.0, steps=25), *points(2.0, generator="h", seed=1)])
    assert set(found) == {("g", "steps=10"), ("g", "steps=25"), ("h", "steps=10")}
    for place, at in ((("g", "steps=10"), 3.0), (("g", "steps=25"), 5.0), (("h", "steps=10"), 2.0)):
        each = found[place]
        assert each.value == pytest.approx(at, abs=0.4)
        assert each.low is not None
        assert each.high is not None
        assert each.low < each.value < each.high


def test_a_seed_that_lacks_a_guidance_is_left_out_and_counted() -> None:
    some = [each for each in points(3.0) if not (each.prompt == "p3" and each.settings.guidance == 5.0)]
    [found] = knees(some).values()
    assert found.note.endswith("2 of 24 seeds lack a guidance")


def test_too_few_guidances_have_no_knee_and_one_is_not_told_of() -> None:
    few = [each for each in points(3.0) if each.settings.guidance in (1.0, 9.0)]
    [found] = knees(few).values()
    assert (found.value, found.note) == (None, "no knee: 2 doses, at least 4 are needed")
    assert knees([each for each in few if each.settings.guidance == 1.0]) == {}
    assert knees([]) == {}
