"""Inpainting: where the picture is known, the model's belief is replaced by what is known.

With the clean latent corrected in each answer, every sampler carries the known region along its own noise, and the
rest is drawn to fit it. That is the blend of latents at each step of Avrahami et al. 2022 (Blended Latent Diffusion),
section 4.1, told in terms of the clean latent. In the end the known pixels themselves are laid over the decoded
picture, so that the autoencoder's losses stay out of what was not to be touched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from generators.api import Pixels
from generators.samplers import Walk
from generators.tasks import img2img
from generators.tasks.start import Start


def walk(start: Start) -> Walk:
    """As image to image (strength 1 begins with pure noise), with every answer corrected where the mask is 0."""
    assert start.source is not None
    assert start.mask is not None
    inner = img2img.walk(start)
    answer: Tensor | None = None
    while True:
        try:
            query = next(inner) if answer is None else inner.send(answer)
        except StopIteration as finished:
            latent: Tensor = finished.value
            return start.mask * latent + (1 - start.mask) * start.source
        believed = yield query
        answer = start.mask * believed + (1 - start.mask) * start.source


def latent_mask(wanted: Tensor, factor: int) -> Tensor:
    """(1, H, W) of 0 and 1 to (1, h, w): a latent cell is made anew where any of its pixels is."""
    return nn.functional.max_pool2d(wanted, factor)


def laid_over(made: Pixels, source: Pixels, wanted: NDArray[np.bool_]) -> Pixels:
    """The made pixels where wanted (H, W), the source's own elsewhere."""
    return np.where(wanted[:, :, None], made, source)
