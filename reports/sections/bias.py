"""Bias: who is drawn as what, against what chance would do, what training taught, and how often a face is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from audit.audits.bias import DARKER_HALF
from audit.audits.bias_sets import OCCUPATIONS, PRESENTATION, TONE, TRAINING, training_shares
from audit.features import monk
from audit.types import Interval, Json, Prompt
from generators.studio.palette import MONK_HEX, TONE_WORDS
from generators.studio.portraits_table import PRESENTATIONS, TONES
from reports.api import Part, section
from reports.bars import Bars, Dots, bars, dots
from reports.findings import Floats, Group, Vectors, found, groups_of, label, legend, measures, option, share, vectors
from reports.load import Column, Report, rows_of
from reports.page import fill
from reports.words import with_interval

PERSON = "features.person"
AUDITS = (
    "bias.found",
    "bias.tone_index",
    "bias.presentation_index",
    "bias.amplification",
    "bias.tone_amplification",
    "bias.darker",
    "bias.presentation",
    "bias.tone",
    "bias.age",
)
NO_OCCUPATION = "no occupation"
NOT_STATED = "tone not stated"
WOMAN = PRESENTATIONS.index("woman")
ROW, HEAD = 26, 70
"""Pixels of a row of dots for each group, and of the axis."""


@dataclass(frozen=True)
class Person:
    """Who is perceived: tone 0 (lightest) to 9 and place in PRESENTATIONS; None where the prompt states it."""

    prompt: Prompt
    tone: int | None
    presentation: int | None

    @property
    def occupation(self) -> str:
        """The occupation that was asked for."""
        return str(self.prompt.expect.get("occupation") or NO_OCCUPATION)


@dataclass(frozen=True)
class Trait:
    """Something a person is drawn with or without: `of` tells, None where the prompt states it.

    Attributes:
        attribute: of the training table, its values, and which of them count.
        index: the audit whose reference says what is even.
    """

    title: str
    of: Callable[[Person], bool | None]
    attribute: str
    values: tuple[str, ...]
    counted: slice
    index: str


TRAITS = (
    Trait(
        "perceived as woman-presenting",
        lambda each: None if each.presentation is None else each.presentation == WOMAN,
        "presentation",
        PRESENTATIONS,
        slice(WOMAN, WOMAN + 1),
        "bias.presentation_index",
    ),
    Trait(
        "one of the darker five tones",
        lambda each: None if each.tone is None else each.tone + 1 >= DARKER_HALF,
        "tone",
        tuple(map(str, TONES)),
        slice(DARKER_HALF - 1, monk.STEPS),
        "bias.tone_index",
    ),
)


@section("bias", title="Bias", order=53)
def bias(report: Report) -> Part | None:
    """Rates and indices, tones and presentation with what chance would do, and how often a face is found."""
    groups = groups_of(report, [*AUDITS, PERSON])
    if not groups:
        return None
    marks = vectors(report, PERSON)
    people = [(group, each) for group in groups if (each := _people(group, marks))]
    figures: dict[str, Json] = {}
    if any(person.tone is not None for _, each in people for person in each):
        figures["bias.tones"] = _tones(people)
    occupations = _occupations(people)
    taught, untaught = _taught([column for group, _ in people for column in group.columns])
    drawn = []
    for trait in TRAITS:
        if any(trait.of(person) is not None for _, each in people for person in each):
            figures[f"bias.{trait.attribute}"] = _by_occupation(trait, people, occupations, taught[trait.attribute])
            drawn.append(trait)
    html = fill(
        "sections/bias.html",
        tables=measures(report, AUDITS),
        legend=legend([group for group, _ in people]),
        tones="bias.tones" in figures,
        traits=drawn,
        height=HEAD + ROW * len(occupations) * max(1, len(people)) // 2 + 8 * len(occupations),
        untaught=untaught,
        names=[label(group, groups) for group in groups],
        found=_found_by_tone(groups),
    )
    return Part(html, {"figures": figures})


def _people(group: Group, marks: Vectors) -> list[Person]:
    """The persons perceived in the group's pictures; those without a face that was found are counted elsewhere."""
    run = group.columns[0].run
    cells = {(column.generator, column.cell) for column in group.columns}
    return [
        Person(run.prompts[str(row["prompt_id"])], _marked(mine[TONE]), _marked(mine[PRESENTATION]))
        for row in rows_of(run.pictures)
        if (row["generator"], row["cell"]) in cells and (mine := marks.get((id(run), str(row["key"])))) is not None
    ]


def _marked(marks: Floats) -> int | None:
    return int(marks.argmax()) if marks.any() else None


def fair_range(n: int, rate: float) -> tuple[float, float]:
    """Between which shares 95 % of n pictures of a generator lie that draws by chance at this rate (binomial).

    >>> fair_range(10, 0.5)
    (0.2, 0.8)
    """
    low, high = stats.binom.ppf([0.025, 0.975], n, rate) / n
    return float(low), float(high)


def _tones(people: Sequence[tuple[Group, Sequence[Person]]]) -> Json:
    """Shares of the ten tones where the prompt leaves the tone open, with the range of an even generator."""
    groups = [group for group, _ in people]
    series = []
    for group, persons in people:
        tones = [(each.tone, each.prompt.id) for each in persons if each.tone is not None]
        if not tones:
            continue
        even = _even(group, "bias.tone_index", monk.STEPS)
        prompts = [prompt for _, prompt in tones]
        heights = tuple(share([tone == step for tone, _ in tones], prompts) for step in range(monk.STEPS))
        fair = tuple(fair_range(len(tones), rate) for rate in even)
        series.append(Bars(label(group, groups), heights, group.place, fair))
    return bars(
        series,
        [str(step) for step in TONES],
        x_title="Monk step, light to dark",
        swatches=[f"#{each}" for each in MONK_HEX],
    )


def _even(group: Group, index: str, classes: int) -> list[float]:
    """Shares of the classes that count as even: the reference that the run gave the index, else all alike."""
    weights = np.asarray(option(group.columns[0], index, "reference", None) or [1.0] * classes, np.float64)
    return [float(each) for each in weights / weights.sum()]


def _occupations(people: Sequence[tuple[Group, Sequence[Person]]]) -> list[str]:
    """Those asked for, in order of the alphabet; prompts without one at the end."""
    asked = {person.occupation for _, each in people for person in each}
    return sorted(asked - {NO_OCCUPATION}) + [NO_OCCUPATION] * (NO_OCCUPATION in asked)


def _by_occupation(
    trait: Trait,
    people: Sequence[tuple[Group, Sequence[Person]]],
    occupations: Sequence[str],
    taught: dict[int, tuple[float, ...]],
) -> Json:
    groups = [group for group, _ in people]
    series = []
    for group, persons in people:
        even = sum(_even(group, trait.index, len(trait.values))[trait.counted])
        shares: list[Interval | None] = []
        fair: list[tuple[float, float] | None] = []
        for occupation in occupations:
            open_to = [
                (flag, p.prompt.id) for p in persons if p.occupation == occupation and (flag := trait.of(p)) is not None
            ]
            shares.append(share([flag for flag, _ in open_to], [prompt for _, prompt in open_to]) if open_to else None)
            fair.append(fair_range(len(open_to), even) if open_to else None)
        series.append(Dots(label(group, groups), tuple(shares), group.place, tuple(fair)))
    marks = [_share_taught(trait, taught, occupation) for occupation in occupations]
    return dots(series, occupations, x_title=f"share {trait.title}", marks=marks)


def _share_taught(trait: Trait, taught: dict[int, tuple[float, ...]], occupation: str) -> float | None:
    weights = taught.get(OCCUPATIONS.index(occupation)) if occupation in OCCUPATIONS else None
    return None if weights is None else sum(weights[trait.counted]) / sum(weights)


def _taught(columns: Sequence[Column]) -> tuple[dict[str, dict[int, tuple[float, ...]]], str]:
    """Training's weights by attribute and number of the occupation; empty, with why, where they are not to be had."""
    nothing: dict[str, dict[int, tuple[float, ...]]] = {trait.attribute: {} for trait in TRAITS}
    tables = {str(option(column, "bias.amplification", "training", TRAINING)) for column in columns}
    if len(tables) != 1:
        return nothing, "the runs were held against different training tables" if tables else ""
    path = tables.pop()
    try:
        return {each.attribute: training_shares(path, each.attribute, each.values) for each in TRAITS}, ""
    except (OSError, ValueError) as error:
        return nothing, str(error)


def _found_by_tone(groups: Sequence[Group]) -> list[tuple[str, list[tuple[str, str, int] | None]]]:
    """Rows of tones asked for: share of pictures in which a face is found, its interval, n; None where none asked."""
    judged = [[each for each in found(group, "bias.found") if each.value is not None] for group in groups]
    rows = []
    for word in (*TONE_WORDS, NOT_STATED):
        cells: list[tuple[str, str, int] | None] = []
        for pictures in judged:
            mine = [each for each in pictures if (each.prompt.expect.get("tone_word") or NOT_STATED) == word]
            seen = share([each.value == 1 for each in mine], [each.prompt.id for each in mine])
            cells.append(None if seen.value is None else (*with_interval(seen.value, seen.low, seen.high), len(mine)))
        if any(cells):
            rows.append((word, cells))
    return rows
