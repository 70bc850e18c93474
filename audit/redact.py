"""Secrets are blotted out of whatever is stored or shown: a specification may carry an API key."""

from __future__ import annotations

import re
from collections.abc import Mapping

from audit.types import Json

_SECRET = re.compile(r"([?&][\w.-]*(?:key|token|secret|password|passwd|credentials?|auth)=)[^&\s'\"]*", re.I)
_LOGIN = re.compile(r"(\w://)[^/\s:@]+:[^/\s@]+@")


def redact(text: str) -> str:
    """The text with the values of options named like key, token or secret, and logins in addresses, blotted out.

    >>> redact("openai:https://host/v1?model=m&api_key=abc")
    'openai:https://host/v1?model=m&api_key=***'
    """
    return _LOGIN.sub(r"\1***@", _SECRET.sub(r"\1***", text))


def redacted(value: Json) -> Json:
    """`redact` on every text inside lists and tables."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: redacted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(inner) for inner in value]
    return value
