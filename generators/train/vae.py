"""Train the variational baseline: pictures squeezed into noise and painted again, told their text both ways.

python -m generators.train.vae --data DIR --out DIR/vae --minutes 15
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generators.baselines.painter import Painter, Reader
from generators.train.painters import learn


class Variational(nn.Module):
    """Conditional VAE. Source: Kingma & Welling 2013, Sohn et al. 2015 for the condition."""

    def __init__(self, noise_size: int = 128, text_size: int = 128) -> None:
        super().__init__()
        self.reader = Reader().to(memory_format=torch.channels_last)
        self.posterior = nn.Linear(256 * 16 + text_size, 2 * noise_size)
        nn.init.zeros_(self.posterior.weight)  # so that it begins as the prior, with no divergence
        nn.init.zeros_(self.posterior.bias)
        self.painter = Painter(noise_size, text_size).to(memory_format=torch.channels_last)

    def loss(self, pictures: Tensor, texts: Tensor, noise: Tensor) -> Tensor:
        """Negative evidence bound a number of the picture, the Gaussian's width being the best for the batch.

        Source: Rybkin et al. 2021 (sigma-VAE), equation 5: then no weight of the divergence has to be chosen.
        """
        seen = self.reader(pictures).flatten(1)
        mean, spread = self.posterior(torch.cat([seen, texts], dim=1)).float().chunk(2, dim=1)
        spread = spread.clamp(-8, 8)
        made = self.painter(mean + (spread / 2).exp() * noise, texts).float()
        numbers = pictures[0].numel()
        divergence = (mean.square() + spread.exp() - 1 - spread).sum(dim=1).mean() / 2
        error = (made - pictures).square().mean()
        loss: Tensor = error.log() / 2 + divergence / numbers
        return loss


def main() -> None:
    """See the module's docstring."""
    torch.manual_seed(0)
    learn(Variational(), description=__doc__, minutes=15, rate=1e-3, betas=(0.9, 0.99))


if __name__ == "__main__":
    main()
