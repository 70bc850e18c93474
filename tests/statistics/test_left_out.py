"""Replicates of the Fréchet distance by quadrature, against the distance of the rows that stay."""

import numpy as np
import pytest

from audit.statistics import frechet as module
from audit.statistics.frechet import Moments, frechet, frechet_interval


def features(count, dimensions, seed):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(count, dimensions)) @ rng.normal(size=(dimensions, dimensions)) + seed, 0)


@pytest.mark.parametrize("each", [1, 2])
def test_small_groups_left_out_equal_the_plain_recomputation(each):
    """80 rows in 160 dimensions, prompts of one or two pictures: groups of a fortieth go by quadrature."""
    reference, rows = Moments.of(features(400, 160, 0)), features(80, 160, 1)
    names = [str(number // each) for number in range(80)]
    found = frechet_interval(rows, names, reference, groups=80).left_out
    plain = [frechet(rows[np.array(names) != name], reference) for name in sorted(set(names))]
    np.testing.assert_allclose(sorted(found), sorted(plain), rtol=1e-11)


def test_quadrature_is_taken_where_it_is_exact_and_only_there(monkeypatch):
    """Repeated rows make the Gram matrix singular beyond its constant vector: those go the plain way."""
    calls = []
    quadrature = module._by_quadrature
    monkeypatch.setattr(module, "_by_quadrature", lambda *given: calls.append(1) or quadrature(*given))
    reference, rows = Moments.of(features(400, 160, 0)), features(80, 160, 1)
    names = [str(number) for number in range(80)]
    frechet_interval(rows, names, reference, groups=80)
    assert calls == [1]
    rows[1] = rows[0]
    found = frechet_interval(rows, names, reference, groups=80).left_out
    frechet_interval(rows, names, reference, groups=20)
    assert calls == [1]
    plain = [frechet(np.delete(rows, i, axis=0), reference) for i in range(80)]
    np.testing.assert_allclose(sorted(found), sorted(plain), rtol=1e-6)


def test_a_triangle_is_known_as_one():
    full, lacking = Moments.of(features(40, 6, 0)), Moments.of(features(40, 6, 0) * [1, 1, 1, 1, 1, 0])
    assert full.triangular
    assert not lacking.triangular
    assert full.spread == pytest.approx(np.trace(full.covariance))
