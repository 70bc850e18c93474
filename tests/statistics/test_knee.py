import numpy as np
import pytest

from audit.statistics.knee import knee, knee_interval

DOSES = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0])


def curves(rng, prompts, at, *, slope=1.0, noise=0.3, seeds=2):
    """Each prompt has its own level and slope; pictures scatter around their prompt's curve."""
    names = np.repeat([f"p{i}" for i in range(prompts)], seeds)
    level = np.repeat(rng.normal(0, 5, prompts), seeds)[:, None]
    steep = np.repeat(slope * rng.uniform(0.6, 1.4, prompts), seeds)[:, None]
    rise = np.maximum(DOSES - at, 0)
    return level + steep * rise + rng.normal(0, noise, (len(names), len(DOSES))), names


@pytest.mark.parametrize("at", [1.0, 2.5, 4.0, 7.0])
def test_a_clean_knee_is_found_where_it_is(at):
    found, slope = knee(DOSES, 5 + 0.7 * np.maximum(DOSES - at, 0))
    assert found == pytest.approx(at, abs=0.01)  # the grid's step
    assert slope == pytest.approx(0.7, rel=0.02)


@pytest.mark.parametrize("at", [2.5, 4.0, 7.0])
@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_the_interval_covers_planted_knees_rising_or_falling(at, slope):
    """Nominal 95 %, 60 repeats of 20 prompts: they leave 3 points."""
    rng = np.random.default_rng(int(10 * at) + int(slope > 0))
    found = [knee_interval(DOSES, *curves(rng, 20, at, slope=slope), seed=i) for i in range(60)]
    assert np.mean([each.value for each in found]) == pytest.approx(at, abs=0.3)
    coverage = np.mean([each.low <= at <= each.high for each in found])
    print(f"knee at {at}, slope {slope}: coverage {coverage:.0%}")
    assert coverage >= 0.85
    assert ("rises" if slope > 0 else "falls") in found[0].note


def test_more_noise_makes_a_wider_interval():
    widths = []
    for noise in (0.1, 1.0, 4.0):
        found = knee_interval(DOSES, *curves(np.random.default_rng(0), 20, 4.0, noise=noise))
        widths.append(found.high - found.low)
    assert widths[0] < widths[1] < widths[2]


def test_where_nothing_changes_there_is_no_knee():
    """60 flat curves: the test at the ends lets through 5 %; 4 standard errors above that is 16 %."""
    rng = np.random.default_rng(1)
    found = [knee_interval(DOSES, *curves(rng, 20, 4.0, slope=0.0), seed=i) for i in range(60)]
    assert np.mean([each.value is not None for each in found]) <= 0.16
    assert "does not differ" in next(each.note for each in found if each.value is None)


def test_the_order_of_rows_does_not_matter():
    table, names = curves(np.random.default_rng(2), 12, 4.0)
    shuffled = np.random.default_rng(3).permutation(len(names))
    straight, mixed = knee_interval(DOSES, table, names), knee_interval(DOSES, table[shuffled], names[shuffled])
    assert (straight.value, straight.low) == pytest.approx((mixed.value, mixed.low))


def test_says_what_it_cannot_say():
    table, names = curves(np.random.default_rng(4), 12, 4.0)
    assert "3 doses" in knee_interval(DOSES[:3], table[:, :3], names).note
    assert "4 prompts" in knee_interval(DOSES, table[:8], names[:8]).note
    assert "0 prompts" in knee_interval(DOSES, table[:0], []).note
    with pytest.raises(ValueError, match="doses must rise"):
        knee_interval(DOSES[::-1], table, names)
    with pytest.raises(ValueError, match="do not go with 3 prompt ids"):
        knee_interval(DOSES, table, names[:3])
