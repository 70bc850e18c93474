"""Train the control branch of a latent diffusion model: one ControlNet for edge maps and for skeletons.

python -m generators.train.control --data DIR --start DIR/ldm/folder --out DIR/control --minutes 30
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from generators.api import Pixels
from generators.studio.controls import lines_picture, pose_map
from generators.train.checkpoint import Average
from generators.train.data import Controls, read_controls, read_scenes
from generators.train.ldm import Latents, Model, batch_of, encode, loss_of, optimiser_of
from generators.train.loop import Recipe, recipe_arguments, train_for

EMBEDDING = (8, 16, 32, 64)  # channels of the layers that bring a control picture down to the latent's size
SKELETONS = 0.6  # share of hands and portraits that are controlled by their skeleton, not by their edges


class Branch(nn.Module):
    """The base model, frozen, and the branch that learns to steer it.

    Source: Zhang et al. 2023 (ControlNet): a copy of the U-Net's first half whose answers, through layers that begin
    at zero, are added to the base's skip connections.
    """

    def __init__(self, base: Model) -> None:
        from diffusers import ControlNetModel

        super().__init__()
        self.base = base.requires_grad_(False)
        self.branch = ControlNetModel.from_unet(base.unet, conditioning_embedding_out_channels=EMBEDDING)
        self.branch.to(memory_format=torch.channels_last)
        # The zero layers behind it suffice to begin gently. Left as they come, these would whisper: the last is zero,
        # each of the others lets a third of its input through, and lines are few.
        embedding = self.branch.controlnet_cond_embedding
        for layer in embedding.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        embedding.conv_out.weight.data.mul_(10)

    def forward(self, latent: Tensor, timestep: Tensor, tokens: Tensor, control: Tensor) -> Tensor:
        """Predicted velocity, same shape as latent (B, 4, 16, 16); control (B, 3, 128, 128) in 0..1."""
        with torch.no_grad():
            states = self.base.text_encoder(tokens).last_hidden_state
        skips, middle = self.branch(
            latent, timestep, encoder_hidden_states=states, controlnet_cond=control, return_dict=False
        )
        velocity: Tensor = self.base.unet(
            latent,
            timestep,
            encoder_hidden_states=states,
            down_block_additional_residuals=skips,
            mid_block_additional_residual=middle,
        ).sample
        return velocity


def control_picture(controls: Controls, row: int, *, skeleton: bool) -> Pixels:
    """The skeleton of a scene that has one, if it is wanted; its edges else."""
    size = controls.edges.shape[1]
    points = controls.points[row]
    if skeleton and ("fingertips" in points or "eyes" in points):
        return pose_map(points, size)
    return lines_picture(controls.edges[row])


@dataclass(frozen=True)
class Drawn:
    """Control pictures of all scenes, on one device: with edges, and with a skeleton where there is one.

    edges, skeletons: (n, H, W, 3) uint8.
    """

    edges: Tensor
    skeletons: Tensor

    @classmethod
    def of(cls, controls: Controls, device: str) -> Drawn:
        """All of them, drawn once."""
        kinds = [
            np.stack([control_picture(controls, row, skeleton=skeleton) for row in range(len(controls.points))])
            for skeleton in (False, True)
        ]
        edges, skeletons = (torch.from_numpy(kind).to(device) for kind in kinds)
        return cls(edges, skeletons)

    def batch(self, rows: Tensor, step: int) -> Tensor:
        """Signal (B, 3, H, W) in 0..1, as diffusers hands control pictures over; a function of the step alone."""
        wanted = torch.from_numpy(np.random.default_rng([7, step]).random(len(rows)) < SKELETONS).to(rows.device)
        chosen = torch.where(wanted[:, None, None, None], self.skeletons[rows], self.edges[rows])
        return chosen.permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)


def train(model: Branch, latents: Latents, controls: Controls, recipe: Recipe, out: Path) -> None:
    """Train, then save `out/controlnet` and the facts beside it."""
    drawn = Drawn.of(controls, recipe.device)
    model.to(recipe.device)
    trained = list(model.branch.parameters())
    average = Average(trained, 0.998)
    if recipe.compiled:
        model.base.unet.compile()
        model.branch.compile()

    def loss(step: int) -> Tensor:
        batch = batch_of(latents, step, recipe.batch)
        shown = drawn.batch(batch.rows, step)
        with recipe.forward():
            return loss_of(batch, lambda noisy: model(noisy, batch.timestep, batch.tokens, shown)).mean()

    optimiser = optimiser_of(trained, recipe.rate)
    facts = train_for(recipe, model.branch, optimiser, average, state=out / "state.pt", loss=loss)
    export(model.branch, out / "controlnet")
    (out / "training.json").write_text(json.dumps({**facts, "scenes": len(latents)}))


def export(branch: Any, folder: Path) -> None:
    """Write a ControlNetModel folder in half precision."""
    import copy

    copy.deepcopy(branch).cpu().half().save_pretrained(folder, safe_serialization=True)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=30, batch=64, rate=1e-3)
    chosen = vars(parser.parse_args())
    data, out = chosen.pop("data"), chosen.pop("out")
    recipe = Recipe(**chosen)
    if recipe.start is None:
        parser.error("--start FOLDER: the trained latent diffusion model that the branch is to steer")
    torch.manual_seed(0)
    base = Model()
    base.begin_from(recipe.start)
    controls = read_controls(data, "train")
    scenes = read_scenes(data, "train").first(len(controls.points))
    train(Branch(base.eval()), encode(scenes, recipe.start / "vae", recipe.device), controls, recipe, out)


if __name__ == "__main__":
    main()
