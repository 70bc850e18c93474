"""Audits with their models, in this process or in one of their own, and what they may answer."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from audit.apart import Apart, LostError
from audit.api import Audit, ScoreBatch, View
from audit.redact import redact
from audit.registry import find_audit
from audit.tables import canonical
from audit.types import Json, Score

MISSING_WEIGHTS = "missing_weights"


class Scorers:
    """Audits with their models, each built when first needed and tried once."""

    def __init__(self) -> None:
        self._built: dict[str, ScoreBatch | Exception] = {}

    def __call__(self, audit: Audit, options: Mapping[str, Json], views: Sequence[View]) -> list[Score]:
        """One score per view; where the audit cannot start, scores that say why."""
        if audit.name not in self._built:
            try:
                self._built[audit.name] = audit.scorer(**options)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it fails by name; the others go on
                self._built[audit.name] = error if isinstance(error, Exception) else RuntimeError(f"exit {error}")
        scorer = self._built[audit.name]
        if not isinstance(scorer, Exception):
            return scored(scorer, views)
        if is_missing_weights(scorer):
            return [Score.skipped(str(scorer), **{MISSING_WEIGHTS: True}) for _ in views]
        return [Score.failed(redact(f"the audit could not start: {type(scorer).__name__}: {scorer}")) for _ in views]


class ScorersApart:
    """`Scorers` in a process of their own, to which each picture is sent once, whichever audits ask for it.

    Args:
        limit: seconds for a call; None: as long as it takes.
        threads: for torch over there; as many as here give the same bits as here, others sum in another order.
    """

    def __init__(self, limit: float | None, threads: int) -> None:
        self._apart = Apart(partial(Elsewhere, threads), limit)
        self._sent: set[str] = set()

    def start(self) -> None:
        """See `Apart.start`."""
        self._apart.start()

    def __call__(self, audit: Audit, options: Mapping[str, Json], views: Sequence[View]) -> list[Score]:
        """Same as `Scorers`.

        Raises:
            LostError: the limit passed or the process died; the next call goes to a new one.
        """
        keys = [view.key for view in views]
        known = self._sent & set(keys)
        fresh = [replace(view, shared={}) for view in views if view.key not in known]
        try:
            scores: list[Score] = self._apart(place_of(audit), options, keys, fresh)
        except LostError:
            self._sent = set()
            raise
        self._sent = (self._sent if known else set()) | set(keys)
        return scores


Place = tuple[str, str, str]
"""An audit's name, module and name there: what another process finds it by, since a factory cannot be sent."""


def place_of(audit: Audit) -> Place:
    """Where an audit is found."""
    return audit.name, audit.factory.__module__, audit.factory.__qualname__


class Elsewhere:
    """The other end of `ScorersApart`: audits come by their places, views as copies."""

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._scorers = Scorers()
        self._views: dict[str, View] = {}

    def __call__(
        self, place: Place, options: Mapping[str, Json], keys: Sequence[str], fresh: Sequence[View]
    ) -> list[Score]:
        """Scores of the views by their keys, of which those not sent before are `fresh`.

        Views, and what audits share by `View.once`, last as long as pictures of one shard come.
        """
        name, module, variable = place
        found = getattr(importlib.import_module(module), variable, None)
        audit = found if isinstance(found, Audit) and found.name == name else find_audit(name)
        if not self._views.keys() & set(keys):
            self._views.clear()
        self._views |= {view.key: view for view in fresh}
        return self._scorers(audit, options, [self._views[key] for key in keys])


def scored(scorer: ScoreBatch, views: Sequence[View]) -> list[Score]:
    """One score per view; where the batch raises, each picture is scored alone and what raises then has failed."""
    try:
        return _checked(scorer(views), len(views))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - becomes the culprit's score below, with type and message
        if len(views) == 1:
            return [Score.failed(redact(f"{type(error).__name__}: {error}"))]
        return [score for view in views for score in scored(scorer, [view])]


def is_missing_weights(error: Exception) -> bool:
    """Whether an audit could not start for want of weights, which is no failure: the score is skipped and says how."""
    from audit.weights import MissingWeightsError

    return isinstance(error, MissingWeightsError)


def _checked(scores: Sequence[Score], wanted: int) -> list[Score]:
    if len(scores) != wanted:
        raise ValueError(f"the audit returned {len(scores)} scores for {wanted} pictures")
    for score in scores:
        canonical(dict(score.evidence))  # evidence that is not JSON is the audit's bug, met here and not in the store
        if score.vector is not None and not np.isfinite(score.vector).all():
            raise ValueError("a vector must be finite; say skipped or failed instead")
    return list(scores)
