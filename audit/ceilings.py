"""Ceilings of the built-in control suites: what each prompt's true scene scores on its own control picture.

    python -m audit.ceilings --suites audit/suites/builtin

draws the held-out scene behind each row of edges.jsonl and skeletons.jsonl again, scores it, and writes the score into
the row's expectations. Audits that divide by the ceiling read it there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audit.audits.control import CEILINGS
from audit.images import decode
from audit.registry import find_audit
from audit.trial import Case
from audit.types import Prompt
from generators.api import Pixels, Settings
from generators.studio.controls import lines_picture, pose_map
from generators.studio.dataset import HELD_OUT_FROM
from generators.studio.drawing import draw, facts, family, family_of, stream
from generators.studio.task_suites import Held, held

SEARCHED = 4000  # held-out scenes among which the suites' are looked for
ALIKE = 0.98  # share of a control picture's values that must agree: depth is stored in 16 bits


@dataclass(frozen=True)
class Kind:
    """A control suite: the audit that scores it and the control picture of a scene."""

    audit: str
    control: Callable[[Held], Pixels]


KINDS = {
    "edges": Kind("control.edges", lambda scene: lines_picture(scene.edges)),
    "skeletons": Kind("control.skeleton", lambda scene: pose_map(scene.record["points"], len(scene.image))),
}


def ceiling(kind: Kind, text: str, name: str, control: Pixels) -> float | None:
    """What the true scene of a caption and control picture scores; None where the extractor finds nothing in it.

    Raises:
        ValueError: no held-out scene has that caption and that control picture.
    """
    for seed in _seeds(text, name):
        scene = held(draw(name, {}, seed=seed, defects={}, size=len(control)))
        if (kind.control(scene) == control).mean() >= ALIKE:
            prompt = Prompt(id="true", text=text, inputs={"control": "control"})
            settings = Settings(task="control")
            case = Case(
                pixels=scene.image, planted=False, prompt=prompt, settings=settings, inputs={"control": control}
            )
            [score] = find_audit(kind.audit)()([case.view()])
            return None if score.value is None else round(score.value, 4)
    raise ValueError(f"no held-out scene of {name} has the caption {text!r} and this control picture")


def with_ceilings(path: Path, kind: Kind) -> list[dict[str, Any]]:
    """The rows of a suite, each with its ceiling among its expectations, where there is one."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        control = decode((path.parent / row["inputs"]["control"]).read_bytes())
        found = ceiling(kind, row["text"], row["tags"][0], control)
        row["expect"].pop(CEILINGS[kind.audit], None)
        if found is not None:
            row["expect"][CEILINGS[kind.audit]] = found
    return rows


def _seeds(text: str, name: str) -> Iterator[int]:
    """Held-out scenes of a family with that caption, found without drawing them."""
    for seed in range(HELD_OUT_FROM, HELD_OUT_FROM + SEARCHED):
        if family_of(seed) == name:
            asked, _, _ = facts(name, {}, seed=seed, defects={})
            if family(name).caption(asked, stream(seed, "caption")) == text:
                yield seed


def main(argv: list[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", type=Path, required=True, help="folder of edges.jsonl and skeletons.jsonl")
    folder = parser.parse_args(argv).suites
    for name, kind in KINDS.items():
        rows = with_ceilings(folder / f"{name}.jsonl", kind)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        known = [row["expect"][key] for row in rows if (key := CEILINGS[kind.audit]) in row["expect"]]
        print(f"{name}: {len(known)} of {len(rows)} rows have a ceiling, {np.mean(known):.3f} on average")


if __name__ == "__main__":
    main()
