"""Edit distance with its alignment: which letters were swapped, lost and added."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[str, str]
EDIT = 1 << 20  # the cost of one edit; the trifles of all additions together stay far below it


@dataclass(frozen=True)
class Edits:
    """A shortest way from one string to another.

    swapped: (expected letter, read letter); lost: expected letters that were not read; added: letters read in excess.
    """

    swapped: tuple[Pair, ...]
    lost: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def distance(self) -> int:
        """Levenshtein distance (Levenshtein 1966)."""
        return len(self.swapped) + len(self.lost) + len(self.added)


def edits(expected: str, read: str) -> Edits:
    """A shortest alignment, and of those the one with the fewest additions. O(n·m)."""
    table = _costs(expected, read)
    swapped: list[Pair] = []
    lost: list[str] = []
    added: list[str] = []
    i, j = len(expected), len(read)
    while i or j:
        here = table[i][j]
        same = i > 0 and j > 0 and expected[i - 1] == read[j - 1]
        if i and j and here == table[i - 1][j - 1] + (0 if same else EDIT):
            if not same:
                swapped.append((expected[i - 1], read[j - 1]))
            i, j = i - 1, j - 1
        elif i and here == table[i - 1][j] + EDIT:
            lost.append(expected[i - 1])
            i -= 1
        else:
            added.append(read[j - 1])
            j -= 1
    return Edits(tuple(swapped[::-1]), tuple(lost[::-1]), tuple(added[::-1]))


def _costs(one: str, two: str) -> list[list[int]]:
    """Cost between every two prefixes; an addition costs a trifle more than an edit, so that ties avoid it."""
    table = [[j * (EDIT + 1) for j in range(len(two) + 1)]]
    for i, letter in enumerate(one, start=1):
        above, row = table[-1], [i * EDIT]
        for j, other in enumerate(two):
            swap = above[j] + (0 if letter == other else EDIT)
            row.append(min(swap, above[j + 1] + EDIT, row[j] + EDIT + 1))
        table.append(row)
    return table
