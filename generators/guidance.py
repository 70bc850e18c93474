"""Classifier-free guidance: lean away from what the model would draw without the text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
"""(latent (..., C, h, w), timestep) -> the clean latent the model believes in, same shape."""


@dataclass(frozen=True)
class Guidance:
    """How far to lean, and at which noise levels.

    Source: Ho & Salimans 2022, equation 6, for `scale`; Kynkäänniemi et al. 2024 for `window`; Lin et al. 2023,
    section 3.4, for `rescale`.

    Attributes:
        scale: 1 is plain conditional sampling, which never asks the unconditional branch.
        window: guided only where low <= sigma <= high, sigma in 0..1 being the noise's weight in the latent;
            outside it sampling is plainly conditional.
        rescale: in 0..1, how far the guided answer is brought back to the spread of the conditional one.
    """

    scale: float = 1.0
    window: tuple[float, float] = (0.0, 1.0)
    rescale: float = 0.0

    def leans(self, sigma: float) -> bool:
        """Whether the unconditional branch is needed at this noise level."""
        low, high = self.window
        return self.scale != 1 and low <= sigma <= high

    def guided(self, conditional: Tensor, unconditional: Tensor) -> Tensor:
        """What the model predicts, leaned; both are its raw predictions (C, h, w) or (B, C, h, w)."""
        leaned = unconditional + self.scale * (conditional - unconditional)
        if self.rescale == 0:
            return leaned
        axes = (-3, -2, -1)
        ratio = conditional.std(dim=axes, keepdim=True) / leaned.std(dim=axes, keepdim=True)
        return leaned * (1 + self.rescale * (ratio - 1))
