import random
from functools import cache

import pytest

from audit.statistics.edits import aligned, edits, words_read


def naive(one, two):
    """(distance, fewest additions among shortest ways), by recursion."""

    @cache
    def best(i, j):
        if i == len(one):
            return len(two) - j, len(two) - j
        if j == len(two):
            return len(one) - i, 0
        d, a = best(i + 1, j + 1)
        swap = d + (one[i] != two[j]), a
        d, a = best(i + 1, j)
        lose = d + 1, a
        d, a = best(i, j + 1)
        return min(swap, lose, (d + 1, a + 1))

    return best(0, 0)


def test_equals_the_definition_on_random_strings():
    rng = random.Random(0)
    for _ in range(300):
        one, two = ("".join(rng.choices("ABC", k=rng.randrange(7))) for _ in range(2))
        way = edits(one, two)
        assert (way.distance, len(way.added)) == naive(one, two)
        assert len(one) - len(way.lost) + len(way.added) == len(two)


@pytest.mark.parametrize(
    ("expected", "read", "swapped", "lost", "added"),
    [
        ("open", "open", (), (), ()),
        ("open", "opfn", (("e", "f"),), (), ()),
        ("open", "opn", (), ("e",), ()),
        ("open", "oppen", (), (), ("p",)),
        ("", "ab", (), (), ("a", "b")),
        ("open", "", (), ("o", "p", "e", "n"), ()),
    ],
)
def test_known_alignments(expected, read, swapped, lost, added):
    way = edits(expected, read)
    assert (way.swapped, way.lost, way.added) == (swapped, lost, added)


def test_the_alignment_goes_through_both_strings_once_and_in_order():
    rng = random.Random(1)
    for _ in range(100):
        one, two = ("".join(rng.choices("ABC", k=rng.randrange(7))) for _ in range(2))
        way = aligned(one, two)
        assert [i for i, _ in way if i is not None] == list(range(len(one)))
        assert [j for _, j in way if j is not None] == list(range(len(two)))
        wrong = sum(i is None or j is None or one[i] != two[j] for i, j in way)
        assert wrong == edits(one, two).distance


@pytest.mark.parametrize(
    ("expected", "read", "right"),
    [
        ("open daily", "open daily", [True, True]),
        ("open daily", "opendaily", [True, True]),
        ("open daily", "op en daily", [True, True]),
        ("open daily", "opem daily", [False, True]),
        ("open daily", "opemdaily", [False, True]),
        ("open daily", "daily open", [False, True]),
        ("open daily", "open xqz daily", [True, True]),
        ("open daily", "openxqz daily", [False, True]),
        ("cat", "category", [False]),
        ("cat", "cat egory", [True]),
        ("cat", "c a t", [True]),
        ("cat", "caat", [False]),
        ("cat", "", [False]),
        ("", "cat", []),
    ],
)
def test_a_word_is_read_whole_and_in_its_place_or_not_at_all(expected, read, right):
    assert words_read(expected, read) == right
