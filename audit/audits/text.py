"""Text: whether the picture says, letter by letter and in order, what the prompt asked it to say.

The expected string is the prompt's `expect.text` (a list is joined in order). Both strings are compared without case,
without white space (a reader's word breaks come from its boxes, not from ink) and after Unicode NFKC; punctuation
counts. A picture in which nothing is read has read "": that is an error of 1, not an absence of a score.
All audits share one reading of the picture.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from audit.api import ScoreOne, View, audit
from audit.features.ocr import Reading, easyocr, rapidocr
from audit.statistics.edits import Edits, edits, words_read
from audit.types import Json, Score
from audit.weights import require
from generators.api import Pixels

OCR = "rapidocr 3 (PaddleOCR PP-OCRv6)"


@audit(
    "text.cer",
    version=1,
    better="lower",
    unit="edits per expected character",
    source=f"character error rate: Levenshtein 1966 over expected length; read by {OCR}",
)
def cer() -> ScoreOne:
    """Character error rate: swapped, lost and added letters over the expected length; above 1 where much is added.

    Evidence: the strings, the lines read with boxes and confidences, every confusion (expected, read), and, where
    EasyOCR's weights are on disk, its own reading and whether the two agree.
    """
    read, second = rapidocr(), easyocr()

    def score(view: View) -> Score:
        expected = expected_text(view)
        if not expected:
            return Score.skipped("the prompt expects no text")
        found = reading(view, "rapidocr", read)
        way = edits(expected, normalised(found.text))
        evidence: dict[str, Json] = {
            "expected": expected,
            "read": found.text,
            "lines": [line.json() for line in found.lines],
            "unsure": [line.json() for line in found.unsure],
            "confusions": _confusions(way),
        }
        if second is not None:
            other = reading(view, "easyocr", second)
            evidence["easyocr"] = other.text
            evidence["engines_agree"] = normalised(other.text) == normalised(found.text)
        return Score.of(way.distance / len(expected), **evidence)

    return score


@audit(
    "text.ned",
    version=1,
    better="higher",
    unit="similarity, 0 to 1",
    source=f"1 - edit distance / longer length, as in ICDAR 2019 LSVT and AnyText (Tuo et al. 2024); read by {OCR}",
    headline=False,
)
def ned() -> ScoreOne:
    """Normalised edit similarity: 1 where the reading is right, 0 where no letter is in its place."""
    return _compared(lambda expected, read: 1 - edits(expected, read).distance / max(len(expected), len(read)))


@audit(
    "text.exact",
    version=1,
    better="higher",
    unit="share of pictures",
    source=f"exact match of the whole string; read by {OCR}",
    statistic="rate",
)
def exact() -> ScoreOne:
    """Share of pictures that read exactly as asked, nothing missing and nothing added."""
    return _compared(lambda expected, read: float(expected == read))


@audit(
    "text.extra",
    version=1,
    better="lower",
    unit="characters",
    source=f"insertions of the shortest alignment; read by {OCR}",
    headline=False,
)
def extra() -> ScoreOne:
    """Letters read beyond those expected; a prompt with `expect.text` "" asks for none at all."""
    return _compared(lambda expected, read: float(len(edits(expected, read).added)), empty_too=True)


@audit(
    "text.words",
    version=1,
    better="higher",
    unit="share of words",
    source=f"words kept whole by the alignment of the letters, in order; read by {OCR}",
    headline=False,
)
def words() -> ScoreOne:
    """Share of the expected words that were read letter by letter and in order; words in excess cost nothing here."""
    read = rapidocr()

    def score(view: View) -> Score:
        expected = expected_text(view)
        if not expected:
            return Score.skipped("the prompt expects no text")
        found = reading(view, "rapidocr", read).text
        asked = _plain(wanted(view) or "")
        right = words_read(asked, _plain(found))
        missed = [word for word, was_read in zip(asked.split(), right, strict=True) if not was_read]
        return Score.of(sum(right) / len(right), expected=expected, read=found, missed=missed)

    return score


@audit(
    "text.disagreement",
    version=1,
    better="lower",
    unit="share of pictures",
    source=f"two readers that share no weights: {OCR} and EasyOCR (CRAFT, Baek et al. 2019; CRNN, Shi et al. 2017)",
    statistic="rate",
    headline=False,
)
def disagreement() -> ScoreOne:
    """Share of pictures that two readers read differently: letters that are malformed, or hard to read at all.

    Without EasyOCR's weights there is no second reader, and every picture is skipped.
    """
    require("easyocr-craft")
    require("easyocr-english")
    read, second = rapidocr(), easyocr()
    assert second is not None

    def score(view: View) -> Score:
        if not expected_text(view):
            return Score.skipped("the prompt expects no text")
        one, other = reading(view, "rapidocr", read).text, reading(view, "easyocr", second).text
        return Score.of(float(normalised(one) != normalised(other)), rapidocr=one, easyocr=other)

    return score


def normalised(text: str) -> str:
    """As compared: NFKC, no case, no white space."""
    return "".join(_plain(text).split())


def expected_text(view: View) -> str | None:
    """The string asked for, normalised; None where the prompt says nothing of text."""
    asked = wanted(view)
    return None if asked is None else normalised(asked)


def wanted(view: View) -> str | None:
    """The string asked for, as the prompt has it; lists are joined by spaces."""
    text: Json = view.prompt.expect.get("text")
    if text is None:
        return None
    return " ".join(str(part) for part in text) if isinstance(text, list | tuple) else str(text)


def reading(view: View, engine: str, read: Callable[[Pixels], Reading]) -> Reading:
    """What an engine reads in the picture, once for all audits."""
    return view.once(f"ocr.{engine}", lambda: read(view.image.permute(1, 2, 0).cpu().numpy()))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _compared(compare: Callable[[str, str], float], *, empty_too: bool = False) -> ScoreOne:
    read = rapidocr()

    def score(view: View) -> Score:
        expected = expected_text(view)
        if expected is None or (not expected and not empty_too):
            return Score.skipped("the prompt expects no text")
        found = reading(view, "rapidocr", read).text
        return Score.of(compare(expected, normalised(found)), expected=expected, read=found)

    return score


def _confusions(way: Edits) -> list[list[str]]:
    """[expected, read] for every wrong letter; "" where one was lost or added."""
    return [
        *([a, b] for a, b in way.swapped),
        *([letter, ""] for letter in way.lost),
        *(["", letter] for letter in way.added),
    ]
