import numpy as np
import pytest

from audit.statistics.prdc import (
    Reference,
    coverage_interval,
    density_interval,
    prdc,
    precision_interval,
    radii,
    recall_interval,
)


def naive(fake, real, k):
    """Kynkäänniemi 2019 and Naeem 2020 word by word, with exact differences."""
    far = lambda a, b: float(np.square(a - b).sum())  # noqa: E731
    reach = lambda rows: [  # noqa: E731
        sorted(far(a, b) for j, b in enumerate(rows) if j != i)[k - 1] for i, a in enumerate(rows)
    ]
    real_reach, fake_reach = reach(real), reach(fake)
    hits = np.array([[far(f, r) <= real_reach[j] for j, r in enumerate(real)] for f in fake])
    back = np.array([[far(f, r) <= fake_reach[i] for r in real] for i, f in enumerate(fake)])
    return hits.any(1).mean(), back.any(0).mean(), hits.sum() / (k * len(fake)), hits.any(0).mean()


def four(found):
    return found.precision, found.recall, found.density, found.coverage


def names(n):
    return [str(i) for i in range(n)]


@pytest.mark.parametrize("tile", [7, 1024])
def test_equals_the_definition(tile, monkeypatch):
    monkeypatch.setattr("audit.statistics.near.TILE", tile)
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(40, 3)), rng.normal(size=(31, 3)) * 1.3
    assert four(prdc(fake, Reference.of(real, 3))) == pytest.approx(naive(fake, real, 3), abs=1e-12)


def test_ties_and_duplicates_count_as_inside():
    """Points of a small lattice: nearly all distances tie, many points coincide (radius 0)."""
    rng = np.random.default_rng(1)
    real, fake = rng.integers(0, 3, (60, 2)), rng.integers(0, 4, (50, 2))
    found = prdc(fake * 0.1, Reference.of(real * 0.1, 5))  # tenths round, whole numbers do not
    assert four(found) == pytest.approx(naive(fake, real, 5), abs=1e-12)
    assert 0 < found.precision < 1


def test_known_answers():
    line = np.arange(10.0)[:, None]
    np.testing.assert_allclose(radii(line, 1), 1)
    same = prdc(line, Reference.of(line, 1))
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    away = prdc(line + 100, Reference.of(line, 1))
    assert four(away) == (0, 0, 0, 0)
    half = prdc(np.concatenate([line, line + 100]), Reference.of(line, 1))
    assert half.precision == 0.5


def test_dropped_modes_lower_recall_and_noise_lowers_precision():
    rng = np.random.default_rng(2)
    real = np.concatenate([rng.normal(size=(150, 4)), rng.normal(size=(150, 4)) + 8])
    reference = Reference.of(real)
    fresh = np.concatenate([rng.normal(size=(100, 4)), rng.normal(size=(100, 4)) + 8])
    whole, one_mode = prdc(fresh, reference), prdc(rng.normal(size=(200, 4)), reference)
    assert one_mode.recall < 0.6 * whole.recall
    assert one_mode.coverage < 0.6 * whole.coverage
    assert one_mode.precision > 0.9 * whole.precision
    noisy = prdc(fresh + rng.normal(size=fresh.shape) * 3, reference)
    assert noisy.precision < 0.7 * whole.precision


@pytest.mark.parametrize("make", [precision_interval, recall_interval, density_interval, coverage_interval])
def test_intervals_hold_their_value_and_say_what_they_cannot(make):
    rng = np.random.default_rng(3)
    reference = Reference.of(rng.normal(size=(120, 4)))
    rows = rng.normal(size=(90, 4)) * 1.2
    found = make(rows, names(90), reference)
    assert found.low <= found.value <= found.high
    assert found.low < found.high
    few = make(rows[:5], names(5), reference)
    assert few.value is None
    assert "6 are needed" in few.note
    lone = make(rows, ["a"] * 90, reference)
    assert lone.value is not None
    assert lone.low is None


def test_recall_interval_covers_its_expectation():
    """Nominal 95 %; the shares are not smooth in the rows, so only ≥ 80 % over 40 repeats is asked."""
    rng = np.random.default_rng(4)
    reference = Reference.of(rng.normal(size=(150, 4)))
    truth = np.mean([prdc(rng.normal(size=(100, 4)), reference).recall for _ in range(100)])
    found = [recall_interval(rng.normal(size=(100, 4)), names(100), reference, seed=i) for i in range(40)]
    coverage = np.mean([each.low <= truth <= each.high for each in found])
    print(f"recall coverage: {coverage:.0%}")
    assert coverage >= 0.8
