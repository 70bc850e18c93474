"""Built-in diffusion generators: requests in, pictures out, every request's walk packed with the others'."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.api import NEEDS, GeneratorError, Pixels, Refusal, Request, Task
from generators.graphs import graphed
from generators.guidance import Guidance
from generators.latent import Networks
from generators.packing import Count, Packer, Party, Shown, Steer, Trip, batches, in_order, in_step, padded
from generators.rng import noise_stream
from generators.samplers import SAMPLERS, Walk
from generators.schedule import trailing
from generators.tasks import control, img2img, inpaint, text2img, upscale
from generators.tasks.inpaint import laid_over, latent_mask
from generators.tasks.start import Start

DEFAULT_STEPS, DEFAULT_GUIDANCE, DEFAULT_SAMPLER = 25, 3.0, "ddim"
WALKS: Mapping[Task, Callable[[Start], Walk]] = {
    "text2img": text2img.walk,
    "img2img": img2img.walk,
    "inpaint": inpaint.walk,
    "control": control.walk,
    "upscale": upscale.walk,
}
DEFAULT_STRENGTH: Mapping[Task, float] = {"img2img": 0.8}
OWN_KNOBS: Mapping[Task, str] = {"img2img": "strength", "inpaint": "strength", "control": "control_scale"}
ROWS = 16  # of a batch of the U-Net or the decoder; short ones are padded, so that no picture depends on its company
CUDA_ROWS, CUDA_SMALLER = 256, (16, 32, 64, 128)
"""The same on CUDA, where 16 rows of these networks take as long as 256: pictures agree within rounding there."""
LOOP = 3  # version of what this file does to a picture


class DiffusionGenerator:
    """`builtin:ldm` and its kin: text in, picture out, guidance, steps and sampler as knobs.

    Attributes:
        batch: requests worth handing over at once.
        graphs: on CUDA, replay the U-Net's recorded kernels, not launch each anew (see `generators/graphs.py`).
    """

    graphs = False
    packs = True
    samplers = tuple(SAMPLERS)

    def __init__(self, name: str, folder: Path, device: torch.device, kind: type[Networks] = Networks) -> None:
        self.name = name
        self.folder = folder
        self.device = device
        self.rows, self.smaller = ROWS, tuple[int, ...]()
        if device.type == "cuda":
            self.rows, self.smaller = CUDA_ROWS, CUDA_SMALLER
        self.batch = 2 * self.rows
        self.kind = kind
        steered: set[Task] = {"control"} if (folder / "controlnet").is_dir() else set()
        self.tasks: frozenset[Task] = kind.tasks | steered
        shared = {"guidance", "guidance_window", "guidance_rescale", "steps", "sampler"}
        self.knobs = frozenset(shared | {OWN_KNOBS[task] for task in self.tasks if task in OWN_KNOBS})
        self.count = Count()

    @cached_property
    def networks(self) -> Networks:
        """Loaded at first use."""
        return self.kind.load(self.folder, self.device)

    def fingerprint(self) -> str:
        """Hash over the pipeline's own files (not its card), the loop's version and the precision."""
        return fingerprint(self.folder, f"diffusion {LOOP} float32")

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        """Pictures; the requests may differ in every knob and in their task, and share the U-Net's batches."""
        fit = []
        for index, request in enumerate(requests):
            if reason := self.unfit(request):
                yield index, Refusal("failed", reason)
            else:
                fit.append(index)
        yield from zip(fit, self.draw([requests[index] for index in fit]), strict=True)

    def unfit(self, request: Request) -> str:
        """Why a request cannot be served; empty where it can."""
        task = request.settings.task
        if task not in self.tasks:
            return f"{self.name} does {', '.join(sorted(self.tasks))}, not {task}"
        height, width = self.networks.size
        if task == "upscale":
            height, width = height // upscale.TIMES, width // upscale.TIMES
        for name in NEEDS.get(task, ()):
            found: Pixels | None = getattr(request, name)
            if found is None:
                return f"{task} needs a {name}; give the prompt one under inputs"
            if found.shape[:2] != (height, width):
                sides = " x ".join(map(str, found.shape[:2]))
                return f"the {name} has {sides} pixels; {self.name} takes {height} x {width} for {task}"
        return ""

    @cached_property
    def recorded(self) -> Networks:
        """The networks with a U-Net that replays its recorded kernels."""
        return graphed(self.networks)

    @torch.inference_mode()
    def draw(self, requests: Sequence[Request]) -> list[Pixels]:
        """The pictures of fit requests, in order; what the packer did is added to `count`."""
        networks = self.recorded if self.graphs else self.networks
        packer = Packer(networks.predict, networks.clean, networks.schedule, self.rows, self.count, self.smaller)
        sources: dict[bytes, Tensor] = {}
        knobs = [request.settings for request in requests]
        groups = in_step((each.task, each.sampler, each.steps, each.strength) for each in knobs)
        with whole_float32(self.device):
            parties = [self.party([requests[index] for index in members], sources) for members in groups]
            pictures = in_order(groups, self._decoded(packer.together(parties)))
        return [finished(request, picture) for request, picture in zip(requests, pictures, strict=True)]

    def _decoded(self, latents: Sequence[Tensor]) -> list[Pixels]:
        """The pictures of parties' latents (n, C, h, w), one party after another."""
        pictures: list[Pixels] = []
        together = torch.cat([*latents]) if latents else torch.empty(0)
        for size in batches(len(together), self.rows, self.smaller):
            chunk = together[len(pictures) : len(pictures) + size]
            pictures += list(self.networks.decode(padded(chunk, size - len(chunk)))[: len(chunk)])
        return pictures

    def party(self, requests: Sequence[Request], sources: dict[bytes, Tensor]) -> Party:
        """Fit requests of one task, sampler, number of steps and strength as the packer takes them: abreast."""
        starts = [self.start(request, sources) for request in requests]
        walk = WALKS[requests[0].settings.task](abreast(starts, self.device))
        return Party(walk, [self.steer(request) for request in requests])

    def trip(self, request: Request, sources: dict[bytes, Tensor]) -> Trip:
        """A fit request on its own; `sources` keeps the latents of source pictures, each encoded once."""
        start, steer = self.start(request, sources), self.steer(request)
        alone = replace(start, fresh=lambda: start.fresh().to(self.device))
        return Trip(walk=WALKS[request.settings.task](alone), **vars(steer))

    def start(self, request: Request, sources: dict[bytes, Tensor]) -> Start:
        """Where a fit request's walk starts; its noise is drawn on the CPU and stays there."""
        settings, networks = request.settings, self.networks
        sampler = settings.sampler or DEFAULT_SAMPLER
        if sampler not in SAMPLERS:
            raise GeneratorError(f"no sampler named {sampler!r}; known: {', '.join(SAMPLERS)}")
        mask, source = None, None
        if settings.task == "inpaint":
            assert request.mask is not None
            mask = latent_mask(torch.from_numpy(wanted(request.mask))[None].float(), networks.factor).to(self.device)
        if settings.task in ("img2img", "inpaint"):
            assert request.source is not None
            key = request.source.tobytes()
            if key not in sources:
                sources[key] = networks.encode(request.source)
            source = sources[key]
        return Start(
            schedule=networks.schedule,
            sampler=SAMPLERS[sampler],
            timesteps=trailing(DEFAULT_STEPS if settings.steps is None else settings.steps),
            fresh=noise_stream(request.seed, networks.latent_shape),
            source=source,
            mask=mask,
            strength=DEFAULT_STRENGTH.get(settings.task, 1.0) if settings.strength is None else settings.strength,
        )

    def steer(self, request: Request) -> Steer:
        """What steers a request's picture."""
        settings = request.settings
        return Steer(
            text=request.text,
            negative_text=request.negative_text,
            guidance=Guidance(
                scale=DEFAULT_GUIDANCE if settings.guidance is None else settings.guidance,
                window=settings.guidance_window or (0.0, 1.0),
                rescale=settings.guidance_rescale or 0.0,
            ),
            shown=self.shown(request),
        )

    def shown(self, request: Request) -> Shown | None:
        """The picture that the networks are shown at every step, for tasks that have one."""
        settings = request.settings
        if settings.task == "control":
            assert request.control is not None
            scale = 1.0 if settings.control_scale is None else settings.control_scale
            return control.shown(request.control, scale, self.device)
        if settings.task == "upscale":
            assert request.source is not None
            return upscale.shown(request.source, self.device)
        return None


def abreast(starts: Sequence[Start], device: torch.device) -> Start:
    """One start for walks in step: latents (n, C, h, w), each picture's noise from its own stream."""
    sources = [start.source for start in starts if start.source is not None]
    masks = [start.mask for start in starts if start.mask is not None]
    return replace(
        starts[0],
        fresh=lambda: torch.stack([start.fresh() for start in starts]).to(device),
        source=torch.stack(sources) if sources else None,
        mask=torch.stack(masks) if masks else None,
    )


@contextmanager
def whole_float32(device: torch.device) -> Iterator[None]:
    """No TF32 inside: on CUDA, torch lets convolutions round their inputs to 10 bits unless told otherwise."""
    kept = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = kept and device.type != "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = kept


def fingerprint(folder: Path, version: str) -> str:
    """Hash over the weights, configurations and vocabularies of a folder, and what is done with them."""
    digest = hashlib.sha256(version.encode())
    for path in [folder / "model_index.json", *sorted(folder.glob("*/*"))]:
        if path.suffix in {".json", ".safetensors", ".txt"} and path.name != "training.json":
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def wanted(mask: Pixels) -> NDArray[np.bool_]:
    """(H, W), true where a mask is nearer to white, which asks for new pixels."""
    white: NDArray[np.bool_] = mask.mean(axis=2) > 127.5
    return white


def finished(request: Request, picture: Pixels) -> Pixels:
    """The picture as it is given out: inpainting lays what it made over the source."""
    if request.settings.task != "inpaint":
        return picture
    assert request.source is not None
    assert request.mask is not None
    return laid_over(picture, request.source, wanted(request.mask))
