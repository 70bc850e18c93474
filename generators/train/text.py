"""The studio CLIP's text tower as a transformers model: the text encoder that every trained generator begins with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from generators.train.data import Scenes
from generators.train.tokenizer import CONTEXT, byte_tokenizer

TEXT: dict[str, Any] = {
    "vocab_size": 514,
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "projection_dim": 128,
    "hidden_act": "gelu",
    "bos_token_id": 512,
    "eos_token_id": 513,
    "pad_token_id": 513,
}
"""CLIPTextConfig of the tower in `generators.train.clip.CONFIG`."""
WHOLE = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
IN_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
LAYER = "transformer.resblocks."


def text_tower(folder: Path) -> Any:
    """CLIPTextModelWithProjection with the text weights of an open_clip folder; `text_embeds` equals `encode_text`.

    Raises:
        FileNotFoundError: no open_clip_model.safetensors there.
        RuntimeError: a tower of another shape; torch names the tensors that differ.
    """
    from safetensors.torch import load_file
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    model = CLIPTextModelWithProjection(CLIPTextConfig(**TEXT))
    names = {bare(name): name for name in model.state_dict()}
    translated = _translated(load_file(folder / "open_clip_model.safetensors"))
    model.load_state_dict({names[name]: value.float() for name, value in translated.items()})
    return model.eval()


def bare(name: str) -> str:
    """A tensor's name without the `text_model.` that some classes of the library nest the tower in."""
    return name.removeprefix("text_model.")


def tokens_of(scenes: Scenes) -> Tensor:
    """Token ids of every wording (n, wordings, CONTEXT) int64."""
    return tokens([text for words in scenes.captions for text in words]).view(len(scenes), -1, CONTEXT)


def empty_tokens() -> Tensor:
    """Token ids of no text (CONTEXT,) int64."""
    return tokens([""])[0]


def tokens(texts: Sequence[str]) -> Tensor:
    """Token ids (n, CONTEXT) int64, cut or padded."""
    made = byte_tokenizer()(list(texts), padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt")
    ids: Tensor = made.input_ids
    return ids


def _translated(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """open_clip's names to transformers'; pictures' weights are left out, joint projections split."""
    ours = {new: theirs[old] for old, new in WHOLE.items()}
    ours["text_projection.weight"] = theirs["text_projection"].T.contiguous()
    for name, value in theirs.items():
        if not name.startswith(LAYER):
            continue
        number, _, rest = name.removeprefix(LAYER).partition(".")
        layer = f"encoder.layers.{number}."
        part, _, kind = rest.rpartition(".")
        if part in IN_LAYER:
            ours[f"{layer}{IN_LAYER[part]}.{kind}"] = value
        elif rest.startswith("attn.in_proj_"):
            kind = rest.removeprefix("attn.in_proj_")
            for projection, chunk in zip(("q_proj", "k_proj", "v_proj"), value.chunk(3), strict=True):
                ours[f"{layer}self_attn.{projection}.{kind}"] = chunk.contiguous()
    return ours
