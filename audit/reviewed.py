"""What reviews of a run come to: how far reviewers agree, how right the detector was, and its card for that domain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from audit import reviews
from audit.cards import Card, words
from audit.cards import write as write_card
from audit.manifest import machine
from audit.reviews import Findings, ReviewError, Reviews, Verdict
from audit.statistics.correction import Confusion
from audit.statistics.kappa import agreement, cohen, krippendorff, majority
from audit.statistics.rates import design_effect, wilson
from audit.statistics.stratified import Stratum, effective, sensitivity_specificity
from audit.store import RunFolder
from audit.types import Interval, digest_of

DOMAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_ -]{0,63}")
LEAST = 20
"""Pictures with a verdict below which no card is made."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two reviewers: over how many pictures they agree, and how far beyond chance."""

    first: str
    second: str
    n: int
    agreement: Interval
    kappa: Interval


@dataclass(frozen=True, kw_only=True)
class Half:
    """What most reviewers said of the pictures that the detector flagged, or did not flag.

    Attributes:
        size: such pictures in the run; judged: those with a majority; defects: those of which most said yes.
        share: defects of judged, Wilson's interval at the effective number of pictures.
    """

    size: int
    judged: int
    defects: int
    share: Interval
    stratum: Stratum


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """One detector's findings and what people said of them.

    Attributes:
        counts: reviewer -> yes, no, skip, and how many of the answers were not blind.
        ties: pictures on which as many said yes as no; they count for nothing but agreement.
        stale: answers about another version, other options or other pixels than the run holds now; left out.
        pairs: of every two reviewers; alpha: Krippendorff's, of three or more.
        sensitivity, specificity: of the run's decided pictures, weighted by its flag rate.
        mix_sensitivity, mix_specificity: of the pictures reviewed alone, whose mix is not the run's.
    """

    audit: str
    version: int
    counts: Mapping[str, Mapping[str, int]]
    ties: int
    stale: int
    abstained: int
    pairs: Sequence[Pair]
    alpha: Interval
    flagged: Half
    unflagged: Half
    sensitivity: Interval
    specificity: Interval
    mix_sensitivity: Interval
    mix_specificity: Interval

    @property
    def judged(self) -> int:
        """Pictures with a majority."""
        return self.flagged.judged + self.unflagged.judged

    @property
    def flag_rate(self) -> float:
        """Share of the run's decided pictures that the detector flagged; 0 where it decided on none."""
        total = self.flagged.size + self.unflagged.size
        return self.flagged.size / total if total else 0.0


def reviewed(found: Findings, told: Reviews) -> Reviewed:
    """Hold every reviewer's standing answers against each other and against the detector."""
    standing, stale = current(found, told)
    prompt_of = dict(zip(found.pictures["key"], found.pictures["prompt_id"], strict=True))
    answers = {name: {key: v.answer == "yes" for key, v in mine.items() if v.answer != "skip"}
               for name, mine in standing.items()}  # fmt: skip
    per_picture: dict[str, list[bool]] = {}
    for mine in answers.values():
        for key, answer in mine.items():
            per_picture.setdefault(key, []).append(answer)
    truth = {key: most for key, said in per_picture.items() if (most := majority(said)) is not None}
    halves = [_half(found, truth, flag) for flag in (True, False)]
    sensitivity, specificity = sensitivity_specificity(halves[0].stratum, halves[1].stratum)
    hit, alarm = halves[0].defects, halves[0].judged - halves[0].defects
    miss, clean = halves[1].defects, halves[1].judged - halves[1].defects
    return Reviewed(
        audit=found.audit,
        version=found.version,
        counts={name: _counts(mine.values()) for name, mine in standing.items()},
        ties=len(per_picture) - len(truth),
        stale=stale,
        abstained=found.abstained,
        pairs=[_pair(a, b, answers, prompt_of) for a, b in combinations(answers, 2)],
        alpha=krippendorff(list(per_picture.values())),
        flagged=halves[0],
        unflagged=halves[1],
        sensitivity=sensitivity,
        specificity=specificity,
        mix_sensitivity=wilson(hit, hit + miss),
        mix_specificity=wilson(clean, clean + alarm),
    )


def every(folder: RunFolder) -> tuple[list[Reviewed], Reviews]:
    """Every reviewed detector of the run, and the reviews themselves."""
    told = reviews.read(folder)
    return [reviewed(found, told) for found in _touched(folder, told)], told


def card_from_reviews(folder: RunFolder, audit: str, domain: str) -> Card:
    """`card_of` the reviews that lie beside a run; raises UnknownNameError for an audit that the run lacks."""
    return card_of(reviews.findings(folder, audit), reviews.read(folder), domain)


def card_of(found: Findings, told: Reviews, domain: str) -> Card:
    """The card of a detector from what people said of a run's pictures.

    A picture has the defect where most reviewers said so. Half of the pictures asked for are flagged, whatever the
    run's flag rate, so the rates are put together from the share of defects among flagged and among other pictures by
    that flag rate (`audit.statistics.stratified`). The counts are those of a plain trial that is as certain, so that
    the correction of rates works as with any card.

    Raises:
        ReviewError: too few verdicts, or none of one kind; a domain that cannot be part of a file's name.
    """
    if not DOMAIN.fullmatch(domain):
        raise ReviewError(f"domain {domain!r}: use 1 to 64 letters, digits, spaces, - and _, such as portraits")
    result = reviewed(found, told)
    why = result.sensitivity.note or result.specificity.note
    if result.judged < LEAST or result.sensitivity.value is None or result.specificity.value is None:
        raise ReviewError(
            f"{found.audit}: no card from {result.judged} judged pictures{': ' + why if why else ''}; "
            f"at least {LEAST} are needed, some flagged and some not; audit view takes them"
        )
    decided = result.flagged.size + result.unflagged.size
    (hit, miss), (clean, alarm) = (effective(rate, decided) for rate in (result.sensitivity, result.specificity))
    options = json.loads(found.options)
    weights = options.pop("weights", {})
    host = machine()
    return Card(
        detector=found.audit,
        domain=domain,
        version=found.version,
        options=options,
        weights=weights,
        planted=_how(result),
        limits=_limits(result),
        n=result.judged,
        sensitivity=_rounded(result.sensitivity),
        specificity=_rounded(result.specificity),
        abstain=_rounded(wilson(result.abstained, result.abstained + decided)),
        confusion=Confusion(hit=hit, miss=miss, false_alarm=alarm, clean=clean),
        machine=f"{host['cpu']}, {host['gpu'] or 'no GPU'}",
        measures=_measures(result),
    )


def write_cards(folder: RunFolder, out: Path, domain: str) -> tuple[list[Path], list[str]]:
    """Write the card of every detector that was reviewed enough; the files, and why others have none.

    Raises:
        ReviewError: not one card could be made.
    """
    written, refused = [], []
    told = reviews.read(folder)
    for found in _touched(folder, told):
        try:
            card = card_of(found, told, domain)
        except ReviewError as error:
            refused.append(str(error))
            continue
        written.append(write_card(card, out))
    if not written:
        raise ReviewError("; ".join(refused) or f"{folder.path} has no reviews; audit view {folder.path} takes them")
    return written, refused


def as_json(folder: RunFolder) -> str:
    """Every reviewed detector with all its figures, and what could not be read."""
    results, told = every(folder)
    rows = [asdict(each) | {"judged": each.judged, "flag_rate": each.flag_rate} for each in results]
    return json.dumps({"audits": rows, "notes": list(told.notes)}, indent=1, ensure_ascii=False)


def as_text(folder: RunFolder) -> str:
    """The same for people, a block a detector."""
    results, told = every(folder)
    blocks = ["\n".join(_lines(each)) for each in results]
    if not blocks:
        blocks = [f"{folder.path} has no reviews; audit view {folder.path} takes them"]
    return "\n\n".join(blocks + (["\n".join(told.notes)] if told.notes else []))


def _touched(folder: RunFolder, told: Reviews) -> list[Findings]:
    """Of the detectors that somebody reviewed."""
    return [reviews.findings(folder, name) for name in reviews.reviewable(folder) if name in told.audits]


def _lines(each: Reviewed) -> list[str]:
    told = [
        ("judged", f"{each.judged} pictures: {each.flagged.judged} of {each.flagged.size} flagged, "
                   f"{each.unflagged.judged} of {each.unflagged.size} not flagged; {each.ties} ties"),
        *((name, ", ".join(f"{n} {what}" for what, n in counts.items())) for name, counts in each.counts.items()),
        *((f"{pair.first} and {pair.second}",
           f"n {pair.n}, agreement {words(pair.agreement)}, κ {said(pair.kappa)}") for pair in each.pairs),
        *([("Krippendorff's α", said(each.alpha))] if len(each.counts) > 2 else []),
        ("confirmed", f"{said(each.flagged.share)} of the flagged have the defect"),
        ("missed", f"{said(each.unflagged.share)} of those not flagged have it"),
        ("sensitivity", f"{said(each.sensitivity)} at the run's flag rate of {each.flag_rate:.3g}"),
        ("specificity", f"{said(each.specificity)} at the run's flag rate of {each.flag_rate:.3g}"),
        ("in the mix alone", f"sensitivity {said(each.mix_sensitivity)}, specificity {said(each.mix_specificity)}"),
        *([("left out", f"{each.stale} answers about other pixels, options or versions")] if each.stale else []),
    ]  # fmt: skip
    width = max(len(name) for name, _ in told)
    return [f"{each.audit}  version {each.version}", *(f"    {name.ljust(width)}  {text}" for name, text in told)]


def said(each: Interval) -> str:
    """A figure with its interval, or why there is none."""
    return words(each) + (f" ({each.note})" if each.note and each.low is None else "")


def current(found: Findings, told: Reviews) -> tuple[dict[str, dict[str, Verdict]], int]:
    """Standing answers by reviewer and key that speak of what the run holds now, and how many do not."""
    digests = dict(zip(found.pictures["key"], found.pictures["digest"], strict=True))
    options = digest_of(found.options)
    current: dict[str, dict[str, Verdict]] = {}
    stale = 0
    for name in sorted(told.verdicts):
        mine = {key: verdict for (audit, key), verdict in told.standing(name).items() if audit == found.audit}
        good = {
            key: each
            for key, each in mine.items()
            if (each.digest, each.version, each.options) == (digests.get(key), found.version, options)
        }
        stale += len(mine) - len(good)
        if good:
            current[name] = good
    return current, stale


def _counts(verdicts: Iterable[Verdict]) -> dict[str, int]:
    told = list(verdicts)
    return {
        **{what: sum(each.answer == what for each in told) for what in ("yes", "no", "skip")},
        "not blind": sum(not each.blind for each in told),
    }


def _pair(a: str, b: str, answers: Mapping[str, Mapping[str, bool]], prompt_of: Mapping[str, str]) -> Pair:
    both = sorted(answers[a].keys() & answers[b].keys())
    first, second = ([answers[name][key] for key in both] for name in (a, b))
    prompts = [prompt_of[key] for key in both]
    return Pair(
        first=a,
        second=b,
        n=len(both),
        agreement=agreement(first, second, prompts),
        kappa=cohen(first, second, prompts),
    )


def _half(found: Findings, truth: Mapping[str, bool], flagged: bool) -> Half:
    mine = found.pictures[found.pictures["flagged"] == flagged]
    judged = mine[mine["key"].isin(truth)]
    truths = [truth[key] for key in judged["key"]]
    # the flag rate too is known as if from fewer pictures where those of a prompt are alike
    flags = found.pictures["flagged"].to_numpy(dtype=np.float64)
    effect = design_effect(flags, list(found.pictures["prompt_id"])) if len(flags) else 1.0
    stratum = Stratum.of(len(mine) / effect, truths, list(judged["prompt_id"]))
    return Half(
        size=len(mine),
        judged=len(truths),
        defects=sum(truths),
        share=wilson(stratum.defects, stratum.judged),
        stratum=stratum,
    )


def _how(result: Reviewed) -> str:
    people = f"{len(result.counts)} {'person' if len(result.counts) == 1 else 'people'}"
    return (
        f"not planted: {people} looked at {result.judged} pictures of a run, "
        f"{result.flagged.judged} of its {result.flagged.size} flagged ones and "
        f"{result.unflagged.judged} of its {result.unflagged.size} others; "
        "a picture has the defect where most said so"
    )


def _limits(result: Reviewed) -> str:
    skips = sum(each["skip"] for each in result.counts.values())
    hard = (
        f" Left out are {result.ties} pictures on which people were divided, and {skips} answers were skips: these are "
        "likely the hard ones, which flatters it."
        if result.ties or skips
        else ""
    )
    return (
        "It speaks of pictures like those of that run on which the detector decided. Rates are weighted to its flag "
        f"rate of {result.flag_rate:.3g}; the counts are those of a plain trial that is as certain. What people "
        f"overlook counts as absent.{hard}"
    )


def _measures(result: Reviewed) -> dict[str, Interval]:
    kappa = {"kappa": result.pairs[0].kappa} if len(result.pairs) == 1 else {"alpha": result.alpha}
    told = {"confirmed": result.flagged.share, "missed": result.unflagged.share, **kappa}
    return {name: _rounded(each) for name, each in told.items() if each.value is not None}


def _rounded(found: Interval) -> Interval:
    value, low, high = (None if each is None else round(each, 6) for each in (found.value, found.low, found.high))
    return Interval(value=value, low=low, high=high, note=found.note)
