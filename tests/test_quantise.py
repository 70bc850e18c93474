"""Rounded weights: few levels, near the true ones, and a folder that still loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from generators.quantise import UNET, quantise, rounded

LDM = Path(__file__).resolve().parent.parent / "generators" / "weights" / "ldm"


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_each_channel_has_at_most_as_many_levels_as_the_bits_allow(bits: int) -> None:
    weight = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    found = rounded(weight, bits)
    assert found.shape == weight.shape
    step = weight.flatten(1).abs().amax(1) / (2 ** (bits - 1) - 1)
    for row, true, width in zip(found.flatten(1), weight.flatten(1), step, strict=True):
        assert len(row.unique()) <= 2**bits - 1
        assert (row - true).abs().max() <= 0.5 * width + 1e-6
    assert found.flatten(1).abs().amax(1) == pytest.approx(weight.flatten(1).abs().amax(1).numpy())


def test_a_channel_of_nothing_stays_nothing() -> None:
    assert torch.equal(rounded(torch.zeros(2, 3), 4), torch.zeros(2, 3))


def test_the_folder_loads_and_is_another_generator(tmp_path: Path) -> None:
    from generators.api import Request, Settings
    from generators.load import load

    assert quantise(LDM, 4, tmp_path / "int4") > 1_000_000
    one, two = load("builtin:ldm", device="cpu"), load(f"builtin:ldm@{tmp_path / 'int4'}", device="cpu")
    assert one.fingerprint() != two.fingerprint()
    request = Request(text="an open hand", seed=1, settings=Settings(steps=2, guidance=1.0))
    [(_, picture)] = two.generate([request])
    assert picture.shape == (128, 128, 3)


def test_bad_input_says_what_would_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="from 2 to 8"):
        rounded(torch.ones(2, 2), 9)
    with pytest.raises(ValueError, match=str(UNET)):
        quantise(tmp_path, 4, tmp_path / "out")
    with pytest.raises(ValueError, match="there already"):
        quantise(LDM, 4, tmp_path)
