import random
from functools import cache

import pytest

from audit.statistics.edits import edits


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
