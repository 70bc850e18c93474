"""Train the latent diffusion model: text encoder and U-Net together, on latents of a trained autoencoder.

python -m generators.train.ldm --data DIR --autoencoder DIR/autoencoder/vae --out DIR/ldm --minutes 150
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from generators.schedule import TRAIN_STEPS, cosine
from generators.train.autoencoder import to_signal
from generators.train.checkpoint import Average, resume, save, snapshot
from generators.train.data import read_scenes
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
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (96, 128, 192),
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


def loss_of(model: Model, clean: Tensor, noise: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
    """Weighted squared error of the velocity, one number a sample (B,).

    Source: v = alpha * noise - sigma * clean (Salimans & Ho 2022); weight min(SNR, 5) / (SNR + 1) (Hang et al. 2023).
    """
    schedule = cosine()
    alpha = schedule.alpha[timestep].float().view(-1, 1, 1, 1)
    sigma = schedule.sigma[timestep].float().view(-1, 1, 1, 1)
    made = model(alpha * clean + sigma * noise, timestep, tokens)
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


def train(data: Path, autoencoder: Path, out: Path, *, minutes: float, batch: int, rate: float, early: float) -> None:
    """Train for so many minutes in all, resumed time included; the rate falls over the last 30 %; then save the folder.

    After the share `early` of the minutes the model so far is saved as well, under `out/early`.
    """
    latents = encode(data, autoencoder)
    torch.manual_seed(0)
    model = Model()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.99), fused=True)
    average = Average(model.parameters(), 0.9995)
    step, spent, losses = resume(out / "state.pt", model, optimiser, average)
    begin, saved, recent = time.monotonic() - spent, time.monotonic(), []
    while (spent := time.monotonic() - begin) < minutes * 60:
        progress = spent / (minutes * 60)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 300) * min(1.0, max(0.0, 1 - progress) / 0.3)
        loss = loss_of(model, *batch_of(latents, step, batch)).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.update()
        step += 1
        recent.append(loss.item())
        if step % 25 == 0:
            losses.append([step, round(float(np.mean(recent)), 5), round(spent)])
            print(
                f"step {step} {spent / 60:.1f} min loss {np.mean(recent):.4f} {step * batch / spent:.0f}/s", flush=True
            )
            recent = []
        if not (out / "early").exists() and progress >= early:
            average.swap()
            export(model, autoencoder, out / "early")
            average.swap()
        if time.monotonic() - saved > 180:
            save(out / "state.pt", snapshot(model, optimiser, average, step=step, seconds=spent, losses=losses))
            saved = time.monotonic()
    save(out / "state.pt", snapshot(model, optimiser, average, step=step, seconds=spent, losses=losses))
    average.swap()
    export(model, autoencoder, out / "folder")
    facts = {"steps": step, "batch": batch, "minutes": round(spent / 60, 1), "scenes": len(latents), "losses": losses}
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
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--autoencoder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=150)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--early", type=float, default=0.02)
    chosen = parser.parse_args()
    train(
        chosen.data,
        chosen.autoencoder,
        chosen.out,
        minutes=chosen.minutes,
        batch=chosen.batch,
        rate=chosen.rate,
        early=chosen.early,
    )


if __name__ == "__main__":
    main()
