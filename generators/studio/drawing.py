"""One seed, one scene: the walk from a wish to a picture that both the studio generator and the dataset builder take.

Every step draws from a stream of its own, named below, so a defect leaves all other steps untouched: an honest and a
planted picture of one seed are twins, and raising a rate only ever adds to the set of pictures that it strikes.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from generators.api import Pixels
from generators.studio.scene import Attributes, Camera, Family, Rendered, Scene

FAMILY_SHARES: Mapping[str, float] = {
    "hands": 0.30,
    "portraits": 0.20,
    "signs": 0.25,
    "tabletop": 0.15,
    "textures": 0.10,
}
"""Families in the order in which prompts are offered to them, and each one's share of a dataset."""
TRAINING_SEEDS = 2_072
"""A near-duplicate is drawn from the training scenes with seeds below this one: those that every model has seen."""
SAMPLES = 16


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture and the truth about it.

    Attributes:
        image: (size, size, 3) uint8 sRGB.
        asked: what the caption speaks of.
        drawn: what the picture shows; differs from `asked` by the planted defects alone.
        defects: the names of those that were really planted.
        rendered: depth, ids, normals and points, at twice the picture's size up to 64 pixels, else at its size.
    """

    image: Pixels
    caption: str
    asked: Attributes
    drawn: Attributes
    defects: tuple[str, ...]
    rendered: Rendered
    family: str
    seed: int


def family(name: str) -> Family:
    """The module of a scene family."""
    return cast(Family, importlib.import_module(f"generators.studio.{name}"))


def stream(seed: int, name: str) -> np.random.Generator:
    """The random numbers of one step of one scene. 0 <= seed < 2**63."""
    return np.random.default_rng([seed, crc32(name.encode())])


def family_of(seed: int) -> str:
    """The family of a dataset's scene, drawn from FAMILY_SHARES by the scene's own stream."""
    return str(stream(seed, "family").choice(list(FAMILY_SHARES), p=list(FAMILY_SHARES.values())))


def draw(
    name: str, wish: Attributes, *, seed: int, defects: Mapping[str, float], size: int, samples: int = SAMPLES
) -> Drawn:
    """Sample, plant, describe, build and render one scene.

    Args:
        name: the family.
        defects: rates in 0..1 by name (those of other families are ignored), and `saturation`, a gain.
        size: pixels a side; up to 64 the scene is rendered at twice the size and box-halved.
        samples: light paths per rendered pixel.
    """
    asked, drawn, planted = facts(name, wish, seed=seed, defects=defects)
    scene = _scene(name, drawn, seed)
    gain = defects.get("saturation", 1.0)
    if gain != 1:
        scene, planted = replace(scene, saturation=scene.saturation * gain), (*planted, "saturation")
    image, rendered = _rendered(scene, seed=seed, size=size, samples=samples)
    return Drawn(
        image=image,
        caption=family(name).caption(asked, stream(seed, "caption")),
        asked=asked,
        drawn=drawn,
        defects=planted,
        rendered=rendered,
        family=name,
        seed=seed,
    )


def near_duplicate(name: str, of: int, *, seed: int, size: int, samples: int = SAMPLES) -> Pixels:
    """The scene of seed `of` with its camera nudged: what the defect `duplicate` draws, of a chosen scene."""
    image, _ = _rendered(_scene(name, _duplicate(name, of), seed), seed=seed, size=size, samples=samples)
    return image


def _rendered(scene: Scene, *, seed: int, size: int, samples: int) -> tuple[Pixels, Rendered]:
    """The picture, and the rendering that it was made of."""
    from generators.studio.alike import alike, without_unseen
    from generators.studio.render import render

    halve = size <= 64
    noise = int(stream(seed, "render").integers(2**31))
    rendered = without_unseen(render(alike(scene), size=2 * size if halve else size, samples=samples, seed=noise))
    return (halved(rendered.image) if halve else rendered.image), rendered


def facts(
    name: str, wish: Attributes, *, seed: int, defects: Mapping[str, float]
) -> tuple[Attributes, Attributes, tuple[str, ...]]:
    """What is asked for, what is drawn, and the defects of chance that make the difference. No geometry, no pixels."""
    module = family(name)
    asked = module.sample(stream(seed, "asked"), wish)
    drawn, planted = asked, []
    for defect in ("duplicate", *(defect for defect, kind in module.DEFECTS.items() if kind == "rate")):
        chance = stream(seed, f"plant:{defect}")
        if chance.uniform() >= defects.get(defect, 0.0):
            continue
        before = {key: value for key, value in drawn.items() if key != "planted"}
        after = _training_scene(name, chance) if defect == "duplicate" else module.plant(before, chance, defect)
        if after.get("planted", after != before):
            planted.append(defect)
            drawn = after
    return asked, drawn, tuple(planted)


def _training_scene(name: str, chance: np.random.Generator) -> Attributes:
    """The attributes of a random training scene of the family; `duplicate_of` is its seed."""
    while True:
        seed = int(chance.integers(TRAINING_SEEDS))
        if family_of(seed) == name:
            return _duplicate(name, seed)


def _duplicate(name: str, of: int) -> Attributes:
    """The attributes of the scene of that seed, marked as another's."""
    return {**family(name).sample(stream(of, "asked"), {}), "duplicate_of": of}


def _scene(name: str, drawn: Attributes, seed: int) -> Scene:
    """The scene of these attributes; a near-duplicate is the training scene with its camera nudged."""
    if "duplicate_of" not in drawn:
        return family(name).build(drawn, stream(seed, "build"))
    scene = family(name).build(drawn, stream(drawn["duplicate_of"], "build"))
    camera = nudged(scene.camera, stream(seed, "nudge"))
    swap = None if scene.swap is None else replace(scene.swap, camera=camera)
    if swap is not None and swap.swap is not None:
        swap = replace(swap, swap=replace(swap.swap, camera=camera))
    return replace(scene, camera=camera, swap=swap)


def nudged(camera: Camera, rng: np.random.Generator) -> Camera:
    """The camera moved by up to 1.5 % of its distance and turned by as little."""
    origin, target = np.asarray(camera.origin), np.asarray(camera.target)
    reach = 0.015 * float(np.linalg.norm(target - origin))
    origin, target = origin + rng.uniform(-reach, reach, 3), target + rng.uniform(-reach, reach, 3) / 2
    return replace(camera, origin=tuple(origin.tolist()), target=tuple(target.tolist()))


def halved(image: Pixels) -> Pixels:
    """Half the width and height: the mean of each 2 x 2 block of sRGB values, rounded."""
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    sums: NDArray[np.uint16] = image.reshape(rows, 2, columns, 2, 3).astype(np.uint16).sum(axis=(1, 3), dtype=np.uint16)
    return ((sums + 2) // 4).astype(np.uint8)


def scene_record(drawn: Drawn) -> dict[str, Any]:
    """JSON-able annotations.

    `objects`: names, in the order of the ids 1, 2, …; `points`: name -> rows of x, y in pixels of the picture (two
    decimals) and visible (0 or 1).
    """
    size = drawn.image.shape[0]
    scale = size / drawn.rendered.image.shape[0]
    points = {
        name: [[round(float(x) * scale, 2), round(float(y) * scale, 2), int(visible)] for x, y, visible in rows]
        for name, rows in drawn.rendered.points.items()
    }
    return {
        "family": drawn.family,
        "seed": drawn.seed,
        "caption": drawn.caption,
        "asked": drawn.asked,
        "drawn": drawn.drawn,
        "defects": list(drawn.defects),
        "size": size,
        "objects": list(drawn.rendered.names),
        "points": points,
    }
