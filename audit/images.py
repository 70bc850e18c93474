"""The only place where pixels are decoded, resized and encoded, so that filters and formats are named once."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from generators.adapters.images import MOST_BYTES, UNREADABLE, opened
from generators.api import Pixels

if TYPE_CHECKING:
    import torch

Protocol = Literal["clean", "bilinear", "lanczos", "nearest", "uint8-bicubic"]
Picture = TypeVar("Picture", bound="NDArray[Any] | torch.Tensor")
LONGEST_SIDE = 16383  # what a WebP file can hold

_FLOAT_FILTERS = {
    "clean": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}


class ImageError(ValueError):
    """Bytes or an array that are no usable picture; the message says what is wrong with them."""


def checked(value: object) -> Pixels:
    """The value if it is a picture, uint8 (height, width, 3); ImageError says how it differs."""
    if not isinstance(value, np.ndarray):
        raise ImageError(f"expected a numpy array of uint8 (height, width, 3), got {type(value).__name__}")
    if value.dtype != np.uint8 or value.ndim != 3 or value.shape[2] != 3:
        raise ImageError(f"expected uint8 (height, width, 3), got {value.dtype} {value.shape}")
    if min(value.shape) == 0 or max(value.shape) > LONGEST_SIDE:
        raise ImageError(f"a side must have 1 to {LONGEST_SIDE} pixels, got {value.shape[0]} x {value.shape[1]}")
    return value


def decode(raw: bytes) -> Pixels:
    """Pixels of an encoded picture: turned upright (EXIF), transparency laid over white, 16 bit grey scaled to 8.

    Raises:
        ImageError: bytes of no known format (see `generators.adapters.images`), that end too early, or of a picture
            over 100 megapixels, which is refused before it is decoded.
    """
    try:
        with opened(raw) as upright:
            ImageOps.exif_transpose(upright, in_place=True)
    except UNREADABLE as error:
        raise ImageError(f"not a readable picture ({len(raw)} bytes): {error}") from error
    if upright.mode.startswith("I"):
        grey = np.asarray(upright, dtype=np.float64) / 257
        return np.repeat(np.clip(np.rint(grey), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.array(upright if upright.mode == "RGB" else upright.convert("RGB"), dtype=np.uint8)


def read(path: Path) -> bytes:
    """A picture's file, whole.

    Raises:
        ImageError: it is larger than any picture that would be decoded.
        OSError: it cannot be read.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ImageError(f"over {MOST_BYTES // 2**20} MiB")
    return path.read_bytes()


def encode_webp(pixels: Pixels) -> bytes:
    """Lossless WebP, method 0: decoding gives the same pixels back."""
    return _encode(pixels, format="WEBP", lossless=True, method=0, quality=0)


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """JPEG with colours at full resolution, for small pictures that are kept to be compared; quality 1..95.

    Its blocks of 8 x 8 do not see one another, so that tiles of a sheet stay apart.
    """
    return _encode(pixels, format="JPEG", quality=quality, subsampling=0, optimize=True)


def encode_png(pixels: Pixels) -> bytes:
    """PNG, for people and for programs that do not read WebP."""
    return _encode(pixels, format="PNG")


def digest(pixels: Pixels) -> str:
    """SHA-256 (64 hexadecimal digits) over the shape and the pixels, not over any file format."""
    height, width, _ = checked(pixels).shape
    return hashlib.sha256(f"{height} x {width} x 3\n".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def resize(image: Picture, size: int | tuple[int, int], protocol: Protocol = "clean") -> Picture:
    """The picture at another size, float32 in 0..255, unrounded (except "uint8-bicubic").

    Args:
        image: numpy (height, width, channels) or torch (channels, height, width); the same kind comes back.
        size: (height, width), or one number for a square.
        protocol: "clean" is Pillow's antialiased bicubic on float channels, clipped, as in clean-fid (Parmar et al.
            2022); "bilinear", "lanczos" and "nearest" are its siblings; "uint8-bicubic" rounds to whole grey levels
            as most preprocessing of published networks does.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if isinstance(image, np.ndarray):
        return _resize(image, height, width, protocol)  # type: ignore[return-value]
    import torch

    resized = _resize(image.permute(1, 2, 0).cpu().numpy(), height, width, protocol)
    back: Picture = torch.from_numpy(resized.transpose(2, 0, 1).copy()).to(image.device)
    return back


def _resize(pixels: NDArray[Any], height: int, width: int, protocol: Protocol) -> NDArray[np.float32]:
    if protocol == "uint8-bicubic":
        channels = [Image.fromarray(np.ascontiguousarray(c.astype(np.uint8))) for c in np.moveaxis(pixels, 2, 0)]
        chosen = Image.Resampling.BICUBIC
    elif protocol in _FLOAT_FILTERS:
        channels = [Image.fromarray(np.ascontiguousarray(c, dtype=np.float32)) for c in np.moveaxis(pixels, 2, 0)]
        chosen = _FLOAT_FILTERS[protocol]
    else:
        known = ", ".join([*_FLOAT_FILTERS, "uint8-bicubic"])
        raise ValueError(f"no resizing protocol named {protocol!r}; known: {known}")
    resized = [np.asarray(c.resize((width, height), resample=chosen), dtype=np.float32) for c in channels]
    return np.stack(resized, axis=2).clip(0, 255)


def _encode(pixels: Pixels, **how: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(checked(pixels)).save(out, **how)
    return out.getvalue()
