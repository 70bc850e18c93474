"""A network of Stable Diffusion 1.5's shape, packed, against the stock pipeline called cell by cell; share of the peak.

    python benchmarks/speed/sd15.py [--out FILE]

Random weights, made on the device: 860 million parameters of U-Net, CLIP ViT-L/14's text encoder, the autoencoder;
bfloat16, latents of 64 x 64, DDIM. What is compared is time alone, for random weights draw noise. That packed pictures
are the pipeline's own is asserted first, in float32 on a small network; in bfloat16, where a batch's size changes the
rounding, how far apart they are is told. Flops are counted on one call of the U-Net; the peak is what a product of two
8192 x 8192 matrices of normal noise reaches in this process. Without a GPU the small network stands in for the large.
Writes benchmarks/results/sd15.json (sd15-small.json without a GPU).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.measure import exact_float32, figure, interleaved, synchronised, write
from generators.adapters.packed import PackedPipeline
from generators.api import Request, Settings
from generators.packing import Count
from generators.quiet import without_loading_bars
from generators.train.tokenizer import byte_tokenizer

SEED, CONTEXT = 0, 77
PROMPTS = (
    "a portrait of a chef",
    "three red balls on a table",
    "a street sign that says OPEN",
    "a blue cube left of a yellow cone",
    "an open hand",
    "a white mug",
    "a brick wall",
    "a dog that runs on a beach",
)
GUIDANCES = (1.0, 3.0, 5.0, 7.5)
CELLS, PACKED = "cell loop", "packed"
SECONDS = 28.0  # for all timed rounds


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is built and how much it is asked; `heads` is what diffusers calls attention_head_dim.

    Attributes:
        rows: of a packed batch.
        side: of the matrices whose product tells the peak.
    """

    channels: tuple[int, ...]
    layers: int
    heads: int
    latent: int
    text: tuple[int, int, int]  # width, layers, heads
    painter: tuple[int, ...]
    groups: int
    prompts: int
    steps: tuple[int, ...]
    rows: int
    side: int


SD15 = Shape(
    channels=(320, 640, 1280, 1280),
    layers=2,
    heads=8,
    latent=64,
    text=(768, 12, 12),
    painter=(128, 256, 512, 512),
    groups=32,
    prompts=8,
    steps=(10, 20),
    rows=32,
    side=8192,
)
SMALL = Shape(
    channels=(16, 16, 32, 32),
    layers=1,
    heads=2,
    latent=16,
    text=(16, 2, 2),
    painter=(8, 8, 16, 16),
    groups=4,
    prompts=2,
    steps=(4, 5),
    rows=8,
    side=512,
)


def pipeline(shape: Shape, device: str, dtype: torch.dtype) -> Any:
    """A Stable Diffusion pipeline with seeded random weights, made where they are used."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    width, depth, heads = shape.text
    crossing, crossed = ("CrossAttnDownBlock2D",) * 3, ("CrossAttnUpBlock2D",) * 3
    before = torch.get_default_dtype()
    torch.manual_seed(SEED)
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            unet = UNet2DConditionModel(
                sample_size=shape.latent,
                block_out_channels=shape.channels,
                layers_per_block=shape.layers,
                attention_head_dim=shape.heads,
                cross_attention_dim=width,
                norm_num_groups=shape.groups,
                down_block_types=(*crossing, "DownBlock2D"),
                up_block_types=("UpBlock2D", *crossed),
            )
            painter = AutoencoderKL(
                block_out_channels=shape.painter,
                layers_per_block=shape.layers,
                latent_channels=4,
                norm_num_groups=shape.groups,
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                sample_size=8 * shape.latent,
            )
            reader = CLIPTextModel(
                CLIPTextConfig(
                    vocab_size=49408,
                    hidden_size=width,
                    intermediate_size=4 * width,
                    num_hidden_layers=depth,
                    num_attention_heads=heads,
                    max_position_embeddings=CONTEXT,
                    projection_dim=width,
                    bos_token_id=512,
                    eos_token_id=513,
                    pad_token_id=513,
                )
            )
    finally:
        torch.set_default_dtype(before)
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    with without_loading_bars():
        made = StableDiffusionPipeline(
            vae=painter.eval(),
            text_encoder=reader.eval(),
            tokenizer=byte_tokenizer(CONTEXT),
            unet=unet.eval(),
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).to(device)
    made.set_progress_bar_config(disable=True)
    return made


@dataclass(eq=False)
class Arms:
    """The same pictures asked for in two ways."""

    pipeline: Any
    shape: Shape
    count: Count = field(default_factory=Count)

    @property
    def cells(self) -> list[tuple[float, int]]:
        """Guidance and steps."""
        return [(guidance, steps) for guidance in GUIDANCES for steps in self.shape.steps]

    def cell_loop(self) -> np.ndarray:
        """One call of the pipeline a cell: pictures (cells, prompts, height, width, 3) in 0..1."""
        made = []
        for guidance, steps in self.cells:
            made.append(
                self.pipeline(
                    prompt=list(PROMPTS[: self.shape.prompts]),
                    generator=[torch.Generator("cpu").manual_seed(seed) for seed in range(self.shape.prompts)],
                    num_inference_steps=steps,
                    guidance_scale=guidance,
                    output_type="np",
                ).images
            )
        return np.stack(made)

    @torch.inference_mode()
    def packed(self) -> np.ndarray:
        """All at once, texts encoded anew; decoded in batches of the same size as the pipeline's."""
        self.count = Count()
        engine = PackedPipeline(self.pipeline, rows=self.shape.rows, count=self.count)
        prompts = self.shape.prompts
        requests = [
            Request(text=text, seed=seed, settings=Settings(guidance=guidance, steps=steps))
            for guidance, steps in self.cells
            for seed, text in enumerate(PROMPTS[:prompts])
        ]
        latents = engine.latents(requests)
        starts = range(0, len(latents), prompts)
        return np.stack([engine.decode(latents[start : start + prompts])[0] for start in starts])


def agree_in_float32(device: str) -> None:
    """On the small network: packed pictures within 1 grey level of the pipeline's."""
    arms = Arms(pipeline(SMALL, device, torch.float32), SMALL)
    worst = float(np.abs(arms.packed() - arms.cell_loop()).max() * 255)
    print(f"float32, small network: pictures within {worst:.3f} grey levels")
    if not worst <= 1:
        raise SystemExit(f"packed pictures differ by {worst} grey levels from the pipeline's; nothing is timed")


def inputs(pipe: Any, rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noise as the U-Net takes it: latents, timesteps, states."""
    config, like = pipe.unet.config, {"device": pipe.device, "dtype": pipe.unet.dtype}
    latents = torch.randn(rows, config.in_channels, config.sample_size, config.sample_size, **like)
    states = torch.randn(rows, CONTEXT, config.cross_attention_dim, **like)
    return latents, torch.full((rows,), 500, device=pipe.device), states


@torch.no_grad()
def flops_a_row(pipe: Any) -> float:
    """Floating-point operations of the U-Net for one row, products and sums counted apart."""
    from torch.utils.flop_counter import FlopCounterMode

    latents, timesteps, states = inputs(pipe, 2)
    with FlopCounterMode(display=False) as counter:
        pipe.unet(latents, timesteps, encoder_hidden_states=states)
    return float(counter.get_total_flops()) / 2


@torch.no_grad()
def unet_seconds(pipe: Any, rows: int) -> float:
    """Of one call of the U-Net alone."""
    latents, timesteps, states = inputs(pipe, rows)
    return seconds(lambda: pipe.unet(latents, timesteps, encoder_hidden_states=states).sample, str(pipe.device), 5)


@torch.no_grad()
def peak(device: str, dtype: torch.dtype, side: int) -> float:
    """Operations a second of a matrix product."""
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: one @ other, device, 20)


def seconds(work: Callable[[], Any], device: str, times: int) -> float:
    """Mean of several runs in a row, after a few that are not counted."""
    for _ in range(3):
        work()
    wait = synchronised(lambda: None, device)
    wait()
    begun = time.perf_counter()
    for _ in range(times):
        work()
    wait()
    return (time.perf_counter() - begun) / times


def quicker_layout(pipe: Any, rows: int) -> dict[str, float]:
    """Seconds of a U-Net call by the layout of its weights; the quicker stays, for both arms."""
    found = {"contiguous": unet_seconds(pipe, rows)}
    pipe.unet.to(memory_format=torch.channels_last)
    found["channels last"] = unet_seconds(pipe, rows)
    if found["contiguous"] <= found["channels last"]:
        pipe.unet.to(memory_format=torch.contiguous_format)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where the result is written")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args()
    gpu, device = chosen.device.startswith("cuda"), chosen.device
    if not gpu:
        print("no GPU here: a small network stands in, and no figure says anything of Stable Diffusion")
    shape, dtype = (SD15, torch.bfloat16) if gpu else (SMALL, torch.float32)
    exact_float32()
    agree_in_float32(device)

    pipe = pipeline(shape, device, dtype)
    parameters = sum(each.numel() for each in pipe.unet.parameters())
    print(f"U-Net: {parameters / 1e6:.1f} million parameters, {str(dtype).removeprefix('torch.')}")
    fastest = peak(device, dtype, shape.side)
    each_row = flops_a_row(pipe)
    layouts = quicker_layout(pipe, shape.rows)
    alone = each_row * shape.rows / min(layouts.values()) / fastest
    print(f"peak {fastest / 1e12:.1f} TFLOP/s; {each_row / 1e9:.1f} GFLOP a row; U-Net alone: {alone:.0%} of the peak")

    arms = Arms(pipe, shape)
    begun = time.perf_counter()
    theirs, ours = synchronised(arms.cell_loop, device)(), synchronised(arms.packed, device)()
    round_seconds = time.perf_counter() - begun
    off = float(np.sqrt(np.mean(np.square(ours - theirs, dtype=np.float64))) / theirs.std(dtype=np.float64))
    print(f"pictures differ by {off:.3f} of their own spread in {str(dtype).removeprefix('torch.')}")
    repeats = max(1, min(5, int(SECONDS / round_seconds) - 1))
    works = {CELLS: arms.cell_loop, PACKED: arms.packed}
    times = interleaved({name: synchronised(work, device) for name, work in works.items()}, repeats)

    count = arms.count
    rows = {CELLS: count.asked, PACKED: count.computed}
    shares = {name: rows[name] * each_row / times[name]["wall"] / fastest for name in rows}
    print(f"rows: {count.asked} asked, {count.computed} computed, {count.padding} padding")
    print(", ".join(f"{name}: {share:.0%} of the peak" for name, share in shares.items()))
    what = "Stable Diffusion 1.5's shape, bfloat16" if gpu else "a small network, float32"
    name = f"{what}: {shape.prompts} prompts x {len(arms.cells)} cells, packed against cell loop"
    made = figure(name, times, slow=CELLS, fast=PACKED, goal=1.0, unit="times faster")
    about = {
        "rows_asked": count.asked,
        "rows_computed": count.computed,
        "padding": count.padding,
        "repeats": repeats,
        "parameters": parameters,
        "gflop_a_row": round(each_row / 1e9, 3),
        "peak_tflops": round(fastest / 1e12, 2),
        "share_of_peak": {"U-Net alone": round(alone, 4), **{arm: round(share, 4) for arm, share in shares.items()}},
        "unet_call_seconds": {layout: round(spent, 5) for layout, spent in layouts.items()},
        "pictures_differ_by_share_of_spread": round(off, 5),
    }
    write("sd15" if gpu else "sd15-small", {"figures": [{**made, **about}]}, out=chosen.out, device=device)


if __name__ == "__main__":
    main()
