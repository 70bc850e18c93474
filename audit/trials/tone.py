"""Trials of the tone audits: a gain of known size is planted in rendered scenes and must come back, seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from audit.statistics.means import mean_interval
from audit.trial import Case, no_verdict, seeds, trial
from audit.types import Interval, Prompt, Score

GAINS = (1.0, 1.1, 1.25, 1.5)
SHARES = (0.0, 0.01, 0.05, 0.2)
ROOM = 0.5
"""What pictures with room are first brought to, so that the strongest gain stays inside the range of values."""
_SIDE = 64
_FAMILIES = ("hands", "portraits", "signs", "tabletop", "textures")
_GOAL = {"gain_error": "<= 0.05"}
_LIMITS = (
    "What a gain pushes out of the range of values is clipped and cannot come back: on scenes as rendered, without "
    "room, strong gains read low, and gain_error_full says by how much."
)
_FIRST = "in scenes first brought to half of theirs, so that nothing clips, and in scenes as rendered"
Floats = NDArray[np.float64]


def recovered(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """The gain found at each gain planted, in pictures with room, and the worst relative error; and that without room.

    A gain is the paired mean over that at gain 1, with its interval over scenes by linearising the ratio of means.
    """
    found = _gains(cases, scores, "room")
    errors = {room: _worst(_gains(cases, scores, room)) for room in ("room", "full")}
    told = {f"gain_{gain:g}": each for gain, each in found.items()}
    return {**told, "gain_error": errors["room"], "gain_error_full": errors["full"]}


def _gains(cases: Sequence[Case], scores: Sequence[Score], room: str) -> dict[float, Interval]:
    rows = [(case, score) for case, score in zip(cases, scores, strict=True) if case.groups["range"] == room]
    gains = np.array([float(case.truth) for case, _ in rows])
    values = np.array([float(score.value or 0.0) for _, score in rows])
    names = np.array([case.prompt.id for case, _ in rows])
    plain = values[gains == 1.0]
    found = {}
    for gain in sorted(set(gains[gains != 1.0].tolist())):
        ours = values[gains == gain]
        ratio = float(ours.mean() / plain.mean())
        found[gain] = mean_interval(ratio + (ours - ratio * plain) / plain.mean(), names[gains == gain].tolist())
    return found


def _worst(found: Mapping[float, Interval]) -> Interval:
    return max((_error(each, gain) for gain, each in found.items()), key=lambda each: each.value or 0.0)


def _error(found: Interval, gain: float) -> Interval:
    """Relative error of a recovered gain, with the interval that the gain's own gives it."""
    if found.value is None or found.low is None or found.high is None:
        return Interval(value=None, note=found.note)
    ends = [abs(end / gain - 1) for end in (found.low, found.high)]
    low = 0.0 if found.low <= gain <= found.high else min(ends)
    return Interval(value=abs(found.value / gain - 1), low=low, high=max(ends))


@trial(
    "tone.saturation",
    domain="studio",
    count=160,
    quick=40,
    planted=f"distance of every pixel from its own luma times 1.1, 1.25 and 1.5, {_FIRST}",
    limits=_LIMITS + " CIELAB's chroma is no multiple of the distance from grey and grows more slowly.",
    goals=_GOAL,
    verdict=no_verdict,
    measure=recovered,
)
def saturation_gains(count: int) -> Iterator[Case]:
    """Scenes of every family, each at gain 1 and at the three planted gains, with room and without."""
    yield from _gained("tone.saturation", count, _chroma_gain)


@trial(
    "tone.colourfulness",
    domain="studio",
    count=160,
    quick=40,
    planted=f"distance of every pixel from its own luma times 1.1, 1.25 and 1.5, {_FIRST}",
    limits=_LIMITS,
    goals=_GOAL,
    verdict=no_verdict,
    measure=recovered,
)
def colour_gains(count: int) -> Iterator[Case]:
    """Scenes of every family, each at gain 1 and at the three planted gains, with room and without."""
    yield from _gained("tone.colourfulness", count, _chroma_gain)


@trial(
    "tone.contrast",
    domain="studio",
    count=160,
    quick=40,
    planted=f"distance of every value from the picture's mean times 1.1, 1.25 and 1.5, {_FIRST}",
    limits=_LIMITS,
    goals=_GOAL,
    verdict=no_verdict,
    measure=recovered,
)
def contrast_gains(count: int) -> Iterator[Case]:
    """Scenes of every family, each at gain 1 and at the three planted gains, with room and without."""
    yield from _gained("tone.contrast", count, _contrast_gain)


@trial(
    "tone.detail",
    domain="studio",
    count=160,
    quick=40,
    planted=f"all above a quarter cycle per pixel times 1.1, 1.25 and 1.5, {_FIRST}",
    limits=_LIMITS + " Rounding to whole grey levels adds its own fine noise to smooth pictures.",
    goals=_GOAL,
    verdict=no_verdict,
    measure=recovered,
)
def detail_gains(count: int) -> Iterator[Case]:
    """Scenes of every family, each at gain 1 and at the three planted gains, with room and without."""
    yield from _gained("tone.detail", count, _detail_gain)


def burnt(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """Mean absolute error of the added clipped share, which is the found share less that of the same scene unburnt."""
    shares = np.array([float(case.truth) for case in cases])
    values = np.array([float(score.value or 0.0) for score in scores])
    rows = list(zip([case.prompt.id for case in cases], values, shares, strict=True))
    plain = {name: value for name, value, share in rows if share == 0}
    errors = [(abs(value - plain[name] - share), name) for name, value, share in rows if share > 0]
    return {"share_error": mean_interval([error for error, _ in errors], [name for _, name in errors])}


@trial(
    "tone.clipped",
    domain="studio",
    count=160,
    quick=40,
    planted="the brightest 1, 5 and 20 % of the pixels set to white",
    limits="Pixels that were clipped before are clipped still, and do not count twice.",
    goals={"share_error": "<= 0.01"},
    verdict=no_verdict,
    measure=burnt,
)
def burnt_shares(count: int) -> Iterator[Case]:
    """Scenes of every family, each as it is and with the three planted shares."""
    for scene, picture in _scenes("tone.clipped", count // len(SHARES)):
        for share in SHARES:
            yield _case(_burn(picture, share), scene, truth=share, planted=share > 0, room="full")


def _gained(name: str, count: int, plant: Callable[[Floats, float], Floats]) -> Iterator[Case]:
    for scene, picture in _scenes(name, count // (2 * len(GAINS))):
        for room, base in (("room", np.rint(plant(picture, ROOM))), ("full", picture)):
            for gain in GAINS:
                yield _case(plant(base, gain), scene, truth=gain, planted=gain != 1, room=room)


def _scenes(name: str, count: int) -> Iterator[tuple[str, Floats]]:
    from generators.studio.drawing import draw

    for place, seed in enumerate(seeds(name, count)):
        family = _FAMILIES[place % len(_FAMILIES)]
        yield f"{family} {place}", draw(family, {}, seed=seed, defects={}, size=_SIDE).image.astype(np.float64)


def _case(picture: Floats, scene: str, *, truth: float, planted: bool, room: str) -> Case:
    return Case(
        pixels=np.rint(picture).clip(0, 255).astype(np.uint8),
        planted=planted,
        prompt=Prompt(id=scene, text=""),
        truth=truth,
        groups={"range": room},
    )


def _contrast_gain(picture: Floats, gain: float) -> Floats:
    return np.asarray(picture.mean() + gain * (picture - picture.mean()))


def _chroma_gain(picture: Floats, gain: float) -> Floats:
    """As `generators.studio.render.saturate` plants it."""
    from generators.studio.render import saturate

    return saturate(picture.astype(np.uint8), gain).astype(np.float64)


def _detail_gain(picture: Floats, gain: float) -> Floats:
    from scipy.fft import dctn, idctn

    from audit.audits.tone import FINE

    rows, columns = (np.arange(side) / (2 * side) for side in picture.shape[:2])
    factor = np.where(np.hypot(rows[:, None], columns[None]) > FINE, gain, 1.0)
    sharpened: Floats = idctn(dctn(picture, axes=(0, 1), norm="ortho") * factor[..., None], axes=(0, 1), norm="ortho")
    return sharpened


def _burn(picture: Floats, share: float) -> Floats:
    bright = picture.mean(axis=2)
    count = round(share * bright.size)
    burnt_picture = picture.copy()
    burnt_picture.reshape(-1, 3)[np.argsort(bright, axis=None, kind="stable")[bright.size - count :]] = 255
    return burnt_picture
