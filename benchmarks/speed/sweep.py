"""A sweep through the packed engine against diffusers' own pipeline, called the ways people call it.

    python benchmarks/speed/sweep.py [--folder FOLDER] [--out FILE]

Arms, all on builtin:ldm or on the folder, DDIM, float32 (no TF32), the same noise: "prompt loop", one pipeline call a
picture; "cell loop", one call a cell with all its prompts; "packed", every request at once; on CUDA "packed, graphs",
the same with the U-Net's kernels replayed. A second sweep switches guidance off after 25, 50, 75 or 100 % of the steps;
there diffusers runs its documented callback. Pictures must agree to 1 grey level before a clock starts; an arm whose
pictures do not, or that fails, is told and left out. On CUDA there are more prompts and steps, and the prompt loop,
which would take minutes there, runs once and over few of the prompts; its time is multiplied, and its name says so.
Writes benchmarks/results/sweep.json (sweep-cuda.json on CUDA).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.measure import exact_float32, figure, interleaved, synchronised, write
from generators import builtin
from generators.api import Request, Settings
from generators.builtin import WEIGHTS
from generators.diffusion import DiffusionGenerator
from generators.quiet import without_loading_bars
from generators.rng import noise_stream
from generators.schedule import trailing

PROMPTS = (
    "an open hand with very light skin, red sleeve",
    "a fist with light skin in front of a green wall",
    'a street sign that says "OPEN"',
    'a white mug with "TEA" on it',
    "a portrait of a medium-skinned chef",
    "three red balls on a table",
    "a blue cube left of a yellow cone",
    "a close-up of a red brick wall",
    "a hand pointing with dark skin, blue sleeve",
    "two green cubes on a table",
    "a portrait of a dark-skinned doctor",
    'a shop sign that says "BREAD"',
    "a red cone behind a white ball",
    "a close-up of wooden planks",
    "a black mug on a table",
    "an open hand with dark skin in front of a red wall",
)
GUIDANCES = (1.0, 2.0, 4.0, 6.0)
SHARES, WINDOW_STEPS, WINDOW_GUIDANCE = (0.25, 0.5, 0.75, 1.0), 20, 4.0
PACKED, GRAPHS, CELLS, LOOP = "packed", "packed, graphs", "cell loop", "prompt loop"

Cell = tuple[float, int, float]
"""Guidance, steps, share of the steps that are guided."""


@dataclass(frozen=True)
class Size:
    """How much is asked for: prompts, prompts of the prompt loop, steps (divisors of 1000, where diffusers' DDIM keeps
    to its timesteps), repeats."""

    prompts: int
    looped: int
    steps: tuple[int, ...]
    repeats: int


SIZES = {"cpu": Size(8, 8, (5, 10), 5), "cuda": Size(16, 2, (10, 20), 3)}


@dataclass(frozen=True)
class Sweep:
    """The arms over one folder's model on one device."""

    folder: Path
    device: str
    size: Size

    @cached_property
    def pipeline(self) -> Any:
        """diffusers' own."""
        from diffusers import StableDiffusionPipeline

        with without_loading_bars():
            pipeline = StableDiffusionPipeline.from_pretrained(self.folder, torch_dtype=torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(self.device)

    @cached_property
    def generator(self) -> DiffusionGenerator:
        """Ours."""
        made = builtin.load(f"ldm@{self.folder}", device=self.device)
        assert isinstance(made, DiffusionGenerator)
        return made

    def called(self, cell: Cell, prompts: list[int]) -> np.ndarray:
        """One call of the pipeline: pictures (n, height, width, 3) uint8."""
        guidance, steps, share = cell

        def switch_off(pipe: Any, step: int, timestep: int, kept: dict[str, Any]) -> dict[str, Any]:
            if step + 1 == round(share * steps) and guidance != 1:
                pipe._guidance_scale = 1.0
                kept["prompt_embeds"] = kept["prompt_embeds"].chunk(2)[-1]
            return kept

        shape = self.generator.networks.latent_shape
        noise = torch.stack([noise_stream(index, shape)() for index in prompts]).to(self.device)
        windowed = {"callback_on_step_end": switch_off, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
        made = self.pipeline(
            prompt=[PROMPTS[index] for index in prompts],
            latents=noise,
            num_inference_steps=steps,
            guidance_scale=guidance,
            output_type="np",
            **(windowed if share < 1 else {}),
        ).images
        levels: np.ndarray = (made * 255).round().astype(np.uint8)
        return levels

    def requests(self, cells: list[Cell]) -> list[Request]:
        """Every prompt of every cell, a prompt's cells side by side."""
        asked = []
        for index, text in enumerate(PROMPTS[: self.size.prompts]):
            for guidance, steps, share in cells:
                settings = Settings(guidance=guidance, steps=steps, guidance_window=self.window(steps, share))
                asked.append(Request(text=text, seed=index, settings=settings))
        return asked

    def window(self, steps: int, share: float) -> tuple[float, float] | None:
        """The noise levels of the first share of the steps."""
        if share == 1:
            return None
        sigma = self.generator.networks.schedule.sigma
        levels = [sigma[timestep].item() for timestep in trailing(steps)]
        kept = round(share * steps)
        return (levels[kept - 1] + levels[kept]) / 2, 1.0

    def packed(self, cells: list[Cell], graphs: bool) -> np.ndarray:
        """(cells, prompts, height, width, 3); texts are encoded anew, as the pipeline's calls encode them."""
        self.generator.networks.forget_texts()
        self.generator.graphs = graphs
        made = np.stack(self.generator.draw(self.requests(cells)))
        return made.reshape(self.size.prompts, len(cells), *made.shape[1:]).swapaxes(0, 1)

    def arm(self, name: str, cells: list[Cell]) -> Callable[[], np.ndarray]:
        """What is compared; it ends when the device is done."""
        everyone, few = list(range(self.size.prompts)), list(range(self.size.looped))
        arms: dict[str, Callable[[], np.ndarray]] = {
            CELLS: lambda: np.stack([self.called(cell, everyone) for cell in cells]),
            LOOP: lambda: np.stack([[self.called(cell, [i])[0] for i in few] for cell in cells]),
            PACKED: lambda: self.packed(cells, graphs=False),
            GRAPHS: lambda: self.packed(cells, graphs=True),
        }
        return synchronised(arms[name], self.device)


@dataclass
class Comparison:
    """One sweep's arms: times of those whose pictures agree, why others failed, rows computed of those asked for."""

    sweep: Sweep
    cells: list[Cell]
    times: dict[str, dict[str, float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    @cached_property
    def wanted(self) -> np.ndarray:
        """The cell loop's pictures."""
        return self.sweep.arm(CELLS, self.cells)().astype(int)

    def run(self, names: Sequence[str]) -> None:
        """Add times of these arms, interleaved; the prompt loop's may be that of its first run, multiplied."""
        size, timed = self.sweep.size, {}
        for name in names:
            work = self.sweep.arm(name, self.cells)
            if (spent := self.agreeing(name, work)) is None:
                continue
            if name == LOOP and size.looped < size.prompts:
                self.times[LOOP] = {clock: each * size.prompts / size.looped for clock, each in spent.items()}
            else:
                timed[name] = work
        if timed:
            self.times |= interleaved(timed, size.repeats)

    def agreeing(self, name: str, work: Callable[[], np.ndarray]) -> dict[str, float] | None:
        """Seconds of an arm's first run; None, and why, where it fails or its pictures are not the cell loop's."""
        count = self.sweep.generator.count
        asked, computed = count.asked, count.computed
        try:
            wanted = self.wanted
            begun, spent = time.perf_counter(), time.process_time()
            made = work().astype(int)
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            self.failed[name] = f"{type(error).__name__}: {str(error).strip()[:300]}"
            print(f"{name} FAILED: {self.failed[name]}")
            return None
        seconds = {"wall": time.perf_counter() - begun, "cpu": time.process_time() - spent}
        worst = int(np.abs(made - wanted[:, : made.shape[1]]).max())
        print(f"{name}: pictures within {worst} grey levels of the cell loop's")
        if worst > 1:
            self.failed[name] = f"pictures differ by {worst} grey levels from the cell loop's; no ratio is given"
            print(f"{name} FAILED: {self.failed[name]}")
            return None
        if name == PACKED:
            self.rows = {"rows_asked": count.asked - asked, "rows_computed": count.computed - computed}
            print(f"{len(self.cells)} cells: {self.rows['rows_computed']} rows computed of {self.rows['rows_asked']}")
        return seconds

    def figures(self, title: str, goals: Mapping[str, float]) -> list[dict[str, Any]]:
        """Each packed arm against each of diffusers' that has a goal."""
        size, made = self.sweep.size, []
        few = "" if size.looped == size.prompts else f" ({size.looped} of {size.prompts} prompts, once, multiplied)"
        for fast in {PACKED, GRAPHS} & self.times.keys():
            for slow in goals.keys() & self.times.keys():
                name = f"{title}: {fast} against {slow}{few if slow == LOOP else ''}"
                found = figure(name, self.times, slow=slow, fast=fast, goal=goals[slow], unit="times faster")
                made.append({**found, **self.rows})
        return sorted(made, key=lambda each: str(each["name"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=WEIGHTS / "ldm", help="a pipeline of diffusers' kind")
    parser.add_argument("--out", type=Path, help="where the result is written")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args()
    if chosen.device == "cpu":
        print("no GPU here: ratios of the processor")
    exact_float32()
    kind = chosen.device.partition(":")[0]
    size = SIZES[kind] if chosen.repeats is None else replace(SIZES[kind], repeats=chosen.repeats)
    sweep = Sweep(chosen.folder, chosen.device, size)
    compared = {
        "guidance x steps": Comparison(sweep, [(scale, steps, 1.0) for scale in GUIDANCES for steps in size.steps]),
        "guidance window": Comparison(sweep, [(WINDOW_GUIDANCE, WINDOW_STEPS, share) for share in SHARES]),
    }
    goals = {
        "guidance x steps": {LOOP: 1.3, CELLS: 1.0 if kind == "cpu" else 3.0},
        "guidance window": {LOOP: 1.5, CELLS: 1.5},
    }
    # graphs come last and are written anew: recording that fails can leave the device unusable
    for names in ((CELLS, PACKED, LOOP), *([(GRAPHS,)] if kind == "cuda" else [])):
        for each in compared.values():
            each.run(names)
        result = {
            "figures": [made for title, each in compared.items() for made in each.figures(title, goals[title])],
            "failed": {f"{title}: {arm}": why for title, each in compared.items() for arm, why in each.failed.items()},
            "tf32": False,
        }
        write("sweep" if kind == "cpu" else f"sweep-{kind}", result, out=chosen.out, device=chosen.device)
    if result["failed"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
