"""A sweep through the packed engine against diffusers' own pipeline, called the ways people call it.

    python benchmarks/speed/sweep.py

Arms, all on builtin:ldm, DDIM, float32, the same noise: "prompt loop", one pipeline call a picture; "cell loop", one
call a cell with all its prompts; "packed", every request at once. A second sweep switches guidance off after 25, 50, 75
or 100 % of the steps; there diffusers runs its documented callback. Pictures must agree to 1 grey level before a clock
starts. Writes benchmarks/results/sweep.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.measure import figure, interleaved, write
from generators import builtin
from generators.api import Request, Settings
from generators.builtin import WEIGHTS
from generators.diffusion import DiffusionGenerator
from generators.quiet import without_loading_bars
from generators.rng import noise_stream
from generators.schedule import cosine, trailing

PROMPTS = (
    "an open hand with very light skin, red sleeve",
    "a fist with light skin in front of a green wall",
    'a street sign that says "OPEN"',
    'a white mug with "TEA" on it',
    "a portrait of a medium-skinned chef",
    "three red balls on a table",
    "a blue cube left of a yellow cone",
    "a close-up of a red brick wall",
)
GUIDANCES, STEPS = (1.0, 2.0, 4.0, 6.0), (5, 10)  # divisors of 1000, where diffusers' DDIM keeps to its timesteps
SHARES, WINDOW_STEPS, WINDOW_GUIDANCE = (0.25, 0.5, 0.75, 1.0), 20, 4.0

Cell = tuple[float, int, float]
"""Guidance, steps, share of the steps that are guided."""


def load_pipeline(device: str) -> Any:
    from diffusers import StableDiffusionPipeline

    with without_loading_bars():
        pipeline = StableDiffusionPipeline.from_pretrained(WEIGHTS / "ldm", torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def called(pipeline: Any, cell: Cell, prompts: list[int]) -> np.ndarray:
    """One call of the pipeline: pictures (n, 64, 64, 3) uint8."""
    guidance, steps, share = cell

    def switch_off(pipe: Any, step: int, timestep: int, kept: dict[str, Any]) -> dict[str, Any]:
        if step + 1 == round(share * steps) and guidance != 1:
            pipe._guidance_scale = 1.0
            kept["prompt_embeds"] = kept["prompt_embeds"].chunk(2)[-1]
        return kept

    noise = torch.stack([noise_stream(index, (4, 16, 16))() for index in prompts]).to(pipeline.device)
    windowed = {"callback_on_step_end": switch_off, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
    made = pipeline(
        prompt=[PROMPTS[index] for index in prompts],
        latents=noise,
        num_inference_steps=steps,
        guidance_scale=guidance,
        output_type="np",
        **(windowed if share < 1 else {}),
    ).images
    return (made * 255).round().astype(np.uint8)


def requests(cells: list[Cell]) -> list[Request]:
    """Every prompt of every cell, a prompt's cells side by side."""
    asked = []
    for index, text in enumerate(PROMPTS):
        for guidance, steps, share in cells:
            settings = Settings(guidance=guidance, steps=steps, guidance_window=window(steps, share))
            asked.append(Request(text=text, seed=index, settings=settings))
    return asked


def window(steps: int, share: float) -> tuple[float, float] | None:
    """The noise levels of the first share of the steps."""
    if share == 1:
        return None
    levels = [cosine().sigma[timestep].item() for timestep in trailing(steps)]
    kept = round(share * steps)
    return (levels[kept - 1] + levels[kept]) / 2, 1.0


def packed(generator: DiffusionGenerator, cells: list[Cell]) -> np.ndarray:
    """(cells, prompts, 64, 64, 3)."""
    made = np.stack(generator.draw(requests(cells)))
    return made.reshape(len(PROMPTS), len(cells), *made.shape[1:]).swapaxes(0, 1)


def compare(pipeline: Any, generator: DiffusionGenerator, cells: list[Cell], repeats: int) -> dict[str, Any]:
    """Times of the arms, once their pictures agree; and the rows the packer computed of those asked for."""
    everyone = list(range(len(PROMPTS)))
    arms = {
        "prompt loop": lambda: np.stack([[called(pipeline, cell, [i])[0] for i in everyone] for cell in cells]),
        "cell loop": lambda: np.stack([called(pipeline, cell, everyone) for cell in cells]),
        "packed": lambda: packed(generator, cells),
    }
    wanted = arms["cell loop"]().astype(int)
    for name in ("prompt loop", "packed"):
        worst = np.abs(arms[name]().astype(int) - wanted).max()
        if worst > 1:
            raise SystemExit(
                f"{name}: pictures differ by {worst} grey levels from the cell loop's; no ratio is printed"
            )
    asked, computed = generator.count.asked, generator.count.computed
    print(f"{len(cells)} cells x {len(PROMPTS)} prompts: {computed} rows computed of {asked} asked for")
    return {"times": interleaved(arms, repeats), "rows_asked": asked, "rows_computed": computed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args()
    if chosen.device == "cpu":
        print("no GPU here: ratios of the processor")
    pipeline = load_pipeline(chosen.device)
    grid = [(guidance, steps, 1.0) for guidance in GUIDANCES for steps in STEPS]
    windows = [(WINDOW_GUIDANCE, WINDOW_STEPS, share) for share in SHARES]
    result: dict[str, Any] = {"figures": []}
    for title, cells, goals in (
        ("guidance x steps", grid, {"prompt loop": 1.3, "cell loop": 1.0}),
        ("guidance window", windows, {"prompt loop": 1.5, "cell loop": 1.5}),
    ):
        found = compare(pipeline, builtin.load("ldm", device=chosen.device), cells, chosen.repeats)
        rows = {key: found[key] for key in ("rows_asked", "rows_computed")}
        for slow, goal in goals.items():
            name = f"{title}: packed against {slow}"
            made = figure(name, found["times"], slow=slow, fast="packed", goal=goal, unit="times faster")
            result["figures"].append({**made, **rows})
    write("sweep", result)


if __name__ == "__main__":
    main()
