"""Control: from pure noise, while a picture of edges or bones says where things are.

Source: ControlNet (Zhang et al. 2023). The branch answers beside the U-Net at every question; `control_scale`
multiplies what it adds, so 0 is text to image and 1 is what was trained.
"""

from __future__ import annotations

import torch

from generators.api import Pixels
from generators.packing import Shown
from generators.samplers import Walk
from generators.tasks import text2img
from generators.tasks.start import Start


def walk(start: Start) -> Walk:
    """Every step, from noise."""
    return text2img.walk(start)


def shown(control: Pixels, scale: float, device: torch.device) -> Shown:
    """The control picture as the branch takes it: (3, H, W) in 0..1."""
    return Shown(torch.from_numpy(control.copy()).permute(2, 0, 1).float().div(255).to(device), scale)
