"""Physics: shadows, light and mirrors that contradict the rest of the picture, by how much, and where to look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.audits.physics import WRONG_LIGHT, WRONG_PLACE, WRONG_TURN
from audit.types import Json
from reports.api import Part, section
from reports.bars import Bars, Limit, histogram
from reports.evidence import boxes
from reports.exhibits import Exhibit, Shot, exhibit, laid_out, picture_of
from reports.findings import Found, Group, found, groups_of, in_bins, in_turn, label, legend, measures, option
from reports.load import Report
from reports.page import fill
from reports.words import number

MOST = 12
Residual = Callable[[Found], float | None]


@dataclass(frozen=True)
class Check:
    """A constraint: the audit that judges it, the one that measures by how much it fails, and the unit of that.

    Attributes:
        limit: option of the judging audit beyond which it fails, and its default.
        edges: of the histogram's bins.
        of_evidence: the residual from the judging audit's evidence, for runs without the measuring one.
        told: evidence that goes below a picture, and what it is called there.
    """

    title: str
    judges: str
    measures: str
    unit: str
    limit: tuple[str, float]
    edges: tuple[float, ...]
    of_evidence: Residual
    told: dict[str, str]


CHECKS = (
    Check(
        title="Shadows",
        judges="physics.shadow_wrong",
        measures="physics.shadow",
        unit="degrees",
        limit=("angle", WRONG_TURN),
        edges=tuple(float(each) for each in range(0, 100, 10)),
        of_evidence=lambda each: max(each.evidence["counted"], default=None),
        told={"turns": "each shadow turns by, in degrees"},
    ),
    Check(
        title="Light",
        judges="physics.light_wrong",
        measures="physics.light",
        unit="degrees",
        limit=("angle", WRONG_LIGHT),
        edges=tuple(float(each) for each in range(0, 195, 15)),
        of_evidence=lambda each: each.evidence["apart"],
        told={"shadows_point": "shadows point to, in degrees", "shading_says": "by the shading they should point to"},
    ),
    Check(
        title="Mirrors",
        judges="physics.mirror_wrong",
        measures="physics.mirror",
        unit="pixels at 128 a side",
        limit=("place", WRONG_PLACE),
        edges=tuple(float(each) for each in range(0, 44, 4)),
        of_evidence=lambda each: None,
        told={"reflections": "reflections"},
    ),
)


@dataclass(frozen=True)
class Seen:
    """A picture with the residual of a check; `wrong` is None where no audit judged it."""

    picture: Found
    residual: float
    wrong: bool | None


@section("physics", title="Physics", order=54)
def physics(report: Report) -> Part | None:
    """For each constraint its rates, how far pictures are from meeting it, and the worst of them, drawn over."""
    names = [name for check in CHECKS for name in (check.judges, check.measures)]
    groups = groups_of(report, names)
    tables = measures(report, names)
    if not groups:
        return None
    figures: dict[str, Json] = {}
    checks = []
    for check in CHECKS:
        seen = [(group, each) for group in groups if (each := _seen(group, check))]
        if not seen:
            continue
        figures[check.measures] = _figure(check, seen, groups)
        worst = in_turn([_worst(each) for _, each in seen], MOST // len(CHECKS))
        checks.append((check, laid_out([_exhibit(report, check, each) for each in worst], share=len(CHECKS))))
    html = fill("sections/physics.html", tables=tables, legend=legend(groups), checks=checks)
    return Part(html, {"figures": figures})


def _seen(group: Group, check: Check) -> list[Seen]:
    """Pictures of which the residual is known, from the audit that measures it or from the evidence of a verdict."""
    verdicts = {(id(each.column), each.key): each for each in found(group, check.judges) if each.value is not None}
    measured = [each for each in found(group, check.measures) if each.value is not None]
    if measured:
        judged = [verdicts.get((id(each.column), each.key)) for each in measured]
        return [
            Seen(each, each.value or 0.0, None if verdict is None else verdict.value == 1)
            for each, verdict in zip(measured, judged, strict=True)
        ]
    told = [(each, check.of_evidence(each)) for each in verdicts.values()]
    return [Seen(each, residual, each.value == 1) for each, residual in told if residual is not None]


def _worst(seen: Sequence[Seen]) -> list[Seen]:
    """Those judged wrong first, the greatest residual first."""
    return sorted(seen, key=lambda each: (not each.wrong, -each.residual))


def _figure(check: Check, seen: Sequence[tuple[Group, Sequence[Seen]]], groups: Sequence[Group]) -> Json:
    series = []
    for group, pictures in seen:
        values, prompts = [each.residual for each in pictures], [each.picture.prompt.id for each in pictures]
        series.append(Bars(label(group, groups), tuple(in_bins(values, prompts, check.edges)), group.place))
    name, usual = check.limit
    limits = {float(option(column, check.judges, name, usual)) for group, _ in seen for column in group.columns}
    limit = Limit(limits.pop(), "counts as wrong") if len(limits) == 1 else None
    return histogram(series, check.edges, x_title=check.unit, limit=limit)


def _exhibit(report: Report, check: Check, each: Seen) -> Exhibit:
    evidence = each.picture.evidence
    lines = boxes({"lines": evidence.get("lines", [])})
    drawn = [*boxes({"boxes": evidence.get("boxes", [])}), *({**line, "line": True} for line in lines)]
    facts = {"off by": f"{number(each.residual)} {check.unit}"}
    if each.wrong is not None:
        facts["verdict"] = "wrong" if each.wrong else "not wrong"
    facts |= {words: _listed(evidence[name]) for name, words in check.told.items() if name in evidence}
    return exhibit(report, each.picture, [Shot(picture_of(each.picture), boxes=drawn)], facts)


def _listed(value: Json) -> str:
    several = value if isinstance(value, list) else [value]
    return ", ".join(number(each, 0) if isinstance(each, int | float) else str(each) for each in several)
