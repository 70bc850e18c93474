"""float32 looks first, and what it says never differs from float64."""

import numpy as np
import pytest

from audit.statistics import near
from audit.statistics.near import Look, Tile, radii


def lattice(rng):
    return rng.integers(0, 3, (90, 4)) * 0.1


def crowd(rng):
    """Distances that differ in the tenth digit, which float32 cannot see."""
    rows = np.sign(rng.normal(size=(60, 60))) * (1 + 1e-10 * rng.normal(size=(60, 60)))
    return np.concatenate([np.eye(60), rows])


SETS = {
    "plain": lambda rng: rng.normal(size=(100, 16)),
    "far from 0": lambda rng: rng.normal(size=(100, 16)) + 1e5,
    "huge": lambda rng: rng.normal(size=(100, 16)) * 1e120,
    "tiny": lambda rng: rng.normal(size=(100, 16)) * 1e-120,
    "one far away": lambda rng: np.concatenate([rng.normal(size=(99, 16)), np.full((1, 16), 1e12)]),
    "all alike": lambda rng: np.ones((30, 5)),
    "pairs of twins": lambda rng: np.repeat(rng.normal(size=(40, 8)), 2, axis=0),
    "lattice": lattice,
    "crowd": crowd,
}


def between(one, two):
    return np.square(one[:, None] - two[None]).sum(axis=2)


@pytest.fixture(params=SETS)
def rows(request):
    return SETS[request.param](np.random.default_rng(0))


@pytest.fixture(params=[7, 64, 1024], autouse=True)
def tile(request, monkeypatch):
    monkeypatch.setattr(near, "TILE", request.param)


@pytest.mark.parametrize("k", [1, 5])
def test_radii_are_those_of_float64(rows, k):
    wanted = np.sort(between(rows, rows), axis=1)[:, k]
    rounding = 1e-13 * np.square(rows).sum(axis=1).max()
    np.testing.assert_allclose(radii(rows, k), wanted, rtol=1e-11, atol=rounding)


def test_what_lies_within_is_what_float64_finds_surface_included(rows):
    """The limits are distances that occur, so that each has its pair exactly on the surface."""
    one, two = rows[::2], rows[1::2]
    far = between(one, two)
    look = Look.at(one, two)
    tile = Tile(look(one), look(two))
    slack = near.TIE * (np.square(one).sum(axis=1)[:, None] + np.square(two).sum(axis=1))
    for limit in (far[:, 3:4], far[5:6]):
        found = tile.within(limit)
        assert np.array_equal(found, far - slack <= limit)
        assert found[:, 3].all() if limit.shape[1] == 1 else found[5].all()


def test_hardly_any_pair_needs_float64(monkeypatch):
    """Of features of a network's width: fewer than one in a thousand."""
    rng = np.random.default_rng(1)
    rows, others = np.maximum(rng.normal(size=(2, 150, 2048)), 0)
    counted = []
    plain = near.apart
    monkeypatch.setattr(near, "apart", lambda one, i, two, j: counted.append(len(i)) or plain(one, i, two, j))
    reach = radii(others, 5)
    assert sum(counted) < 3 * len(others), "about one a row, to know the radius itself"
    counted.clear()
    look = Look.at(rows, others)
    Tile(look(rows), look(others)).within(reach[None])
    assert sum(counted) < len(rows) * len(others) / 1000
