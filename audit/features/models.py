"""Image–text models by name, loaded once a process.

Three kinds: "studio" (the small model shipped here), a folder in open_clip's layout, or an open_clip architecture with
its pretrained tag, such as ("ViT-B-32", "laion2b_s34b_b79k"), whose weights must already be on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from audit.features.clip import Clip, Tokenize, preprocess_of
from audit.features.studio import StudioClip
from audit.registry import unknown
from audit.weights import MissingWeightsError, require, sha256_of


def load(model: str = "studio", pretrained: str = "") -> Clip:
    """The model of that name, loaded once a process. See the module for the names.

    Raises:
        MissingWeightsError: its weights are not on disk; the message has the command that fetches them.
        ValueError: no such architecture, or a folder that is not in open_clip's layout.
    """
    return _load(model, pretrained)


@cache
def _load(model: str, pretrained: str) -> Clip:
    if model == "studio":
        return StudioClip.load(require("studio-clip").parent)
    if Path(model).is_dir():
        return StudioClip.load(Path(model))
    return _published(model, pretrained)


def _published(model: str, pretrained: str) -> Clip:
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained not in tags:
        if tags:
            raise unknown(f"pretrained tag of {model}", pretrained, tags)
        raise unknown("open_clip model or folder", model, ["studio", *open_clip.list_models()])
    settings = open_clip.get_pretrained_cfg(model, pretrained)
    path = _published_path(model, pretrained, str(settings.get("hf_hub", "")))
    network = open_clip.create_model(
        model, pretrained=str(path), force_quick_gelu=bool(settings.get("quick_gelu")), device="cpu"
    )
    try:
        tokenizer = open_clip.get_tokenizer(model)
    except OSError as error:
        raise MissingWeightsError(
            f"the tokenizer of {model} is missing: {error}; open_clip fetches it once: "
            f"python -c \"import open_clip; open_clip.get_tokenizer('{model}')\""
        ) from error
    preprocess = preprocess_of(settings, network.visual.image_size, "uint8-bicubic")
    return Clip(f"{model}:{pretrained}", sha256_of(path), network, preprocess, _counted(tokenizer))


def _published_path(model: str, pretrained: str, hub: str) -> Path:
    """The weights file in the hub's cache; `hub` is open_clip's "owner/name/" with an optional file name behind."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, file = hub.rpartition("/")
    if not repository:
        raise MissingWeightsError(f"{model}:{pretrained} is on no hub; save it as a folder and give that as model")
    files = [file] if file else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    found = [path for path in (try_to_load_from_cache(repository, each) for each in files) if isinstance(path, str)]
    if not found:
        raise MissingWeightsError(
            f"weights {model}:{pretrained} are missing (looked for {repository} in the Hugging Face cache); "
            f"get them: hf download {repository} {files[0]}"
        )
    return Path(found[0])


def _counted(tokenizer: Any) -> Tokenize:
    """open_clip's tokenizer, with the number of tokens before cutting: its own `encode` lacks start and end."""

    def tokenize(texts: Sequence[str]) -> tuple[torch.Tensor, list[int]]:
        encode = getattr(tokenizer, "encode", None) or tokenizer.tokenizer.encode
        extra = 2 if hasattr(tokenizer, "encode") else 0
        return tokenizer(list(texts)), [len(encode(text)) + extra for text in texts]

    return tokenize
