from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from audit.images import ImageError, checked, decode, digest, encode_png, encode_webp, resize


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(height, width, 3), dtype=np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10))
def test_both_formats_give_the_same_pixels_back(height: int, width: int, seed: int) -> None:
    pixels = noise(height, width, seed)
    assert np.array_equal(decode(encode_webp(pixels)), pixels)
    assert np.array_equal(decode(encode_png(pixels)), pixels)


def test_the_digest_is_of_shape_and_pixels() -> None:
    pixels = noise(6, 4)
    assert digest(pixels) == digest(np.asfortranarray(pixels))
    assert digest(pixels) != digest(pixels.reshape(4, 6, 3))
    changed = pixels.copy()
    changed[0, 0, 0] ^= 1
    assert digest(pixels) != digest(changed)
    assert len(digest(pixels)) == 64


def test_the_digest_of_a_known_picture_never_changes() -> None:
    # sha256 of b"1 x 2 x 3\n" and the bytes 0..5, worked out with sha256sum
    assert digest(np.arange(6, dtype=np.uint8).reshape(1, 2, 3)).startswith("a1a16986ef49b5fb")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ([[1]], "got list"),
        (np.zeros((4, 4, 3)), "got float64"),
        (np.zeros((4, 4), np.uint8), r"\(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), "0 x 4"),
        (np.zeros((1, 16384, 3), np.uint8), "16384"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(value: object, what: str) -> None:
    with pytest.raises(ImageError, match=what):
        checked(value)


@pytest.mark.parametrize("raw", [b"", b"hello", encode_png(noise(20, 20))[:200]])
def test_bytes_that_are_no_picture_are_refused(raw: bytes) -> None:
    with pytest.raises(ImageError, match="not a readable picture"):
        decode(raw)


def saved(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format="PNG", **options)
    return out.getvalue()


def test_transparency_lies_over_white() -> None:
    assert decode(saved(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))).tolist() == [[[255] * 3] * 2] * 2


def test_sixteen_bit_grey_is_scaled_not_cut_off() -> None:
    deep = Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16))
    assert decode(saved(deep))[0, :, 0].tolist() == [0, 100, 255]


def test_pictures_are_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    assert decode(saved(Image.new("RGB", (4, 2)), exif=exif)).shape == (4, 2, 3)


def test_clean_is_the_float_bicubic_of_pillow_channel_by_channel() -> None:
    pixels = noise(31, 47)
    found = resize(pixels, (12, 20))
    for channel in range(3):
        plane = Image.fromarray(pixels[..., channel].astype(np.float32))
        wanted = np.asarray(plane.resize((20, 12), Image.Resampling.BICUBIC)).clip(0, 255)
        assert np.array_equal(found[..., channel], wanted)


@pytest.mark.parametrize("protocol", ["clean", "bilinear", "lanczos", "nearest", "uint8-bicubic"])
def test_tensors_and_arrays_resize_alike(protocol: str) -> None:
    pixels = noise(9, 14)
    array = resize(pixels, 7, protocol)  # type: ignore[arg-type]
    tensor = resize(torch.from_numpy(pixels.transpose(2, 0, 1).copy()), 7, protocol)  # type: ignore[arg-type]
    assert array.shape == (7, 7, 3)
    assert array.dtype == np.float32
    assert np.array_equal(tensor.numpy().transpose(1, 2, 0), array)


def test_a_flat_picture_stays_flat_under_every_filter() -> None:
    for protocol in ("clean", "bilinear", "lanczos", "nearest", "uint8-bicubic"):
        assert np.allclose(resize(np.full((5, 300, 3), 77, np.uint8), (40, 8), protocol), 77, atol=1e-4)


def test_shrinking_averages_instead_of_picking() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(resize(stripes, 8, "clean")[2:-2, 2:-2]) < 4


def test_an_unknown_protocol_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="clean, bilinear"):
        resize(noise(2, 2), 4, "cubic")  # type: ignore[arg-type]
