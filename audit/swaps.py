"""Prompts that say something else with the same words: attributes exchanged between things, or the things themselves.

    "a red ball left of a blue cube"  ->  "a blue ball left of a red cube", "a blue cube left of a red ball"

For English prompts, by lists of words; what the lists do not know is not swapped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

ATTRIBUTES = (
    (*("red", "green", "blue", "yellow", "orange", "purple", "violet", "pink"), *("brown", "white", "black", "grey")),
    ("small", "large", "little", "big", "tiny", "huge", "tall", "short"),
    ("matte", "shiny", "metal", "wooden", "rubber", "glass", "plastic", "leather"),
)
"""Colours, sizes, materials: those of one family can change places."""
_RELATION = (
    r"(?:is |are |just |standing |sitting |lying )*"
    r"(?:(?:to the |on the )?(?:left|right)(?: side)? of|in front of|behind|above|below|under|on top of"
    r"|chasing|following|pushing|pulling|carrying|feeding|kicking|lifting|watching|biting)"
)
_ARTICLE = r"(?:an?|the|one|two|three|four|five|six|\d+)"
_NAME = r"(?!(?:an?|the|of|on|in|at|and|with)\b)[a-z-]+"
_THING = rf"{_ARTICLE} (?:{_NAME} ){{0,4}}?{_NAME}"
_SENTENCE = re.compile(
    rf"(?P<head>(?:.*?\b)??)(?P<one>{_THING}) (?P<relation>{_RELATION}) "
    rf"(?P<two>{_THING}?)(?P<tail>(?: (?:on|in|with|and|at|under|near|against|beside)\b.*|[,.;:].*|))",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)
_JOINED = {"and", "or"}


@dataclass(frozen=True)
class Swap:
    """A prompt whose meaning was exchanged. kind: what changed places, attributes or things."""

    kind: Literal["attribute", "thing"]
    text: str


def swaps(text: str) -> list[Swap]:
    """Every swap of the prompt that the lists know, each different from the prompt; none where nothing can be swapped.

    Two attributes change places only if a thing is named between them: "a red and blue ball" says the same either way.
    """
    found = [*_attribute_swaps(text), *_thing_swaps(text)]
    return list({each.text: each for each in found if each.text != text}.values())


def _attribute_swaps(text: str) -> list[Swap]:
    words = list(_WORD.finditer(text))
    every = {word for family in ATTRIBUTES for word in family}
    made = []
    for family in ATTRIBUTES:
        places = [index for index, word in enumerate(words) if word[0].lower() in family]
        for one, two in combinations(places, 2):
            between = {words[index][0].lower() for index in range(one + 1, two)}
            if words[one][0].lower() != words[two][0].lower() and between - every - _JOINED:
                made.append(Swap("attribute", _exchanged(text, words[one].span(), words[two].span())))
    return made


def _thing_swaps(text: str) -> list[Swap]:
    found = _SENTENCE.fullmatch(text.strip())
    if found is None or found["one"].lower() == found["two"].lower():
        return []
    return [Swap("thing", _exchanged(text.strip(), found.span("one"), found.span("two")))]


def _exchanged(text: str, one: tuple[int, int], two: tuple[int, int]) -> str:
    first, second = text[slice(*one)], text[slice(*two)]
    swapped = text[: one[0]] + second + text[one[1] : two[0]] + first + text[two[1] :]
    return re.sub(r"\b(a|an) (?=([a-z]))", lambda each: f"{'an' if each[2] in 'aeiou' else 'a'} ", swapped)
