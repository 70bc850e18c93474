"""How an audit is written: a decorated factory whose arguments are recorded and whose result scores pictures.

    @audit("tone.clipped", version=1, better="lower", unit="share of pixels", source="...")
    def clipped(margin: int = 0) -> ScoreOne:
        def score(view: View) -> Score: ...
        return score

Saving that in `audit/audits/` (or naming it under the entry-point group "sixthfinger.audits") is enough.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from audit.types import Interval, Json, Prompt, Score
from generators.api import Pixels, Settings, Task

Better = Literal["higher", "lower", "neither"]
Kind = Literal["one", "batch", "set"]
TASKS: tuple[Task, ...] = get_args(Task)
T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """A picture as an audit sees it.

    Attributes:
        image: uint8, (3, height, width), sRGB.
        key: the job's key, for messages.
        look: reads a picture that the prompt brought, by its digest; None where there is nothing to read from.
    """

    image: torch.Tensor
    prompt: Prompt
    key: str = ""
    generator: str = ""
    settings: Settings = field(default_factory=Settings)
    look: Callable[[str], Pixels] | None = field(default=None, repr=False, compare=False)
    shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """The result of `compute`, worked out once for this picture whoever asks."""
        if name not in self.shared:
            self.shared[name] = compute()
        result: T = self.shared[name]
        return result

    def brought(self, role: str) -> Pixels | None:
        """A picture (H, W, 3) that the prompt brought: "source", "mask" or "control"; None where it brought none."""
        digest = self.prompt.inputs.get(role)
        look = self.look
        return None if digest is None or look is None else self.once(f"brought {role}", lambda: look(digest))


ScoreOne = Callable[[View], Score]
ScoreBatch = Callable[[Sequence[View]], list[Score]]
ScoreSet = Callable[[NDArray[np.float64], Sequence[str]], Interval]
"""Feature rows (n, d) and the prompt id of each row -> the statistic with its interval."""


@dataclass(frozen=True)
class Audit:
    """A registered audit. Calling it with options gives the scorer.

    Attributes:
        kind: "one" scores a picture at a time, "batch" several, "set" a whole cell from the vectors of `on`.
        statistic: how a cell is summarised: "mean", "rate" (values are 0 or 1), or for sets the statistic's own name.
        headline: shown in the headline table; features and side figures are not.
        tasks: what it has anything to say about; a run of another task takes it only when it is named.
    """

    name: str
    version: int
    better: Better
    unit: str
    source: str
    kind: Kind
    statistic: str
    on: str
    headline: bool
    doc: str
    factory: Callable[..., Any]
    tasks: tuple[Task, ...] = TASKS

    def options(self, given: dict[str, Json]) -> dict[str, Json]:
        """Every option with its value, defaults filled in; an unknown one is an error that names the known ones."""
        known = inspect.signature(self.factory).parameters
        for name in given:
            if name not in known:
                raise ValueError(f"audit {self.name!r} has no option {name!r}; it has {', '.join(known) or 'none'}")
        return {name: given.get(name, parameter.default) for name, parameter in known.items()}

    def scorer(self, **options: Json) -> ScoreBatch:
        """Score a list of views; the factory (and its models) runs once, here."""
        made = self.factory(**options)
        if self.kind == "set":
            raise TypeError(f"{self.name} scores sets; use set_scorer()")
        if self.kind == "batch":
            batch: ScoreBatch = made
            return batch
        one: ScoreOne = made
        return lambda views: [one(view) for view in views]

    def set_scorer(self, **options: Json) -> ScoreSet:
        """The set statistic, with its reference loaded."""
        if self.kind != "set":
            raise TypeError(f"{self.name} scores pictures; use scorer()")
        made: ScoreSet = self.factory(**options)
        return made

    def __call__(self, **options: Json) -> ScoreBatch:
        """Same as `scorer`: `clipped()([view])`."""
        return self.scorer(**options)


def audit(
    name: str,
    *,
    version: int,
    better: Better,
    unit: str,
    source: str,
    kind: Kind = "one",
    statistic: str = "mean",
    on: str = "",
    headline: bool = True,
    tasks: tuple[Task, ...] = TASKS,
) -> Callable[[Callable[..., Any]], Audit]:
    """Register a factory as an audit. The factory's docstring says what is measured; its arguments are the options."""
    if (kind == "set") != bool(on):
        raise ValueError(f"audit {name!r}: a set audit names the features it works on, others do not")

    def register(factory: Callable[..., Any]) -> Audit:
        doc = inspect.getdoc(factory) or ""
        if not doc or not unit or not source:
            raise ValueError(f"audit {name!r} needs a docstring, a unit and a source")
        return Audit(name, version, better, unit, source, kind, statistic, on, headline, doc, factory, tasks)

    return register
