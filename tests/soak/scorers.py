"""Audits that misbehave on prompts with a certain letter for as long as a flag file is there."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from audit.api import Audit, ScoreOne, View, audit
from audit.types import Score

LETTER = "c"


def _unless(flag: str, misbehave: Callable[[], object]) -> ScoreOne:
    def score(view: View) -> Score:
        if LETTER in view.prompt.text and Path(flag).exists():
            misbehave()
        return Score.of(float(view.image.double().mean()))

    return score


@audit("soak.sleeps", version=1, better="higher", unit="grey levels", source="tests")
def sleeps(flag: str) -> ScoreOne:
    """Waits for an answer that never comes."""
    return _unless(flag, lambda: time.sleep(3600))


@audit("soak.spins", version=1, better="higher", unit="grey levels", source="tests")
def spins(flag: str) -> ScoreOne:
    """Native code that never ends and never lets another thread run."""
    return _unless(flag, lambda: re.match(r"(a+)+$", "a" * 64 + "b"))


@audit("soak.exits", version=1, better="higher", unit="grey levels", source="tests")
def exits(flag: str) -> ScoreOne:
    """Ends its process without a word."""
    return _unless(flag, lambda: os._exit(7))


@audit("soak.crashes", version=1, better="higher", unit="grey levels", source="tests")
def crashes(flag: str) -> ScoreOne:
    """Native code that reads where nothing is."""
    return _unless(flag, lambda: os.kill(os.getpid(), signal.SIGSEGV))


@audit("soak.quits", version=1, better="higher", unit="grey levels", source="tests")
def quits(flag: str) -> ScoreOne:
    """Calls sys.exit() like a script."""
    return _unless(flag, lambda: sys.exit("enough"))


BAD: dict[str, tuple[Audit, str]] = {
    "sleeps": (sleeps, "no answer within"),
    "spins": (spins, "no answer within"),
    "exits": (exits, "exit code 7"),
    "crashes": (crashes, "SIGSEGV"),
}
"""What takes its process along or stops it, and the words by which a person recognises it."""
