"""Train the finder of tabletop objects (`audit/features/objects.py`).

    python -m audit.train.objects --scenes DIR --clutter DIR --out generators/weights/objects --minutes 12

`--scenes` is what `audit.train.object_scenes` wrote, `--clutter` what `audit.train.digit_scenes` wrote: its tables
serve as further scenes, and on whatever else it has the network learns to find nothing. The budget is processor time; a
run that was cut off goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from audit.features.objects import (
    BACKGROUND,
    COLOURS,
    CONFIG,
    GRID,
    OBJECT,
    REACH,
    REFLECTION,
    SIDE,
    WEIGHTS,
    ObjectNet,
)
from audit.train import digit_scenes, object_scenes
from audit.train.object_truth import truth
from generators.studio import palette
from generators.studio.render import encode, linear

BATCH = 16
OTHERS = 2  # pictures of a batch that show no table
RATE = 3e-3
BLUR = 1.1  # cells: spread of a middle's bump
SHIFT = 4  # cells that a picture is pushed sideways at most
MAPPED = ("kinds", "shapes", "colours", "middles", "offsets", "shadow")  # targets that are maps
HELD = 60  # scenes kept for judging
RECOLOURED = 0.6  # share of pictures whose colours are exchanged
TINT = 0.25  # spread of the logarithm of each channel's gain on table and wall
HIGHLIGHT = 1.3  # shading beyond which a surface gleams white
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_BASES = linear(np.maximum(np.array(list(palette.COLOURS.values())), 0.16))  # as the studio lifts them
SAVED = 60.0  # seconds of processor time between checkpoints


def targets(seed: int) -> dict[str, np.ndarray]:
    """What the network should draw for a scene.

    kinds, shapes, colours (64, 64) int64, -100 where nothing is asked; middles (2, 64, 64); offsets (6, 64, 64), 0
    beyond objects; shadow (64, 64), -1 where nothing is asked.
    """
    told = truth(object_scenes.facts(seed), object_scenes.scene_of(seed), GRID)
    kinds, owners = told.kinds.astype(np.int64), told.owners
    shapes, colours = (np.full((GRID, GRID), -100, np.int64) for _ in range(2))
    middles = np.zeros((2, GRID, GRID), np.float32)
    offsets = np.zeros((3, 2, GRID, GRID), np.float32)
    row, column = np.mgrid[0:GRID, 0:GRID]
    for index, thing in enumerate(told.things):
        own = owners == index
        if not thing.seen:
            kinds[own] = -100
            continue
        shapes[own], colours[own] = thing.shape, thing.colour
        away = thing.points[:, :, None, None] - np.stack([column, row])[None] - 0.5  # from the cell's middle, in cells
        offsets[:, :, own] = 2 * away[:, :, own] / REACH
        x, y = thing.points[0] - 0.5
        bump = np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * BLUR**2))
        bump[bump == bump.max()] = 1  # a middle between cells is still a middle
        channel = int(thing.reflected)
        middles[channel] = np.maximum(middles[channel], bump)
    return {
        "kinds": kinds,
        "shapes": shapes,
        "colours": colours,
        "middles": middles,
        "offsets": offsets.reshape(6, GRID, GRID),
        "shadow": told.shadow,
    }


def nothing(count: int) -> dict[str, np.ndarray]:
    """The targets of pictures without a table."""
    empty = np.full((count, GRID, GRID), -100, np.int64)
    return {
        "kinds": np.zeros((count, GRID, GRID), np.int64),
        "shapes": empty,
        "colours": empty,
        "middles": np.zeros((count, 2, GRID, GRID), np.float32),
        "offsets": np.zeros((count, 6, GRID, GRID), np.float32),
        "shadow": np.zeros((count, GRID, GRID), np.float32),
    }


@dataclass(frozen=True)
class Scenes:
    """Pictures (n, 128, 128, 3) uint8 of tables with their targets, and others (m, 128, 128, 3) that show none."""

    pictures: np.ndarray
    wanted: dict[str, np.ndarray]
    others: np.ndarray


def gathered(scenes: Path, clutter: Path) -> Scenes:
    """Everything there is to learn from; what is kept for judging comes first."""
    drawn, scattered = object_scenes.read(scenes), digit_scenes.read(clutter, "backgrounds")["image"]
    seeds = digit_scenes.BACKGROUNDS_FROM + np.arange(len(scattered))
    tables = np.array([digit_scenes.CLUTTER[seed % len(digit_scenes.CLUTTER)] == "tabletop" for seed in seeds])
    rows = [targets(int(seed)) for seed in (*drawn["seed"], *seeds[tables])]
    return Scenes(
        np.concatenate([drawn["image"], scattered[tables]]),
        {name: np.stack([row[name] for row in rows]) for name in rows[0]},
        np.concatenate([scattered[~tables], digit_scenes.read(clutter, "hands")["image"]]),
    )


def losses(maps: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """One number a map. Middles: penalty-reduced focal loss (Zhou et al. 2019, CenterNet, equation 1)."""
    kinds = wanted["kinds"]
    mine = ((kinds == OBJECT) | (kinds == REFLECTION)).float()
    area = mine.sum().clamp(min=1)
    heat, bump = maps["middles"], wanted["middles"]
    hit = bump == 1
    share = torch.sigmoid(heat).clamp(1e-4, 1 - 1e-4)
    focal = torch.where(
        hit, -((1 - share) ** 2) * share.log(), -((1 - bump) ** 4) * share**2 * (1 - share).log()
    ).sum() / hit.sum().clamp(min=1)
    away = F.smooth_l1_loss(maps["offsets"], wanted["offsets"], reduction="none", beta=0.1).sum(dim=1)
    shadow, known = wanted["shadow"], (wanted["shadow"] >= 0).float()
    dark = F.binary_cross_entropy_with_logits(maps["shadow"][:, 0], shadow.clamp(min=0), reduction="none")
    return {
        "kinds": F.cross_entropy(maps["kinds"], kinds, torch.tensor([0.5, 1.0, 1.0, 1.5])),
        "middles": focal,
        "offsets": (away * mine).sum() / area,
        "shapes": F.cross_entropy(maps["shapes"], wanted["shapes"]),
        "colours": F.cross_entropy(maps["colours"], wanted["colours"]),
        "shadow": 2 * (dark * known).sum() / known.sum().clamp(min=1),
    }


def varied(
    pictures: np.ndarray, wanted: dict[str, np.ndarray], chance: np.random.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """A batch in other colours, half of it mirrored, pushed sideways, a little lighter or darker and noisier."""
    shown, told = pictures.astype(np.float32) / 255, {name: each.copy() for name, each in wanted.items()}
    for row in range(len(shown)):
        if (told["kinds"][row] > 0).any() and chance.uniform() < RECOLOURED:
            shown[row], told["colours"][row] = recoloured(shown[row], told["kinds"][row], told["colours"][row], chance)
        if chance.uniform() < 0.5:
            shown[row] = shown[row, :, ::-1]
            for name in MAPPED:
                told[name][row] = told[name][row, ..., ::-1]
            told["offsets"][row, 0::2] *= -1
        push = int(chance.integers(-SHIFT, SHIFT + 1))
        places = np.clip(np.arange(SIDE) - 2 * push, 0, SIDE - 1)
        shown[row] = shown[row][:, places]
        cells = np.clip(np.arange(GRID) - push, 0, GRID - 1)
        for name in MAPPED:
            told[name][row] = told[name][row][..., cells]
        if push:
            edge = slice(0, push) if push > 0 else slice(push, None)
            told["middles"][row][..., edge] = 0
            for name in ("kinds", "shapes", "colours", "shadow"):
                told[name][row][..., edge] = -100
        shown[row] *= chance.uniform(0.93, 1.07)
        shown[row] += chance.normal(0, chance.uniform(0, 0.02), shown[row].shape)
    batch = torch.from_numpy(shown.clip(0, 1).transpose(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)
    return batch, {name: torch.from_numpy(each) for name, each in told.items()}


def recoloured(
    picture: np.ndarray, kinds: np.ndarray, colours: np.ndarray, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Objects of each colour in another, their shading kept; table and wall under another tint.

    picture (128, 128, 3) sRGB in 0..1, kinds and colours (64, 64) as `targets` gives them -> picture and colours. Black
    objects stay: they have no shading that could be kept.
    """
    light, fine = linear(picture), np.repeat(np.repeat(colours, 2, axis=0), 2, axis=1)
    around = np.repeat(np.repeat(kinds == BACKGROUND, 2, axis=0), 2, axis=1)
    light[around] *= np.exp(chance.normal(0, TINT, 3)).astype(np.float32)
    told = colours.copy()
    present = [each for each in np.unique(colours) if each >= 0 and COLOURS[each] != "black"]
    others = chance.permutation(len(COLOURS))[: len(present)]
    for old, new in zip(present, others.tolist(), strict=True):
        mine = fine == old
        shade = light[mine] @ LUMINANCE / float(_BASES[old] @ LUMINANCE)
        light[mine] = shade[:, None] * _BASES[new] + np.maximum(shade - HIGHLIGHT, 0)[:, None]
        told[colours == old] = new
    return encode(light).astype(np.float32) / 255, told


def batches(scenes: Scenes, chance: np.random.Generator) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Batches without end: every scene once, then again in another order; the last rows show no table."""
    tables, none = BATCH - OTHERS, nothing(OTHERS)
    while True:
        order = HELD + chance.permutation(len(scenes.pictures) - HELD)
        for start in range(0, len(order) - tables + 1, tables):
            rows = order[start : start + tables]
            beside = scenes.others[chance.integers(len(scenes.others), size=OTHERS)]
            told = {name: np.concatenate([each[rows], none[name]]) for name, each in scenes.wanted.items()}
            yield varied(np.concatenate([scenes.pictures[rows], beside]), told, chance)


def train(scenes: Scenes, out: Path, *, minutes: float, seed: int = 0) -> None:
    """Train for this many minutes of processor time, then write weights (fp16) and config."""
    torch.manual_seed(seed)
    network = ObjectNet()
    with torch.no_grad():
        network.leave.bias[4:6] = -4.0  # middles are rare: start from "nowhere"
    network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    saved, spent, step = out / "checkpoint.pt", 0.0, 0
    out.mkdir(parents=True, exist_ok=True)
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        spent, step = state["spent"], state["step"]
    feed = batches(scenes, np.random.default_rng([seed, step]))
    budget, last = minutes * 60, spent
    mean: dict[str, float] = {}
    began = time.process_time() - spent
    while spent < budget:
        done = spent / budget
        for group in optimiser.param_groups:
            group["lr"] = float(RATE * min(1.0, done / 0.04 + 0.02) * 0.5 * (1 + np.cos(np.pi * done)) + 1e-5)
        batch, told = next(feed)
        parts = losses(network(batch), told)
        optimiser.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        step, spent = step + 1, time.process_time() - began
        mean = {n: 0.98 * mean.get(n, float(e.detach())) + 0.02 * float(e.detach()) for n, e in parts.items()}
        if spent - last > SAVED or spent >= budget:
            last = spent
            state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "spent": spent, "step": step}
            torch.save(state, saved)
            told_words = ", ".join(f"{n} {e:.3f}" for n, e in mean.items())
            print(f"{spent / 60:.1f} min, {step} steps, {len(scenes.pictures) - HELD} scenes: {told_words}", flush=True)
    half = {name: each.half().contiguous() for name, each in network.state_dict().items()}
    save_file(half, out / WEIGHTS)
    config = {"channels": [block.second.out_channels for block in network.down]}
    (out / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--clutter", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    train(gathered(chosen.scenes, chosen.clutter), chosen.out, minutes=chosen.minutes)


if __name__ == "__main__":
    main()
