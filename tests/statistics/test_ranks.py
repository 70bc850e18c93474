import numpy as np
import pytest

from audit.statistics.ranks import rank_intervals


def drawn(rng, means, prompts=20, seeds=2):
    """Scores (pairs, models) whose prompts differ much and whose models differ by `means`, with the prompt of each."""
    prompt = rng.normal(0, 3, (prompts, 1, 1))
    scores = prompt + np.asarray(means) + rng.normal(0, 1, (prompts, seeds, len(means)))
    return scores.reshape(prompts * seeds, -1), [f"p{place // seeds}" for place in range(prompts * seeds)]


def ends(ranks):
    return [(each.low, each.high) for each in ranks]


def test_models_far_apart_have_ranks_without_doubt():
    scores, prompts = drawn(np.random.default_rng(0), [0.0, 10.0, 5.0])
    ranks = rank_intervals(scores, prompts, better="higher")
    assert [each.rank for each in ranks] == [3, 1, 2]
    assert ends(ranks) == [(3, 3), (1, 1), (2, 2)]
    assert [each.mean for each in ranks] == pytest.approx(scores.mean(axis=0))


def test_lower_is_better_turns_the_order_round_and_keeps_the_means():
    scores, prompts = drawn(np.random.default_rng(0), [0.0, 10.0, 5.0])
    ranks = rank_intervals(scores, prompts, better="lower")
    assert [each.rank for each in ranks] == [1, 3, 2]
    assert ranks[1].mean == pytest.approx(scores[:, 1].mean())


def test_the_same_model_twice_shares_its_rank_and_is_not_told_apart():
    scores, prompts = drawn(np.random.default_rng(1), [0.0, 10.0])
    ranks = rank_intervals(scores[:, [0, 0, 1]], prompts, better="higher")
    assert [each.rank for each in ranks] == [2.5, 2.5, 1]
    assert ends(ranks) == [(2, 3), (2, 3), (1, 1)]


def test_a_difference_that_every_prompt_shows_alike_is_sure_and_one_of_rounding_is_none():
    scores, prompts = drawn(np.random.default_rng(2), [0.0])
    pair = rank_intervals(np.hstack([scores, scores + 0.5]), prompts, better="higher")
    assert ends(pair) == [(2, 2), (1, 1)]
    same = rank_intervals(np.hstack([scores, scores + 1e-15]), prompts, better="higher")
    assert ends(same) == [(1, 2), (1, 2)]


def test_pairing_by_prompt_tells_models_apart_that_prompts_would_hide():
    scores, prompts = drawn(np.random.default_rng(3), [0.0, 1.2])
    assert ends(rank_intervals(scores, prompts, better="higher")) == [(2, 2), (1, 1)]
    unpaired = np.column_stack([scores[:, 0], np.roll(scores[:, 1], 6)])
    assert ends(rank_intervals(unpaired, prompts, better="higher")) == [(1, 2), (1, 2)]


def test_copies_of_pictures_add_no_certainty():
    scores, prompts = drawn(np.random.default_rng(4), [0.0, 0.3, 0.5])
    once = rank_intervals(scores, prompts, better="higher")
    copied = rank_intervals(np.repeat(scores, 50, axis=0), np.repeat(prompts, 50).tolist(), better="higher")
    assert ends(copied) == ends(once)
    assert (1, 3) in ends(once)


def test_the_order_of_rows_does_not_matter():
    scores, prompts = drawn(np.random.default_rng(5), [0.0, 0.5, 1.0, 3.0])
    order = np.random.default_rng(6).permutation(len(scores))
    moved = rank_intervals(scores[order], [prompts[place] for place in order], better="higher")
    assert ends(moved) == ends(rank_intervals(scores, prompts, better="higher"))


@pytest.mark.parametrize("prompts", [12, 40])
def test_equal_models_keep_every_place_open_where_percentiles_of_ranks_would_not(prompts):
    rng = np.random.default_rng(7)
    wrong = percentiles_wrong = 0
    for _ in range(100):
        scores, names = drawn(rng, [0.0] * 6, prompts)
        wrong += any(each != (1, 6) for each in ends(rank_intervals(scores, names, better="higher")))
        by_prompt = scores.reshape(prompts, 2, 6).mean(axis=1)
        again = by_prompt[rng.integers(prompts, size=(200, prompts))].mean(axis=1)
        places = (-again).argsort(axis=1).argsort(axis=1)
        percentiles_wrong += bool((np.quantile(places, [0.025, 0.975], axis=0) != [[0], [5]]).any())
    assert wrong <= 11  # 5 expected; more than 11 of 100 come by chance once in 200 tests
    assert percentiles_wrong > 60


def test_few_prompts_give_ranks_without_intervals_and_say_why():
    scores, prompts = drawn(np.random.default_rng(8), [0.0, 10.0], prompts=9)
    ranks = rank_intervals(scores, prompts, better="higher")
    assert [each.rank for each in ranks] == [2, 1]
    assert ends(ranks) == [(None, None)] * 2
    assert ranks[0].note == "no interval: 9 prompts, at least 10 are needed"


@pytest.mark.parametrize(
    ("scores", "prompts", "better", "said"),
    [
        ([[1, 2]], [], "higher", "do not go with 0 prompt ids"),
        ([1, 2], ["a", "b"], "higher", "do not go with"),
        ([[1]], ["a"], "higher", "two models or more"),
        ([[1, 2], [3, float("nan")]], ["a", "b"], "higher", "row 1 holds a score that is not finite"),
        ([[1, 2]], ["a"], "neither", "better is 'neither'"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores, prompts, better, said):
    with pytest.raises(ValueError, match=said):
        rank_intervals(scores, prompts, better=better)
