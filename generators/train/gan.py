"""Train the adversarial baseline: a forger that paints from noise and text, and a detector that tries to tell.

python -m generators.train.gan --data DIR --out DIR/gan --minutes 30
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generators.baselines.painter import Painter, Reader
from generators.train.painters import learn


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

    def loss(self, pictures: Tensor, texts: Tensor, noise: Tensor) -> Tensor:
        """The sum of both losses, a scalar, through which neither learns from the other's."""
        forged = self.painter(noise, texts)
        self.detector.requires_grad_(False)
        fooled = self.fooled(forged, texts)
        self.detector.requires_grad_(True)
        return self.caught(pictures, forged.detach(), texts) + fooled

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
    torch.manual_seed(0)
    learn(Rivals(), description=__doc__, minutes=30, rate=3e-4, betas=(0.0, 0.99))


if __name__ == "__main__":
    main()
