"""Train the latent diffusion model: text encoder and U-Net together, on latents of a trained autoencoder.

python -m generators.train.ldm --data DIR --autoencoder DIR/autoencoder/vae --out DIR/ldm --minutes 150
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generators.schedule import TRAIN_STEPS, cosine
from generators.studio.drawing import FAMILY_SHARES
from generators.train.autoencoder import to_signal
from generators.train.checkpoint import Average
from generators.train.data import Scenes, joined, read_facts, read_scenes
from generators.train.letters import (
    DRAWN,
    LOOKED,
    NONE,
    READ,
    Watched,
    letters_at,
    looking,
    misread,
    places_of,
    taught,
    watch,
)
from generators.train.loop import Recipe, recipe_arguments, train_for
from generators.train.text import TEXT, bare, empty_tokens, text_tower, tokens_of
from generators.train.tokenizer import byte_tokenizer

UNET: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "block_out_channels": (64, 128, 256),
    "layers_per_block": 1,
    "cross_attention_dim": 128,
    "attention_head_dim": 4,
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 4,
    "norm_num_groups": 16,
}
DEEP: dict[str, Any] = {
    **UNET,
    "sample_size": 32,
    "down_block_types": ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
}
"""For 32 x 32 places: attention at 8 x 8 alone."""
DROPPED = 0.1  # share of captions replaced by the empty one, for guidance: Ho & Salimans 2022
SNR_CAP = 5.0
OFTEN = {"signs": 2.0}  # family -> how often as often its scenes are shown: spelling is learnt slowest
PREDICTION = "v_prediction"
DECAY = 0.998  # of the averaged weights: a training on two cores takes some 4,000 steps


class Model(nn.Module):
    """The two networks that are trained together."""

    def __init__(self, unet: Mapping[str, Any] = UNET) -> None:
        from diffusers import UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel

        super().__init__()
        self.text_encoder = CLIPTextModel(CLIPTextConfig(**TEXT))
        self.unet = UNet2DConditionModel(**unet).to(memory_format=torch.channels_last)
        nn.init.zeros_(self.unet.add_embedding.norm2.weight)  # what is told to every layer begins as nothing

    def forward(self, latent: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        """Predicted velocity, same shape as latent (B, 4, 16, 16); tokens (B, CONTEXT) int64."""
        states = self.text_encoder(tokens).last_hidden_state
        velocity: Tensor = self.unet(latent, timestep, encoder_hidden_states=states).sample
        return velocity

    def begin_from(self, folder: Path) -> None:
        """Take the weights of a diffusers folder of the same shape; one without `add_embedding` will do.

        Raises:
            RuntimeError: another shape; torch names the tensors that differ.
        """
        from safetensors.torch import load_file

        self.text_encoder.load_state_dict(load_file(folder / "text_encoder" / "model.safetensors"))
        weights = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
        silent = {name: value for name, value in self.unet.state_dict().items() if name.startswith("add_embedding.")}
        self.unet.load_state_dict({**silent, **weights})

    def read_with(self, clip: Path) -> None:
        """Take the text encoder's weights from the text tower of an open_clip folder."""
        weights = {bare(name): value for name, value in text_tower(clip).state_dict().items()}
        self.text_encoder.load_state_dict({name: weights[bare(name)] for name in self.text_encoder.state_dict()})


def begun(unet: Mapping[str, Any], start: Path | None, clip: Path | None) -> Model:
    """A model to train: with a folder's weights, or fresh (always the same), its text encoder with those of a CLIP."""
    torch.manual_seed(0)
    model = Model(unet)
    if start is not None:
        model.begin_from(start)
    elif clip is not None:
        model.read_with(clip)
    return model


@dataclass(frozen=True)
class Latents:
    """clean (n, 4, 16, 16) float32; tokens (n, wordings, CONTEXT) int64; empty (CONTEXT,) int64.

    places: as `generators.train.letters.places_of` gives them, or None where nobody asks.
    """

    clean: Tensor
    tokens: Tensor
    empty: Tensor
    places: Tensor | None = None

    def __len__(self) -> int:
        return len(self.clean)

    def to(self, device: str) -> Latents:
        """All of it there, so that batches are gathered there."""
        places = None if self.places is None else self.places.to(device)
        return Latents(self.clean.to(device), self.tokens.to(device), self.empty.to(device), places)


def encode(scenes: Scenes, autoencoder: Path, device: str = "cpu") -> Latents:
    """Latents and token ids of scenes, on a device."""
    from diffusers import AutoencoderTiny

    vae = AutoencoderTiny.from_pretrained(autoencoder, use_safetensors=True).eval()
    vae.to(device, memory_format=torch.channels_last)
    starts = range(0, len(scenes), 64)
    with torch.no_grad():
        parts = [vae.encode(to_signal(torch.from_numpy(scenes.images[i : i + 64]).to(device))).latents for i in starts]
    return Latents(torch.cat(parts), tokens_of(scenes), empty_tokens()).to(device)


@dataclass(frozen=True)
class Batch:
    """What one step learns from; rows (B,) say which scenes these are.

    places (B, 16, 16) int64: token of the letter at each place, `NONE` where there is none or the caption is dropped.
    """

    rows: Tensor
    clean: Tensor
    noise: Tensor
    timestep: Tensor
    tokens: Tensor
    places: Tensor | None = None


def batch_of(latents: Latents, step: int, size: int, odds: NDArray[np.float64] | None = None) -> Batch:
    """One step's batch: a function of the step (and the device) alone, so that a resumed run goes on alike.

    Args:
        odds: chance of each scene (n,), summing to 1; None makes them equal.
    """
    rng = np.random.default_rng([3, step])
    device = latents.clean.device
    chosen = rng.integers(0, len(latents), size) if odds is None else rng.choice(len(latents), size, p=odds)
    words = rng.integers(0, latents.tokens.shape[1], size)
    # One stratum a sample: every batch sees all noise levels.
    levels = (np.arange(size) + rng.random(size)) / size * TRAIN_STEPS
    dropped = rng.random(size) < DROPPED
    told = torch.from_numpy(np.stack([chosen, words, levels.astype(np.int64), dropped])).to(device)
    rows, wording, timestep, silent = told
    tokens = torch.where(silent.bool()[:, None], latents.empty, latents.tokens[rows, wording])
    stream = torch.Generator(device).manual_seed(step)
    noise = torch.randn((size, *latents.clean.shape[1:]), generator=stream, device=device)
    places = None
    if latents.places is not None:
        places = torch.where(silent.bool()[:, None, None], NONE, latents.places[rows, wording].long())
    return Batch(rows, latents.clean[rows], noise, timestep, tokens, places)


def loss_of(batch: Batch, predict: Callable[[Tensor], Tensor]) -> Tensor:
    """Weighted squared error of the velocity that `predict` says of the noisy latents, one number a sample (B,).

    Source: v = alpha * noise - sigma * clean (Salimans & Ho 2022). The weight is that of Hang et al. 2023,
    min(SNR, 5) / (SNR + 1), where there is little noise, and 1 elsewhere: theirs vanishes where there is much noise,
    which is where the text decides the colours. Where letters stand, errors count `DRAWN` times.
    """
    alpha, sigma = weights_at(batch.timestep)
    made = predict(alpha * batch.clean + sigma * batch.noise).float()
    snr = ((alpha / sigma) ** 2).flatten()
    weight = (SNR_CAP / (snr + 1)).clamp(max=1.0)
    errors: Tensor = (made - (alpha * batch.noise - sigma * batch.clean)).square()
    if batch.places is not None:
        errors = errors * torch.where(batch.places != NONE, DRAWN, 1.0)[:, None]
    return weight * errors.mean(dim=(1, 2, 3))


def odds_of(families: Sequence[str], often: Mapping[str, float] = OFTEN) -> NDArray[np.float64]:
    """Chance of each scene (n,), summing to 1, by its family's weight (1 where none is given)."""
    weights = np.array([often.get(family, 1.0) for family in families])
    odds: NDArray[np.float64] = weights / weights.sum()
    return odds


def weights_at(timestep: Tensor) -> tuple[Tensor, Tensor]:
    """Weight of signal and of noise (B, 1, 1, 1) at timesteps (B,)."""
    alpha, sigma = _tables(timestep.device)
    return alpha[timestep].view(-1, 1, 1, 1), sigma[timestep].view(-1, 1, 1, 1)


@cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor]:
    schedule = cosine()
    return schedule.alpha.float().to(device), schedule.sigma.float().to(device)


def optimiser_of(parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.AdamW:
    """AdamW as all our diffusion models take it."""
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01, betas=(0.9, 0.99), fused=True)


def train(
    model: Model,
    latents: Latents,
    recipe: Recipe,
    *,
    out: Path,
    keep: Callable[[Path], None],
    early: float = 1.0,
    odds: NDArray[np.float64] | None = None,
) -> None:
    """Train and save.

    Args:
        keep: writes the model as it is into a folder: `out/folder` in the end, and `out/early` after the share `early`
            of the minutes.
        odds: of each scene (n,); None makes them equal.

    Where the latents say where letters stand, the text attention is taught to look at them.
    """
    model.to(recipe.device)
    watched: tuple[Watched, ...] = ()
    reader = None
    if latents.places is not None:
        watched = watch(model.unet)
        reader = taught(latents.clean, latents.tokens, latents.places, out / "reader.pt")
    average = Average(model.parameters(), DECAY)
    if recipe.compiled:
        # Not the text encoder: compiled threads would fight over the gradient of the one padding token.
        model.unet.compile()

    def loss(step: int) -> Tensor:
        batch = batch_of(latents, step, recipe.batch, odds)
        alpha, sigma = weights_at(batch.timestep)
        made: list[Tensor] = []  # the clean latents, as the model makes them out

        def predict(noisy: Tensor) -> Tensor:
            velocity: Tensor = model(noisy, batch.timestep, batch.tokens)
            made.append(alpha * noisy - sigma * velocity.float())
            return velocity

        with recipe.forward():
            error = loss_of(batch, predict).mean()
        if batch.places is None or reader is None:
            return error
        letters, weight = letters_at(batch.tokens, batch.places), alpha.flatten()
        looked = looking(watched, batch.places, weight)
        return error + LOOKED * looked + READ * misread(reader, made[0], letters, weight)

    def after(progress: float) -> None:
        if progress >= early and not (out / "early").exists():
            average.swap()
            keep(out / "early")
            average.swap()

    optimiser = optimiser_of(model.parameters(), recipe.rate)
    facts = train_for(recipe, model, optimiser, average, state=out / "state.pt", loss=loss, after=after)
    keep(out / "folder")
    (out / "training.json").write_text(json.dumps({**facts, "scenes": len(latents), **earlier(recipe.start)}))


def earlier(start: Path | None) -> dict[str, Any]:
    """What is told of the training that went before, as `before`; nothing where none is known."""
    if start is None or not (start / "training.json").is_file():
        return {}
    told = json.loads((start / "training.json").read_text(encoding="utf-8"))
    return {"before": {name: value for name, value in told.items() if name != "losses"}}


def scheduler(prediction: str = PREDICTION) -> Any:
    """The noise schedule as diffusers writes it down."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=TRAIN_STEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type=prediction,
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
    )


def export(model: Model, autoencoder: Path, folder: Path) -> None:
    """Write an ordinary StableDiffusionPipeline folder; the U-Net and text encoder are stored in half precision."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        **halves(model, autoencoder),
        tokenizer=byte_tokenizer(),
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    save_pipeline(pipeline, folder)


def halves(model: Model, autoencoder: Path) -> dict[str, Any]:
    """The three networks of a pipeline, copied in half precision."""
    from diffusers import AutoencoderTiny

    return {
        "vae": AutoencoderTiny.from_pretrained(autoencoder, use_safetensors=True).half(),
        "text_encoder": copy.deepcopy(model.text_encoder).cpu().half().eval(),
        "unet": copy.deepcopy(model.unet).cpu().half().eval(),
    }


def save_pipeline(pipeline: Any, folder: Path) -> None:
    """Write a pipeline with an AutoencoderTiny as safetensors, telling nobody where its parts were read from."""
    pipeline.save_pretrained(folder, safe_serialization=True)
    config = folder / "vae" / "config.json"
    # The class works its block widths out for itself; the stock upscaler overwrites the scale with its own one's.
    said = {**json.loads(config.read_text()), "scaling_factor": 1.0}
    kept = {key: value for key, value in said.items() if key not in {"_name_or_path", "block_out_channels"}}
    config.write_text(json.dumps(kept, indent=2) + "\n")


def clip_argument(parser: argparse.ArgumentParser) -> None:
    """Add where the text encoder begins."""
    parser.add_argument("--clip", type=Path, help="open_clip folder whose text tower a fresh text encoder begins with")


def frequency(said: str) -> tuple[str, float]:
    """FAMILY=TIMES as typed: a family of scenes and how often as often it is shown."""
    family, _, times = said.partition("=")
    if family not in FAMILY_SHARES:
        raise argparse.ArgumentTypeError(f"no family {family!r}; there are {', '.join(FAMILY_SHARES)}: signs=2")
    try:
        often = float(times)
    except ValueError:
        often = 0.0
    if not 0 < often < math.inf:
        raise argparse.ArgumentTypeError(f"{said!r} says no number above 0: {family}=2")
    return family, often


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_arguments(parser, minutes=150, batch=64, rate=8e-4)
    parser.add_argument("--autoencoder", type=Path, required=True, help="folder of the trained autoencoder")
    clip_argument(parser)
    parser.add_argument("--signs", type=Path, help="folder of a dataset whose signs are shown too")
    usual = ", ".join(f"{family}={times:g}" for family, times in OFTEN.items())
    told = f"FAMILY=TIMES: how often as often its scenes are shown (default: {usual})"
    parser.add_argument("--often", nargs="+", type=frequency, default=list(OFTEN.items()), help=told)
    parser.add_argument("--early", type=float, default=0.02, help="share of the minutes after which to keep a copy")
    chosen = vars(parser.parse_args())
    data, autoencoder, out, clip, early = (chosen.pop(key) for key in ("data", "autoencoder", "out", "clip", "early"))
    signs, often = chosen.pop("signs"), chosen.pop("often")
    recipe = Recipe(**chosen, warm=300, cooling=0.3)
    model = begun(UNET, recipe.start, clip)
    folders = [data] if signs is None else [data, signs]
    parts = [
        (scenes := read_scenes(folder, "train"), places_of(scenes, read_facts(folder, "train"))) for folder in folders
    ]
    scenes, places = joined([scenes for scenes, _ in parts]), torch.cat([places for _, places in parts])
    latents, odds = encode(scenes, autoencoder, recipe.device), odds_of(scenes.families, dict(often))
    latents = replace(latents, places=places.to(recipe.device))
    train(model, latents, recipe, out=out, keep=partial(export, model, autoencoder), early=early, odds=odds)


if __name__ == "__main__":
    main()
