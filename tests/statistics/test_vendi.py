import numpy as np
import pytest

from audit.statistics.vendi import vendi, vendi_interval, vendi_null


def names(n):
    return [str(i) for i in range(n)]


@pytest.mark.parametrize(("kinds", "each"), [(1, 7), (4, 3), (6, 1)])
def test_so_many_kinds_that_have_nothing_in_common_score_their_number(kinds, each):
    rows = np.repeat(np.eye(6)[:kinds], each, axis=0) * 3.0
    assert vendi(rows) == pytest.approx(kinds)


@pytest.mark.parametrize("shape", [(9, 30), (30, 9)])
def test_equals_the_definition_by_either_route(shape):
    rows = np.random.default_rng(0).normal(size=shape)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / shape[0])
    values = values[values > 1e-12]
    assert vendi(rows) == pytest.approx(np.exp(-(values * np.log(values)).sum()), rel=1e-9)


def test_the_bare_score_grows_with_n_and_the_ratio_does_not():
    """Fresh rows of the reference's own kind: a ratio of 1 within 10 % at n = 20, 5 % at 200."""
    rng = np.random.default_rng(1)
    mix = np.geomspace(1, 0.05, 32)
    reference = rng.normal(size=(1000, 32)) * mix
    some = {n: rng.normal(size=(n, 32)) * mix for n in (20, 200)}
    assert vendi(some[200]) > 1.2 * vendi(some[20])
    assert vendi_interval(some[20], names(20), reference).value == pytest.approx(1, abs=0.1)
    assert vendi_interval(some[200], names(200), reference).value == pytest.approx(1, abs=0.05)


def test_the_null_holds_as_many_different_rows_and_is_seeded():
    reference = np.eye(10)
    np.testing.assert_allclose(vendi_null(reference, 4, draws=5), 4)  # a row drawn twice would score less
    rows = np.random.default_rng(2).normal(size=(50, 4))
    np.testing.assert_array_equal(vendi_null(rows, 9, seed=1), vendi_null(rows, 9, seed=1))
    with pytest.raises(ValueError, match="11 rows cannot be drawn from 10"):
        vendi_null(reference, 11)


def test_honest_sets_are_called_poorer_no_more_often_than_they_should():
    """40 fresh sets: at most one in ten has an interval wholly below 1 (nominal 2.5 %, plus the scatter of 40)."""
    rng = np.random.default_rng(3)
    reference = rng.normal(size=(600, 12)) + 0.5
    found = [vendi_interval(rng.normal(size=(60, 12)) + 0.5, names(60), reference, seed=i) for i in range(40)]
    assert np.mean([each.high < 1 for each in found]) <= 0.1


def test_says_what_it_cannot_say():
    rows = np.random.default_rng(4).normal(size=(30, 4))
    assert "no null" in vendi_interval(rows, names(30), rows).note
    assert vendi_interval(rows[:1], ["a"], rows).value is None
    lone = vendi_interval(rows[:9], ["a"] * 9, rows)
    assert lone.value is not None
    assert lone.low is None
