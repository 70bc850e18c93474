"""Scenes for the finder of tabletop objects: rendered tables, and exactly where each object stands and what hides it.

    python -m audit.train.object_scenes --out DIR --scenes 1500

Pictures come from the renderer, truth from the scene's geometry. An interrupted build goes on where it stopped. Seeds
lie in a range of their own: no scene of a data set or of a calibration is among them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from generators.studio import drawing, tabletop
from generators.studio.drawing import stream
from generators.studio.palette import COLOURS
from generators.studio.scene import Attributes, Scene
from generators.studio.tabletop_text import SHAPES

SIZE = 128
SHARD = 100
SCENES_FROM = 5_000_000_000
KINDS = {"natural": 0.25, "mirror": 0.2, "group": 0.3, "mixed": 0.25}
"""Shares of scenes as the studio draws them, with a mirror, of one kind of object only, of several."""
WRONG_SHADOWS, WRONG_REFLECTIONS = 0.2, 0.4


def facts(seed: int) -> Attributes:
    """What is drawn: a table as the studio lays it, or one with more objects or a mirror; some of it planted wrong.

    A seed below `SCENES_FROM` is a data set's own, drawn as the studio draws it.
    """
    if seed < SCENES_FROM:
        return drawing.facts(tabletop.NAME, {}, seed=seed, defects={})[1]
    chance = stream(seed, "object scenes")
    kind = str(chance.choice(list(KINDS), p=list(KINDS.values())))
    drawn = tabletop.sample(stream(seed, "asked"), _wish(kind, chance))
    for defect, rate in (("wrong_shadow", WRONG_SHADOWS), ("wrong_reflection", WRONG_REFLECTIONS)):
        if chance.uniform() < rate and not drawn["shadow_error"]:  # one wrong thing is enough for a picture
            drawn = tabletop.plant(drawn, chance, defect)
    return drawn


def scene_of(seed: int) -> Scene:
    """Its geometry, camera and light."""
    return tabletop.build(facts(seed), stream(seed, "build"))


def _wish(kind: str, chance: np.random.Generator) -> Attributes:
    if kind == "natural":
        return {}
    if kind == "mirror":
        return {
            "mirror": True,
            "groups": _groups([int(n) for n in chance.choice(([1, 0], [1, 1], [2, 0]), p=(0.4, 0.4, 0.2))], chance),
        }
    if kind == "group":
        return {"mirror": False, "groups": _groups([int(chance.integers(2, 7))], chance)}
    counts = ([1, 1, 1], [2, 1, 1], [2, 2, 1], [3, 2], [1, 1, 1, 1], [3, 3], [2, 2, 2], [1, 4], [1, 1, 2, 2], [1] * 6)
    return {"mirror": False, "groups": _groups(counts[int(chance.integers(len(counts)))], chance)}


def _groups(counts: Sequence[int], chance: np.random.Generator) -> list[Attributes]:
    """Groups whose kinds differ; now and then two of one colour or of one shape."""
    groups: list[Attributes] = []
    while len(groups) < sum(count > 0 for count in counts):
        kind = {"shape": str(chance.choice(SHAPES)), "colour": str(chance.choice(list(COLOURS)))}
        if all((kind["shape"], kind["colour"]) != (each["shape"], each["colour"]) for each in groups):
            groups.append({"count": counts[len(groups)], **kind})
    return groups


def picture(seed: int) -> np.ndarray:
    """The rendered scene, (128, 128, 3) uint8."""
    from generators.studio.alike import alike
    from generators.studio.render import render

    noise = int(stream(seed, "render").integers(2**31))
    return render(alike(scene_of(seed)), size=SIZE, seed=noise).image


def build(out: Path, *, count: int) -> None:
    """Draw every shard that is not there yet; each holds `image` (n, 128, 128, 3) and `seed` (n,)."""
    out.mkdir(parents=True, exist_ok=True)
    for start in range(0, count, SHARD):
        path = out / f"objects-{start // SHARD:03d}.npz"
        if path.exists():
            continue
        seeds = range(SCENES_FROM + start, SCENES_FROM + min(start + SHARD, count))
        aside = path.with_name(f".{path.stem}.{os.getpid()}.npz")
        np.savez_compressed(aside, image=np.array([picture(seed) for seed in seeds]), seed=np.array(seeds))
        aside.rename(path)
        print(path, flush=True)


def read(folder: Path) -> dict[str, np.ndarray]:
    """Every scene there is, `image` and `seed`."""
    shards = [np.load(path) for path in sorted(folder.glob("objects-*.npz"))]
    if not shards:
        raise FileNotFoundError(
            f"{folder}: no objects-*.npz; make them: python -m audit.train.object_scenes --out {folder}"
        )
    return {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0].files}


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=1500)
    chosen = parser.parse_args()
    build(chosen.out, count=chosen.scenes)


if __name__ == "__main__":
    main()
