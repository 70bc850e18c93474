"""How a section of the report is written: a decorated function from the report's data to a part of the page.

    @section("headline", title="Headline", order=20)
    def headline(report: Report) -> Part | None: ...

Saving that in `reports/sections/` (or naming it under the entry-point group "sixthfinger.sections") is enough.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points

from markupsafe import Markup

from audit.types import Json
from reports.load import Report


@dataclass(frozen=True)
class Part:
    """What a section puts on the page.

    Attributes:
        html: safe markup; text from prompts and models is escaped already (jinja2 does it).
        data: embedded as JSON under the section's name, for the page's scripts.
    """

    html: Markup
    data: Mapping[str, Json] = field(default_factory=dict)


Write = Callable[[Report], Part | None]


@dataclass(frozen=True)
class Section:
    """A registered section. `write` gives None where the runs hold nothing for it, and the section is left out."""

    name: str
    title: str
    order: int
    write: Write


def section(name: str, *, title: str, order: int) -> Callable[[Write], Section]:
    """Register a function as a section; sections appear by rising `order`."""
    if not name.isidentifier():
        raise ValueError(f"section {name!r}: the name becomes an anchor, so it must be an identifier")
    return lambda write: Section(name, title, order, write)


@cache
def sections() -> tuple[Section, ...]:
    """Every section, in reading order."""
    import reports.sections as folder

    modules = [
        importlib.import_module(f"{folder.__name__}.{info.name}") for info in pkgutil.iter_modules(folder.__path__)
    ]
    offered = [value for module in modules for value in vars(module).values() if isinstance(value, Section)]
    offered += [point.load() for point in entry_points(group="sixthfinger.sections")]
    found: dict[str, Section] = {}
    for each in offered:
        if each.name in found and found[each.name] is not each:
            raise ValueError(f"two sections are named {each.name!r}")
        found[each.name] = each
    return tuple(sorted(found.values(), key=lambda each: (each.order, each.name)))
