"""The built-in latent diffusion model: a diffusers folder, and the loop from noise to picture in plain sight."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.api import NEEDS, GeneratorError, Pixels, Refusal, Request, Task
from generators.guidance import Guidance
from generators.packing import Count, Packer, Trip
from generators.quiet import without_loading_bars
from generators.rng import noise_stream
from generators.samplers import SAMPLERS, Walk
from generators.schedule import Schedule, trailing
from generators.tasks import img2img, inpaint, text2img
from generators.tasks.inpaint import laid_over, latent_mask
from generators.tasks.start import Start

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT_STEPS, DEFAULT_GUIDANCE, DEFAULT_SAMPLER = 25, 3.0, "ddim"
WALKS: Mapping[Task, Callable[[Start], Walk]] = {
    "text2img": text2img.walk,
    "img2img": img2img.walk,
    "inpaint": inpaint.walk,
}
DEFAULT_STRENGTH = {"text2img": 1.0, "img2img": 0.8, "inpaint": 1.0}
FACTOR = 4  # pixels a latent cell is wide
ROWS = 16  # of a batch of the U-Net or the decoder; short ones are padded, so that no picture depends on its company

KEPT_TEXTS = 1000  # about 40 MB of text states


@dataclass(frozen=True)
class Networks:
    """The parts of a text-conditioned latent diffusion model, on one device, in eval mode."""

    autoencoder: Any
    tokenizer: Any
    text_encoder: Any
    unet: Any
    scheduler: Any
    _states: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Networks:
        """Read a diffusers folder of the StableDiffusionPipeline kind; weights are safetensors, computed in float32."""
        from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer

        if not (folder / "model_index.json").is_file():
            raise GeneratorError(
                f"{folder}: no model_index.json; expected a diffusers folder with unet, vae, text_encoder"
            )
        options = {"torch_dtype": torch.float32, "use_safetensors": True, "local_files_only": True}
        with without_loading_bars():
            return cls(
                autoencoder=AutoencoderTiny.from_pretrained(folder / "vae", **options).to(device).eval(),
                tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
                text_encoder=CLIPTextModel.from_pretrained(
                    folder / "text_encoder", dtype=torch.float32, use_safetensors=True, local_files_only=True
                )
                .to(device)
                .eval(),
                unet=UNet2DConditionModel.from_pretrained(folder / "unet", **options).to(device).eval(),
                scheduler=DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True),
            )

    @cached_property
    def schedule(self) -> Schedule:
        """The noise schedule that the scheduler's configuration names."""
        signal = self.scheduler.alphas_cumprod.double()
        return Schedule(alpha=signal.sqrt(), sigma=(1 - signal).sqrt())

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        size = self.unet.config.sample_size
        return self.unet.config.in_channels, size, size

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """(n, context, width): the encoder's last hidden state, one vector a token; each distinct text is encoded once.

        Each goes through alone, so that no text's states depend on its company.
        """
        if len(self._states) > KEPT_TEXTS:
            self._states.clear()
        for text in set(texts) - self._states.keys():
            tokens = self.tokenizer(
                [text],
                padding="max_length",
                truncation=True,
                max_length=self.tokenizer.model_max_length,
                return_tensors="pt",
            )
            [self._states[text]] = self.text_encoder(tokens.input_ids.to(self.text_encoder.device)).last_hidden_state
        return torch.stack([self._states[text] for text in texts])

    def predict(self, latents: Tensor, timesteps: Tensor, texts: Sequence[str]) -> Tensor:
        """The U-Net's raw predictions, velocities (R, C, h, w), for R latents, timesteps and texts."""
        velocity: Tensor = self.unet(latents, timesteps, encoder_hidden_states=self.encode_text(texts)).sample
        return velocity

    def clean(self, latent: Tensor, velocity: Tensor, timestep: int) -> Tensor:
        """Source: v-prediction, Salimans & Ho 2022, appendix D: clean = alpha * latent - sigma * v."""
        return self.schedule.alpha[timestep].item() * latent - self.schedule.sigma[timestep].item() * velocity

    def encode(self, image: Pixels) -> Tensor:
        """A picture's latent (C, h, w)."""
        signal = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float().div(127.5).sub(1)
        latent: Tensor = self.autoencoder.encode(signal[None].to(self.autoencoder.device)).latents[0]
        return latent * self.autoencoder.config.scaling_factor

    def decode(self, latent: Tensor) -> NDArray[np.uint8]:
        """Latents (B, C, h, w) to pictures (B, H, W, 3) uint8, rounded as diffusers rounds."""
        image = self.autoencoder.decode(latent / self.autoencoder.config.scaling_factor).sample
        pixels = (image / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().float().numpy()
        rounded: NDArray[np.uint8] = (pixels * 255).round().astype(np.uint8)
        return rounded


class LatentGenerator:
    """`builtin:ldm`, or any folder of the same kind: text in, picture out, guidance, steps and sampler as knobs."""

    tasks: frozenset[Task] = frozenset(WALKS)
    knobs = frozenset({"guidance", "guidance_window", "guidance_rescale", "steps", "sampler", "strength"})
    batch = 2 * ROWS
    packs = True
    samplers = tuple(SAMPLERS)

    def __init__(self, name: str, folder: Path, device: torch.device) -> None:
        self.name = name
        self.folder = folder
        self.device = device
        self.count = Count()

    @classmethod
    def load(cls, rest: str, *, device: str = "auto") -> LatentGenerator:
        """`rest` is what follows "builtin:": "ldm" for the shipped model, "ldm@FOLDER" for another one of its kind."""
        model, _, folder = rest.partition("@")
        shipped = sorted(path.parent.name for path in WEIGHTS.glob("*/model_index.json"))
        if folder == "" and model not in shipped:
            raise GeneratorError(f"no built-in model named {model!r}; shipped: {', '.join(shipped) or 'none'}")
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        return cls(f"builtin:{rest}", Path(folder) if folder else WEIGHTS / model, torch.device(chosen))

    @cached_property
    def networks(self) -> Networks:
        """Loaded at first use."""
        return Networks.load(self.folder, self.device)

    def fingerprint(self) -> str:
        """Hash over the pipeline's own files (not its card), the loop's version and the precision."""
        digest = hashlib.sha256(json.dumps({"loop": 2, "dtype": "float32"}).encode())
        for path in [self.folder / "model_index.json", *sorted(self.folder.glob("*/*"))]:
            if path.suffix in {".json", ".safetensors", ".txt"}:
                digest.update(path.relative_to(self.folder).as_posix().encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:16]

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        """Pictures of 64 x 64 pixels; the requests may differ in every knob and share the U-Net's batches."""
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
        for name in NEEDS.get(task, ()):
            found: Pixels | None = getattr(request, name)
            if found is None:
                return f"{task} needs a {name}; give the prompt one under inputs"
            if found.shape[:2] != self.size:
                sides = " x ".join(map(str, found.shape[:2]))
                return f"the {name} has {sides} pixels; {self.name} works at {self.size[0]} x {self.size[1]}"
        return ""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every picture."""
        _, height, width = self.networks.latent_shape
        return height * FACTOR, width * FACTOR

    @torch.inference_mode()
    def draw(self, requests: Sequence[Request]) -> list[Pixels]:
        """The pictures of fit requests, in order; what the packer did is added to `count`."""
        networks = self.networks
        packer = Packer(networks.predict, networks.clean, networks.schedule, ROWS, self.count)
        latents = packer.arrive([self.trip(request) for request in requests])
        pictures: list[Pixels] = []
        for start in range(0, len(latents), ROWS):
            chunk = latents[start : start + ROWS]
            padded = torch.stack([*chunk, *[chunk[-1]] * (ROWS - len(chunk))])
            pictures += list(networks.decode(padded)[: len(chunk)])
        return [finished(request, picture) for request, picture in zip(requests, pictures, strict=True)]

    def trip(self, request: Request) -> Trip:
        """A fit request as the packer takes it."""
        settings, networks = request.settings, self.networks
        sampler = settings.sampler or DEFAULT_SAMPLER
        if sampler not in SAMPLERS:
            raise GeneratorError(f"no sampler named {sampler!r}; known: {', '.join(SAMPLERS)}")
        mask = None
        if request.mask is not None:
            mask = latent_mask(torch.from_numpy(wanted(request.mask))[None].float(), FACTOR).to(self.device)
        start = Start(
            schedule=networks.schedule,
            sampler=SAMPLERS[sampler],
            timesteps=trailing(DEFAULT_STEPS if settings.steps is None else settings.steps),
            fresh=noise_stream(request.seed, networks.latent_shape, self.device),
            source=None if request.source is None else networks.encode(request.source),
            mask=mask,
            strength=DEFAULT_STRENGTH[settings.task] if settings.strength is None else settings.strength,
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
        )


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
