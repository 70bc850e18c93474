"""Secrets are blotted out of whatever is stored or shown: a specification may carry an API key."""

from __future__ import annotations

import re
from collections.abc import Mapping

from audit.types import Json

_SECRET = re.compile(
    r"([?&;][\w.-]*(?:key|token|secret|password|passwd|pwd|credentials?|auth|signature|sig)=)[^&\s'\"]*", re.I
)
_LOGIN = re.compile(r"(\w://)[^/\s?#'\"]+@")
_HEADER = re.compile(r"(authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:bearer|basic|token)\s+)?[^\s'\",;]+", re.I)
_BEARER = re.compile(r"\b(bearer\s+)[\w.~+/=-]{8,}", re.I)
_KEY = re.compile(r"\b((?:sk|hf|gh[oprsu]|github_pat|xox[abeoprs]|wandb_v\d|glpat)[-_]|AKIA|AIza)[\w-]{12,}")
"""What keys of well-known services look like, wherever they stand: services repeat a key they refuse."""


def redact(text: str) -> str:
    """The text without secrets: options named like key or token, logins in addresses, headers that authorise, and keys.

    >>> redact("openai:https://host/v1?model=m&api_key=abc")
    'openai:https://host/v1?model=m&api_key=***'
    >>> redact("https://ada:pass@host Authorization: Bearer abcdefgh")
    'https://***@host Authorization: ***'
    """
    for pattern in (_SECRET, _HEADER, _BEARER, _KEY):
        text = pattern.sub(r"\1***", text)
    return _LOGIN.sub(r"\1***@", text)


def redacted(value: Json) -> Json:
    """`redact` on every text inside lists and tables."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: redacted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(inner) for inner in value]
    return value
