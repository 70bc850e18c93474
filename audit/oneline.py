"""Foreign text as one line that may leave this machine."""

from __future__ import annotations

import re
import unicodedata

from audit.redact import redact

_BREAKS = re.compile(r"[\t\n\r\v\f\x85\u2028\u2029]+")
_UNSEEN = ("Cc", "Cf", "Cs", "Co")


def one_line(text: str) -> str:
    """One line without secrets, and with marks for control characters, direction overrides and broken surrogates.

    >>> one_line("a" + chr(0x202E) + "b" + chr(10) + "c?api_key=d")
    'a�b c?api_key=***'
    """
    plain = _BREAKS.sub(" ", redact(text))
    return "".join("\ufffd" if unicodedata.category(letter) in _UNSEEN else letter for letter in plain)
