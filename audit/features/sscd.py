"""SSCD (Pizzi et al. 2022): descriptors learned for copy detection, for those who have its weights.

Only the state dict for torchvision's ResNet-50 is read (`sscd_disc_mixup.torchvision.pt`); the TorchScript files hold
code and are not. Pictures are squashed to 320 x 320, as its authors advise for square input.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audit.features.clip import Preprocess
from audit.features.copies import PLAIN, Match, small
from audit.weights import require, sha256_of
from generators.api import Pixels

NAME = "sscd-disc-mixup"
SIDE, LONG = 320, 512
POWER = 3.0  # of the generalised mean that pools the last features
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 4
"""Pictures in every call, blank ones filling up, so that company changes no bits."""


class GeneralisedMean(torch.nn.Module):
    """(n, c, h, w) -> (n, c): the p-th root of the mean of p-th powers (Radenović et al. 2018)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features below 1e-6 count as that."""
        return features.clamp(min=1e-6).pow(POWER).mean(dim=(2, 3)).pow(1 / POWER)


class Sscd:
    """The loaded network; digest: SHA-256 of its weights."""

    def __init__(self, network: Any, digest: str) -> None:
        self.digest = digest
        self._network = network.eval().requires_grad_(False)
        self._prepare = Preprocess(SIDE, MEAN, DEVIATION, "squash", "bilinear")

    def describe(self, pictures: Sequence[Pixels]) -> NDArray[np.float32]:
        """Descriptors (n, 512) of length 1 of pictures of any sizes."""
        rows = [self._prepare(torch.from_numpy(np.array(each.transpose(2, 0, 1)))) for each in pictures]
        done = [torch.empty(0, LONG)]
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            blank = [torch.zeros_like(part[0])] * (BATCH - len(part))
            with torch.inference_mode():
                found = self._network(torch.stack([*part, *blank]))[: len(part)]
            done.append(torch.nn.functional.normalize(found.float()))
        descriptors: NDArray[np.float32] = torch.cat(done).numpy()
        return descriptors


class SscdIndex:
    """Known pictures by their descriptors (n, 512); the similarity of a match is the cosine, mirrored or not."""

    def __init__(self, model: Sscd, descriptors: NDArray[np.float32]) -> None:
        self.model = model
        self.descriptors = descriptors

    def __len__(self) -> int:
        return len(self.descriptors)

    def nearest(self, picture: Pixels, *, without: int | None = None) -> Match | None:
        """As `copies.Index.nearest`."""
        if float(small(picture).std(axis=(0, 1)).max()) < PLAIN:
            return None
        cosines = self.descriptors @ self.model.describe([picture, picture[:, ::-1]]).T
        if without is not None:
            cosines[without] = -np.inf
        place, mirrored = divmod(int(cosines.argmax()), 2)
        return Match(place, float(cosines[place, mirrored]), bool(mirrored))


def network() -> Any:
    """The architecture, untrained: ResNet-50 with generalised-mean pooling and 512 outputs."""
    from torchvision.models import resnet50

    built = resnet50(num_classes=LONG)
    built.avgpool = GeneralisedMean()
    return built


def load() -> Sscd:
    """The published weights, loaded once a process.

    Raises:
        MissingWeightsError: they are not here; the message has the command that fetches them.
        ValueError: the file holds other weights.
    """
    return _load(require(NAME))


@cache
def _load(path: Path) -> Sscd:
    built = network()
    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        built.load_state_dict({name.removeprefix("backbone."): value for name, value in state.items()})
    except RuntimeError as error:
        raise ValueError(f"{path}: not SSCD's weights for torchvision's ResNet-50: {error}") from error
    return Sscd(built, sha256_of(path))
