import itertools

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from audit.audits.distribution import (
    cmmd_studio,
    coverage_studio,
    density_studio,
    fd_infinity_studio,
    fd_studio,
    kid_studio,
    precision_studio,
    recall_studio,
    vendi_studio,
)
from audit.audits.features import studio as features_audit
from audit.features import models
from audit.reference_pictures import BadReferenceError
from audit.references import build, load, save
from audit.statistics import prdc
from audit.weights import require, sha256_of
from tests.audits.toys import view


def scene(seed):
    """Soft coloured blobs on grey: distinct pictures of one kind."""
    rng = np.random.default_rng([7, seed])
    y, x = np.mgrid[0:32, 0:32]
    picture = np.full((32, 32, 3), 128.0)
    for _ in range(12):
        cy, cx, r = rng.uniform(0, 32), rng.uniform(0, 32), rng.uniform(2, 4)
        picture += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / r**2)[..., None] * rng.uniform(-120, 120, 3)
    return picture.clip(0, 255).astype(np.uint8)


def features(pictures):
    return np.array([score.vector for score in features_audit()([view(p) for p in pictures])])


def names(n):
    return [f"p{i}" for i in range(n)]


@pytest.fixture
def reference(studio, tmp_path):
    path = tmp_path / "toy.npz"
    rows = features([scene(i) for i in range(300)])
    save(build("toy", rows, model=studio.digest, text="blobs"), path)
    return str(path)


def blurred(picture, radius):
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def noisy(picture, spread):
    rng = np.random.default_rng(picture.sum())
    return (picture + rng.normal(0, spread, picture.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("harm", "doses"), [(blurred, (0, 3, 8)), (noisy, (0, 25, 60))])
def test_more_blur_or_noise_is_farther_away(reference, harm, doses):
    fresh = [scene(1000 + i) for i in range(80)]
    rows = [features([harm(p, dose) for p in fresh]) for dose in doses]
    for each in (fd_studio, kid_studio, cmmd_studio):
        scorer = each.set_scorer(reference=reference)
        found = [scorer(part, names(80)) for part in rows]
        assert all(a.value < b.value for a, b in itertools.pairwise(found)), [f.value for f in found]
        assert found[-1].low > found[0].value


@pytest.mark.parametrize(("audit", "honest"), [(precision_studio, 0.7), (density_studio, 0.7)])
def test_noise_lowers_precision_and_density(reference, audit, honest):
    scorer = audit.set_scorer(reference=reference)
    clean = [scene(5000 + i) for i in range(60)]
    doses = [scorer(features([noisy(p, dose) for p in clean]), names(60)) for dose in (0, 60)]
    assert doses[0].value > honest
    assert doses[1].high < doses[0].low


def test_density_is_not_taken_in_by_flat_colours_where_precision_is():
    """On the reference that ships: held-out scenes against the others, and pictures of one colour."""
    ships = load("studio-held-out", model=sha256_of(require("studio-clip")))
    colours = np.random.default_rng(0).integers(0, 256, (40, 1, 1, 3), dtype=np.uint8)
    model = models.load("studio")
    flat = model.image_features([torch.from_numpy(np.tile(c, (64, 64, 1)).transpose(2, 0, 1)) for c in colours]).numpy()
    balls, others = prdc.Reference.of(ships.features[::2], prdc.K), ships.features[1::2]
    honest, fooled = prdc.prdc(others, balls), prdc.prdc(flat.astype(float), balls)
    assert honest.density == pytest.approx(1, abs=0.1)
    assert fooled.density < 0.3 * honest.density
    assert fooled.density / honest.density < fooled.precision / honest.precision


def test_clean_pictures_score_at_the_floor_and_the_note_names_it(reference):
    found = fd_studio.set_scorer(reference=reference)(features([scene(2000 + i) for i in range(100)]), names(100))
    assert found.note.startswith("floor at n=100: ")
    assert found.value == pytest.approx(float(found.note.split(": ")[1]), rel=0.4)
    fresh = features([scene(3000 + i) for i in range(100)])
    for each in (kid_studio, cmmd_studio):
        distance = each.set_scorer(reference=reference)(fresh, names(100))
        assert distance.low < 0 < distance.high


@pytest.mark.parametrize("audit", [recall_studio, coverage_studio])
def test_a_generator_that_repeats_itself_loses_recall_and_coverage(reference, audit):
    varied, repeated = (
        features([scene(4000 + i) for i in range(60)]),
        features([scene(4000 + i % 4) for i in range(60)]),
    )
    scorer = audit.set_scorer(reference=reference)
    assert scorer(repeated, names(60)).value < 0.3 * scorer(varied, names(60)).value


def test_a_generator_that_repeats_itself_loses_variety_against_as_many_real_pictures(reference):
    scorer = vendi_studio.set_scorer(reference=reference)
    doses = [scorer(features([scene(4000 + i % kinds) for i in range(60)]), names(60)) for kinds in (60, 12, 3)]
    assert doses[0].low < 1 < doses[0].high
    assert all(a.value > b.value for a, b in itertools.pairwise(doses)), [d.value for d in doses]
    assert doses[2].high < 1
    assert "60 reference pictures" in doses[0].note


def test_infinitely_many_clean_pictures_would_be_no_distance_away(reference):
    scorer = fd_infinity_studio.set_scorer(reference=reference)
    found = scorer(features([scene(6000 + i) for i in range(160)]), names(160))
    assert found.low < 0 < found.high
    assert scorer(features([noisy(scene(6000 + i), 60) for i in range(160)]), names(160)).low > found.high
    few = scorer(features([scene(i) for i in range(20)]), names(20))
    assert (few.value, few.note) == (None, "20 pictures; FD∞ of 16 dimensions needs 128")


def test_too_few_pictures_are_flagged(reference):
    found = fd_studio.set_scorer(reference=reference)(features([scene(i) for i in range(10)]), names(10))
    assert "fewer pictures (10) than dimensions (16)" in found.note


def test_features_of_another_length_are_refused(reference):
    with pytest.raises(BadReferenceError, match="3 features against 16"):
        kid_studio.set_scorer(reference=reference)(np.zeros((20, 3)), names(20))


def test_features_name_their_model(studio):
    [score] = features_audit()([view(scene(0))])
    assert score.evidence["model"] == studio.digest[:16]
    assert len(score.vector) == 16
