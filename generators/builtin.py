"""The generators that ship with the program, and any folder of their kinds: "ldm", "gan", "ldm@FOLDER"."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from generators.api import Generator, GeneratorError

WEIGHTS = Path(__file__).parent / "weights"
Make = Callable[[str, Path, torch.device], Generator]


def load(rest: str, *, device: str = "auto") -> Generator:
    """`rest` is what follows "builtin:": "ldm" for a shipped model, "ldm@FOLDER" for another one of its kind.

    Raises:
        GeneratorError: no such model ships, or the folder is none that this program can drive.
    """
    model, _, given = rest.partition("@")
    if given == "" and model not in shipped():
        raise GeneratorError(f"no built-in model named {model!r}; shipped: {', '.join(shipped()) or 'none'}")
    folder = Path(given) if given else WEIGHTS / model
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return KINDS[kind_of(folder)](f"builtin:{rest}", folder, torch.device(chosen))


def shipped() -> list[str]:
    """Names of the models in the package."""
    return sorted(path.parent.name for path in WEIGHTS.glob("*/model_index.json"))


def kind_of(folder: Path) -> str:
    """The class that a folder's index names."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise GeneratorError(f"{folder}: no model_index.json; expected a folder as `generators.train` writes it")
    kind = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise GeneratorError(
            f"{index}: class {kind!r} is none of {known}; for other pipelines write diffusers:{folder}"
        )
    return str(kind)


def _latent(name: str, folder: Path, device: torch.device) -> Generator:
    from generators.diffusion import DiffusionGenerator

    return DiffusionGenerator(name, folder, device)


def _upscaler(name: str, folder: Path, device: torch.device) -> Generator:
    from generators.diffusion import DiffusionGenerator
    from generators.latent import Upscaler

    return DiffusionGenerator(name, folder, device, Upscaler)


def _pixel(name: str, folder: Path, device: torch.device) -> Generator:
    from generators.baselines.pixel import PixelNetworks
    from generators.diffusion import DiffusionGenerator

    return DiffusionGenerator(name, folder, device, PixelNetworks)


def _painter(name: str, folder: Path, device: torch.device) -> Generator:
    from generators.baselines.oneshot import PainterGenerator

    return PainterGenerator(name, folder, device)


KINDS: Mapping[str, Make] = {
    "StableDiffusionPipeline": _latent,
    "StableDiffusionUpscalePipeline": _upscaler,
    "PixelNetworks": _pixel,
    "PainterGenerator": _painter,
}
"""What a folder's index names -> how it is driven."""
