"""The studio feature model: a small CLIP trained on captions of rendered scenes, shipped with the project.

Any folder in the same layout loads: `open_clip_config.json` (model_cfg, preprocess_cfg), `open_clip_model.safetensors`,
and the files of a transformers `CLIPTokenizer`, beside them or in a subfolder "tokenizer".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from audit.features.clip import Clip, preprocess_of
from audit.weights import sha256_of

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


class StudioClip(Clip):
    """A `Clip` read from a folder; pictures are resized by the "clean" protocol whatever filter the folder names."""

    @classmethod
    def load(cls, folder: Path) -> StudioClip:
        """Read the folder; every weight of the file must have its place and every place its weight.

        Raises:
            ValueError: a file is missing or is not what the layout asks for.
        """
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                raise ValueError(f"{folder}: no {name}; a model folder holds {CONFIG}, {WEIGHTS} and a tokenizer")
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if "model_cfg" not in config:
            raise ValueError(f"{folder / CONFIG}: no 'model_cfg'; found {', '.join(config)}")
        network = _network(dict(config["model_cfg"]), folder)
        preprocess = preprocess_of(config.get("preprocess_cfg", {}), network.visual.image_size, "clean")
        tokenize = _Tokenizer(folder, int(network.context_length))
        return cls(str(folder), sha256_of(folder / WEIGHTS), network, preprocess, tokenize)


def _network(settings: dict[str, Any], folder: Path) -> Any:
    import open_clip
    from safetensors.torch import load_file

    if settings.get("text_cfg", {}).get("hf_model_name"):
        raise ValueError(f"{folder / CONFIG}: text towers from the hub are not supported; export with open_clip's own")
    build = open_clip.CustomTextCLIP if settings.pop("custom_text", False) else open_clip.CLIP
    network = build(**settings)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    except RuntimeError as error:
        raise ValueError(f"{folder / WEIGHTS} does not fit {CONFIG}: {error}") from error
    return network


class _Tokenizer:
    def __init__(self, folder: Path, context: int) -> None:
        from transformers import CLIPTokenizer

        inner = folder / "tokenizer"
        self._inner = CLIPTokenizer.from_pretrained(inner if inner.is_dir() else folder, local_files_only=True)
        self._context = context

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, list[int]]:
        whole = [self._inner(text).input_ids for text in texts]
        cut = self._inner(
            list(texts), max_length=self._context, padding="max_length", truncation=True, return_tensors="pt"
        )
        return cut.input_ids, [len(ids) for ids in whole]
