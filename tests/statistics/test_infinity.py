import numpy as np
import pytest

from audit.statistics.frechet import Moments, frechet
from audit.statistics.infinity import fd_infinity, fd_infinity_interval


def names(n):
    return [str(i) for i in range(n)]


def test_a_line_in_one_over_n_is_met_at_its_end(monkeypatch):
    """Distances replaced by the model itself: 3 + 50/n + 70/m."""
    monkeypatch.setattr("audit.statistics.infinity.distance", lambda ref, one: 3 + 50 / one.count + 70 / ref.count)
    rng = np.random.default_rng(0)
    ours = {g: Moments.of(rng.normal(size=(10 + g, 2))) for g in range(8)}
    theirs = {g: Moments.of(rng.normal(size=(20, 2))) for g in range(6)}
    assert fd_infinity(ours, theirs) == pytest.approx(3, abs=1e-9)
    assert fd_infinity(ours, {0: theirs[0]}) == pytest.approx(3 + 70 / 20, abs=1e-9)


@pytest.mark.parametrize(("shift", "d", "n"), [(0.0, 8, 100), (0.0, 8, 400), (0.3, 8, 400)])
def test_the_bias_of_the_plain_distance_is_gone(shift, d, n):
    """Mean of 40 repeats within 2.6 standard errors, plus a sixteenth of the bias for the terms beyond 1/n."""
    rng = np.random.default_rng(int(10 * shift) + n)
    truth, found, plain = d * shift**2, [], []
    for _ in range(40):
        x, y = rng.normal(size=(n, d)) + shift, rng.normal(size=(2 * n, d))
        groups = [{g: Moments.of(rows[g::12]) for g in range(12)} for rows in (x, y)]
        found.append(fd_infinity(*groups))
        plain.append(frechet(x, Moments.of(y)))
    bias = np.mean(plain) - truth
    assert abs(np.mean(found) - truth) < 2.6 * np.std(found) / np.sqrt(40) + bias / 16
    assert bias > 4 * abs(np.mean(found) - truth)


def test_interval_covers_the_truth_and_is_seeded():
    """Nominal 95 %, conservative at the null by construction; 30 repeats."""
    rng = np.random.default_rng(2)
    covered = []
    for i in range(30):
        x, y = rng.normal(size=(150, 4)) + 0.4, rng.normal(size=(300, 4))
        found = fd_infinity_interval(x, names(150), y, seed=i)
        covered.append(found.low <= 4 * 0.16 <= found.high)
    print(f"FD∞ coverage: {np.mean(covered):.0%}")
    assert np.mean(covered) >= 0.85
    assert fd_infinity_interval(x, names(150), y, seed=3) == fd_infinity_interval(x, names(150), y, seed=3)
    assert fd_infinity_interval(x, names(150), y, seed=3) != fd_infinity_interval(x, names(150), y, seed=4)


def test_says_what_it_cannot_say():
    rng = np.random.default_rng(3)
    rows, reference = rng.normal(size=(64, 4)), rng.normal(size=(80, 4))
    assert fd_infinity_interval(rows[:20], names(20), reference).value is None
    assert "at least 5 prompts" in fd_infinity_interval(rows, ["a"] * 64, reference).note
    assert "bias stays in" in fd_infinity_interval(rows, names(64), Moments.of(reference)).note
    assert "10 rows" in fd_infinity_interval(rows, names(64), reference[:10]).note
    assert fd_infinity_interval(np.zeros((0, 4)), [], reference).value is None
