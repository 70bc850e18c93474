"""Scenes made alike for the renderer, so that one compiled kernel serves them all.

Mitsuba's LLVM backend compiles a kernel (seconds) for every new mix of surface kinds: flat or smooth, with or without
uv, plain or textured, metal or not. `alike` expresses every part in one kind and adds an unseen part of the only other
(colours per vertex): the picture stays what it was, and after a few compilations a scene takes a tenth of the time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from generators.studio.scene import Material, Mesh, Part, Rendered, Scene

UNSEEN = "unseen"
_BELOW = Part(
    UNSEEN,
    Mesh(
        np.array([(0, 0, -500), (0.01, 0, -500), (0, 0.01, -500)], dtype=np.float32),
        np.array([(0, 1, 2)], dtype=np.uint32),
        uv=np.zeros((3, 2), dtype=np.float32),
        colours=np.zeros((3, 3), dtype=np.float32),
    ),
    Material(metallic=1e-4),
)


def alike(scene: Scene) -> Scene:
    """The same scene in as few kinds of surface as possible; undo the extra object name with `without_unseen`."""
    swap = None if scene.swap is None else alike(scene.swap)
    return replace(scene, parts=(*(_part(part) for part in scene.parts), _BELOW), swap=swap)


def without_unseen(rendered: Rendered) -> Rendered:
    """The rendering without the name of the part that `alike` added last."""
    return replace(rendered, names=tuple(name for name in rendered.names if name != UNSEEN))


def _part(part: Part) -> Part:
    return Part(part.name, _mesh(part.mesh), part.material if part.material.mirror else _material(part.material))


def _mesh(mesh: Mesh) -> Mesh:
    """Smooth and with uv: flat faces get corners of their own, whose averaged normals are the faces' own."""
    if not mesh.smooth:
        corners = mesh.faces.astype(np.int64).ravel()
        mesh = Mesh(
            mesh.vertices[corners],
            np.arange(len(corners), dtype=np.uint32).reshape(-1, 3),
            uv=None if mesh.uv is None else mesh.uv[corners],
            colours=None if mesh.colours is None else mesh.colours[corners],
        )
    return mesh if mesh.uv is not None else replace(mesh, uv=np.zeros((len(mesh.vertices), 2), dtype=np.float32))


def _material(material: Material) -> Material:
    """Textured (a plain colour becomes one texel) and, invisibly, a little metallic."""
    texture = material.texture
    if texture is None:
        texture = np.rint(np.clip(np.array(material.colour), 0, 1) * 255).astype(np.uint8)[None, None, :]
    return replace(material, texture=texture, metallic=max(material.metallic, 1e-4))
