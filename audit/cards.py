"""Cards: what each detector is worth, measured; kept as JSON, refused for another version or other weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from audit.statistics.correction import Confusion
from audit.trial import GOAL
from audit.types import Interval, Json, digest_of

SHIPPED = Path(__file__).parent / "cards"


class CardError(ValueError):
    """A card file that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a detector is worth on one domain.

    Attributes:
        options, weights: of the detector when it was measured; weights by name, the first 16 digits of their SHA-256.
        sensitivity: share of planted pictures called so, among those decided on; specificity likewise of clean ones.
        abstain: share of all pictures on which it did not decide.
        table: truth -> answer -> pictures, where the detector names something; "abstained" among the answers.
        groups: kind of picture -> its value -> the three rates and n.
        measures: further figures by name.
        goals: what was aimed at, such as {"sensitivity": ">= 0.90"}.
    """

    detector: str
    domain: str
    version: int
    options: Mapping[str, Json]
    weights: Mapping[str, str]
    planted: str
    limits: str
    n: int
    sensitivity: Interval
    specificity: Interval
    abstain: Interval
    confusion: Confusion
    machine: str
    table: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Mapping[str, Json]]] = field(default_factory=dict)
    measures: Mapping[str, Interval] = field(default_factory=dict)
    goals: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The detector and its domain."""
        return f"{self.detector}@{self.domain}"

    @property
    def digest(self) -> str:
        """Changes with every figure."""
        return digest_of(asdict(self))

    def figure(self, name: str) -> Interval:
        """A figure by the name that goals use."""
        rates = {"sensitivity": self.sensitivity, "specificity": self.specificity, "abstain": self.abstain}
        return rates.get(name) or self.measures.get(name) or Interval(value=None, note=f"no figure {name}")

    def met(self) -> dict[str, bool]:
        """Whether each goal was reached, by the figure itself (its interval is beside it)."""
        return {name: _reached(self.figure(name).value, goal) for name, goal in self.goals.items()}

    @property
    def validated(self) -> bool:
        """False where it cannot tell defects apart as it should: it missed its AUROC, or any goal without a verdict."""
        met = self.met()
        return met.get("auroc", True) if self.sensitivity.value is not None else all(met.values())

    @property
    def worth(self) -> str:
        """What the detector is worth, in words, after "not validated" where it is not."""
        rates = {"sensitivity": self.sensitivity, "specificity": self.specificity}
        told = [f"{name} {words(each)}" for name, each in rates.items() if each.value is not None]
        if told and self.validated:
            return f"{self.domain}: {', '.join(told)}"
        measures = [f"{name} {words(each)}" for name, each in self.measures.items() if name in self.goals]
        missed = [f"{name} {self.goals[name]}" for name, met in self.met().items() if not met]
        told_words = f"{self.domain}: {', '.join(told + measures) or f'n {self.n}'}"
        return told_words if self.validated else f"not validated: {told_words}; the goal was {', '.join(missed)}"

    def refusal(self, version: int, options: Mapping[str, Json], weights: Mapping[str, str]) -> str:
        """Why this card does not speak for a detector as it is now; "" where it does."""
        if version != self.version:
            return f"its card is of version {self.version}, the detector of version {version}"
        if dict(options) != dict(self.options):
            return "its card was measured with other options"
        if dict(weights) != dict(self.weights):
            return "its card was measured with other weights"
        return ""


def write(card: Card, folder: Path) -> Path:
    """Write a card as JSON; the path is named by detector and domain."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{card.name.replace(' ', '-')}.json"
    told = asdict(card) | {"digest": card.digest}
    path.write_text(json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Card:
    """A card from its file.

    Raises:
        CardError: the file is no card, or was changed by hand.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        digest = told.pop("digest")
        told |= {name: Interval(**told[name]) for name in ("sensitivity", "specificity", "abstain")}
        told["confusion"] = Confusion(**told["confusion"])
        told["measures"] = {name: Interval(**each) for name, each in told["measures"].items()}
        card = Card(**told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CardError(
            f"{path}: not a card ({type(error).__name__}: {error}); audit calibrate writes cards"
        ) from error
    if card.digest != digest:
        raise CardError(f"{path}: its figures do not go with its digest; it was changed after audit calibrate wrote it")
    return card


def cards(folder: Path = SHIPPED) -> list[Card]:
    """The cards of a folder by name.

    Raises:
        CardError: a folder that is not there or a file that is no card.
    """
    if not folder.is_dir():
        raise CardError(f"{folder}: no such folder; audit calibrate --out {folder} writes cards into it")
    return sorted((read(path) for path in folder.glob("*.json")), key=lambda card: card.name)


def of_detector(known: Sequence[Card], detector: str) -> Card | None:
    """The detector's card; of several domains the one measured on most pictures."""
    mine = [card for card in known if card.detector == detector]
    return max(mine, key=lambda card: (card.n, card.domain), default=None)


def words(each: Interval) -> str:
    """A figure with its interval, such as "0.93 [0.91, 0.95]"; a dash where there is none."""
    if each.value is None:
        return "-"
    return f"{each.value:.3g}" + (
        "" if each.low is None or each.high is None else f" [{each.low:.3g}, {each.high:.3g}]"
    )


def _reached(value: float | None, goal: str) -> bool:
    found = GOAL.fullmatch(goal)
    if found is None or value is None:
        return False
    return value >= float(found[2]) if found[1] == ">=" else value <= float(found[2])
