"""Headgear, in the head's own coordinates: every hat sits on the skull at about z = 0.55 and hides the hair above."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from generators.studio.bust_dress import BLACK, GOLD, NAVY, RED, SILVER, WHITE
from generators.studio.bust_shapes import Array, box, curve, ellipsoid, grid, lathe, merged, placed, rotation, tube
from generators.studio.scene import Colour, Material, Mesh, Part

DEEP, MIDDLE = 1.12, 0.04
TILT = (0.0, 0.0, 0.5)


@cache
def hat(occupation: str) -> tuple[Part, ...]:
    """The parts of an occupation's headgear; empty for those who wear none."""
    return HATS[occupation]() if occupation in HATS else ()


def _part(mesh: Mesh, colour: Colour, *, roughness: float = 0.7, pitch: float = 0.0, roll: float = 0.0) -> Part:
    return Part("hat", placed(mesh, rotation(pitch=pitch, roll=roll), TILT), Material(colour, roughness=roughness))


def _turned(*profile: tuple[float, float], lobes: float = 0.0) -> Mesh:
    return lathe(profile, deep=DEEP, middle=MIDDLE, around=72 if lobes else 48, lobes=lobes)


def _visor(z: float, reach: float, droop: float, *, spread: float = 80.0) -> Mesh:
    """A peak in front of the brow."""
    angle = np.radians(np.linspace(-spread, spread, 25))[None, :]
    out = np.linspace(0, 1, 6)[:, None] * np.cos(angle * 90 / spread) ** 0.7
    x = 0.88 * np.sin(angle) * (1 + 0.1 * out)
    y = MIDDLE - 0.88 * DEEP * np.cos(angle) - reach * out
    return grid(np.stack(np.broadcast_arrays(x, y, z - droop * out), axis=-1))


def _ridge(height: float, x: float, radius: float) -> Mesh:
    """A rib from front to back over a dome."""
    angle = np.linspace(np.radians(12), np.radians(168), 24)
    y = MIDDLE - 1.0 * np.cos(angle)
    return tube(np.stack([np.full(24, x), y, 0.55 + height * np.sin(angle) ** 0.8], axis=1), radius)


def _dome(top: float) -> Array:
    z = np.linspace(0.5, top, 16)
    t = (z - 0.5) / (top - 0.5)
    dome: Array = np.stack([curve(t, (0, 0.3, 0.6, 0.85, 1.0), (0.92, 0.9, 0.76, 0.5, 0.0)), z], axis=1)
    return dome


def _hard_hat() -> tuple[Part, ...]:
    yellow: Colour = (0.97, 0.78, 0.08)
    shell = merged(
        lathe(_dome(1.42), deep=DEEP, middle=MIDDLE, around=48), _turned((0.9, 0.53), (1.06, 0.5), (1.04, 0.47))
    )
    return (
        _part(
            merged(
                shell,
                _visor(0.52, 0.34, 0.05),
                *(_ridge(h, x, 0.07) for h, x in ((0.86, 0.0), (0.8, -0.3), (0.8, 0.3))),
            ),
            yellow,
            roughness=0.45,
            pitch=-6,
        ),
    )


def _fire_helmet() -> tuple[Part, ...]:
    shell = lathe(_dome(1.4), deep=DEEP, middle=MIDDLE, around=48)
    angle = np.linspace(0, 2 * np.pi, 49)[None, :]
    out = np.linspace(0, 1, 5)[:, None]
    reach = 0.2 + 0.3 * (0.5 + 0.5 * np.sin(angle)) ** 2  # y > 0 is the back: the brim is longest there
    radius = 0.9 + out * reach
    brim = grid(
        np.stack(
            np.broadcast_arrays(radius * np.cos(angle), MIDDLE + DEEP * radius * np.sin(angle), 0.54 - 0.07 * out), -1
        )
    )
    ribs = [_ridge(0.84 - 0.5 * x * x, x, 0.06) for x in (-0.4, 0.0, 0.4)]
    shield = box((0.0, -1.06, 0.86), (0.46, 0.06, 0.52))
    band = _turned((0.935, 0.56), (0.935, 0.66))
    mark = merged(box((0.0, -1.1, 0.9), (0.1, 0.05, 0.3)), box((0.0, -1.1, 0.9), (0.28, 0.05, 0.1)))
    return (
        _part(merged(shell, brim, *ribs), (0.80, 0.08, 0.08), roughness=0.45, pitch=-6),
        _part(band, (0.95, 0.85, 0.15), pitch=-6),
        _part(shield, GOLD, pitch=-2),
        _part(mark, RED, pitch=-2),
    )


def _toque() -> tuple[Part, ...]:
    puff = _turned(
        (0.86, 0.9), (1.08, 1.02), (1.17, 1.24), (1.1, 1.46), (0.8, 1.6), (0.35, 1.64), (0.0, 1.62), lobes=0.05
    )
    return _part(_turned((0.88, 0.5), (0.9, 0.96)), (0.90, 0.90, 0.89), pitch=-5), _part(puff, WHITE, pitch=-5)


def _straw_hat() -> tuple[Part, ...]:
    straw: Colour = (0.88, 0.72, 0.36)
    brim = _turned(
        (1.5, 0.6), (1.42, 0.53), (1.1, 0.5), (0.88, 0.54), (0.84, 0.95), (0.74, 1.1), (0.3, 1.16), (0.0, 1.15)
    )
    grooves = [_turned((r, z), (r + 0.03, z + 0.02)) for r, z in ((1.1, 0.495), (1.3, 0.515))]
    return (
        _part(merged(brim, *grooves), straw, roughness=0.9, pitch=-10),
        _part(_turned((0.9, 0.55), (0.87, 0.74)), (0.45, 0.14, 0.10), pitch=-10),
    )


def _peaked_cap(top: Colour, band: Colour, badge: Colour, *, checks: bool) -> tuple[Part, ...]:
    crown = _turned((0.88, 0.72), (1.1, 0.9), (1.16, 1.02), (1.08, 1.13), (0.7, 1.2), (0.0, 1.22))
    ring = _turned((0.9, 0.48), (0.9, 0.75))
    if checks:
        ring = _checked_band()
    plate = ellipsoid((0.0, -1.04, 0.84), (0.17, 0.05, 0.2))
    parts = [
        _part(crown, top, pitch=-7),
        _part(ring, band, pitch=-7),
        _part(_visor(0.5, 0.34, 0.12, spread=66), BLACK, roughness=0.3, pitch=-7),
        _part(plate, badge, roughness=0.35, pitch=-7),
    ]
    if not checks:
        braid = np.radians(np.linspace(-60, 60, 20))
        path = np.stack([0.93 * np.sin(braid), MIDDLE - 0.93 * DEEP * np.cos(braid), np.full(20, 0.53)], axis=1)
        parts.append(_part(tube(path, 0.035), badge, pitch=-7))
    return tuple(parts)


def _checked_band() -> Mesh:
    """White and navy squares around the cap; doubled columns keep their edges sharp."""
    edges = np.linspace(0, 2 * np.pi, 37)
    azimuth = np.stack([edges[:-1], edges[1:]], axis=1).ravel()
    z = np.array([0.48, 0.615, 0.615, 0.75])
    odd = (np.arange(36).repeat(2)[None, :] + np.array([0, 0, 1, 1])[:, None]) % 2
    colours = np.where(odd[..., None] == 1, np.array(WHITE), np.array(NAVY))
    x, y = 0.905 * np.cos(azimuth)[None, :], MIDDLE + 0.905 * DEEP * np.sin(azimuth)[None, :]
    return grid(np.stack(np.broadcast_arrays(x, y, z[:, None]), axis=-1), colours=colours)


def _nurse_cap() -> tuple[Part, ...]:
    angle = np.radians(np.linspace(-72, 72, 25))[None, :]
    t = np.linspace(0, 1, 5)[:, None]
    radius = 0.74 + 0.1 * t
    z = 0.74 + 0.5 * t * (0.55 + 0.45 * np.cos(1.2 * angle))
    front = np.stack(np.broadcast_arrays(radius * np.sin(angle), 0.05 - DEEP * radius * np.cos(angle), z), axis=-1)
    top = ellipsoid((0.0, 0.0, 0.95), (0.68, 0.7, 0.22))
    cross = merged(box((0.0, -0.9, 0.98), (0.11, 0.08, 0.32)), box((0.0, -0.9, 0.98), (0.32, 0.08, 0.11)))
    return _part(merged(grid(front), top), WHITE, pitch=-4), _part(cross, RED, pitch=-4)


def _beret() -> tuple[Part, ...]:
    wool: Colour = (0.62, 0.10, 0.16)
    flat = ellipsoid((0.14, 0.06, 0.92), (1.06, 1.08, 0.3), around=40, rings=20)
    stalk = tube([(0.14, 0.06, 1.2), (0.15, 0.06, 1.34)], 0.05)
    band = _turned((0.89, 0.52), (0.92, 0.74))
    return (
        _part(merged(flat, stalk), wool, roughness=0.95, pitch=-8, roll=9),
        _part(band, (0.40, 0.06, 0.10), roughness=0.95, pitch=-8, roll=4),
    )


HATS: dict[str, Callable[[], tuple[Part, ...]]] = {
    "nurse": _nurse_cap,
    "engineer": _hard_hat,
    "chef": _toque,
    "farmer": _straw_hat,
    "pilot": lambda: _peaked_cap(WHITE, NAVY, GOLD, checks=False),
    "police officer": lambda: _peaked_cap(NAVY, WHITE, SILVER, checks=True),
    "firefighter": _fire_helmet,
    "artist": _beret,
}
