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
    way = aligned(expected, read)
    return Edits(
        swapped=tuple(
            (expected[i], read[j]) for i, j in way if i is not None and j is not None and expected[i] != read[j]
        ),
        lost=tuple(expected[i] for i, j in way if i is not None and j is None),
        added=tuple(read[j] for i, j in way if i is None and j is not None),
    )


def aligned(expected: str, read: str) -> list[tuple[int | None, int | None]]:
    """The alignment that `edits` counts: places (expected, read) in order; None where a letter has no counterpart."""
    table = _costs(expected, read)
    way: list[tuple[int | None, int | None]] = []
    i, j = len(expected), len(read)
    while i or j:
        here = table[i][j]
        same = i > 0 and j > 0 and expected[i - 1] == read[j - 1]
        if i and j and here == table[i - 1][j - 1] + (0 if same else EDIT):
            i, j = i - 1, j - 1
            way.append((i, j))
        elif i and here == table[i - 1][j] + EDIT:
            i -= 1
            way.append((i, None))
        else:
            j -= 1
            way.append((None, j))
    return way[::-1]


def words_read(expected: str, read: str) -> list[bool]:
    """Whether each expected word was read, letter by letter and in its place in the order.

    A word counts where the alignment of the letters keeps all of it and puts nothing inside it or against it; white
    space that the reader left out or put in costs nothing, for a reader's word breaks come from its boxes.
    """
    letters, breaks = "".join(read.split()), _breaks(read)
    wanted = "".join(expected.split())
    place = {i: j for i, j in aligned(wanted, letters) if i is not None and j is not None}
    right, first = [], 0
    for word in expected.split():
        last = first + len(word) - 1
        start, end = place.get(first), place.get(last)
        right.append(
            start is not None
            and end is not None
            and letters[start : end + 1] == word
            and (start in breaks or place.get(first - 1) == start - 1)
            and (end + 1 in breaks or place.get(last + 1) == end + 1)
        )
        first = last + 1
    return right


def _breaks(text: str) -> set[int]:
    """Where words begin and end, counted in letters without white space."""
    ends = {0}
    for word in text.split():
        ends.add(max(ends) + len(word))
    return ends


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
