"""Which tasks a diffusers pipeline does, which sibling does each, and what its call names a request's pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from PIL import Image

from generators.api import NEEDS, Pixels, Request, Settings, Task


def own_task(class_name: str) -> Task:
    """What a pipeline class is for, by the words diffusers puts into every class's name."""
    words: tuple[tuple[str, Task], ...] = (
        ("Inpaint", "inpaint"),
        ("Img2Img", "img2img"),
        ("Upscale", "upscale"),
        ("ControlNet", "control"),
    )
    return next((task for word, task in words if word in class_name), "text2img")


def siblings(pipeline: Any) -> dict[Task, Any]:
    """Task -> the pipeline that does it; a text-to-image one shares its weights with those of its family."""
    import diffusers

    own = own_task(type(pipeline).__name__)
    found: dict[Task, Any] = {own: pipeline}
    if own != "text2img":
        return found
    others: tuple[tuple[Task, Any], ...] = (
        ("img2img", diffusers.AutoPipelineForImage2Image),
        ("inpaint", diffusers.AutoPipelineForInpainting),
    )
    for task, automatic in others:
        try:
            found[task] = automatic.from_pipe(pipeline)
        except ValueError:  # how diffusers says that this family has no such pipeline
            continue
        found[task].set_progress_bar_config(disable=True)
    return found


def missing(request: Request) -> str:
    """The picture a request's task needs and the request lacks; empty where it has all."""
    needs = NEEDS.get(request.settings.task, ())
    return next((name for name in needs if getattr(request, name) is None), "")


def shape_of(request: Request) -> tuple[int, ...]:
    """Height and width of the picture a task works on, () where there is none: a batch has one of them."""
    needs = NEEDS.get(request.settings.task, ())
    picture: Pixels | None = getattr(request, needs[0]) if needs else None
    return () if picture is None else picture.shape[:2]


def pictures_for(requests: Sequence[Request], accepted: frozenset[str]) -> Mapping[str, Any]:
    """The arguments of a pipeline's call that carry the requests' pictures and how strongly they count."""
    settings = requests[0].settings
    if settings.task == "text2img":
        return {}
    arguments: dict[str, Any] = {}
    if settings.task == "control":
        name = "control_image" if "control_image" in accepted and "image" not in accepted else "image"
        arguments[name] = _images([request.control for request in requests])
    else:
        arguments["image"] = _images([request.source for request in requests])
    if settings.task == "inpaint":
        arguments["mask_image"] = _images([request.mask for request in requests])
    if settings.task in ("img2img", "inpaint") and "height" in accepted:
        arguments["height"], arguments["width"] = shape_of(requests[0])  # else some take their training size
    return {**arguments, **_strengths(settings)}


def is_round_trip(settings: Settings) -> bool:
    """Whether nothing is made anew: the source is encoded and decoded, and no step is walked."""
    return settings.task == "img2img" and settings.strength == 0


def round_trip(pipeline: Any, requests: Sequence[Request]) -> Any:
    """The sources, encoded and decoded: `images` is float (B, height, width, 3) in 0..1.

    Diffusers' own pipelines refuse strength 0, or fail at it.

    Raises:
        ValueError: an autoencoder that works on other things than single pictures.
    """
    from diffusers import AutoencoderKL, AutoencoderTiny

    coder = getattr(pipeline, "vae", None)
    if not isinstance(coder, AutoencoderKL | AutoencoderTiny):
        raise ValueError(f"strength 0 is a round trip of AutoencoderKL or -Tiny; here is {type(coder).__name__}")
    pixels = pipeline.image_processor.preprocess(_images([request.source for request in requests]))
    packed = coder.encode(pixels.to(coder.device, coder.dtype))
    latents = packed.latents if isinstance(coder, AutoencoderTiny) else packed.latent_dist.mode()
    return SimpleNamespace(images=pipeline.image_processor.postprocess(coder.decode(latents).sample, output_type="np"))


def _strengths(settings: Settings) -> dict[str, float]:
    named = {"strength": settings.strength, "controlnet_conditioning_scale": settings.control_scale}
    return {name: value for name, value in named.items() if value is not None}


def _images(pictures: Sequence[Pixels | None]) -> list[Image.Image]:
    return [Image.fromarray(each) for each in pictures if each is not None]
