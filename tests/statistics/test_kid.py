import numpy as np
import pytest

from audit.statistics.kid import kid, kid_interval


def naive(x, y):
    d = x.shape[1]
    k = lambda a, b: (float(a @ b) / d + 1) ** 3  # noqa: E731
    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def names(n):
    return [str(i) for i in range(n)]


def test_equals_the_definition_whatever_the_tiles(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(23, 5)), rng.normal(size=(17, 5)) + 0.4
    want = naive(x, y)
    assert kid(x, y) == pytest.approx(want, rel=1e-7, abs=1e-8)
    monkeypatch.setattr("audit.statistics.mmd.TILE", 4)
    assert kid(x, y) == pytest.approx(want, rel=1e-7, abs=1e-8)
    assert kid_interval(x, names(23), y).value == pytest.approx(want, rel=1e-7, abs=1e-8)


def test_agrees_with_torchmetrics_on_the_whole_sample():
    """torchmetrics works in float32 unless asked; in float64 the two agree to rounding."""
    import torch
    from torchmetrics.image.kid import poly_mmd

    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 8)), rng.normal(size=(50, 8)) * 1.5
    assert kid(x, y) == pytest.approx(float(poly_mmd(torch.tensor(x), torch.tensor(y))), rel=1e-7, abs=1e-8)


def test_replicates_equal_the_plain_recomputation():
    from audit.statistics.mmd import Cubic, Sums

    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(40, 4)) + 0.2
    g, h = np.arange(30) % 6, np.arange(40) % 8
    sums = Sums(x, y, g, h, Cubic())
    assert sums.value(without=2) == pytest.approx(kid(x[g != 2], y), rel=1e-6)
    assert sums.value(without_reference=5) == pytest.approx(kid(x, y[h != 5]), rel=1e-6)


def test_unbiased_at_the_null_and_negative_values_come_out_negative():
    """64 dimensions, n = 100: mean 0 within four standard errors over 60 repeats; about half are below zero."""
    rng = np.random.default_rng(3)
    found = np.array([kid(rng.normal(size=(100, 64)), rng.normal(size=(100, 64))) for _ in range(60)])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(60)
    assert 0.2 < (found < 0).mean() < 0.8


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_interval_covers_the_true_distance(shift):
    """Truth from 4,000 rows a side (its error is a sixth of one interval's); nominal 95 %."""
    rng = np.random.default_rng(4)
    big = kid(rng.normal(size=(4000, 6)) + shift, rng.normal(size=(4000, 6)))
    covered = []
    for i in range(50):
        x, y = rng.normal(size=(120, 6)) + shift, rng.normal(size=(150, 6))
        found = kid_interval(x, names(120), y, seed=i)
        covered.append(found.low <= big <= found.high)
    print(f"KID coverage at shift {shift}: {np.mean(covered):.0%}")
    assert np.mean(covered) >= 0.85


def test_says_what_it_cannot_say():
    rng = np.random.default_rng(5)
    y = rng.normal(size=(30, 4))
    assert kid_interval(rng.normal(size=(1, 4)), ["a"], y).value is None
    lone = kid_interval(rng.normal(size=(9, 4)), ["a"] * 9, y)
    assert lone.value is not None
    assert lone.low is None
    with pytest.raises(ValueError, match="4 dimensions against a reference of 3"):
        kid(rng.normal(size=(9, 4)), rng.normal(size=(9, 3)))


@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_float32_products_lose_little_however_long_the_rows(scale):
    """Against float64 alone; at 64 dimensions, means far from 0 and rows of any length."""
    rng = np.random.default_rng(6)
    x, y = ((rng.normal(size=(200, 64)) + shift) * scale for shift in (3.0, 3.1))
    within = [((a @ a.T) / 64 + 1) ** 3 for a in (x, y)]
    want = sum((k.sum() - np.trace(k)) / (200 * 199) for k in within) - 2 * (((x @ y.T) / 64 + 1) ** 3).mean()
    assert kid(x, y) == pytest.approx(want, rel=1e-7, abs=1e-8)
