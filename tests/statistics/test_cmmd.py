import numpy as np
import pytest

from audit.statistics.cmmd import SCALE, cmmd_interval, normalised
from audit.statistics.mmd import Gaussian, biased_mmd, mmd


def naive(x, y, *, biased):
    k = lambda a, b: np.exp(-np.square(a - b).sum() / 200)  # noqa: E731
    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if biased or i != j)
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if biased or i != j)
    own = xx / n**2 + yy / m**2 if biased else xx / (n * (n - 1)) + yy / (m * (m - 1))
    return own - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def names(n):
    return [str(i) for i in range(n)]


@pytest.mark.parametrize("tile", [4, 2048])
def test_equals_both_definitions_whatever_the_tiles(tile, monkeypatch):
    """Differences of numbers near 1: rounding leaves 1e-14 of an answer near 1e-4."""
    monkeypatch.setattr("audit.statistics.mmd.TILE", tile)
    rng = np.random.default_rng(0)
    x, y = normalised(rng.normal(size=(19, 5))), normalised(rng.normal(size=(13, 5)) + 0.4)
    assert mmd(x, y, Gaussian()) == pytest.approx(naive(x, y, biased=False), abs=1e-13)
    assert biased_mmd(x, y, Gaussian()) == pytest.approx(naive(x, y, biased=True), abs=1e-13)
    assert cmmd_interval(x, names(19), y).value == pytest.approx(SCALE * naive(x, y, biased=False), abs=1e-10)


def test_agrees_with_the_authors_code_and_says_so_in_the_note():
    """`distance.mmd` of cmmd-pytorch, written out: means of whole matrices, exponents from one product per block."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 16)), rng.normal(size=(30, 16)) + 0.3
    a, b = normalised(x), normalised(y)
    gamma = 1 / (2 * 10**2)
    dots = [p @ q.T for p, q in ((a, a), (a, b), (b, b))]
    lengths = [np.diag(dots[0]), np.diag(dots[2])]
    block = lambda d, p, q: np.mean(np.exp(-gamma * (-2 * d + p[:, None] + q[None])))  # noqa: E731
    theirs = 1000 * (
        block(dots[0], lengths[0], lengths[0])
        + block(dots[2], lengths[1], lengths[1])
        - 2 * block(dots[1], lengths[0], lengths[1])
    )
    assert cmmd_interval(x, names(40), y).note.endswith(f"biased: {theirs:.3f}")


@pytest.mark.parametrize("n", [50, 200])
def test_unbiased_at_the_null_where_the_authors_estimator_is_not(n):
    """40 repeats: the mean lies within four standard errors of 0; V-statistic: 2000 (1 − mean k) / n, about 20/n."""
    rng = np.random.default_rng(n)
    pairs = [(normalised(rng.normal(size=(n, 32))), normalised(rng.normal(size=(n, 32)))) for _ in range(40)]
    found = np.array([SCALE * mmd(x, y, Gaussian()) for x, y in pairs])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(40)
    assert 0.2 < (found < 0).mean() < 0.8
    assert np.mean([SCALE * biased_mmd(x, y, Gaussian()) for x, y in pairs]) == pytest.approx(20 / n, rel=0.1)


def test_interval_covers_the_true_distance():
    """Truth from 3,000 rows a side; nominal 95 %, 60 repeats."""
    rng = np.random.default_rng(3)
    draw = lambda n, shift: rng.normal(size=(n, 8)) + shift  # noqa: E731
    truth = SCALE * mmd(normalised(draw(3000, 0.3)), normalised(draw(3000, 0)), Gaussian())
    found = [cmmd_interval(draw(100, 0.3), names(100), draw(120, 0), seed=i) for i in range(60)]
    coverage = np.mean([each.low <= truth <= each.high for each in found])
    print(f"CMMD coverage: {coverage:.0%}")
    assert coverage >= 0.85


def test_a_row_of_zeros_and_a_single_picture_are_no_crash():
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(12, 4))
    rows[3] = 0
    assert np.isfinite(cmmd_interval(rows, names(12), rows).value)
    assert cmmd_interval(rows[:1], ["a"], rows).value is None
