"""What a scene is made of. Values only: `render.py` turns a Scene into pixels, the family modules compose them.

World: z up, metres-like units, camera usually at negative y looking towards positive y. Colours are sRGB in 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Attributes = dict[str, Any]
"""JSON-able facts about one scene: what the caption says and what is drawn."""

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Mesh:
    """Triangles. vertices (V, 3); faces (F, 3); uv (V, 2) or None; smooth: normals are averaged at vertices.

    colours (V, 3): optional sRGB colour per vertex, instead of the material's one colour.
    """

    vertices: Floats
    faces: NDArray[np.uint32]
    uv: Floats | None = None
    colours: Floats | None = None
    smooth: bool = True


@dataclass(frozen=True)
class Material:
    """A surface. `texture` (h, w, 3) uint8 sRGB replaces `colour`, needs a mesh with uv; v = 0 is the bottom row."""

    colour: Colour = (0.5, 0.5, 0.5)
    roughness: float = 0.6
    metallic: float = 0.0
    texture: NDArray[np.uint8] | None = None
    mirror: bool = False


@dataclass(frozen=True)
class Part:
    """A named thing in the scene. Parts with one `name` share one object id in the id map."""

    name: str
    mesh: Mesh
    material: Material


@dataclass(frozen=True)
class Light:
    """A glowing sphere; the key light casts the shadows. power: radiance times the area of the disc, per channel."""

    position: tuple[float, float, float]
    radius: float = 0.4
    power: Colour = (30.0, 29.0, 27.0)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pictures."""

    origin: tuple[float, float, float]
    target: tuple[float, float, float]
    fov: float = 40.0  # degrees, both axes: pictures are square
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything the renderer needs, and the truth about it.

    Attributes:
        points: named 3-D points (n, 3), such as "fingertips"; the renderer projects them to pixels.
        ambient: radiance of the surrounding sky, linear RGB.
        saturation: gain on chroma applied to the finished picture (1 = honest).
        swap, swapped: pixels of the parts named in `swapped` are taken from a render of `swap` instead: how a shadow
            from another light or a wrong mirror image is planted. Both scenes share camera and part names.
    """

    family: str
    parts: tuple[Part, ...]
    camera: Camera
    lights: tuple[Light, ...]
    ambient: Colour = (0.35, 0.36, 0.4)
    points: Mapping[str, Floats] = field(default_factory=dict)
    saturation: float = 1.0
    swap: Scene | None = None
    swapped: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rendered:
    """A drawn scene and what is where in it.

    Attributes:
        image: (s, s, 3) uint8.
        depth: (s, s) float32, distance from the camera; 0 where nothing was hit.
        normals: (s, s, 3) float32, world axes.
        ids: (s, s) uint8; 0 = nothing, else 1 + index into `names`.
        points: (n, 3) each: x, y in pixels, visible (1 or 0).
    """

    image: NDArray[np.uint8]
    depth: Floats
    normals: Floats
    ids: NDArray[np.uint8]
    names: tuple[str, ...]
    points: Mapping[str, Floats]


class Family(Protocol):
    """A module under `generators/studio/` that offers these names is a scene family."""

    NAME: str
    DEFECTS: Mapping[str, Literal["rate", "gain"]]

    @staticmethod
    def sample(rng: np.random.Generator, wish: Attributes) -> Attributes:
        """A complete set of honest attributes; what `wish` names is taken as it is, the rest is drawn."""
        ...

    @staticmethod
    def plant(attributes: Attributes, rng: np.random.Generator, defect: str) -> Attributes:
        """The attributes with the defect in what is *drawn*; what the caption says stays as it was."""
        ...

    @staticmethod
    def caption(attributes: Attributes, rng: np.random.Generator) -> str:
        """One of several wordings; `read(caption(a, rng))` never contradicts `a`."""
        ...

    @staticmethod
    def read(text: str) -> Attributes | None:
        """The wish a prompt expresses, or None where the text is not about this family."""
        ...

    @staticmethod
    def build(attributes: Attributes, rng: np.random.Generator) -> Scene:
        """Geometry, materials, camera, light and annotated points for these attributes."""
        ...
