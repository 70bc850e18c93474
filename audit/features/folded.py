"""Convolutions without their overhead: the same function of a picture with less work.

In evaluation a batch normalisation is one factor and one shift a channel, which the convolution before it takes into
its weights (Jacob et al. 2018, section 3.2). They lie channels last, where the kernels of processors are fastest; where
oneDNN runs them it also wants weights in blocks, and gets those once instead of making them at every call. Features
move by rounding only, 1e-6 of their size: `benchmarks/speed/features.py` measures both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

PAIRS = (("conv", "bn"), ("0", "1"), *((f"conv{n}", f"bn{n}") for n in range(1, 4)))
"""Children's names of a convolution and its normalisation in torch-fidelity's Inception and open_clip's ResNets."""

SHAPES = 4  # of inputs that weights are kept in blocks for: a full batch, an odd last one, and some to spare


class Packed(torch.nn.Conv2d):
    """A convolution that is never trained again, its weights in blocks as well: one layout for each shape of input.

    The two calls are those of torch.compile's frozen graphs, which would start a compiler first and hide the layers.
    """

    def __init__(self, convolution: Any) -> None:
        self.__dict__.update(convolution.__dict__)
        self._blocks: dict[torch.Size, torch.Tensor] = {}

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(n, channels, height, width) -> their convolution; without blocks on accelerators and in other precisions."""
        if rows.device.type != "cpu" or rows.dtype != torch.float32 or torch.is_grad_enabled():
            return super().forward(rows)
        how = self.padding, self.stride, self.dilation, self.groups
        blocks = self._blocks.get(rows.shape)
        if blocks is None:
            weight = self.weight.detach().to_mkldnn()
            blocks = torch._C._nn.mkldnn_reorder_conv2d_weight(weight, *how, list(rows.shape))
            if len(self._blocks) >= SHAPES:
                self._blocks.clear()
            self._blocks[rows.shape] = blocks
        return torch.ops.mkldnn._convolution_pointwise(rows, blocks, self.bias, *how, "none", [], "")

    def __getstate__(self) -> dict[str, Any]:
        """Copies make their own blocks: these can be neither copied nor pickled."""
        return {**self.__dict__, "_blocks": {}}

    @staticmethod
    def possible(convolution: Any) -> bool:
        """Whether this build of torch can do it, and for such a convolution."""
        plain = convolution.padding_mode == "zeros" and not isinstance(convolution.padding, str)
        known = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        return plain and known and bool(torch.backends.mkldnn.is_available())


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
                fused = fuse_conv_bn_eval(*pair)
                setattr(module, first, Packed(fused) if Packed.possible(fused) else fused)
                setattr(module, second, torch.nn.Identity())
                found = True
    return network.to(memory_format=torch.channels_last) if found else network
