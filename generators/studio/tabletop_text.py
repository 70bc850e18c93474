"""Tabletop scenes in words: captions out of attributes, wishes out of prompts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from generators.studio.palette import COLOURS
from generators.studio.scene import Attributes

LONGEST = 90
"""No caption is longer than this many characters."""
MOST = 6
"""No table carries more objects than this."""
SHAPES = ("cube", "ball", "cylinder", "cone", "pyramid", "ring")
SIZES = ("small", "large")
MATERIALS = ("matte", "shiny", "metal")
RELATIONS = ("left of", "right of", "in front of", "behind")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_SHAPE_WORDS = {
    "cube": ("cube", "box", "block", "dice"),
    "ball": ("ball", "sphere", "orb", "globe", "marble"),
    "cylinder": ("cylinder", "can", "tube", "drum"),
    "cone": ("cone",),
    "pyramid": ("pyramid",),
    "ring": ("ring", "torus", "donut", "doughnut", "hoop"),
}
_PLURALS = {"boxes": "box", "tori": "torus", "toruses": "torus", "spheres": "sphere"}
_SIZE_WORDS = {
    "small": ("small", "little", "tiny", "mini"),
    "large": ("large", "big", "huge", "giant"),
}
_MATERIAL_WORDS = {
    "matte": ("matte", "matt", "dull", "rubber", "chalky"),
    "shiny": ("shiny", "glossy", "glazed"),
    "metal": ("metal", "metallic", "chrome", "steel"),
}
_COLOUR_WORDS = {name: (name,) for name in COLOURS} | {
    "grey": ("grey", "gray"),
    "purple": ("purple", "violet"),
    "red": ("red", "crimson", "scarlet"),
}


def _inverse(words: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {word: name for name, group in words.items() for word in group}


_SHAPE, _SIZE = _inverse(_SHAPE_WORDS), _inverse(_SIZE_WORDS)
_MATERIAL, _COLOUR = _inverse(_MATERIAL_WORDS), _inverse(_COLOUR_WORDS)
_NUMBER = {word: value for value, word in enumerate(NUMBERS, start=1)} | {"a": 1, "an": 1, "single": 1, "pair": 2}
_RELATION = {
    "left of": r"(?:to|on|at)? ?(?:the )?left(?: hand)?(?: side)? of",
    "right of": r"(?:to|on|at)? ?(?:the )?right(?: hand)?(?: side)? of",
    "in front of": r"in front of|before",
    "behind": r"behind|in back of",
    "impossible": r"on top of|above|over|under|underneath|below|beneath|inside",
}
_SCENE_WORDS = {
    "table": {"table", "tabletop", "desk"},
    "wall": {"wall", "background", "backdrop"},
}


def caption(attributes: Attributes, rng: np.random.Generator) -> str:
    """One of several wordings, at most 90 characters: count, colour and shape of every object, the rest sometimes."""
    with_size, with_material = rng.uniform() < 0.45, rng.uniform() < 0.45
    digits = bool(rng.uniform() < 0.15)
    wants_table, wants_wall = rng.uniform() < 0.45, rng.uniform() < 0.2
    frame, wording = int(rng.integers(6)), int(rng.integers(3))
    mention_mirror, mention_relation = rng.uniform() < 0.85, rng.uniform() < 0.9
    table = _table(str(attributes["table"])) if wants_table else ""
    wall = str(attributes["wall"]) if wants_wall else ""
    for size, material, where, back in (
        (with_size, with_material, table, wall),
        (with_size, with_material, table, ""),
        (with_size, False, table, ""),
        (with_size, False, "", ""),
        (False, False, "", ""),
    ):
        phrases = [_phrase(group, size=size, material=material, digits=digits) for group in attributes["groups"]]
        relation = str(attributes["relation"]) if mention_relation else ""
        mirror = bool(attributes["mirror"]) and mention_mirror
        things = _things(phrases, relation, wording)
        text = _framed(
            things, frame, where=where, wall="" if mirror else back, mirror=mirror, single=_single(attributes)
        )
        if len(text) <= LONGEST:
            return text
    return _listed(phrases)


def _framed(things: str, frame: int, *, where: str, wall: str, mirror: bool, single: bool) -> str:
    """The objects put into one of six sentence frames."""
    back = " in front of a mirror" if mirror else f" in front of {_article(wall)} wall" if wall else ""
    place = f" on {where}" if where else ""
    if frame == 1:
        return f"a photo of {things}{place}{back}"
    if frame == 2 and where:
        return f"{where} with {things} on it{', a mirror behind' if mirror else ''}"
    if frame == 3 and where:
        return f"on {where}: {things}{back}"
    if frame == 4:
        return f"there {'is' if single else 'are'} {things}{place}{back}"
    if frame == 5:
        return f"a still life with {things}{place}{back}"
    return f"{things}{place}{back}"


def _things(phrases: list[str], relation: str, wording: int) -> str:
    if not relation or len(phrases) != 2:
        return _listed(phrases)
    sided = relation in ("left of", "right of")
    second, third = (
        (f"to the {relation}", f"on the {relation.split()[0]} side of")
        if sided
        else (f"just {relation}", f"standing {relation}")
    )
    return f"{phrases[0]} {(relation, second, third)[wording]} {phrases[1]}"


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]


def _phrase(group: Attributes, *, size: bool, material: bool, digits: bool) -> str:
    adjectives = [group["size"]] if size else []
    adjectives += [group["material"]] if material else []
    count, noun = int(group["count"]), str(group["shape"])
    words = " ".join([*adjectives, str(group["colour"]), noun if count == 1 else f"{noun}s"])
    if count == 1:
        return _article(words)
    return f"{count if digits else NUMBERS[count - 1]} {words}"


def _table(table: str) -> str:
    return "a wooden table" if table == "wood" else f"{_article(table)} table"


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _single(attributes: Attributes) -> bool:
    return int(attributes["groups"][0]["count"]) == 1


def read(text: str) -> Attributes | None:
    """The wish of a prompt: `groups` (count, shape, colour, size, material as stated), relation, table, wall, mirror.

    None without a word for one of our six shapes.

    Raises:
        ValueError: for a count outside 1..6, or for one thing on, under or inside another.
    """
    groups: list[Attributes] = []
    wish: Attributes = {}
    adjectives: Attributes = {}
    relation = ""
    for word in _tokens(text):
        if word in _RELATION:
            relation, adjectives = word, {}
        elif word in _SHAPE:
            if relation and groups:
                _relate(wish, relation, len(groups))
            groups.append({"count": 1, **adjectives, "shape": _SHAPE[word]})
            relation, adjectives = "", {}
        elif word in _SCENE_WORDS["table"]:
            _set(wish, "table", adjectives)
            relation, adjectives = "", {}
        elif word in _SCENE_WORDS["wall"]:
            _set(wish, "wall", adjectives)
            relation, adjectives = "", {}
        elif word == "mirror":
            wish["mirror"] = True
            relation, adjectives = "", {}
        else:
            adjectives = _adjectives(adjectives, word)
    if not groups:
        return None
    total = sum(int(group["count"]) for group in groups)
    if not 1 <= total <= MOST:
        raise ValueError(f"{text!r} asks for {total} objects; the tabletop family draws 1 to {MOST}")
    if len(groups) != 2 or total != 2:
        wish.pop("relation", None)
    return {"groups": groups, **wish}


def _relate(wish: Attributes, relation: str, before: int) -> None:
    if relation == "impossible":
        raise ValueError("tabletop objects stand side by side on the table, never on, under or inside each other")
    if before == 1:
        wish["relation"] = relation


def _set(wish: Attributes, name: str, adjectives: Attributes) -> None:
    if name == "table" and adjectives.get("wood"):
        wish["table"] = "wood"
    elif "colour" in adjectives and adjectives["colour"] != "black":  # a shadow would be lost on black
        wish[name] = adjectives["colour"]


def _adjectives(known: Attributes, word: str) -> Attributes:
    """The adjectives gathered before a noun, one word further; any other word ends the gathering."""
    for name, table in (("colour", _COLOUR), ("size", _SIZE), ("material", _MATERIAL)):
        if word in table:
            return {**known, name: table[word]}
    if word in _NUMBER:
        return {"count": _NUMBER[word]}
    if word.isdigit():
        return {"count": int(word)}
    if word in ("wood", "wooden"):
        return {**known, "wood": True}
    return known if word in ("of", "identical", "plain", "simple", "coloured", "colored") else {}


def _tokens(text: str) -> list[str]:
    """Lower-case words in their singular, with each relation phrase as one token."""
    line = re.sub(r"[^a-z0-9 ]+", " | ", text.lower().replace("-", " "))
    line = re.sub(r" +", " ", line)
    for name, pattern in _RELATION.items():
        line = re.sub(rf"\b(?:{pattern})\b", f" <{name.replace(' ', '_')}> ", line)
    return [_singular(word) for word in line.split()]


def _singular(word: str) -> str:
    if word.startswith("<"):
        return word[1:-1].replace("_", " ")
    if word in _PLURALS:
        return _PLURALS[word]
    return word[:-1] if word.endswith("s") and word[:-1] in _SHAPE else word


def complete(group: Mapping[str, Any], rng: np.random.Generator, taken: set[str]) -> Attributes:
    """A group with everything its wish left open drawn at random; colours in `taken` are avoided."""
    free = [name for name in COLOURS if name not in taken]
    drawn = {
        "count": 1,
        "shape": str(rng.choice(SHAPES)),
        "colour": str(rng.choice(free)),
        "size": str(rng.choice(SIZES)),
        "material": str(rng.choice(MATERIALS, p=(0.5, 0.3, 0.2))),
    }
    return {name: group.get(name, value) for name, value in drawn.items()}
