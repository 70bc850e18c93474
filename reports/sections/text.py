"""Text: which letters were taken for which, how errors grow with the length of a word, and the worst misreadings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from audit.audits.text import normalised
from audit.statistics.edits import aligned
from audit.statistics.means import mean_interval
from audit.types import Json
from reports.api import Part, section
from reports.evidence import boxes, reading
from reports.exhibits import Exhibit, Shot, exhibit, laid_out, picture_of
from reports.figures import Line, Point, curves
from reports.findings import Found, Group, found, groups_of, in_turn, label, legend, measures
from reports.load import Report
from reports.page import fill
from reports.words import number

AUDITS = ("text.cer", "text.exact", "text.words", "text.ned", "text.extra", "text.disagreement")
CER = "text.cer"
MOST = 12
MOST_CONFUSIONS = 20
Pair = tuple[str, str]


@dataclass(frozen=True)
class Read:
    """A group's pictures whose error rate is known."""

    group: Group
    pictures: tuple[Found, ...]

    @property
    def legible(self) -> list[Found]:
        """Pictures in which something was read: the others have lost all their letters, and confused none."""
        return [each for each in self.pictures if normalised(str(each.evidence["read"]))]

    @property
    def letters(self) -> int:
        """How many letters the legible ones were asked for."""
        return sum(len(str(each.evidence["expected"])) for each in self.legible)

    @cached_property
    def confusions(self) -> Counter[Pair]:
        """Letters (asked, read) of the legible ones, "" where one was lost or added, with their counts."""
        return Counter((str(a), str(b)) for each in self.legible for a, b in each.evidence["confusions"])


@section("text", title="Text", order=52)
def text(report: Report) -> Part | None:
    """Confusions, errors by length of word, rates, and the worst misreadings with their pictures."""
    groups = groups_of(report, AUDITS)
    if not groups:
        return None
    reads = [read for group in groups if (read := _read(group)).pictures]
    lines = [line for read in reads if (line := _by_length(read, groups)).points]
    html = fill(
        "sections/text.html",
        tables=measures(report, AUDITS),
        legend=legend([read.group for read in reads]),
        drawn=bool(lines),
        names=[label(read.group, groups) for read in reads],
        reads=reads,
        confusions=_commonest(reads),
        exhibits=laid_out([_exhibit(report, each) for each in _worst(reads)]),
    )
    figures: Json = {"text.length": curves(lines, x_title="letters of the word")} if lines else {}
    return Part(html, {"figures": figures})


def word_errors(asked: str, read: str) -> list[tuple[int, int]]:
    """(letters, edits) of each word asked for, by the shortest alignment; an added letter counts to the word before it.

    >>> word_errors("OPEN LATE", "0PEN LTE")
    [(4, 1), (4, 1)]
    """
    words = [word for each in asked.split() if (word := normalised(each))]
    owner = [place for place, word in enumerate(words) for _ in word]
    expected, seen = "".join(words), normalised(read)
    wrong, here = [0] * len(words), 0
    for i, j in aligned(expected, seen) if words else []:
        here = here if i is None else owner[i]
        wrong[here] += i is None or j is None or expected[i] != seen[j]
    return [(len(word), errors) for word, errors in zip(words, wrong, strict=True)]


def _read(group: Group) -> Read:
    return Read(group, tuple(each for each in found(group, CER) if each.value is not None))


def _commonest(reads: Sequence[Read]) -> list[tuple[Pair, list[tuple[int, float]]]]:
    """The commonest pairs with, for each group, their count and their heat: the share of letters asked, 0 to 100."""
    total: Counter[Pair] = Counter()
    for read in reads:
        total.update(read.confusions)
    pairs = [pair for pair, _ in total.most_common(MOST_CONFUSIONS)]
    rates = {
        (pair, at): read.confusions[pair] / max(read.letters, 1) for pair in pairs for at, read in enumerate(reads)
    }
    most = max(rates.values(), default=0) or 1.0
    return [
        (pair, [(read.confusions[pair], 100 * rates[pair, at] / most) for at, read in enumerate(reads)])
        for pair in pairs
    ]


def _by_length(read: Read, groups: Sequence[Group]) -> Line:
    """Character error rate of the words of each length; words of a prompt are alike, as the interval knows."""
    by_length: dict[int, list[tuple[float, str]]] = {}
    for each in read.pictures:
        for letters, errors in word_errors(_asked(each), str(each.evidence["read"])):
            by_length.setdefault(letters, []).append((errors / letters, each.prompt.id))
    points = []
    for letters, rates in sorted(by_length.items()):
        mean = mean_interval([rate for rate, _ in rates], [prompt for _, prompt in rates])
        if mean.value is not None:
            points.append(Point(letters, mean.value, mean.low, mean.high))
    return Line(label(read.group, groups), tuple(points), read.group.place)


def _asked(each: Found) -> str:
    wanted: Json = each.prompt.expect.get("text", each.evidence["expected"])
    return wanted if isinstance(wanted, str) else " ".join(map(str, wanted))


def _worst(reads: Sequence[Read]) -> list[Found]:
    """Pictures in which something else was read than was asked, the furthest from it first."""
    lists = [[each for each in read.legible if each.value] for read in reads]
    return in_turn([sorted(each, key=lambda one: -(one.value or 0)) for each in lists], MOST)


def _exhibit(report: Report, each: Found) -> Exhibit:
    facts = {"character error rate": number(each.value or 0)}
    if "easyocr" in each.evidence:
        facts["second reader"] = str(each.evidence["easyocr"]) or "nothing"
    shot = Shot(picture_of(each), boxes=boxes(each.evidence))
    return exhibit(report, each, [shot], facts, reading({"text": _asked(each)}, each.evidence))
