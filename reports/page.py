"""Templates and escaping: how values become safe markup and safe embedded JSON."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from audit.types import Json
from reports.words import ARROWS, DIRECTIONS, duration, number, plural, visible, visible_json

ASSETS = Path(__file__).parent / "assets"
_UNSAFE_IN_SCRIPT = {mark: f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def fill(template: str, **values: object) -> Markup:
    """The template of `reports/assets/` with its values; every value is escaped and its control characters shown."""
    # Markup is safe here because the environment escapes every value
    return Markup(_environment().get_template(template).render(**values))


def embedded(value: Json) -> Markup:
    """JSON that may stand inside a <script type="application/json"> element whatever strings it holds."""
    text = json.dumps(visible_json(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark, word in _UNSAFE_IN_SCRIPT.items():  # which takes a tenth of the time of translate, of megabytes
        text = text.replace(mark, word)
    return Markup(text)


def asset(name: str) -> str:
    """The text of a file of `reports/assets/`."""
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "plural": plural, "duration": duration}
    environment.globals |= {"ARROWS": ARROWS, "DIRECTIONS": DIRECTIONS}
    return environment


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
