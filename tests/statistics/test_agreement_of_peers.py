"""Equal features, equal numbers: torch-fidelity, clean-fid, torchmetrics and prdc against ours, in float64."""

import contextlib
import io
import warnings

import numpy as np
import pytest
import torch

from audit.statistics.frechet import Moments, distance, frechet
from audit.statistics.kid import kid
from audit.statistics.prdc import Reference, prdc


def like_a_network(rng, n, d, shift=0.0):
    """Rows as pool features are: not negative, correlated, of very different spread; n well above d."""
    mix = np.random.default_rng(99).normal(size=(d, d)) / np.sqrt(d)
    return np.maximum(rng.normal(size=(n, d)) @ mix + 0.3 + shift, 0) * np.geomspace(1, 0.1, d)


def by_torch_fidelity(one, two):
    metric = pytest.importorskip("torch_fidelity.metric_fid")
    statistics = [metric.fid_features_to_statistics(torch.tensor(rows)) for rows in (one, two)]
    return metric.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


def by_clean_fid(one, two):
    """Its `frechet_distance` word for word, but for `disp=False`, which the scipy of today no longer knows."""
    pytest.importorskip("cleanfid.fid")
    import cleanfid.fid
    from scipy import linalg

    class Linalg:
        sqrtm = staticmethod(lambda matrix, disp=True: (linalg.sqrtm(matrix), None))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleanfid.fid, "linalg", Linalg)
        return float(cleanfid.fid.fid_from_feats(one, two))


def by_torchmetrics(one, two):
    from torchmetrics.image.fid import _compute_fid

    parts = [part for rows in (one, two) for part in (rows.mean(0), np.cov(rows, rowvar=False))]
    return float(_compute_fid(*map(torch.tensor, parts)))


@pytest.mark.parametrize("peer", [by_torch_fidelity, by_clean_fid, by_torchmetrics])
@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_frechet_distances_agree_to_a_billionth(peer, shift):
    rng = np.random.default_rng(0)
    one, two = like_a_network(rng, 600, 64), like_a_network(rng, 500, 64, shift)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = peer(one, two)
    assert frechet(two, Moments.of(one)) == pytest.approx(want, rel=1e-9)


def test_streamed_moments_give_the_distance_of_all_rows_at_once():
    rng = np.random.default_rng(1)
    one, two = like_a_network(rng, 600, 64), like_a_network(rng, 500, 64, 0.2)
    streamed = Moments.of(two[:1])
    for start in range(1, 500, 37):
        streamed = streamed.merge(Moments.of(two[start : start + 37]))
    whole = Moments.of(two)
    np.testing.assert_allclose(streamed.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(streamed.scatter, whole.scatter, rtol=1e-12, atol=1e-12 * np.abs(whole.scatter).max())
    assert distance(Moments.of(one), streamed) == pytest.approx(distance(Moments.of(one), whole), rel=1e-12)


def test_kernel_distances_agree_with_torch_fidelity():
    """Its unbiased estimator on one subset that is the whole sample."""
    metric = pytest.importorskip("torch_fidelity.metric_kid")
    rng = np.random.default_rng(2)
    one, two = like_a_network(rng, 80, 16), like_a_network(rng, 80, 16, 0.2)
    found = metric.kid_features_to_metric(
        torch.tensor(one), torch.tensor(two), kid_subsets=1, kid_subset_size=80, verbose=False
    )
    assert kid(one, two) == pytest.approx(found["kernel_inception_distance_mean"], rel=1e-7)


@pytest.mark.parametrize("k", [3, 5])
def test_precision_recall_density_coverage_count_the_same_pictures_as_prdc(k):
    pytest.importorskip("sklearn")
    package = pytest.importorskip("prdc")
    rng = np.random.default_rng(3)
    real, fake = like_a_network(rng, 150, 12), like_a_network(rng, 120, 12, 0.1)
    with contextlib.redirect_stdout(io.StringIO()):
        want = package.compute_prdc(real, fake, nearest_k=k)
    found = prdc(fake, Reference.of(real, k))
    assert round(found.precision * 120) == round(want["precision"] * 120)
    assert round(found.recall * 150) == round(want["recall"] * 150)
    assert round(found.density * k * 120) == round(want["density"] * k * 120)
    assert round(found.coverage * 150) == round(want["coverage"] * 150)
    for name, share in want.items():
        assert getattr(found, name) == pytest.approx(float(share), abs=1e-12)


def test_precision_and_recall_count_the_same_pictures_as_torch_fidelity():
    metric = pytest.importorskip("torch_fidelity.metric_prc")
    rng = np.random.default_rng(4)
    real, fake = like_a_network(rng, 150, 12), like_a_network(rng, 120, 12, 0.1)
    precision, recall = metric.calculate_precision_recall_full(torch.tensor(fake), torch.tensor(real), neighborhood=3)
    found = prdc(fake, Reference.of(real, 3))
    assert round(found.precision * 120) == round(precision * 120)
    assert round(found.recall * 150) == round(recall * 150)
