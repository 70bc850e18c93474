"""Train the adversarial baseline: a forger that paints from noise and text, and a detector that tries to tell.

python -m generators.train.gan --data DIR --out DIR/gan --minutes 30
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from generators.baselines.painter import Painter, Reader
from generators.train.checkpoint import Average
from generators.train.data import read_scenes
from generators.train.loop import Recipe, recipe_arguments, train_for
from generators.train.painters import SIZE, Pairs, embedded, export, noise_of


class Detector(nn.Module):
    """How real a picture looks, and how well it fits its text.

    Source: the projection of Miyato & Koyama 2018, with the spectral normalisation of Miyato et al. 2018.
    """

    def __init__(self, text_size: int = 128) -> None:
        super().__init__()
        self.reader = Reader(bounded=True)
        width = 256
        bound = nn.utils.parametrizations.spectral_norm
        self.real = bound(nn.Linear(width, 1))
        self.fits = bound(nn.Linear(text_size, width, bias=False))

    def forward(self, pictures: Tensor, texts: Tensor) -> Tensor:
        """Scores (B,), high for real; pictures (B, 3, 64, 64), texts (B, text_size) of unit length."""
        seen = self.reader(pictures).sum(dim=(2, 3))
        scores: Tensor = self.real(seen)[:, 0] + (seen * self.fits(texts)).sum(dim=1)
        return scores


class Rivals(nn.Module):
    """Forger and detector, trained at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.painter = Painter().to(memory_format=torch.channels_last)
        self.detector = Detector().to(memory_format=torch.channels_last)

    def loss(self, real: Tensor, texts: Tensor, noise: Tensor) -> Tensor:
        """The sum of both losses, a scalar, through which neither learns from the other's."""
        forged = self.painter(noise, texts)
        self.detector.requires_grad_(False)
        fooled = self.fooled(forged, texts)
        self.detector.requires_grad_(True)
        return self.caught(real, forged.detach(), texts) + fooled

    def caught(self, real: Tensor, forged: Tensor, texts: Tensor) -> Tensor:
        """The detector's loss: a real picture with another's text is a forgery too.

        Source: hinge loss of Lim & Ye 2017; mismatched texts of Reed et al. 2016.
        """
        pictures, told = torch.cat([real, forged, real]), torch.cat([texts, texts, texts.roll(1, dims=0)])
        on_real, on_forged, on_other = self.detector(pictures, told).float().chunk(3)
        return (1 - on_real).relu().mean() + ((1 + on_forged).relu().mean() + (1 + on_other).relu().mean()) / 2

    def fooled(self, forged: Tensor, texts: Tensor) -> Tensor:
        """The forger's loss."""
        return -self.detector(forged, texts).float().mean()


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=30, batch=32, rate=3e-4)
    parser.add_argument("--clip", type=Path, default=Path("generators/weights/studio_clip"), help="open_clip folder")
    chosen = vars(parser.parse_args())
    data, out, clip = (chosen.pop(key) for key in ("data", "out", "clip"))
    recipe = Recipe(**chosen)
    torch.manual_seed(0)
    rivals = Rivals()
    if recipe.start is not None:
        rivals.painter = Painter.from_pretrained(recipe.start / "painter").float()
    scenes = read_scenes(data, "train", size=SIZE)
    pairs = Pairs(scenes.images, embedded(scenes, clip))

    def loss(step: int) -> Tensor:
        real, texts, rng = pairs.batch(step, recipe.batch)
        with recipe.forward():
            return rivals.loss(real, texts, noise_of(rng, recipe.batch, texts.shape[1]))

    parameters = list(rivals.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=0.0, betas=(0.0, 0.99), fused=True)
    average = Average(parameters, 0.999)
    facts = train_for(recipe, rivals, optimiser, average, state=out / "state.pt", loss=loss)
    export(rivals.painter, clip, out / "folder", {**facts, "scenes": len(scenes)})


if __name__ == "__main__":
    main()
