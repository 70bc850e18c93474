"""Batch normalisation folded into the convolution before it: the same function of a picture with less work.

In evaluation a batch normalisation is one factor and one shift a channel, which the convolution's weights take in
(Jacob et al. 2018, section 3.2). Weights lie channels last, where the kernels of processors are fastest. Features move
by rounding only, 1e-6 of their size: `benchmarks/speed/features.py` measures both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

PAIRS = (("conv", "bn"), ("0", "1"), *((f"conv{n}", f"bn{n}") for n in range(1, 4)))
"""Children's names of a convolution and its normalisation in torch-fidelity's Inception and open_clip's ResNets."""


def folded(network: Any) -> Any:
    """The network, in evaluation, with every pair of `PAIRS` made one and its weights channels last; changed in place.

    Networks without such pairs, such as transformers, come back as they are.
    """
    network.eval()
    found = False
    for module in list(network.modules()):
        for first, second in PAIRS:
            pair = getattr(module, first, None), getattr(module, second, None)
            # a subclass may do more than normalise: timm's also activates
            if type(pair[0]) is torch.nn.Conv2d and type(pair[1]) is torch.nn.BatchNorm2d:
                setattr(module, first, fuse_conv_bn_eval(*pair))
                setattr(module, second, torch.nn.Identity())
                found = True
    return network.to(memory_format=torch.channels_last) if found else network
