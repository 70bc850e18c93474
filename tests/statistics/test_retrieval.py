import numpy as np
import pytest

from audit.statistics.retrieval import beats_all, retrieval_interval


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def names(n):
    return [f"p{i}" for i in range(n)]


def test_pictures_of_their_own_prompts_find_them_and_shuffled_ones_do_not():
    texts = unit(np.random.default_rng(0).normal(size=(40, 16)))
    right = retrieval_interval(np.hstack([texts, texts]), names(40), k=9)
    wrong = retrieval_interval(np.hstack([np.roll(texts, 1, axis=0), texts]), names(40), k=9)
    assert right.value == 1
    assert wrong.value < 0.2
    assert right.note.endswith("9 other prompts of the set; chance 0.100")


def test_blind_pictures_score_at_chance():
    """Random pictures, 9 distractors: 0.1; 2000 pictures leave 3 %."""
    rng = np.random.default_rng(1)
    texts = np.repeat(unit(rng.normal(size=(100, 16))), 20, axis=0)
    found = retrieval_interval(np.hstack([unit(rng.normal(size=(2000, 16))), texts]), np.repeat(names(100), 20), k=9)
    assert found.value == pytest.approx(0.1, abs=0.03)


def test_the_chance_over_draws_is_what_drawing_gives():
    """One picture beats 12 of 15 others: 3 drawn, 20,000 times."""
    rng = np.random.default_rng(2)
    beaten = np.arange(15) < 12
    drawn = np.mean([beaten[rng.choice(15, 3, replace=False)].all() for _ in range(20_000)])
    assert beats_all(np.array([12]), np.array([15]), 3)[0] == pytest.approx(drawn, abs=0.015)
    assert beats_all(np.array([2]), np.array([15]), 3)[0] == 0


def test_two_names_for_one_prompt_are_no_distractors():
    texts = unit(np.random.default_rng(3).normal(size=(4, 8)))
    twice = texts[[0, 0, 1, 2, 3]]
    found = retrieval_interval(np.hstack([twice, twice]), names(5))
    assert found.value == 1
    assert "3 other prompts" in found.note


def test_more_noise_finds_fewer_prompts():
    rng = np.random.default_rng(4)
    texts = unit(rng.normal(size=(60, 16)))
    doses = [
        retrieval_interval(np.hstack([unit(texts + s * rng.normal(size=texts.shape)), texts]), names(60)).value
        for s in (0, 0.5, 1.5)
    ]
    assert doses[0] > doses[1] > doses[2]


def test_one_prompt_has_nothing_to_tell_apart():
    rows = np.ones((3, 4)) / 2
    assert retrieval_interval(rows, ["a"] * 3).note == "no other prompt to tell apart"
    with pytest.raises(ValueError, match="3 features are no pairs"):
        retrieval_interval(np.ones((3, 3)), names(3))
