"""Generators by specification: "SCHEME:REST" -> Generator. Nothing is imported before its scheme is asked for.

    builtin:ldm[@FOLDER]                                   what ships; likewise upscale, gan, vae, pixel, memorizer
    studio:[?OPTIONS]                                      rendered scenes, honest or with planted defects
    images:DIR[?prompts=FILE]                              pictures that exist already
    diffusers:ID-or-FOLDER[@REVISION][?dtype=...&...]      any image pipeline of the diffusers library
    openai:URL?model=NAME[&...]                            any server that speaks the OpenAI images API

Installed packages add schemes through the entry-point group "sixthfinger.generators": the entry's name is the scheme,
its value a callable (rest, *, device) -> Generator.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from generators.adapters.options import near
from generators.api import Generator, GeneratorError

Loader = Callable[[str, str], Generator]
"""(rest, device) -> Generator."""
GROUP = "sixthfinger.generators"


def load(spec: str, *, device: str = "auto") -> Generator:
    """The generator of a specification.

    Args:
        device: "auto" (the best there is), "cpu", "cuda", "cuda:1", "mps".

    Raises:
        GeneratorError: unknown scheme, missing weights or folder, bad options; the message says what would work.
    """
    scheme, colon, rest = spec.partition(":")
    if not colon:
        hint = f"; for a folder write images:{spec} or diffusers:{spec}" if os.path.exists(spec) else ""
        raise GeneratorError(f"{spec!r} is no generator; write SCHEME:REST{hint}; {near(scheme, schemes())}")
    if scheme in BUILTIN:
        return BUILTIN[scheme](rest, device)
    if scheme in plugins():
        return cast(Generator, plugins()[scheme].load()(rest, device=device))
    told = f"{scheme}:…" if {"@", "="} & set(rest) else spec  # a login or a key is not repeated
    raise GeneratorError(f"no generator scheme {scheme!r} (in {told!r}); {near(scheme, schemes())}")


def schemes() -> list[str]:
    """Every scheme there is, those of installed packages last."""
    return [*BUILTIN, *(name for name in plugins() if name not in BUILTIN)]


@cache
def plugins() -> dict[str, EntryPoint]:
    """Schemes of installed packages."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _builtin(rest: str, device: str) -> Generator:
    from generators import builtin

    return builtin.load(rest, device=device)


def _studio(rest: str, device: str) -> Generator:
    from generators.studio.generator import StudioGenerator

    return StudioGenerator.parse(rest)


def _images(rest: str, device: str) -> Generator:
    from generators.adapters.images import ImagesGenerator

    return ImagesGenerator.parse(rest)


def _diffusers(rest: str, device: str) -> Generator:
    from generators.adapters.diffusers import DiffusersGenerator

    return DiffusersGenerator.load(rest, device)


def _openai(rest: str, device: str) -> Generator:
    from generators.adapters.openai import OpenAIGenerator

    return OpenAIGenerator.parse(rest)


BUILTIN: dict[str, Loader] = {
    "builtin": _builtin,
    "studio": _studio,
    "images": _images,
    "diffusers": _diffusers,
    "openai": _openai,
}
