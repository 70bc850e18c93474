"""The network that the adversarial and the variational baseline share: noise and a text's embedding to a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

GROUPS = 16


class Painter(ModelMixin, ConfigMixin):
    """One pass from (noise, text) to a picture: a 4 x 4 seed, doubled until it has the picture's size.

    Source: the plan of Karras et al. 2019 (StyleGAN): a mapping network whose style scales and shifts every layer;
    group normalisation instead of their instance normalisation.

    Args:
        noise_size: numbers of noise.
        text_size: length of a text's embedding.
        style_size: length of what the two are mixed into.
        widths: channels at 4, 8, 16, ... pixels.
    """

    @register_to_config
    def __init__(
        self,
        noise_size: int = 128,
        text_size: int = 128,
        style_size: int = 256,
        widths: Sequence[int] = (256, 192, 128, 64, 32),
    ) -> None:
        super().__init__()
        self.mapping = nn.Sequential(
            nn.Linear(noise_size + text_size, style_size),
            nn.SiLU(),
            nn.Linear(style_size, style_size),
            nn.SiLU(),
        )
        self.seed = nn.Linear(style_size, widths[0] * 16)
        self.blocks = nn.ModuleList(Doubling(narrow, wide, style_size) for narrow, wide in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, noise: Tensor, text: Tensor) -> Tensor:
        """noise (B, noise_size) standard normal, text (B, text_size) of unit length; pictures (B, 3, H, W) in -1..1."""
        # As many units of text as of noise: an embedding of length 1 would drown.
        style = self.mapping(torch.cat([noise, text * self.config["text_size"] ** 0.5], dim=1))
        seed: Tensor = self.seed(style).view(len(noise), -1, 4, 4)
        hidden = seed.to(memory_format=torch.channels_last)
        for block in self.blocks:
            hidden = block(hidden, style)
        return torch.tanh(self.last(nn.functional.silu(hidden)))


class Doubling(nn.Module):
    """Twice the size: two convolutions, each normalised, then scaled and shifted by the style, beside a short cut."""

    def __init__(self, before: int, after: int, style_size: int) -> None:
        super().__init__()
        self.styled = nn.ModuleList([Styled(before, style_size), Styled(after, style_size)])
        self.one = nn.Conv2d(before, after, 3, padding=1)
        self.two = nn.Conv2d(after, after, 3, padding=1)
        self.short = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, hidden: Tensor, style: Tensor) -> Tensor:
        """hidden (B, before, h, w), style (B, style_size) -> (B, after, 2h, 2w)."""
        first, second = self.styled
        made = self.two(second(self.one(doubled(first(hidden, style))), style))
        short: Tensor = doubled(self.short(hidden))
        return short + made


class Styled(nn.Module):
    """Normalised, scaled and shifted by the style, bent."""

    def __init__(self, channels: int, style_size: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels, affine=False)
        self.knobs = nn.Linear(style_size, 2 * channels)

    def forward(self, hidden: Tensor, style: Tensor) -> Tensor:
        """hidden (B, channels, h, w), style (B, style_size) -> the shape of hidden."""
        scale, shift = self.knobs(style)[:, :, None, None].chunk(2, dim=1)
        return nn.functional.silu(self.norm(hidden) * (1 + scale) + shift)


def doubled(hidden: Tensor) -> Tensor:
    """Twice the height and width, each value repeated."""
    return nn.functional.interpolate(hidden, scale_factor=2, mode="nearest")


class Reader(nn.Module):
    """The other way round, for training alone: a picture to features, half the size a block.

    Args:
        widths: channels at 64, 32, 16, 8, 4 pixels.
        bounded: spectral normalisation of every weight (Miyato et al. 2018), which keeps a detector from running away.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 192, 256), *, bounded: bool = False) -> None:
        super().__init__()
        wrap = nn.utils.parametrizations.spectral_norm if bounded else _as_is
        self.first = wrap(nn.Conv2d(3, widths[0], 3, padding=1))
        self.blocks = nn.ModuleList(Halving(before, after, wrap) for before, after in pairwise(widths))

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, 64, 64) in -1..1 to (B, widths[-1], 4, 4)."""
        hidden = self.first(pictures)
        for block in self.blocks:
            hidden = block(hidden)
        return nn.functional.silu(hidden)


class Halving(nn.Module):
    """Half the size: two convolutions, the second with stride 2, beside a short cut."""

    def __init__(self, before: int, after: int, wrap: object) -> None:
        super().__init__()
        assert callable(wrap)
        self.one = wrap(nn.Conv2d(before, before, 3, padding=1))
        self.two = wrap(nn.Conv2d(before, after, 4, stride=2, padding=1))
        self.short = wrap(nn.Conv2d(before, after, 1, bias=False))

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, before, h, w) -> (B, after, h/2, w/2)."""
        made = self.two(nn.functional.silu(self.one(nn.functional.silu(hidden))))
        short: Tensor = self.short(nn.functional.avg_pool2d(hidden, 2))
        return short + made


def _as_is(layer: nn.Module) -> nn.Module:
    return layer
