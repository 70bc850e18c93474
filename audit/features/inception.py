"""The Inception network that defines FID, through torch-fidelity; its weights are never downloaded or replaced here.

Two protocols say how a picture reaches its 299 x 299 input. "legacy" is the network's own graph of 2015: bilinear as
TensorFlow 1 did it, without antialiasing. "clean" is clean-fid (Parmar et al. 2022): Pillow's bicubic, on floats.
Distances of the two do not compare, and so their features have different identities.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Literal

import torch

from audit.features.folded import folded
from audit.images import resize
from audit.weights import MissingWeightsError, require, sha256_of

PREFIX = "6726825d"
"""First digits of the SHA-256 of the published file, by torch.hub's convention the end of its name."""
SIDE = 299
BLOCKS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)
"""What torch-fidelity's extractor runs after resizing; it takes no picture that was resized to fractions of grey."""

Protocol = Literal["legacy", "clean"]


class Inception:
    """The loaded extractor, its batch normalisation folded in; digest: SHA-256 of its weights."""

    def __init__(self, network: Any, digest: str) -> None:
        self.digest = digest
        self._network = folded(network)

    def identity(self, protocol: Protocol) -> str:
        """What a reference must have been made with."""
        return self.digest if protocol == "legacy" else f"{self.digest}:{protocol}"

    def features(self, image: torch.Tensor, protocol: Protocol = "legacy") -> torch.Tensor:
        """(3, H, W) uint8 -> (2048,) float32; one picture a call, so that no company changes its bits."""
        with torch.inference_mode():
            pooled = self._clean(image) if protocol == "clean" else self._network(image[None].cpu())[0]
        row: torch.Tensor = pooled[0].float()
        return row

    def _clean(self, image: torch.Tensor) -> torch.Tensor:
        rows = (resize(image.cpu(), SIDE, "clean")[None] - 128) / 128
        for name in BLOCKS:
            rows = getattr(self._network, name)(rows)
        return torch.flatten(rows, 1)


@cache
def load() -> Inception:
    """The extractor on the CPU.

    Raises:
        MissingWeightsError: the weights, or torch-fidelity, are not installed.
    """
    path = require("fid-inception")
    digest = sha256_of(path)
    if not digest.startswith(PREFIX):
        raise MissingWeightsError(f"{path} is not the Inception of FID: its SHA-256 starts {digest[:8]}, not {PREFIX}")
    try:
        package = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ImportError as error:
        raise MissingWeightsError("FID's network needs torch-fidelity: pip install torch-fidelity") from error
    # The extractor unpickles the file without restraint; this first reading refuses anything but tensors.
    torch.load(path, weights_only=True, map_location="cpu")
    return Inception(package.FeatureExtractorInceptionV3("inception", ["2048"], str(path)), digest)
