"""The built-in suites for tasks, from held-out scenes: edit (img2img, inpaint), edges, skeletons, upscale.

    python -m generators.studio.task_suites --data DIR --out audit/suites/builtin

Each prompt names pictures that lie beside the suite, under `pictures`; what the scene shows is the known truth.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generators.api import Pixels
from generators.studio.controls import bones, edge_map, lines_picture, pose_map
from generators.studio.dataset import load
from generators.studio.drawing import Drawn, halved, scene_record

BACKDROPS = {"wall", "floor", "background", "table", "surface"}
"""Objects that stand behind what a scene is about."""
GROWN = 6  # pixels by which the mask of an edit reaches past what it covers
PLATE = "number plate"
Wanted = Callable[["Held"], bool]


@dataclass(frozen=True)
class Held:
    """A held-out scene: its picture, its annotations, and where each object is (H, W)."""

    image: Pixels
    record: dict[str, Any]
    ids: NDArray[np.int64]
    edges: NDArray[np.bool_]

    @property
    def family(self) -> str:
        """The scene's family."""
        return str(self.record["family"])

    @property
    def expect(self) -> dict[str, Any]:
        """The known truth that audits read from a prompt."""
        drawn = self.record["drawn"]
        keys = {
            "hands": ("digits", "raised", "tone_word", "side"),
            "portraits": ("occupation", "presentation", "tone_word"),
            "signs": ("text",),
            "tabletop": ("count",),
        }
        return {key: drawn[key] for key in keys.get(self.family, ())}


def read(folder: Path) -> Iterator[Held]:
    """The held-out scenes, in order of their seeds."""
    for table in load(folder, "held_out", columns=["image", "annotations", "depth", "normals", "ids"]):
        for row in table.to_pylist():
            depth, normals, ids = (np.asarray(Image.open(io.BytesIO(row[key]))) for key in ("depth", "normals", "ids"))
            yield Held(
                image=np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB")),
                record=json.loads(row["annotations"]),
                ids=ids.astype(np.int64),
                edges=edge_map(depth.astype(np.float64), normals / 127.5 - 1, ids),
            )


def held(drawn: Drawn) -> Held:
    """A scene that was drawn just now, at the picture's own size, as `read` gives those of a dataset."""
    truth = drawn.rendered
    edges = edge_map(truth.depth.astype(np.float64), truth.normals, truth.ids)
    return Held(drawn.image, scene_record(drawn), truth.ids.astype(np.int64), edges)


def chosen(scenes: Sequence[Held], counts: dict[str, int], wanted: Wanted = lambda _: True) -> list[Held]:
    """So many scenes of each family, the first that are wanted."""
    return [each for name, count in counts.items() for each in _first(scenes, name, count, wanted)]


def _first(scenes: Sequence[Held], family: str, count: int, wanted: Wanted) -> list[Held]:
    found = [each for each in scenes if each.family == family and wanted(each)]
    if len(found) < count:
        raise ValueError(f"{count} scenes of {family} are needed, found {len(found)}; give a larger dataset")
    return found[:count]


def subject_mask(scene: Held) -> Pixels:
    """White over what the scene is about, grown by a few pixels; over the middle where it is about all of it."""
    names = scene.record["objects"]
    about = {"sign", "board"} if scene.family == "signs" else set(names) - BACKDROPS
    subject = [place for place, name in enumerate(names, start=1) if name in about]
    mask = np.isin(scene.ids, subject)
    if not mask.any():
        size = len(mask)
        mask[size // 4 : -size // 4, size // 4 : -size // 4] = True
    side = 2 * GROWN + 1
    return lines_picture(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool))


def edit(scenes: Sequence[Held]) -> list[dict[str, Any]]:
    """Make another scene of the family out of this one: source, mask of its subject, the other's caption."""
    counts = {"hands": 8, "portraits": 6, "signs": 6, "tabletop": 4}
    made = []
    for name, count in counts.items():
        pool = _first(scenes, name, 2 * count, lambda _: True)
        for source, target in zip(pool[:count], pool[count:], strict=True):
            made.append(_row(target, source=source.image, mask=subject_mask(source)))
    return made


def edges(scenes: Sequence[Held]) -> list[dict[str, Any]]:
    """A scene's caption and its edges."""
    found = chosen(scenes, {"hands": 6, "portraits": 4, "signs": 3, "tabletop": 5}, lambda each: each.edges.sum() > 300)
    return [_row(each, control=lines_picture(each.edges)) for each in found]


def skeletons(scenes: Sequence[Held]) -> list[dict[str, Any]]:
    """A scene's caption and its skeleton."""
    found = chosen(scenes, {"hands": 12, "portraits": 6}, lambda each: any(bones(each.record["points"])))
    return [_row(each, control=pose_map(each.record["points"], len(each.image))) for each in found]


def upscale(scenes: Sequence[Held]) -> list[dict[str, Any]]:
    """A scene at a quarter of its size; number plates first, whose strings the small picture barely tells."""
    plates = _first(scenes, "signs", 10, lambda each: each.record["drawn"]["carrier"] == PLATE)
    others = chosen(scenes, {"hands": 4, "portraits": 4, "textures": 2})
    return [_row(each, source=halved(halved(each.image))) for each in (*plates, *others)]


def _row(scene: Held, **inputs: Pixels) -> dict[str, Any]:
    tags = [scene.family]
    if scene.record["drawn"].get("carrier") == PLATE:
        tags.append("plate")
    return {"text": scene.record["caption"], "tags": tags, "expect": scene.expect, "inputs": inputs}


SUITES = {"edit": edit, "edges": edges, "skeletons": skeletons, "upscale": upscale}


def write(scenes: Sequence[Held], out: Path) -> None:
    """Every suite as JSON lines, its pictures as PNG beside it."""
    pictures = out / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, build in SUITES.items():
        lines = []
        for number, row in enumerate(build(scenes), start=1):
            inputs = {}
            for role, pixels in row["inputs"].items():
                inputs[role] = f"pictures/{name}-{number:02d}-{role}.png"
                Image.fromarray(pixels).save(out / inputs[role], optimize=True)
            lines.append(json.dumps({"id": f"{name}-{number:02d}", **row, "inputs": inputs}) + "\n")
        (out / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of a studio dataset")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    write(list(read(given.data)), given.out)


if __name__ == "__main__":
    main()
