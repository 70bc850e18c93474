"""A diffusers folder with the weights of its U-Net rounded to few bits: what a smaller model costs in quality.

    python -m generators.quantise --model generators/weights/ldm --bits 4 --out runs/ldm-int4

Round to nearest, symmetric, one scale per output channel, as weight-only quantisation does it; what is stored are the
rounded weights at the folder's own precision, so that every loader reads them. Biases and norms stay as they are.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from torch import Tensor

UNET = Path("unet") / "diffusion_pytorch_model.safetensors"


def rounded(weight: Tensor, bits: int) -> Tensor:
    """The nearest of 2^bits - 1 evenly spaced values per output channel (first axis); same shape and dtype.

    Source: symmetric per-channel quantisation, Nagel et al. 2021, "A White Paper on Neural Network Quantization", §2.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits must be from 2 to 8, got {bits}")
    rows = weight.float().flatten(1)
    scale = rows.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)
    levels = torch.round(rows / torch.where(scale > 0, scale, torch.ones_like(scale)))
    return (levels * scale).reshape(weight.shape).to(weight.dtype)


def quantise(model: Path, bits: int, out: Path) -> int:
    """Write a copy of the folder with rounded weights; how many weights were rounded.

    Raises:
        ValueError: no U-Net in the folder, or `out` is there already.
    """
    from safetensors.torch import load_file, save_file

    if not (model / UNET).is_file():
        raise ValueError(f"{model} has no {UNET}; give a diffusers folder with a U-Net in safetensors")
    if out.exists():
        raise ValueError(f"{out} is there already; choose a new folder for --out")
    weights = load_file(model / UNET)
    matrices = {name for name, weight in weights.items() if weight.ndim > 1}
    changed = {name: rounded(weight, bits) if name in matrices else weight for name, weight in weights.items()}
    shutil.copytree(model, out)
    save_file(changed, out / UNET, metadata={"format": "pt"})
    return sum(weights[name].numel() for name in matrices)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--bits", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    try:
        count = quantise(chosen.model, chosen.bits, chosen.out)
    except ValueError as error:
        raise SystemExit(f"quantise: {error}") from error
    print(f"{chosen.out}: {count:,} weights at {chosen.bits} bits")


if __name__ == "__main__":
    main()
