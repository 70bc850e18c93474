"""Tiny diffusers pipelines with random weights, built and saved without a network: `tiny.sd15(path)`.

They draw noise, quickly: 64-pixel pictures in well under a second a step. Weights come from a seeded fork of torch's
random state, so a folder built twice holds the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    DDPMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionUpscalePipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from generators.train.autoencoder import CONFIG
from generators.train.ldm import UNET, Model, export
from generators.train.tokenizer import byte_tokenizer

SEED = 20
OUR_VAE = {
    **CONFIG,
    "encoder_block_out_channels": (16,) * 4,
    "decoder_block_out_channels": (16,) * 4,
    "num_encoder_blocks": (0, 0, 0, 1),
    "num_decoder_blocks": (1, 0, 0, 0),
}
OUR_UNET = {**UNET, "block_out_channels": (16, 32, 64)}
"""Networks as `builtin:ldm` has them, narrower."""


def tokenizer(folder: Path) -> CLIPTokenizer:
    """A CLIP tokenizer that knows single bytes only, written to `folder` and read back."""
    byte_tokenizer(77).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def text_config(width: int = 16, **changes: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=514,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=width,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
        **changes,
    )


def letter_tokenizer() -> T5Tokenizer:
    """A T5 tokenizer that knows single printable characters only."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return T5Tokenizer(vocab=[*special, *((chr(code), -3.0) for code in range(33, 127))], extra_ids=0)


def t5_config(width: int) -> T5Config:
    return T5Config(
        vocab_size=98, d_model=width, d_kv=8, d_ff=2 * width, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu"
    )


def vae(channels: int = 4, **changes: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
        layers_per_block=1,
        latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=64,
        **changes,
    )


def unet(width: int, **changes: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=width,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **changes,
    )


def sd15(folder: Path, **components: Any) -> Path:
    """Like Stable Diffusion 1.5: U-Net, one CLIP text encoder, PNDM; `components` replace parts."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        parts: dict[str, Any] = {
            "vae": vae(),
            "text_encoder": CLIPTextModel(text_config()),
            "tokenizer": tokenizer(folder / "tokenizer"),
            "unet": unet(16),
            "scheduler": PNDMScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
            ),
            "safety_checker": None,
            "feature_extractor": None,
            "requires_safety_checker": False,
        } | components
        return saved(StableDiffusionPipeline(**parts), folder)


def sdxl(folder: Path) -> Path:
    """Like Stable Diffusion XL: two text encoders, pooled and size embeddings."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        ids, wide = 6 * 8, 16
        pipeline = StableDiffusionXLPipeline(
            vae=vae(force_upcast=False),
            text_encoder=CLIPTextModel(text_config(wide)),
            text_encoder_2=CLIPTextModelWithProjection(text_config(wide)),
            tokenizer=tokenizer(folder / "tokenizer"),
            tokenizer_2=tokenizer(folder / "tokenizer_2"),
            unet=unet(
                2 * wide,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=wide + ids,
                use_linear_projection=True,
            ),
            scheduler=EulerDiscreteScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
            ),
        )
        return saved(pipeline, folder)


def sd3(folder: Path) -> Path:
    """Like Stable Diffusion 3: a flow-matching transformer with two CLIP text encoders and a T5."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        wide = 16
        pipeline = StableDiffusion3Pipeline(
            transformer=SD3Transformer2DModel(
                sample_size=8,
                patch_size=1,
                in_channels=16,
                num_layers=1,
                attention_head_dim=8,
                num_attention_heads=2,
                joint_attention_dim=2 * wide,
                caption_projection_dim=16,
                pooled_projection_dim=2 * wide,
                out_channels=16,
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06, scaling_factor=1.5),
            text_encoder=CLIPTextModelWithProjection(text_config(wide)),
            tokenizer=tokenizer(folder / "tokenizer"),
            text_encoder_2=CLIPTextModelWithProjection(text_config(wide)),
            tokenizer_2=tokenizer(folder / "tokenizer_2"),
            text_encoder_3=T5EncoderModel(t5_config(2 * wide)),
            tokenizer_3=letter_tokenizer(),
        )
        return saved(pipeline, folder)


def controlnet(folder: Path) -> Path:
    """A ControlNet for `sd15`, whose last layers are not the zeros that training starts from."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        made = ControlNetModel.from_unet(unet(16), conditioning_embedding_out_channels=(8, 8, 16, 16))
        for block in [*made.controlnet_down_blocks, made.controlnet_mid_block, made.controlnet_cond_embedding.conv_out]:
            torch.nn.init.normal_(block.weight, std=0.5)
        made.save_pretrained(folder, safe_serialization=True)
    return folder


def lora(folder: Path, spread: float = 0.3) -> Path:
    """A low-rank adapter of the attention layers of `sd15`, whose second halves are not zero as in training."""
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        network = unet(16)
        network.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_v"]))
        for name, value in network.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(value, std=spread)
        StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=get_peft_model_state_dict(network))
    return folder


def ours(root: Path, seed: int) -> tuple[Path, Model]:
    """An untrained model as `builtin:ldm` is one, narrower, exported as training exports it; and the model itself."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoencoderTiny(**OUR_VAE).save_pretrained(root / "vae")
        model = Model(OUR_UNET)
        export(model, root / "vae", root / "ldm")
        return root / "ldm", model


def upscaler(folder: Path) -> Path:
    """Like Stable Diffusion x4: the low-resolution picture is stacked onto the latent."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        pipeline = StableDiffusionUpscalePipeline(
            vae=AutoencoderKL(
                block_out_channels=(8, 8, 8),
                norm_num_groups=4,
                layers_per_block=1,
                down_block_types=("DownEncoderBlock2D",) * 3,
                up_block_types=("UpDecoderBlock2D",) * 3,
                sample_size=64,
            ),
            text_encoder=CLIPTextModel(text_config()),
            tokenizer=tokenizer(folder / "tokenizer"),
            unet=unet(16, in_channels=7, num_class_embeds=1000),
            low_res_scheduler=DDPMScheduler(),
            scheduler=EulerDiscreteScheduler(),
            max_noise_level=350,
        )
        return saved(pipeline, folder)


def saved(pipeline: DiffusionPipeline, folder: Path) -> Path:
    """The folder, with the pipeline in it as safetensors."""
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


BUILDERS: dict[str, Callable[[Path], Path]] = {"sd15": sd15, "sdxl": sdxl, "sd3": sd3}


def prudish() -> dict[str, Any]:
    """A safety checker for `sd15` that flags every picture, and its feature extractor."""
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 32, "patch_size": 16}
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=16))
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-2)  # a threshold below every cosine
    extractor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return {"safety_checker": checker, "feature_extractor": extractor, "requires_safety_checker": True}
