"""Super-resolution: from pure noise, while the small picture says what the large one must look like from afar.

What is finer than the small picture's pixels is invented: it is drawn from what the model saw in training.
"""

from __future__ import annotations

import torch

from generators.api import Pixels
from generators.latent import signal_of
from generators.packing import Shown
from generators.samplers import Walk
from generators.tasks import text2img
from generators.tasks.start import Start

TIMES = 4  # each side grows by


def walk(start: Start) -> Walk:
    """Every step, from noise."""
    return text2img.walk(start)


def shown(source: Pixels, device: torch.device) -> Shown:
    """The small picture as the U-Net takes it: (3, h, w) in -1..1."""
    return Shown(signal_of(source).to(device))
