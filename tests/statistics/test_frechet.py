import warnings

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import _compute_fid

from audit.statistics.frechet import (
    Moments,
    distance,
    frechet,
    frechet_interval,
    held_out_floor,
    split_half_floor,
)


def by_sqrtm(one, two):
    s1, s2 = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = sqrtm(s1 @ s2)
    return np.square(one.mean(0) - two.mean(0)).sum() + np.trace(s1 + s2 - 2 * root.real)


def exact(mean, covariance, count=1000):
    return Moments(count, np.asarray(mean, float), np.asarray(covariance, float) * (count - 1))


def coloured(rng, n, d):
    """Correlated, far from isotropic rows, as networks make them."""
    mix = np.random.default_rng(99).normal(size=(d, d)) * np.geomspace(1, 1e-2, d)
    return rng.normal(size=(n, d)) @ mix + 1


@pytest.mark.parametrize(("shift", "scale", "d"), [(0.0, 1.0, 4), (1.5, 1.0, 8), (0.0, 3.0, 16), (0.7, 0.2, 32)])
def test_gaussians_with_known_moments_have_the_closed_form(shift, scale, d):
    got = distance(exact(np.zeros(d), np.eye(d)), exact(np.full(d, shift), scale**2 * np.eye(d)))
    assert got == pytest.approx(d * shift**2 + d * (1 - scale) ** 2, abs=1e-9)


def test_agrees_with_scipy_sqrtm():
    rng = np.random.default_rng(0)
    one, two = coloured(rng, 400, 24), coloured(rng, 300, 24) * 1.2
    assert frechet(two, Moments.of(one)) == pytest.approx(by_sqrtm(one, two), rel=1e-8)


def test_agrees_with_torchmetrics_on_equal_features():
    """torchmetrics takes eigenvalues of the unsymmetric product in float64: agreement to 1e-9, not to the last bit."""
    rng = np.random.default_rng(1)
    one, two = coloured(rng, 500, 32), coloured(rng, 400, 32) + 0.3
    t = [torch.tensor(a) for a in (one.mean(0), np.cov(one, rowvar=False), two.mean(0), np.cov(two, rowvar=False))]
    assert frechet(two, Moments.of(one)) == pytest.approx(float(_compute_fid(*t)), rel=1e-9)


def test_fewer_rows_than_dimensions_take_the_gram_route_to_the_same_number():
    rng = np.random.default_rng(2)
    one, two = coloured(rng, 300, 48), coloured(rng, 20, 48) * 0.8
    reference = Moments.of(one)
    assert frechet(two, reference) == pytest.approx(distance(reference, Moments.of(two)), rel=1e-6)
    assert frechet(two, reference) == pytest.approx(by_sqrtm(one, two), rel=1e-5)  # sqrtm itself errs by 2e-6 here


def test_gram_route_is_exact_where_the_answer_is_known():
    """Against N(m, I) the trace of the root is the sum of the singular values of the centred rows / √(n−1)."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(10, 40))
    centred = rows - rows.mean(0)
    nuclear = np.linalg.svd(centred / 3, compute_uv=False).sum()
    want = np.square(rows.mean(0)).sum() + 40 + np.square(centred).sum() / 9 - 2 * nuclear
    assert frechet(rows, exact(np.zeros(40), np.eye(40))) == pytest.approx(want, rel=1e-12)


def test_a_reference_of_lower_rank_is_handled_without_adding_to_its_diagonal():
    rng = np.random.default_rng(4)
    flat = np.hstack([rng.normal(size=(200, 5)), np.zeros((200, 3))])
    other = np.hstack([rng.normal(size=(150, 5)) * 2, np.zeros((150, 3))])
    reference = Moments.of(flat)
    assert reference.root.shape == (8, 5)
    assert frechet(other, reference) == pytest.approx(frechet(other[:, :5], Moments.of(flat[:, :5])), rel=1e-9)
    twice = np.hstack([flat[:, :5], flat[:, :1]])
    assert Moments.of(twice).root.shape[1] == 5
    few = Moments.of(rng.normal(size=(6, 30)))
    assert few.root.shape[1] == 5
    assert distance(few, few) == pytest.approx(0, abs=1e-6)  # noise of √eps where the rank is lacking


def test_null_value_is_the_known_bias():
    """Two samples of n rows of N(0, I): 2d/n + d(d+1)/(2n) to first order; 3 % is four standard errors of this mean."""
    rng = np.random.default_rng(5)
    d, n = 32, 1000
    found = [frechet(rng.normal(size=(n, d)), Moments.of(rng.normal(size=(n, d)))) for _ in range(40)]
    assert np.mean(found) == pytest.approx(2 * d / n + d * (d + 1) / (2 * n), rel=0.03)


def test_moments_merge_as_if_seen_together_and_part_again():
    rng = np.random.default_rng(6)
    rows = coloured(rng, 300, 6) + 1e3
    parts = Moments.of(rows[:70]).merge(Moments.of(rows[70:71])).merge(Moments.of(rows[71:]))
    whole = Moments.of(rows)
    assert parts.count == 300
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(parts.scatter, whole.scatter, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(
        whole.without(Moments.of(rows[:70])).covariance, np.cov(rows[70:], rowvar=False), rtol=1e-8, atol=1e-9
    )


@pytest.mark.parametrize("n", [60, 12])
def test_jackknife_replicates_equal_the_plain_recomputation(n):
    """One n on each side of d = 16: both routes share work between replicates."""
    from audit.statistics.frechet import _left_out

    rng = np.random.default_rng(7)
    reference, rows = Moments.of(coloured(rng, 200, 16)), coloured(rng, n, 16)
    group = np.arange(n) % 6
    naive = [frechet(rows[group != g], reference) for g in range(6)]
    np.testing.assert_allclose(_left_out(rows, group, 6, reference), naive, rtol=1e-6)


@pytest.mark.parametrize(("shift", "d", "n"), [(0.0, 8, 120), (0.5, 8, 120), (0.5, 24, 60)])
def test_interval_covers_the_expectation_at_this_n(shift, d, n):
    """Nominal 95 %, at the null conservative by construction; 100 repeats scatter by 2–4 points around the truth."""
    rng = np.random.default_rng(8)
    reference = Moments.of(rng.normal(size=(1000, d)))
    prompts = [str(i // 2) for i in range(n)]

    def sample():
        prompt = np.repeat(rng.normal(size=(n // 2, d)), 2, axis=0)  # pictures of one prompt are alike
        return shift + (prompt + rng.normal(size=(n, d))) / np.sqrt(2)

    truth = np.mean([frechet(sample(), reference) for _ in range(400)])
    found = [frechet_interval(sample(), prompts, reference, seed=i) for i in range(100)]
    coverage = np.mean([each.low <= truth <= each.high for each in found])
    print(f"coverage at shift {shift}, d {d}, n {n}: {coverage:.0%}")
    assert coverage >= 0.85


def test_interval_says_what_it_cannot_say():
    rng = np.random.default_rng(9)
    reference = Moments.of(rng.normal(size=(100, 16)))
    few = frechet_interval(rng.normal(size=(10, 16)), [str(i) for i in range(10)], reference)
    assert few.note == "fewer pictures (10) than dimensions (16)"
    assert few.low < few.value < few.high
    one_prompt = frechet_interval(rng.normal(size=(30, 16)), ["a"] * 30, reference)
    assert one_prompt.value is not None
    assert one_prompt.low is None
    assert "1 prompt" in one_prompt.note
    assert frechet_interval(rng.normal(size=(1, 16)), ["a"], reference).value is None
    broken = rng.normal(size=(30, 16))
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="row 3 of the features is not finite"):
        frechet(broken, reference)


def test_floors_fall_with_n_and_are_seeded():
    rows = np.random.default_rng(10).normal(size=(1200, 8))
    assert split_half_floor(rows, 3) == split_half_floor(rows, 3)
    assert split_half_floor(rows, 3) != split_half_floor(rows, 4)
    assert split_half_floor(rows, 3, n=50) > 3 * split_half_floor(rows, 3, n=600)
    assert held_out_floor(rows, 50) > 2 * held_out_floor(rows, 400)
    with pytest.raises(ValueError, match="cannot be taken from 1200"):
        split_half_floor(rows, 0, n=601)


@pytest.mark.parametrize("n", [100, 400])
def test_held_out_floor_is_what_fresh_rows_of_the_same_kind_score(n):
    """Against the mean of 30 fresh samples; first-order theory and 5 draws leave 8 %."""
    rng = np.random.default_rng(11)
    rows = rng.normal(size=(800, 24))
    reference = Moments.of(rows)
    fresh = np.mean([frechet(rng.normal(size=(n, 24)), reference) for _ in range(30)])
    assert held_out_floor(rows, n) == pytest.approx(fresh, rel=0.08)
