"""`diffusers:ID-or-FOLDER[@REVISION][?OPTIONS]`: any image pipeline of the diffusers library.

Options: dtype (float32, float16, bfloat16), variant (of the weight files, such as fp16), class (the pipeline, where
`AutoPipelineForText2Image` does not know it), controlnet (a folder), lora (a file, or a folder with one), lora_scale,
safety (keep, off), batch, packed (true: see `generators/adapters/packed.py`).

A text-to-image pipeline does image to image and inpainting too where its family has pipelines for them; ControlNet,
upscaling and inpainting pipelines do their own task. At strength 0 image to image is the autoencoder's round trip. A
safety checker that a pipeline brings is kept unless safety=off; a picture it flags is skipped with that reason, never
scored as a black one. Every picture's noise comes from its own CPU generator, so neither batch nor device chooses it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from generators.adapters.options import OptionError, near, split_options
from generators.adapters.packed import KNOBS, PackedPipeline
from generators.adapters.pipelines import (
    file_digest,
    fingerprint,
    fresh_scheduler,
    fuse_lora,
    load_pipeline,
    locate,
    lora_file,
    samplers_of,
    weights_digest,
)
from generators.adapters.tasks import is_round_trip, missing, pictures_for, round_trip, shape_of, siblings
from generators.api import GeneratorError, Pixels, Refusal, Request, Settings, Task

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
OPTIONS = ("dtype", "variant", "class", "controlnet", "lora", "lora_scale", "safety", "batch", "packed")
BATCH = 4
SHARED = 8  # batches that a packed pipeline takes at once, so that there is something to share
ARGUMENTS = {"steps": "num_inference_steps", "guidance": "guidance_scale", "height": "height", "width": "width"}
"""Knob -> the argument of a pipeline's __call__ that it sets."""
WEIGHTS = {"strength": "strength", "control_scale": "controlnet_conditioning_scale"}


class DiffusersGenerator:
    """A loaded pipeline as a generator; see the module.

    Attributes:
        samplers: what the sampler knob takes; empty where the pipeline has only its own.
    """

    def __init__(
        self, pipeline: Any, *, name: str, digest: str, device: str, batch: int = BATCH, packed: bool = False
    ) -> None:
        self.name = name
        self.pipelines = siblings(pipeline)
        self.tasks: frozenset[Task] = frozenset(self.pipelines)
        self.chunk = batch
        self.packed = PackedPipeline(pipeline, rows=2 * batch) if packed else None
        self.packs = packed
        self.batch = SHARED * batch if packed else batch
        self.device = device
        self.pipeline = pipeline
        self.scheduler = pipeline.scheduler
        self.samplers = samplers_of(pipeline)
        self.accepted = {task: accepted_by(each) for task, each in self.pipelines.items()}
        self.knobs = frozenset().union(*(knobs_of(each, self.accepted[task]) for task, each in self.pipelines.items()))
        if packed:
            self.knobs |= KNOBS
        self.digest = digest

    @classmethod
    def load(cls, rest: str, device: str = "auto") -> DiffusersGenerator:
        """The pipeline of "ID-or-FOLDER@REVISION?OPTIONS".

        Raises:
            GeneratorError: no such folder or hub id, pickled weights, custom code, unknown class or option.
        """
        try:
            subject, options = split_options(rest, OPTIONS)
        except OptionError as error:
            raise GeneratorError(f"diffusers: {error}") from None
        dtype = chosen(options, "dtype", list(DTYPES), "float32")
        safety = chosen(options, "safety", ["keep", "off"], "keep")
        batch = options.get("batch", str(BATCH))
        if not batch.isdecimal() or int(batch) < 1:
            raise GeneratorError(f"diffusers: batch must be a whole number from 1, found {batch!r}")
        packed = chosen(options, "packed", ["true", "false"], "false") == "true"
        variant = options.get("variant")
        folder = locate(subject, variant)
        place = usable_device(device)
        pipeline = load_pipeline(
            folder,
            dtype=DTYPES[dtype],
            variant=variant,
            class_name=options.get("class"),
            with_safety=safety == "keep",
            controlnet=Path(options["controlnet"]) if "controlnet" in options else None,
        ).to(place)
        pipeline.set_progress_bar_config(disable=True)
        choices = {"dtype": dtype, "safety": safety, "class": type(pipeline).__name__}
        if "lora" in options:
            adapter, scale = lora_file(options["lora"]), positive(options, "lora_scale", 1.0)
            fuse_lora(pipeline, adapter, scale)
            choices |= {"lora": file_digest(adapter), "lora_scale": str(scale)}
        if packed:
            choices["packed"] = "1"
        if "controlnet" in options:
            choices["controlnet"] = weights_digest(Path(options["controlnet"]), variant)
        digest = fingerprint(folder, variant=variant, choices=choices)
        return cls(pipeline, name=f"diffusers:{rest}", digest=digest, device=place, batch=int(batch), packed=packed)

    def fingerprint(self) -> str:
        """SHA-256 over configurations, weight files, precision, pipeline class and diffusers version."""
        return self.digest

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        """Pictures in batches of equal settings (of equal size where they are packed).

        Whatever goes wrong with a batch is the refusal of its requests.
        """
        bundled: dict[tuple[int, int], list[int]] = {}
        groups: dict[tuple[Settings, bool, tuple[int, ...]], list[int]] = {}
        for index, request in enumerate(requests):
            if reason := self.unfit(request):
                yield index, Refusal("failed", reason)
            elif self.packed is not None and request.settings.task == "text2img":
                bundled.setdefault(self.packed.size_of(request), []).append(index)
            else:
                # With and without a negative prompt stay apart: "none" and an empty one may not mean the same.
                alike = request.settings, bool(request.negative_text), shape_of(request)
                groups.setdefault(alike, []).append(index)
        for indices in bundled.values():
            yield from zip(indices, self.together([requests[index] for index in indices]), strict=True)
        for indices in groups.values():
            for start in range(0, len(indices), self.chunk):
                chunk = indices[start : start + self.chunk]
                yield from zip(chunk, self.pictures([requests[index] for index in chunk]), strict=True)

    def unfit(self, request: Request) -> str:
        """Why a request cannot be served; empty where it can."""
        sampler = request.settings.sampler
        if request.settings.task not in self.tasks:
            return f"{self.name} does {', '.join(sorted(self.tasks))} only, not {request.settings.task}"
        if lacking := missing(request):
            return f"{request.settings.task} needs a {lacking}; give the prompt one under inputs"
        if sampler is not None and not self.samplers:
            return f"no sampler {sampler!r}: {type(self.pipeline).__name__} has only its own, {self.own_sampler}"
        if sampler is not None and sampler not in self.samplers:
            return f"no sampler {sampler!r}; {near(sampler, list(self.samplers))}"
        return ""

    @property
    def own_sampler(self) -> str:
        """The class of the scheduler that the pipeline came with."""
        return type(self.scheduler).__name__

    def pictures(self, requests: Sequence[Request]) -> list[Pixels | Refusal]:
        """One answer a request; all have equal settings. A batch too large for the memory is halved."""
        try:
            output = self.call(requests)
        except torch.OutOfMemoryError as error:
            if len(requests) == 1:
                return [Refusal("failed", f"out of memory: {first_line(error)}")]
            half = len(requests) // 2
            return [*self.pictures(requests[:half]), *self.pictures(requests[half:])]
        except (RuntimeError, ValueError, TypeError) as error:
            return [Refusal("failed", f"{type(error).__name__}: {first_line(error)}")] * len(requests)
        flags = getattr(output, "nsfw_content_detected", None) or [False] * len(requests)
        return [answer(raw, bool(flag)) for raw, flag in zip(output.images, flags, strict=True)]

    def together(self, requests: Sequence[Request]) -> list[Pixels | Refusal]:
        """One answer a request, packed; all are of one size. Batches too large for the memory are halved."""
        assert self.packed is not None
        try:
            with torch.inference_mode():
                latents = self.packed.latents(requests)
                parts = [
                    self.packed.decode(latents[start : start + self.chunk])
                    for start in range(0, len(latents), self.chunk)
                ]
        except torch.OutOfMemoryError as error:
            if self.packed.rows == 1:
                return [Refusal("failed", f"out of memory: {first_line(error)}")] * len(requests)
            self.packed.rows, self.chunk = self.packed.rows // 2, max(1, self.chunk // 2)
            return self.together(requests)
        except (RuntimeError, ValueError, TypeError) as error:
            return [Refusal("failed", f"{type(error).__name__}: {first_line(error)}")] * len(requests)
        return [answer(raw, flag) for pictures, flags in parts for raw, flag in zip(pictures, flags, strict=True)]

    def call(self, requests: Sequence[Request]) -> Any:
        """The pipeline's output: `images` is float (B, height, width, 3) in 0..1, NaN where arithmetic overflowed."""
        settings = requests[0].settings
        pipeline, accepted = self.pipelines[settings.task], self.accepted[settings.task]
        if is_round_trip(settings):
            with torch.inference_mode():
                return round_trip(pipeline, requests)
        pipeline.scheduler = fresh_scheduler(self.scheduler, settings.sampler)
        arguments: dict[str, Any] = {
            argument: value
            for knob, argument in ARGUMENTS.items()
            if argument in accepted and (value := getattr(settings, knob)) is not None
        }
        arguments |= pictures_for(requests, accepted)
        if requests[0].negative_text and "negative_prompt" in accepted:
            arguments["negative_prompt"] = [request.negative_text for request in requests]
        with torch.inference_mode():
            return pipeline(
                prompt=[request.text for request in requests],
                generator=[torch.Generator("cpu").manual_seed(request.seed) for request in requests],
                output_type="np",
                **arguments,
            )


def accepted_by(pipeline: Any) -> frozenset[str]:
    """The arguments of a pipeline's call."""
    return frozenset(inspect.signature(pipeline.__call__).parameters)


def knobs_of(pipeline: Any, accepted: frozenset[str]) -> frozenset[str]:
    """The settings that the pipeline listens to; a guidance-free one (Flux schnell) takes that argument in vain."""
    knobs = {knob for knob, argument in ARGUMENTS.items() if argument in accepted}
    knobs |= {knob for knob, argument in WEIGHTS.items() if argument in accepted}
    core = getattr(pipeline, "transformer", None)
    if core is not None and getattr(core.config, "guidance_embeds", True) is False:
        knobs.discard("guidance")
    return frozenset(knobs | ({"sampler"} if samplers_of(pipeline) else set()))


def answer(raw: NDArray[np.floating[Any]], flagged: bool) -> Pixels | Refusal:
    """A raw picture (height, width, 3) in 0..1 as 0..255, or why it is none."""
    if flagged:
        return Refusal("skipped", "safety checker flagged the picture")
    if np.isnan(raw).any():
        share = float(np.isnan(raw).mean())
        return Refusal("failed", f"{share:.0%} of the raw output is NaN; try dtype=float32 or bfloat16")
    levels: Pixels = np.rint(np.clip(raw, 0, 1) * 255).astype(np.uint8)
    return levels


def chosen(options: Mapping[str, str], name: str, known: Sequence[str], default: str) -> str:
    """An option's value, which must be one of `known`."""
    value = options.get(name, default)
    if value not in known:
        raise GeneratorError(f"diffusers: no {name} {value!r}; {near(value, known)}")
    return value


def positive(options: Mapping[str, str], name: str, default: float) -> float:
    """An option's value as a number from 0."""
    try:
        value = float(options.get(name, default))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise GeneratorError(f"diffusers: {name} must be a number from 0, found {options[name]!r}")
    return value


def usable_device(device: str) -> str:
    """The device asked for; for "auto" cuda before mps before cpu."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, present in found.items() if present)
    if not found.get(device.partition(":")[0], False):
        here = ", ".join(name for name, present in found.items() if present)
        raise GeneratorError(f"diffusers: no device {device!r} here; there is {here}")
    return device


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
