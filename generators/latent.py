"""The built-in latent diffusion models: folders in the manner of diffusers, and what their networks answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.api import GeneratorError, Pixels, Task
from generators.packing import Shown, padded
from generators.quiet import without_loading_bars
from generators.schedule import Schedule, of_signal

KEPT_TEXTS = 1000  # about 40 MB of text states
CUDA_TEXTS = 16  # encoded at once on CUDA, padded


@dataclass(frozen=True)
class Networks:
    """The parts of a text-conditioned latent diffusion model, on one device, in eval mode.

    Attributes:
        controlnet: the branch that lets a picture of edges or bones steer, or None.
    """

    tokenizer: Any
    text_encoder: Any
    unet: Any
    scheduler: Any
    autoencoder: Any = None
    controlnet: Any = None
    _states: dict[str, Tensor] = field(default_factory=dict, repr=False)
    tasks: ClassVar[frozenset[Task]] = frozenset({"text2img", "img2img", "inpaint"})

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Self:
        """Read a folder; weights are safetensors, computed in float32. A `vae` and a `controlnet` are read if there."""
        from diffusers import AutoencoderTiny, ControlNetModel, DDIMScheduler, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer

        if not (folder / "model_index.json").is_file():
            raise GeneratorError(
                f"{folder}: no model_index.json; expected a diffusers folder with unet, vae, text_encoder"
            )

        def part(network: Any, name: str, dtype: str = "torch_dtype") -> Any:
            options = {dtype: torch.float32, "use_safetensors": True, "local_files_only": True}
            return network.from_pretrained(folder / name, **options).to(device).eval()

        with without_loading_bars():
            return cls(
                tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
                text_encoder=part(CLIPTextModel, "text_encoder", "dtype"),
                unet=part(UNet2DConditionModel, "unet"),
                scheduler=DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True),
                autoencoder=part(AutoencoderTiny, "vae") if (folder / "vae").is_dir() else None,
                controlnet=part(ControlNetModel, "controlnet") if (folder / "controlnet").is_dir() else None,
            )

    @cached_property
    def schedule(self) -> Schedule:
        """The noise schedule that the scheduler's configuration names."""
        return of_signal(self.scheduler.alphas_cumprod)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        size = self.unet.config.sample_size
        return self.unet.config.out_channels, size, size

    @cached_property
    def factor(self) -> int:
        """Pixels a latent cell is wide: the autoencoder halves once between two of its levels."""
        levels = len(self.autoencoder.config.encoder_block_out_channels)
        return 1 << (levels - 1)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every picture."""
        _, height, width = self.latent_shape
        return height * self.factor, width * self.factor

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """(n, context, width): the encoder's last hidden state, one vector a token; each distinct text is encoded once.

        Each goes through alone, so that no text's states depend on its company; on CUDA in batches of one size.
        """
        if len(self._states) > KEPT_TEXTS:
            self._states.clear()
        device = self.text_encoder.device
        unknown = [text for text in dict.fromkeys(texts) if text not in self._states]
        size = CUDA_TEXTS if device.type == "cuda" else 1
        for start in range(0, len(unknown), size):
            some = unknown[start : start + size]
            ids = padded(torch.cat([token_ids(self.tokenizer, text) for text in some]), size - len(some))
            self._states.update(zip(some, self.text_encoder(ids.to(device)).last_hidden_state, strict=False))
        return torch.stack([self._states[text] for text in texts])

    def forget_texts(self) -> None:
        """Encode each text anew when it is met again."""
        self._states.clear()

    def predict(
        self, latents: Tensor, timesteps: Tensor, texts: Sequence[str], shown: Sequence[Shown | None]
    ) -> Tensor:
        """The U-Net's raw predictions (R, C, h, w) for R latents, timesteps, texts, and pictures that steer.

        Rows without a picture take the control branch's answer times 0, so that they share batches with those with one.
        """
        states = self.encode_text(texts)
        steered: dict[str, Any] = {}
        if any(each is not None for each in shown):
            blank = torch.zeros_like(next(each.signal for each in shown if each is not None))
            pictures = torch.stack([blank if each is None else each.signal for each in shown])
            scales = latents.new_tensor([0.0 if each is None else each.scale for each in shown]).view(-1, 1, 1, 1)
            skips, middle = self.controlnet(
                latents, timesteps, encoder_hidden_states=states, controlnet_cond=pictures, return_dict=False
            )
            steered["down_block_additional_residuals"] = [skip * scales for skip in skips]
            steered["mid_block_additional_residual"] = middle * scales
        prediction: Tensor = self.unet(latents, timesteps, encoder_hidden_states=states, **steered).sample
        return prediction

    def clean(self, latent: Tensor, velocity: Tensor, timestep: float) -> Tensor:
        """Source: v-prediction, Salimans & Ho 2022, appendix D: clean = alpha * latent - sigma * v."""
        at = int(timestep)
        return self.schedule.alpha[at].item() * latent - self.schedule.sigma[at].item() * velocity

    def encode(self, image: Pixels) -> Tensor:
        """A picture's latent (C, h, w)."""
        latent: Tensor = self.autoencoder.encode(signal_of(image).to(self.unet.device)[None]).latents[0]
        return latent * self.autoencoder.config.scaling_factor

    def decode(self, latent: Tensor) -> NDArray[np.uint8]:
        """Latents (B, C, h, w) to pictures (B, H, W, 3) uint8."""
        return pixels_of(self.autoencoder.decode(latent / self.autoencoder.config.scaling_factor).sample)


class Upscaler(Networks):
    """Latent diffusion that is shown the picture at a quarter of its size, laid beside the latent.

    Source: Rombach et al. 2022, section 4.4: conditioning by concatenation.
    """

    tasks = frozenset({"upscale"})

    def predict(
        self, latents: Tensor, timesteps: Tensor, texts: Sequence[str], shown: Sequence[Shown | None]
    ) -> Tensor:
        """The U-Net's raw predictions (R, C, h, w); every row is shown a picture (3, h, w) in -1..1."""
        pictures = torch.stack([each.signal for each in shown if each is not None])
        together = torch.cat([latents, pictures], dim=1)
        prediction: Tensor = self.unet(together, timesteps, encoder_hidden_states=self.encode_text(texts)).sample
        return prediction


def token_ids(tokenizer: Any, text: str) -> Tensor:
    """(1, context) int64, cut or padded to the length the text encoder was made for."""
    length = tokenizer.model_max_length
    found = tokenizer([text], padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    ids: Tensor = found.input_ids
    return ids


def signal_of(image: Pixels) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W) float32 in -1..1."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float().div(127.5).sub(1)


def pixels_of(signal: Tensor) -> NDArray[np.uint8]:
    """(B, 3, H, W) in -1..1 to (B, H, W, 3) uint8, rounded as diffusers rounds."""
    levels = (signal / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float().mul(255).round()
    rounded: NDArray[np.uint8] = levels.to(torch.uint8).contiguous().cpu().numpy()
    return rounded
