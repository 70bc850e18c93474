"""Features of pictures: networks with folded normalisation and channels last against the same networks eager."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.measure import interleaved
from benchmarks.speed.figures import Figure, faster, must

CLOSE = 1e-4


def measure(quick: bool) -> list[Figure]:
    """Inception with random weights, for time and rounding need no others; the shipped CLIP; quick: 5 repeats."""
    return [inception(5 if quick else 15), clip(5 if quick else 15)]


def inception(repeats: int) -> Figure:
    """One picture a call through the network of FID by "clean", resizing included in both arms."""
    import torch

    from audit.features.inception import Inception

    picture = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 128, 128), dtype=np.uint8))
    fast, slow = Inception(random_network(), "0" * 64), Inception(torch.nn.Identity(), "0" * 64)
    slow._network = random_network()
    arms = {"eager": lambda: slow.features(picture, "clean"), "folded": lambda: fast.features(picture, "clean")}
    worst = float((arms["eager"]() - arms["folded"]()).abs().max())
    must(f"Inception's features differ by {worst:.2g}, at most {CLOSE:g}", worst <= CLOSE)
    times = interleaved(arms, repeats)
    return faster(
        "Inception: folded against eager", times, slow="eager", fast="folded", goal=1.6, note=f"differ by {worst:.1g}"
    )


def clip(repeats: int) -> Figure:
    """Eight pictures a call through the image tower of the shipped model, resizing included in both arms."""
    from unittest import mock

    import torch

    from audit.features import clip as module
    from audit.features import models

    rng = np.random.default_rng(0)
    pictures = [torch.from_numpy(rng.integers(0, 256, (3, 128, 128), dtype=np.uint8)) for _ in range(module.BATCH)]
    fast = models.load("studio")
    with mock.patch.object(module, "folded", lambda network: network.eval()):
        slow = models._load.__wrapped__("studio", "")
    arms = {"eager": lambda: slow.image_features(pictures), "folded": lambda: fast.image_features(pictures)}
    worst = float((arms["eager"]() - arms["folded"]()).abs().max())
    must(f"the studio CLIP's features differ by {worst:.2g}, at most {CLOSE:g}", worst <= CLOSE)
    times = interleaved(arms, repeats)
    return faster(
        "studio CLIP: folded against eager", times, slow="eager", fast="folded", goal=1.6, note=f"differ by {worst:.1g}"
    )


def random_network() -> Any:
    """torch-fidelity's Inception with seeded random weights that keep signals at the size of pictures' own."""
    from unittest import mock

    import torch
    import torch_fidelity.feature_extractor_inceptionv3 as package

    extractor = package.FeatureExtractorInceptionV3
    with (
        torch.random.fork_rng(),
        warnings.catch_warnings(),
        mock.patch.object(package, "load_state_dict_from_url", return_value={}),
        mock.patch.object(extractor, "load_state_dict", return_value=None),
    ):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        network = extractor("inception", ["2048"])
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
                torch.nn.init.normal_(module.running_mean, 0.0, 0.1)
    return network
