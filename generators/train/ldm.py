"""Train the latent diffusion model: text encoder and U-Net together, on latents of a trained autoencoder.

python -m generators.train.ldm --data DIR --autoencoder DIR/autoencoder/vae --out DIR/ldm --minutes 150
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from generators.schedule import TRAIN_STEPS, cosine
from generators.train.autoencoder import to_signal
from generators.train.checkpoint import Average
from generators.train.data import read_scenes
from generators.train.loop import Recipe, recipe_arguments, train_for
from generators.train.tokenizer import CONTEXT, byte_tokenizer

TEXT: dict[str, Any] = {
    "vocab_size": 514,
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "projection_dim": 128,
    "bos_token_id": 512,
    "eos_token_id": 513,
    "pad_token_id": 513,
}
UNET: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (64, 128, 256),
    "layers_per_block": 1,
    "cross_attention_dim": 128,
    "attention_head_dim": 4,
    "norm_num_groups": 16,
}
DROPPED = 0.1  # share of captions replaced by the empty one, for guidance: Ho & Salimans 2022
SNR_CAP = 5.0  # Hang et al. 2023
PREDICTION = "v_prediction"


class Model(nn.Module):
    """The two networks that are trained together."""

    def __init__(self) -> None:
        from diffusers import UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel

        super().__init__()
        self.text_encoder = CLIPTextModel(CLIPTextConfig(**TEXT))
        self.unet = UNet2DConditionModel(**UNET).to(memory_format=torch.channels_last)

    def forward(self, latent: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        """Predicted velocity, same shape as latent (B, 4, 16, 16); tokens (B, CONTEXT) int64."""
        states = self.text_encoder(tokens).last_hidden_state
        velocity: Tensor = self.unet(latent, timestep, encoder_hidden_states=states).sample
        return velocity

    def begin_from(self, folder: Path) -> None:
        """Take the weights of a diffusers folder of the same shape.

        Raises:
            RuntimeError: another shape; torch names the tensors that differ.
        """
        from safetensors.torch import load_file

        self.text_encoder.load_state_dict(load_file(folder / "text_encoder" / "model.safetensors"))
        self.unet.load_state_dict(load_file(folder / "unet" / "diffusion_pytorch_model.safetensors"))


def loss_of(model: Model, clean: Tensor, noise: Tensor, timestep: Tensor, tokens: Tensor, *, recipe: Recipe) -> Tensor:
    """Weighted squared error of the velocity, one number a sample (B,).

    Source: v = alpha * noise - sigma * clean (Salimans & Ho 2022); weight min(SNR, 5) / (SNR + 1) (Hang et al. 2023).
    """
    schedule = cosine()
    alpha = schedule.alpha[timestep].float().view(-1, 1, 1, 1)
    sigma = schedule.sigma[timestep].float().view(-1, 1, 1, 1)
    with recipe.forward():
        made = model(alpha * clean + sigma * noise, timestep, tokens).float()
    snr = ((alpha / sigma) ** 2).flatten()
    weight = snr.clamp(max=SNR_CAP) / (snr + 1) * 2
    errors: Tensor = (made - (alpha * noise - sigma * clean)).square().mean(dim=(1, 2, 3))
    return weight.clamp(min=0.05) * errors


@dataclass(frozen=True)
class Latents:
    """clean (n, 4, 16, 16) float32; tokens (n, wordings, CONTEXT) int64; empty (CONTEXT,) int64."""

    clean: Tensor
    tokens: Tensor
    empty: Tensor

    def __len__(self) -> int:
        return len(self.clean)


def encode(data: Path, autoencoder: Path) -> Latents:
    """Latents and token ids of every training scene."""
    from diffusers import AutoencoderTiny

    scenes = read_scenes(data, "train")
    vae = (
        AutoencoderTiny.from_pretrained(autoencoder, use_safetensors=True).eval().to(memory_format=torch.channels_last)
    )
    with torch.inference_mode():
        parts = [vae.encode(to_signal(scenes.images[i : i + 64])).latents for i in range(0, len(scenes), 64)]
    tokenizer = byte_tokenizer()
    flat = [text for words in scenes.captions for text in words]
    ids = tokenizer(flat, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt").input_ids
    empty = tokenizer([""], padding="max_length", max_length=CONTEXT, return_tensors="pt").input_ids[0]
    return Latents(torch.cat(parts).clone(), ids.view(len(scenes), -1, CONTEXT), empty)


def batch_of(latents: Latents, step: int, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """clean, noise, timestep, tokens of one step: a function of the step alone, so that a resumed run goes on alike."""
    rng = np.random.default_rng([3, step])
    rows = torch.from_numpy(rng.integers(0, len(latents), size))
    words = torch.from_numpy(rng.integers(0, latents.tokens.shape[1], size))
    tokens = latents.tokens[rows, words]
    tokens[torch.from_numpy(rng.random(size) < DROPPED)] = latents.empty
    # One stratum a sample: every batch sees all noise levels.
    timestep = torch.from_numpy(((np.arange(size) + rng.random(size)) / size * TRAIN_STEPS).astype(np.int64))
    noise = torch.from_numpy(rng.standard_normal((size, *latents.clean.shape[1:]), dtype=np.float32))
    return latents.clean[rows], noise, timestep, tokens


def train(data: Path, autoencoder: Path, out: Path, recipe: Recipe, *, early: float, compiled: bool) -> None:
    """Train, then save the folder; after the share `early` of the minutes the model so far goes to `out/early`."""
    latents = encode(data, autoencoder)
    torch.manual_seed(0)
    model = Model()
    if recipe.start is not None:
        model.begin_from(recipe.start)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=0.01, betas=(0.9, 0.99), fused=True)
    average = Average(model.parameters(), 0.9995)

    if compiled:
        # Not the text encoder: compiled threads would fight over the gradient of the one padding token.
        model.unet.compile()

    def loss(step: int) -> Tensor:
        return loss_of(model, *batch_of(latents, step, recipe.batch), recipe=recipe).mean()

    def after(progress: float) -> None:
        if progress >= early and not (out / "early").exists():
            average.swap()
            export(model, autoencoder, out / "early")
            average.swap()

    facts = train_for(recipe, model, optimiser, average, state=out / "state.pt", loss=loss, after=after)
    export(model, autoencoder, out / "folder")
    facts["scenes"] = len(latents)
    (out / "training.json").write_text(json.dumps(facts))


def export(model: Model, autoencoder: Path, folder: Path) -> None:
    """Write an ordinary StableDiffusionPipeline folder; the U-Net and text encoder are stored in half precision."""
    import copy

    from diffusers import AutoencoderTiny, DDIMScheduler, StableDiffusionPipeline

    scheduler = DDIMScheduler(
        num_train_timesteps=TRAIN_STEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type=PREDICTION,
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
    )
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderTiny.from_pretrained(autoencoder, use_safetensors=True).half(),
        text_encoder=copy.deepcopy(model.text_encoder).half().eval(),
        tokenizer=byte_tokenizer(),
        unet=copy.deepcopy(model.unet).half().eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    config = folder / "vae" / "config.json"
    # where it was read from is nobody's business, and the class works its block widths out for itself
    kept = {k: v for k, v in json.loads(config.read_text()).items() if k not in {"_name_or_path", "block_out_channels"}}
    config.write_text(json.dumps(kept, indent=2) + "\n")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=150, batch=64, rate=8e-4)
    parser.add_argument("--autoencoder", type=Path, required=True, help="folder of the trained autoencoder")
    parser.add_argument("--early", type=float, default=0.02, help="share of the minutes after which to keep a copy")
    faster = "fuse the network's small operations: a third faster after minutes of compiling; needs a C++ compiler"
    parser.add_argument("--compiled", action="store_true", help=faster)
    chosen = vars(parser.parse_args())
    data, autoencoder, out = (chosen.pop(name) for name in ("data", "autoencoder", "out"))
    early, compiled = chosen.pop("early"), chosen.pop("compiled")
    train(data, autoencoder, out, Recipe(**chosen, warm=300, cooling=0.3), early=early, compiled=compiled)


if __name__ == "__main__":
    main()
