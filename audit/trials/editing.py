"""Editing and control put to the test: planted shifts, tints and seams; pictures held against others' controls."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audit.statistics.auroc import auroc
from audit.statistics.means import mean_interval
from audit.trial import Case, no_verdict, seeds, trial
from audit.types import Interval, Prompt, Score
from generators.api import Pixels, Settings

if TYPE_CHECKING:
    from generators.studio.task_suites import Held

SIZE = 128
FAMILIES = ("hands", "portraits", "signs", "tabletop")
SHIFT = 2  # pixels
TINT = 0.05  # share of a full colour that is mixed in
STEPS = (6, 12, 24)  # grey levels of a planted seam
PLANTS = 6  # cases made of every edited scene


@trial(
    "edit.leaked",
    domain="studio",
    count=300,
    quick=36,
    planted="outside the mask the source is moved by 2 pixels, or mixed with 5 % of a full colour; each both exact and "
    "after the shipped autoencoder's round trip; clean: the source, exact and after the round trip",
    limits="An autoencoder that smears more than the shipped one goes beyond the floor without a leak. A plain wall "
    "may move unseen, and a tint of the wall's own colour is none.",
    goals={"sensitivity": ">= 0.95", "specificity": ">= 0.95"},
)
def planted_leaks(count: int) -> Iterator[Case]:
    """Every fresh scene is edited by pasting another scene into its mask; then the outside is tampered with."""
    scenes = fresh("edit.leaked", -(-count // PLANTS), FAMILIES)
    made = (case for number in range(len(scenes)) for case in _edits(number, scenes[number], scenes[number - 1].image))
    for _ in range(count):
        yield next(made)


def _edits(number: int, scene: Held, pasted: Pixels) -> Iterator[Case]:
    from generators.studio.task_suites import subject_mask

    rng = np.random.default_rng(number)
    mask = subject_mask(scene)
    edited = np.where(mask > 127, pasted, scene.image)
    way = ((0, SHIFT), (0, -SHIFT), (SHIFT, 0), (-SHIFT, 0))[rng.integers(4)]
    colour = 255 * np.array(colorsys.hsv_to_rgb(rng.uniform(), 1, 1))
    for base, clean in (("exact", edited), ("round trip", round_trip(edited))):
        for leak, outside in (
            ("none", clean),
            ("shift", shifted(clean, *way)),
            ("colour", tinted(clean, colour, TINT)),
        ):
            yield Case(
                pixels=np.where(mask > 127, clean, outside),
                planted=leak != "none",
                truth=leak,
                prompt=Prompt(id=f"edit {number}", text="", inputs={"source": "source", "mask": "mask"}),
                groups={"outside": base, "leak": leak, "family": scene.family},
                settings=Settings(task="inpaint"),
                inputs={"source": scene.image, "mask": mask},
            )


@trial(
    "edit.seam",
    domain="studio",
    count=160,
    quick=24,
    planted="the inside of the mask is 6, 12 or 24 grey levels brighter or darker than it was, up to the border; "
    "clean: the inside after the shipped autoencoder's round trip, laid into the source",
    limits="A step of 6 grey levels drowns in what lies along the border; what an edit is meant to change there counts "
    "as a seam too, so means of many pictures tell more than one.",
    goals={"auroc": ">= 0.90"},
    verdict=no_verdict,
    measure=lambda cases, scores: _seam_figures(cases, scores),
)
def planted_seams(count: int) -> Iterator[Case]:
    """Every fresh scene with its own inside, and with an inside of another brightness, in turn."""
    from generators.studio.task_suites import subject_mask

    scenes = fresh("edit.seam", -(-count // 2), FAMILIES)
    for number in range(count):
        place, planted = divmod(number, 2)
        scene, mask = scenes[place], subject_mask(scenes[place])
        step = STEPS[place % len(STEPS)] * planted
        inside = round_trip(scene.image).astype(np.int16) + (step if place // len(STEPS) % 2 else -step)
        yield Case(
            pixels=np.where(mask > 127, inside.clip(0, 255), scene.image).astype(np.uint8),
            planted=bool(planted),
            truth=step,
            prompt=Prompt(id=f"seam {place}", text="", inputs={"source": "source", "mask": "mask"}),
            groups={"step": str(step), "family": scene.family},
            settings=Settings(task="inpaint"),
            inputs={"source": scene.image, "mask": mask},
        )


def _seam_figures(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """AUROC over all steps, and the mean score at each step of brightness (grey levels)."""
    told = [(case, score.value) for case, score in zip(cases, scores, strict=True) if score.value is not None]
    clean = [value for case, value in told if not case.planted]
    found = {"auroc": auroc([value for case, value in told if case.planted], clean)}
    for step in (0, *STEPS):
        mine = [(case.prompt.id, value) for case, value in told if case.truth == step]
        found[f"mean_at_{step}"] = mean_interval(np.array([value for _, value in mine]), [name for name, _ in mine])
    return found


def against_others(cases: Sequence[Case], scores: Sequence[Score]) -> Mapping[str, Interval]:
    """How well own controls score above others' (AUROC), and what the extractor itself reaches on true scenes."""
    told = [(case, score.value) for case, score in zip(cases, scores, strict=True) if score.value is not None]
    own = [(case.prompt.id, value) for case, value in told if not case.planted]
    others = [(case.prompt.id, value) for case, value in told if case.planted]
    return {
        "auroc": auroc([value for _, value in own], [value for _, value in others]),
        "ceiling": mean_interval(np.array([value for _, value in own]), [name for name, _ in own]),
        "shuffled": mean_interval(np.array([value for _, value in others]), [name for name, _ in others]),
    }


@trial(
    "control.edges",
    domain="studio",
    count=160,
    quick=24,
    planted="a true scene is held against the edges of another one; clean: against its own, known from its geometry",
    limits="Canny sees contrast: patterns and shadows count as edges nobody asked for; faint outlines are missed.",
    goals={"auroc": ">= 0.95"},
    verdict=no_verdict,
    measure=against_others,
)
def shuffled_edges(count: int) -> Iterator[Case]:
    """True scenes with their own edges and with the next scene's."""
    from generators.studio.controls import lines_picture

    scenes = fresh("control.edges", -(-count // 2), ("hands", "portraits", "tabletop"))
    yield from _own_and_shuffled(scenes, count, lambda scene: lines_picture(scene.edges))


@trial(
    "control.skeleton",
    domain="studio",
    count=80,
    quick=16,
    planted="a true hand is held against the skeleton of another one; clean: against its own",
    limits="Only hands that MediaPipe finds are scored, and two hands in one pose and place cannot be told apart.",
    goals={"auroc": ">= 0.90"},
    verdict=no_verdict,
    measure=against_others,
)
def shuffled_skeletons(count: int) -> Iterator[Case]:
    """True hands with their own skeleton and with the next hand's."""
    from generators.studio.controls import pose_map

    scenes = fresh("control.skeleton", -(-count // 2), ("hands",))
    yield from _own_and_shuffled(scenes, count, lambda scene: pose_map(scene.record["points"], SIZE))


def _own_and_shuffled(scenes: Sequence[Held], count: int, control: Callable[[Held], Pixels]) -> Iterator[Case]:
    for number in range(count):
        place, other = divmod(number, 2)
        scene, wish = scenes[place], scenes[(place + other) % len(scenes)]
        yield Case(
            pixels=scene.image,
            planted=bool(other),
            prompt=Prompt(id=f"scene {place}", text=scene.record["caption"], inputs={"control": "control"}),
            groups={"family": scene.family},
            settings=Settings(task="control"),
            inputs={"control": control(wish)},
        )


def fresh(name: str, count: int, families: Sequence[str]) -> list[Held]:
    """So many scenes with seeds of their own, the families in turn."""
    from generators.studio.drawing import draw
    from generators.studio.task_suites import held

    return [
        held(draw(families[number % len(families)], {}, seed=seed, defects={}, size=SIZE))
        for number, seed in enumerate(seeds(name, count))
    ]


def shifted(picture: Pixels, down: int, right: int) -> Pixels:
    """Moved by whole pixels, the edge repeated."""
    rows = np.clip(np.arange(picture.shape[0]) - down, 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(picture.shape[1]) - right, 0, picture.shape[1] - 1)
    return picture[rows][:, columns]


def tinted(picture: Pixels, colour: NDArray[np.float64], share: float) -> Pixels:
    """So much of a colour (3,) mixed in."""
    return np.rint(picture + share * (colour - picture)).astype(np.uint8)


def round_trip(picture: Pixels) -> Pixels:
    """Through the shipped autoencoder and back: what a generator's decoder does to a picture that it was to keep."""
    import torch

    networks = _networks()
    with torch.inference_mode():
        decoded: Pixels = networks.decode(networks.encode(picture)[None])[0]
    return decoded


@cache
def _networks() -> Any:
    from generators import builtin

    return builtin.load("ldm", device="cpu").networks  # type: ignore[attr-defined]
