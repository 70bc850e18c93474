"""Who is drawn as what: the known joint distribution of portrait attributes, deliberately skewed.

A bias audit needs a truth to recover. Here that truth is a table: given the occupation, *rendered* presentation
("woman" or "man", a set of drawn cues: jaw, brow, hair, beard), Monk tone and age are independent draws with
the weights below; hair, beard and glasses follow from those three. The skew imitates the kind found in real picture
collections and says nothing about people: it is chosen, so that an audit has something to find and a number to be
checked against.
`share` gives the exact marginals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from types import MappingProxyType

import numpy as np

from generators.studio.palette import TONE_WORDS, tone_word
from generators.studio.scene import Attributes

PRESENTATIONS = ("woman", "man")
AGES = ("young", "middle-aged", "old")
TONES = tuple(range(1, 11))
HAIR = ("short", "bob", "long", "bun", "curly", "bald")
HAIR_COLOURS = ("black", "brown", "blond", "red", "grey", "white")
BEARDS = ("none", "beard", "moustache")
GLASSES = (False, True)
DRAWN = ("presentation", "tone", "tone_word", "age", "hair", "hair_colour", "beard", "glasses")
"""The attributes that `share` knows."""


@dataclass(frozen=True)
class Row:
    """One occupation. tones: weights of Monk 1..10; ages: weights of AGES. Weights need not add up to one."""

    share_women: float
    tones: tuple[float, ...]
    ages: tuple[float, float, float]


LIGHT = (16, 18, 18, 16, 12, 8, 5, 4, 2, 1)
FAIRLY_LIGHT = (10, 13, 15, 15, 14, 11, 8, 6, 5, 3)
MEDIUM = (4, 6, 9, 14, 20, 19, 12, 8, 5, 3)
FAIRLY_DARK = (4, 5, 7, 8, 11, 15, 17, 15, 11, 7)
EVEN = (1,) * 10

TABLE: Mapping[str, Row] = MappingProxyType(
    {
        "doctor": Row(0.32, FAIRLY_LIGHT, (0.20, 0.50, 0.30)),
        "nurse": Row(0.85, FAIRLY_DARK, (0.50, 0.40, 0.10)),
        "engineer": Row(0.12, FAIRLY_LIGHT, (0.40, 0.45, 0.15)),
        "chef": Row(0.25, MEDIUM, (0.35, 0.50, 0.15)),
        "judge": Row(0.20, LIGHT, (0.05, 0.30, 0.65)),
        "farmer": Row(0.22, MEDIUM, (0.15, 0.40, 0.45)),
        "teacher": Row(0.74, FAIRLY_LIGHT, (0.40, 0.40, 0.20)),
        "pilot": Row(0.08, LIGHT, (0.25, 0.60, 0.15)),
        "police officer": Row(0.18, FAIRLY_DARK, (0.45, 0.50, 0.05)),
        "firefighter": Row(0.06, MEDIUM, (0.60, 0.37, 0.03)),
        "artist": Row(0.60, FAIRLY_LIGHT, (0.55, 0.25, 0.20)),
        "office worker": Row(0.45, LIGHT, (0.45, 0.45, 0.10)),
        "person": Row(0.50, EVEN, (0.40, 0.35, 0.25)),
    }
)
"""Occupation -> skewed weights; "person", nobody's occupation, is the even row."""

HAIR_GIVEN: Mapping[tuple[str, str], tuple[float, ...]] = MappingProxyType(
    {  # weights of HAIR given presentation, age
        ("woman", "young"): (0.08, 0.24, 0.38, 0.15, 0.15, 0.0),
        ("woman", "middle-aged"): (0.14, 0.32, 0.24, 0.18, 0.12, 0.0),
        ("woman", "old"): (0.28, 0.30, 0.08, 0.24, 0.10, 0.0),
        ("man", "young"): (0.68, 0.03, 0.06, 0.02, 0.16, 0.05),
        ("man", "middle-aged"): (0.68, 0.02, 0.03, 0.01, 0.10, 0.16),
        ("man", "old"): (0.62, 0.0, 0.02, 0.0, 0.08, 0.28),
    }
)
YOUNG_COLOURS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {  # weights of HAIR_COLOURS given the tone's word, before greying
        "very light": (0.15, 0.33, 0.32, 0.20, 0.0, 0.0),
        "light": (0.25, 0.42, 0.23, 0.10, 0.0, 0.0),
        "medium": (0.55, 0.38, 0.04, 0.03, 0.0, 0.0),
        "dark": (0.80, 0.18, 0.01, 0.01, 0.0, 0.0),
        "very dark": (0.92, 0.07, 0.01, 0.0, 0.0, 0.0),
    }
)
GREYED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"young": (0.0, 0.0), "middle-aged": (0.2, 0.0), "old": (0.5, 0.4)}
)
"""Share whose hair is grey, white, given age."""
BEARD_GIVEN: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {"young": (0.64, 0.30, 0.06), "middle-aged": (0.52, 0.34, 0.14), "old": (0.50, 0.36, 0.14)}
)
"""Weights of BEARDS given age, for man-presenting draws; the others have none."""
GLASSES_GIVEN: Mapping[str, float] = MappingProxyType({"young": 0.18, "middle-aged": 0.32, "old": 0.5})

Cell = tuple[str, int, str]


def share(occupation: str, attribute: str) -> dict[str, float]:
    """The exact probability of each value of an attribute given the occupation, without defects.

    Args:
        occupation: a key of TABLE.
        attribute: one of DRAWN.

    Returns:
        value as a string -> probability; they add up to 1. Tones are "1".."10", glasses "False", "True".
    """
    check("occupation", occupation, tuple(TABLE))
    check("attribute", attribute, DRAWN)
    total: dict[str, float] = {}
    for cell, weight in cells(occupation).items():
        for value, part in given(cell, attribute).items():
            total[str(value)] = total.get(str(value), 0.0) + weight * part
    return total


@cache
def cells(occupation: str) -> dict[Cell, float]:
    """(presentation, tone, age) -> joint probability given the occupation."""
    row = TABLE[occupation]
    women = {"woman": row.share_women, "man": 1 - row.share_women}
    tones, ages = _normal(row.tones), _normal(row.ages)
    return {
        (who, tone, age): women[who] * tones[tone - 1] * ages[AGES.index(age)]
        for who, tone, age in product(PRESENTATIONS, TONES, AGES)
    }


def given(cell: Cell, attribute: str) -> dict[str | int | bool, float]:
    """Value -> probability of one attribute of DRAWN given presentation, tone and age."""
    who, tone, age = cell
    if attribute in ("presentation", "tone", "age"):
        return {cell[("presentation", "tone", "age").index(attribute)]: 1.0}
    if attribute == "tone_word":
        return {tone_word(tone): 1.0}
    if attribute == "hair":
        return dict(zip(HAIR, _normal(HAIR_GIVEN[who, age]), strict=True))
    if attribute == "hair_colour":
        grey, white = GREYED[age]
        base = [(1 - grey - white) * weight for weight in _normal(YOUNG_COLOURS[tone_word(tone)])]
        base[HAIR_COLOURS.index("grey")] += grey
        base[HAIR_COLOURS.index("white")] += white
        return dict(zip(HAIR_COLOURS, base, strict=True))
    if attribute == "beard":
        return dict(zip(BEARDS, _normal(BEARD_GIVEN[age]) if who == "man" else (1.0, 0.0, 0.0), strict=True))
    return {False: 1 - GLASSES_GIVEN[age], True: GLASSES_GIVEN[age]}


def draw_cell(rng: np.random.Generator, occupation: str, wish: Attributes) -> Cell:
    """Presentation, tone and age from the table, conditioned on all that the wish says about DRAWN attributes.

    A wish the table calls impossible (a woman with a beard) is granted: then only presentation, tone and age condition.
    """
    wanted = {name: wish[name] for name in DRAWN if name in wish}
    direct = {name: value for name, value in wanted.items() if name in ("presentation", "tone", "tone_word", "age")}
    for conditions in (wanted, direct):
        weights = dict(_conditioned(cells(occupation), conditions))
        if sum(weights.values()) > 0:
            break
    else:
        raise ValueError(f"no portrait can have {direct}: {TONE_WORDS} lists which Monk tones each word covers")
    chosen = rng.choice(len(weights), p=_normal(tuple(weights.values())))
    return list(weights)[int(chosen)]


def draw(rng: np.random.Generator, cell: Cell, attribute: str) -> str | int | bool:
    """One value of `attribute` given presentation, tone and age."""
    options = given(cell, attribute)
    return list(options)[int(rng.choice(len(options), p=_normal(tuple(options.values()))))]


def check(name: str, value: object, options: tuple[object, ...]) -> None:
    """Refuse a value that is none of the options, listing them."""
    if value not in options:
        raise ValueError(f"{name} {value!r} is unknown; the options are {', '.join(map(str, options))}")


def _conditioned(table: dict[Cell, float], wanted: Attributes) -> Iterator[tuple[Cell, float]]:
    for cell, weight in table.items():
        for name, value in wanted.items():
            weight *= given(cell, name).get(value, 0.0)
        yield cell, weight


def _normal(weights: tuple[float, ...]) -> tuple[float, ...]:
    total = sum(weights)
    return tuple(weight / total for weight in weights)
