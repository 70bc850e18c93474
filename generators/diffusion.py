"""Built-in diffusion generators: requests in, pictures out, every request's walk packed with the others'."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.api import NEEDS, GeneratorError, Pixels, Refusal, Request, Task
from generators.guidance import Guidance
from generators.latent import Networks
from generators.packing import Count, Packer, Shown, Trip
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
LOOP = 3  # version of what this file does to a picture


class DiffusionGenerator:
    """`builtin:ldm` and its kin: text in, picture out, guidance, steps and sampler as knobs."""

    batch = 2 * ROWS
    packs = True
    samplers = tuple(SAMPLERS)

    def __init__(self, name: str, folder: Path, device: torch.device, kind: type[Networks] = Networks) -> None:
        self.name = name
        self.folder = folder
        self.device = device
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

    @torch.inference_mode()
    def draw(self, requests: Sequence[Request]) -> list[Pixels]:
        """The pictures of fit requests, in order; what the packer did is added to `count`."""
        networks = self.networks
        packer = Packer(networks.predict, networks.clean, networks.schedule, ROWS, self.count)
        sources: dict[bytes, Tensor] = {}
        latents = packer.arrive([self.trip(request, sources) for request in requests])
        pictures: list[Pixels] = []
        for start in range(0, len(latents), ROWS):
            chunk = latents[start : start + ROWS]
            padded = torch.stack([*chunk, *[chunk[-1]] * (ROWS - len(chunk))])
            pictures += list(networks.decode(padded)[: len(chunk)])
        return [finished(request, picture) for request, picture in zip(requests, pictures, strict=True)]

    def trip(self, request: Request, sources: dict[bytes, Tensor]) -> Trip:
        """A fit request as the packer takes it; `sources` keeps the latents of source pictures, each encoded once."""
        settings, networks = request.settings, self.networks
        sampler = settings.sampler or DEFAULT_SAMPLER
        if sampler not in SAMPLERS:
            raise GeneratorError(f"no sampler named {sampler!r}; known: {', '.join(SAMPLERS)}")
        mask, source = None, None
        if request.mask is not None:
            mask = latent_mask(torch.from_numpy(wanted(request.mask))[None].float(), networks.factor).to(self.device)
        if settings.task in ("img2img", "inpaint"):
            assert request.source is not None
            key = request.source.tobytes()
            if key not in sources:
                sources[key] = networks.encode(request.source)
            source = sources[key]
        start = Start(
            schedule=networks.schedule,
            sampler=SAMPLERS[sampler],
            timesteps=trailing(DEFAULT_STEPS if settings.steps is None else settings.steps),
            fresh=noise_stream(request.seed, networks.latent_shape, self.device),
            source=source,
            mask=mask,
            strength=DEFAULT_STRENGTH.get(settings.task, 1.0) if settings.strength is None else settings.strength,
        )
        return Trip(
            walk=WALKS[settings.task](start),
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
