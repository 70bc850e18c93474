"""Scene -> pixels, depth, normals, object ids: the only file that talks to Mitsuba.

Source: Jakob et al., Mitsuba 3 (2022). Direct light where nothing mirrors, a short path otherwise.
"""

from __future__ import annotations

import os
from functools import cache
from glob import glob
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.api import GeneratorError
from generators.studio.scene import Camera, Colour, Floats, Light, Material, Part, Rendered, Scene

SAMPLES = 16  # per pixel; RMSE about 4 grey levels at 128 x 128, half of that once halved to 64 x 64
LLVM_PATTERNS = (
    "/usr/lib/*/libLLVM-1[0-9].so*",
    "/usr/lib/*/libLLVM.so.*",
    "/usr/lib/llvm-*/lib/libLLVM*.so*",
    "/usr/lib*/libLLVM.so*",
    "/opt/homebrew/opt/llvm/lib/libLLVM.dylib",
)


@cache
def mitsuba() -> ModuleType:
    """Mitsuba with its variant chosen: `llvm_ad_rgb` where a usable LLVM is found, else the slow `scalar_rgb`."""
    if "DRJIT_LIBLLVM_PATH" not in os.environ:
        found = sorted(path for pattern in LLVM_PATTERNS for path in glob(pattern))
        if found:
            os.environ["DRJIT_LIBLLVM_PATH"] = found[-1]
    try:
        import mitsuba as mi
    except ImportError as error:
        raise GeneratorError("rendering scenes needs Mitsuba: pip install 'sixthfinger[studio]'") from error
    try:
        mi.set_variant("llvm_ad_rgb")
        import drjit as dr

        dr.eval(mi.Float([1.0]) + 1)
    except (ImportError, RuntimeError):
        mi.set_variant("scalar_rgb")
    mi.set_log_level(mi.LogLevel.Error)
    return mi


def linear(srgb: NDArray[Any]) -> Floats:
    """sRGB in 0..1 to linear light. Source: IEC 61966-2-1."""
    values = np.asarray(srgb, dtype=np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encode(light: NDArray[Any]) -> NDArray[np.uint8]:
    """Linear light, clipped to 0..1, to 8-bit sRGB. Source: IEC 61966-2-1."""
    values = np.clip(np.asarray(light, dtype=np.float64), 0.0, 1.0)
    srgb = np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    return (srgb * 255 + 0.5).astype(np.uint8)


def render(scene: Scene, *, size: int = 128, samples: int = SAMPLES, seed: int = 0) -> Rendered:
    """Draw a scene at size x size pixels; the same scene and seed give the same picture on the same machine."""
    mi = mitsuba()
    # Before our own world exists: Mitsuba numbers the shapes of all worlds alive in one row, and `ids` counts from 1.
    other = None if scene.swap is None else render(scene.swap, size=size, samples=samples, seed=seed).image
    world = mi.load_dict(_world(mi, scene, size, samples))
    mirrors = any(part.material.mirror for part in scene.parts)
    integrator = mi.load_dict({"type": "path", "max_depth": 5} if mirrors else {"type": "direct"})
    light = np.array(mi.render(world, integrator=integrator, spp=samples, seed=seed))[..., :3]
    facts = mi.load_dict({"type": "aov", "aovs": "depth:depth,normal:sh_normal,shape:shape_index"})
    view = mi.load_dict(_sensor(mi, scene.camera, size, 1, "independent", "box"))
    exact = np.array(mi.render(world, integrator=facts, sensor=view, spp=1, seed=0))
    depth = exact[..., 0].astype(np.float32)
    names, ids = _object_ids(mi, world, scene.parts, exact[..., 4], depth)
    image = encode(light)
    if other is not None:
        wanted = [1 + index for index, name in enumerate(names) if name in scene.swapped]
        image = np.where(np.isin(ids, wanted)[..., None], other, image)
    image = saturate(image, scene.saturation)
    points = {name: project(scene.camera, points, depth) for name, points in scene.points.items()}
    return Rendered(
        image=image, depth=depth, normals=exact[..., 1:4].astype(np.float32), ids=ids, names=names, points=points
    )


def project(camera: Camera, points: Floats, depth: Floats) -> Floats:
    """World points (n, 3) or (n, 4) to (n, 3): x, y in pixels of the depth map, visible.

    A fourth column is how far (world units) a point may lie below the surface that hides it and still count as visible.
    """
    size = depth.shape[0]
    points = np.atleast_2d(np.asarray(points, dtype=np.float64))
    slack = points[:, 3] if points.shape[1] == 4 else np.full(len(points), 0.05)
    forward, right, up = axes(camera)
    ray = points[:, :3] - np.asarray(camera.origin)
    ahead = ray @ forward
    half = np.tan(np.radians(camera.fov) / 2)
    safe = np.where(ahead > 1e-6, ahead, np.nan)
    x = (ray @ right / (safe * half) + 1) * size / 2
    y = (1 - ray @ up / (safe * half)) * size / 2
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    column = np.where(inside, np.nan_to_num(x), 0).astype(int)
    row = np.where(inside, np.nan_to_num(y), 0).astype(int)
    surface = depth[row, column]
    visible = inside & ((surface == 0) | (np.linalg.norm(ray, axis=1) <= surface + slack))
    return np.stack([np.nan_to_num(x, nan=-1), np.nan_to_num(y, nan=-1), visible], axis=1).astype(np.float32)


def axes(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors forward, right, up of a camera."""
    forward = np.asarray(camera.target, dtype=np.float64) - np.asarray(camera.origin)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, np.asarray(camera.up, dtype=np.float64))
    right /= np.linalg.norm(right)
    return forward, right, np.cross(right, forward)


def saturate(image: NDArray[np.uint8], gain: float) -> NDArray[np.uint8]:
    """Scale every pixel's distance from its own luma (Rec. 601 weights) by gain; 1 changes nothing."""
    if gain == 1:
        return image
    values = image.astype(np.float64)
    luma = values @ np.array([0.299, 0.587, 0.114])
    scaled: NDArray[np.uint8] = np.clip(np.rint(luma[..., None] + gain * (values - luma[..., None])), 0, 255).astype(
        np.uint8
    )
    return scaled


def _world(mi: ModuleType, scene: Scene, size: int, samples: int) -> dict[str, Any]:
    world: dict[str, Any] = {
        "type": "scene",
        "sensor": _sensor(mi, scene.camera, size, samples, "multijitter", "gaussian"),
    }
    world["ambient"] = {"type": "constant", "radiance": _rgb(scene.ambient)}
    for index, part in enumerate(scene.parts):
        world[f"part{index:04d}"] = _shape(mi, part, f"part{index:04d}")
    for index, light in enumerate(scene.lights):
        world[f"zlight{index}"] = _light(light)
    return world


def _sensor(mi: ModuleType, camera: Camera, size: int, samples: int, sampler: str, rfilter: str) -> dict[str, Any]:
    look = mi.ScalarTransform4f().look_at(list(camera.origin), list(camera.target), list(camera.up))
    film = {"type": "hdrfilm", "width": size, "height": size, "rfilter": {"type": rfilter}, "pixel_format": "rgb"}
    return {
        "type": "perspective",
        "fov": camera.fov,
        "to_world": look,
        "film": film,
        "sampler": {"type": sampler, "sample_count": samples},
    }


def _light(light: Light) -> dict[str, Any]:
    area = np.pi * light.radius**2
    radiance = (light.power[0] / area, light.power[1] / area, light.power[2] / area)
    return {
        "type": "sphere",
        "center": list(light.position),
        "radius": light.radius,
        "emitter": {"type": "area", "radiance": _rgb(radiance)},
    }


def _rgb(value: Colour) -> dict[str, Any]:
    return {"type": "rgb", "value": [float(channel) for channel in value]}


def _shape(mi: ModuleType, part: Part, name: str) -> Any:
    mesh = part.mesh
    if not len(mesh.faces):
        raise ValueError(f"part {part.name!r} has no triangles")
    props = mi.Properties()
    props["surface"] = mi.load_dict(_bsdf(mi, part.material, mesh.colours is not None))
    shape = mi.Mesh(
        name,
        len(mesh.vertices),
        len(mesh.faces),
        props=props,
        has_vertex_normals=mesh.smooth,
        has_vertex_texcoords=mesh.uv is not None,
    )
    if mesh.colours is not None:
        shape.add_attribute("vertex_color", 3, np.ravel(linear(mesh.colours)))
    fields = mi.traverse(shape)
    fields["vertex_positions"] = np.ascontiguousarray(mesh.vertices, dtype=np.float32).ravel()
    fields["faces"] = np.ascontiguousarray(mesh.faces, dtype=np.uint32).ravel()
    if mesh.smooth:
        fields["vertex_normals"] = vertex_normals(mesh.vertices, mesh.faces).ravel()
    if mesh.uv is not None:
        fields["vertex_texcoords"] = np.ascontiguousarray(mesh.uv, dtype=np.float32).ravel()
    fields.update()
    return shape


def vertex_normals(vertices: NDArray[Any], faces: NDArray[Any]) -> Floats:
    """Area-weighted average of face normals at each vertex, (V, 3), unit length."""
    corners = np.asarray(vertices, dtype=np.float64)[faces.astype(np.int64)]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.stack(
        [
            sum(np.bincount(faces[:, k].astype(np.int64), across[:, axis], minlength=len(vertices)) for k in range(3))
            for axis in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.where(length > 0, length, 1)).astype(np.float32)


def _bsdf(mi: ModuleType, material: Material, vertex_colours: bool) -> dict[str, Any]:
    if material.mirror:
        return {"type": "conductor", "material": "none", "specular_reflectance": _rgb((0.92, 0.92, 0.93))}
    base: dict[str, Any]
    if vertex_colours:
        base = {"type": "mesh_attribute", "name": "vertex_color"}
    elif material.texture is not None:
        # Mitsuba reads v = 0 as the first row; ours is the bottom one.
        pixels = np.ascontiguousarray(material.texture[::-1].astype(np.uint8))
        base = {"type": "bitmap", "bitmap": mi.Bitmap(pixels), "raw": False, "filter_type": "bilinear"}
    else:
        base = _rgb(tuple(linear(np.array(material.colour)).tolist()))
    inner = {
        "type": "principled",
        "base_color": base,
        "roughness": material.roughness,
        "metallic": material.metallic,
        "specular": 0.4,
    }
    return {"type": "twosided", "inner": inner}


def _object_ids(
    mi: ModuleType, world: Any, parts: tuple[Part, ...], shapes: NDArray[Any], depth: Floats
) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    names = tuple(dict.fromkeys(part.name for part in parts))
    lookup = np.zeros(len(world.shapes()) + 1, dtype=np.uint8)  # shape_index counts from 1, 0 is nothing
    for index, shape in enumerate(world.shapes()):
        if shape.id().startswith("part"):
            lookup[index + 1] = 1 + names.index(parts[int(shape.id()[4:])].name)
    ids = lookup[np.clip(np.rint(shapes).astype(int), 0, len(lookup) - 1)]
    return names, np.where(depth > 0, ids, 0).astype(np.uint8)
