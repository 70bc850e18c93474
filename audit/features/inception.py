"""The Inception network that defines FID, through torch-fidelity; its weights are never downloaded or replaced here."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import torch

from audit.weights import MissingWeightsError, require, sha256_of

PREFIX = "6726825d"
"""First digits of the SHA-256 of the published file, by torch.hub's convention the end of its name."""


class Inception:
    """The loaded extractor; digest: SHA-256 of its weights."""

    def __init__(self, network: Any, digest: str) -> None:
        self.digest = digest
        self._network = network

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """(3, H, W) uint8 -> (2048,) float32; one picture a call, so that no company changes its bits."""
        with torch.inference_mode():
            [pooled] = self._network(image[None].cpu())
        row: torch.Tensor = pooled[0].float()
        return row


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
