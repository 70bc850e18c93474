"""What follows a scheme: "FOLDER?prompts=FILE&limit=3" taken apart, with every option known by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from urllib.parse import unquote


class OptionError(ValueError):
    """An option that is unknown, empty or given twice; the message lists what there is."""


def near(name: str, known: Sequence[str]) -> str:
    """'; did you mean ...?' or, where nothing is near, '; there is ...'."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {', '.join(close)}?" if close else f"there is {', '.join(known)}"


def split_options(rest: str, known: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    """("FOLDER", {"prompts": "FILE"}) of "FOLDER?prompts=FILE"; values may be percent-encoded.

    Raises:
        OptionError: where an option is not among `known`, has no value or comes twice.
    """
    subject, _, query = rest.partition("?")
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if name not in known:
            raise OptionError(f"{rest!r}: no option {name!r}; {near(name, known)}")
        if not value:
            raise OptionError(f"{rest!r}: option {name!r} needs a value, as in {name}=...")
        if name in options:
            raise OptionError(f"{rest!r}: option {name!r} is given twice")
        options[name] = unquote(value)
    return subject, options
