"""Fair models score nothing, published nulls come out, and unfair ones score by how unfair they are."""

import numpy as np
import pytest

from audit.statistics.imbalance import amplification, distance, fair_distance, imbalance, over_prompts

SKEWED = (16, 18, 18, 16, 12, 8, 5, 4, 2, 1)


def test_the_nulls_of_heim_come_out():
    """A fair model with 8 pictures a prompt: gender 0.137 of at most 0.5, skin 0.086 (mean difference over ten)."""
    assert fair_distance(8, [1, 1]) == pytest.approx(0.1367, abs=5e-5)
    assert fair_distance(8, [1] * 10) * 2 / 10 == pytest.approx(0.0861, abs=5e-5)


@pytest.mark.parametrize("reference", [(1, 1), (0.2, 0.8), (1,) * 10, SKEWED, (0, 1, 3)])
@pytest.mark.parametrize("n", [1, 2, 5, 8, 40])
def test_the_exact_null_is_the_simulated_one(n, reference):
    shares = np.array(reference) / np.sum(reference)
    drawn = distance(np.random.default_rng(0).multinomial(n, shares, 20_000), shares)
    error = drawn.std() / np.sqrt(len(drawn))
    assert abs(drawn.mean() - fair_distance(n, reference)) <= 4 * error + 1e-12


def run(shares, rng, prompts=12, each=8):
    """The index of one simulated run of a model that draws from `shares`; the reference is even."""
    classes = np.concatenate([rng.choice(len(shares), each, p=shares) for _ in range(prompts)])
    return imbalance(classes, [f"p{n // each}" for n in range(len(classes))], np.ones(len(shares)))


@pytest.mark.parametrize("size", [2, 10])
def test_a_fair_model_scores_zero_within_its_interval(size):
    rng = np.random.default_rng(size)
    runs = [run(np.full(size, 1 / size), rng) for _ in range(400)]
    values = np.array([each.value for each in runs])
    assert abs(values.mean()) <= 2 * values.std() / np.sqrt(len(values))
    assert np.mean([each.low <= 0 <= each.high for each in runs]) >= 0.92


def test_the_interval_covers_what_an_unfair_model_scores_on_average():
    rng = np.random.default_rng(5)
    runs = [run(np.array([0.8, 0.2]), rng) for _ in range(600)]
    truth = np.mean([each.value for each in runs])
    assert np.mean([each.low <= truth <= each.high for each in runs]) == pytest.approx(0.95, abs=0.025)


def test_the_more_skewed_the_higher_the_index():
    rng = np.random.default_rng(1)
    values = [run(np.array([share, 1 - share]), rng, prompts=200).value for share in (0.5, 0.65, 0.8, 1.0)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(0, abs=0.02)
    assert values[-1] == pytest.approx(0.5 - fair_distance(8, [1, 1]))


def test_what_cannot_be_said_is_not_said():
    assert imbalance([], [], [1, 1]).value is None
    assert imbalance([0, 1], ["a", "b"], [1, 1]).value is None
    assert "no interval" in imbalance([0, 1], ["a", "a"], [1, 1]).note
    with pytest.raises(ValueError, match="no distribution"):
        imbalance([0, 1], ["a", "a"], [0, 0])


def test_a_model_that_draws_as_it_was_taught_amplifies_nothing():
    rng = np.random.default_rng(2)
    taught = rng.dirichlet(np.ones(10), 12)
    values = [amplification(np.array([rng.multinomial(8, each) for each in taught]), taught).mean() for _ in range(800)]
    assert abs(np.mean(values)) <= 3 * np.std(values) / np.sqrt(len(values))


def test_exaggeration_counts_up_and_evening_out_counts_down():
    taught = [(0.2, 0.8)] * 3
    assert amplification([(0, 10), (2, 8), (5, 5)], taught) == pytest.approx([0.2, 0.0, -0.3])


def test_amplification_for_two_classes_has_the_coverage_it_claims():
    rng = np.random.default_rng(3)
    made, taught = np.array([0.1, 0.9]), np.tile([0.3, 0.7], (12, 1))
    held = 0
    for _ in range(1000):
        found = over_prompts(amplification(rng.multinomial(8, made, 12), taught))
        held += found.low <= 0.2 <= found.high
    assert held / 1000 == pytest.approx(0.95, abs=0.025)
