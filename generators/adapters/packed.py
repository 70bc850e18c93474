"""`diffusers:FOLDER?packed=true`: a Stable Diffusion 1.x, 2.x or XL pipeline's own parts, its walks packed row by row.

The scheduler, the text encoders, the U-Net and the autoencoder are the pipeline's, each asked as the pipeline asks
it; only the company in which rows reach the U-Net is ours. So pictures agree with the pipeline's own, while requests
may differ in guidance, steps and sampler, and what they have in common is computed once.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.adapters.pipelines import fresh_scheduler
from generators.api import GeneratorError, Request
from generators.guidance import Guidance
from generators.packing import Count, Packer, Party, Shown, Steer, in_order, in_step
from generators.samplers import Query, Walk
from generators.schedule import Schedule, of_signal

KNOWN = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
KNOBS = frozenset({"guidance_window", "guidance_rescale"})
"""What packing adds to the settings that a pipeline listens to."""
WISH, LEAN = "+", "-"  # before a row's text: the prompt's own branch, and the one that guidance leans away from
KEPT_TEXTS = 500


@dataclass(frozen=True)
class Told:
    """A text as the U-Net takes it: states (context, width), and XL's pooled embedding (width,) or None."""

    states: Tensor
    pooled: Tensor | None


@dataclass(eq=False)
class PackedPipeline:
    """Drives a loaded pipeline's networks for many requests at once.

    Attributes:
        rows: of every batch of the U-Net.
        count: what packing saved so far.
    """

    pipeline: Any
    rows: int
    count: Count = field(default_factory=Count)
    _told: dict[str, Told] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        name = type(self.pipeline).__name__
        if name not in KNOWN:
            raise GeneratorError(f"diffusers: packed=true works with {' and '.join(KNOWN)}, not with {name}")
        if self.pipeline.unet.config.time_cond_proj_dim is not None:
            raise GeneratorError("diffusers: packed=true: this U-Net is told its guidance, so there is none to pack")

    def latents(self, requests: Sequence[Request]) -> list[Tensor]:
        """The finished latents (C, h, w) of requests of one size."""
        # Padding is for the CPU, where a batch's size can change bits; on a GPU it would cost as much as rows do.
        smaller = range(1, self.rows) if self.pipeline.device.type == "cuda" else ()
        packer = Packer(self.predict, _as_predicted, self.schedule, self.rows, self.count, smaller)
        groups = in_step((request.settings.sampler, request.settings.steps) for request in requests)
        parties = [self.party([requests[index] for index in members]) for members in groups]
        return in_order(groups, chain.from_iterable(packer.together(parties)))

    @property
    def schedule(self) -> Schedule:
        """Weights of signal and noise at the scheduler's training timesteps."""
        return of_signal(self.pipeline.scheduler.alphas_cumprod.cpu())

    def party(self, requests: Sequence[Request]) -> Party:
        """Requests of one size, sampler and number of steps as the packer takes them: one scheduler for all."""
        settings = requests[0].settings
        scheduler = fresh_scheduler(self.pipeline.scheduler, settings.sampler)
        steps = self._defaults["num_inference_steps"] if settings.steps is None else settings.steps
        scheduler.set_timesteps(steps)  # on the CPU, where looking at one makes no device wait
        height, width = self.size_of(requests[0])
        shape = 1, self.pipeline.unet.config.in_channels, height // self.factor, width // self.factor
        streams = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        noise = torch.cat([torch.randn(shape, generator=each, dtype=self.pipeline.unet.dtype) for each in streams])
        walk = scheduled(scheduler, noise.to(self.pipeline.device), streams)
        return Party(walk, [self.steer(request) for request in requests])

    def steer(self, request: Request) -> Steer:
        """What steers a request's picture; what it leaves open is as in the pipeline's call."""
        settings = request.settings
        scale = self._defaults["guidance_scale"] if settings.guidance is None else settings.guidance
        return Steer(
            text=f"{WISH}{request.text}",
            negative_text=f"{LEAN}{request.negative_text}",
            guidance=Guidance(
                scale=scale if scale > 1 else 1.0,  # the pipelines' own rule
                window=settings.guidance_window or (0.0, 1.0),
                rescale=settings.guidance_rescale or 0.0,
            ),
        )

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        """What the pipeline's call takes for arguments that it is not given."""
        return {each.name: each.default for each in inspect.signature(self.pipeline.__call__).parameters.values()}

    @property
    def factor(self) -> int:
        """Pixels a latent cell is wide."""
        return int(self.pipeline.vae_scale_factor)

    @property
    def is_xl(self) -> bool:
        """Whether the U-Net is told pooled texts and sizes too."""
        return bool(self.pipeline.unet.config.addition_embed_type == "text_time")

    def size_of(self, request: Request) -> tuple[int, int]:
        """Height and width of a request's picture."""
        own = self.pipeline.unet.config.sample_size * self.factor
        return request.settings.height or own, request.settings.width or own

    def predict(
        self, latents: Tensor, timesteps: Tensor, texts: Sequence[str], shown: Sequence[Shown | None]
    ) -> Tensor:
        """The U-Net's raw predictions (R, C, h, w)."""
        told = [self.told(text) for text in texts]
        more: dict[str, Any] = {}
        if self.is_xl:
            pooled = torch.stack([each.pooled for each in told if each.pooled is not None])
            height, width = (side * self.factor for side in latents.shape[-2:])
            sizes = [height, width, 0, 0, height, width]  # original, crop's corner, target: as XL's pipeline says them
            ids = torch.tensor([sizes] * len(texts), dtype=latents.dtype, device=latents.device)
            more["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": ids}
        states = torch.stack([each.states for each in told])
        prediction: Tensor = self.pipeline.unet(latents, timesteps, encoder_hidden_states=states, **more).sample
        return prediction

    def told(self, text: str) -> Told:
        """A row's text, encoded once: by the pipeline, in the branch that its first letter names."""
        if len(self._told) > KEPT_TEXTS:
            self._told.clear()
        if text not in self._told:
            self._told[text] = self._encoded(text)
        return self._told[text]

    def _encoded(self, text: str) -> Told:
        branch, words = text[0], text[1:]
        found = self.pipeline.encode_prompt(
            words if branch == WISH else "",
            device=self.pipeline.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=branch == LEAN,
            negative_prompt=words if branch == LEAN and words else None,
        )
        place = 0 if branch == WISH else 1  # (prompt, negative, pooled prompt, pooled negative)
        return Told(found[place][0], found[2 + place][0] if self.is_xl else None)

    def decode(self, latents: Sequence[Tensor]) -> tuple[NDArray[np.floating[Any]], list[bool]]:
        """Pictures (B, H, W, 3) in 0..1, and which of them the safety checker flags."""
        pipeline, vae = self.pipeline, self.pipeline.vae
        together = torch.stack(list(latents))
        upcast = vae.dtype == torch.float16 and vae.config.force_upcast
        if upcast:
            vae.to(torch.float32)
            together = together.float()
        image = vae.decode(self._unscaled(together), return_dict=False)[0]
        if upcast:
            vae.to(torch.float16)
        flags: Sequence[bool] | None = None
        if hasattr(pipeline, "run_safety_checker"):
            image, flags = pipeline.run_safety_checker(image, pipeline.device, pipeline.unet.dtype)
        if getattr(pipeline, "watermark", None) is not None:
            image = pipeline.watermark.apply_watermark(image)
        pictures = pipeline.image_processor.postprocess(
            image, output_type="np", do_denormalize=[not flag for flag in flags or [False] * len(image)]
        )
        return pictures, [bool(flag) for flag in flags or [False] * len(image)]

    def _unscaled(self, latents: Tensor) -> Tensor:
        config = self.pipeline.vae.config
        mean, spread = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
        if mean is None or spread is None:
            return latents / config.scaling_factor
        like = {"dtype": latents.dtype, "device": latents.device}
        mean, spread = (torch.tensor(each, **like).view(1, -1, 1, 1) for each in (mean, spread))
        return latents * spread / config.scaling_factor + mean


def scheduled(scheduler: Any, noise: Tensor, streams: list[torch.Generator]) -> Walk:
    """The pipelines' denoising loop as a walk over (n, C, h, w): one scheduler, its answers being raw predictions."""
    takes = inspect.signature(scheduler.step).parameters
    extra: dict[str, Any] = {"generator": streams} if "generator" in takes else {}
    if "eta" in takes:
        extra["eta"] = 0.0
    latent = noise * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        asked = scheduler.scale_model_input(latent, timestep)
        prediction = yield Query(asked, timestep.item())
        latent = scheduler.step(prediction, timestep, latent, **extra, return_dict=False)[0]
    return latent


def _as_predicted(latent: Tensor, prediction: Tensor, timestep: float) -> Tensor:
    """Schedulers take raw predictions."""
    return prediction
