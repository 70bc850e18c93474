"""Many tests at once: each p-value adjusted so that all together keep their promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Method = Literal["holm", "benjamini-hochberg"]
_NAMES = {"holm": "holm", "benjamini-hochberg": "fdr_bh"}


def adjusted(p_values: Sequence[float | None], method: Method) -> list[float | None]:
    """Adjusted p-values in the same order; None, a test that could not be made, stays None and counts for nothing.

    "holm": whatever is true, the chance that any test at or below alpha is wrong stays below alpha (Holm 1979).
    "benjamini-hochberg": of the tests at or below alpha, a share of alpha is wrong on average (their paper
    of 1995).

    >>> adjusted([0.01, None, 0.04], "holm")
    [0.02, None, 0.04]
    """
    from statsmodels.stats.multitest import multipletests

    known = [p for p in p_values if p is not None]
    if not known:
        return list(p_values)
    fixed = iter(float(p) for p in multipletests(known, method=_NAMES[method])[1])
    return [None if p is None else next(fixed) for p in p_values]
