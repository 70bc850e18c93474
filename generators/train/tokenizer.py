"""A CLIP tokenizer whose tokens are single bytes, so that a text encoder behind it can spell."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

CONTEXT = 80  # tokens, start and end included; spaces are no tokens, so about 90 characters


def byte_tokenizer(context: int = CONTEXT) -> Any:
    """`transformers.CLIPTokenizer` without merges: 256 bytes, 256 bytes that end a word, start, end.

    Source: byte alphabet of Radford et al. 2019 (GPT-2), as CLIP's tokenizer uses it; the end token has the highest id,
    which CLIP's pooling relies on. Text is lower-cased by CLIP's normaliser.
    """
    from transformers import CLIPTokenizer

    alphabet = _byte_alphabet()
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet), "<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, merges = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocabulary.write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
        merges.write_text("#version: 0.2\n", encoding="utf-8")
        return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=context, pad_token="<|endoftext|>")


def _byte_alphabet() -> list[str]:
    """A printable character for each byte 0..255, in byte order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]
