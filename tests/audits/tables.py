"""Tables as a perfect finder would see them: from the geometry of studio scenes, without a picture or a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch

from audit.api import View
from audit.features.objects import COLOURS, GRID, OBJECT, SHAPES, SIDE, Found, Table
from audit.train.object_truth import Truth, shadow_on, truth
from audit.trials.physics import carried
from audit.types import Prompt
from generators.studio import tabletop
from generators.studio.drawing import stream
from generators.studio.scene import Attributes, Scene


class Perfect:
    """A finder that sees the table it is given in every picture."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __call__(self, picture: np.ndarray) -> Table:
        return self.table


def view(**expect: Any) -> View:
    """A black picture, with what its prompt expects."""
    return View(torch.zeros((3, SIDE, SIDE), dtype=torch.uint8), Prompt(id="p", text="a table", expect=expect))


def laid(seed: int, **wish: Any) -> tuple[Attributes, Scene]:
    """A scene of the studio."""
    drawn = tabletop.sample(stream(seed, "asked"), {"mirror": False, **wish})
    return drawn, tabletop.build(drawn, stream(seed, "build"))


def table(drawn: Attributes, scene: Scene, turn: float = 0.0, which: int = 0) -> Table:
    """What is on it, the shadow of one object turned by so many degrees."""
    told = truth(drawn, scene, GRID)
    shadow = told.shadow
    if turn:
        name = f"object{which}"
        lamp = carried(scene.lights[0], scene.points["contacts"][which, :2], turn)
        others = replace(scene, parts=tuple(part for part in scene.parts if part.name != name))
        kept = tuple(part for part in scene.parts if part.name == name or not part.name.startswith("object"))
        alone = replace(scene, parts=kept, lights=(lamp,))
        shadow = np.maximum(shadow_on(others, told.kinds, GRID), shadow_on(alone, told.kinds, GRID))
    fine = truth(drawn, scene, 4 * GRID).kinds == OBJECT
    presence = cv2.resize(fine.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    things = [_found(told, index) for index, thing in enumerate(told.things) if thing.seen]
    objects = tuple(found for found, reflected in things if not reflected)
    reflections = tuple(found for found, reflected in things if reflected)
    return Table(objects, reflections, told.kinds, presence, shadow.clip(0, 1), 1.0, (0.0, 0.0))


def _found(told: Truth, index: int) -> tuple[Found, bool]:
    thing, cells = told.things[index], told.owners == index
    rows, columns = np.nonzero(cells)
    middle, foot, top = ((float(x), float(y)) for x, y in thing.points * SIDE / GRID)
    box = (2.0 * columns.min(), 2.0 * rows.min(), 2.0 * columns.max() + 2, 2.0 * rows.max() + 2)
    found = Found(SHAPES[thing.shape], COLOURS[thing.colour], 1.0, 1.0, middle, foot, top, box, cells)
    return found, thing.reflected
