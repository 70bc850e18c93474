"""The prompt that a program wrote into its picture: a PNG's text chunks, and the prompt in them.

Known: AUTOMATIC1111 and stable-diffusion.cpp ("parameters"), SwarmUI and Fooocus (JSON in "parameters"), ComfyUI
("prompt"), InvokeAI 3 and later ("invokeai_metadata") and 2 ("sd-metadata").
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

SETTINGS_LINE = re.compile(r"^Steps: \d+(,|$)")
NEGATIVE = "Negative prompt:"
TEXT_INPUTS = ("text", "text_g", "t5xxl", "prompt", "clip_l", "text_l", "string", "value")
"""Inputs of ComfyUI nodes that hold the prompt, or a link to the node that does; the fullest first."""
ONWARD_INPUTS = ("conditioning", "conditioning_1", "conditioning_to", "positive", "guider")
"""Inputs that lead from a sampler, or from a node that changes the conditioning, towards the text."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST = 16 * 2**20
"""Bytes of text that are read of one chunk, compressed or not; a longer one is passed over."""

Graph = Mapping[str, Any]


def text_chunks(stream: BinaryIO) -> dict[str, str]:
    """Text by keyword, without decoding pixels; of a broken file what comes before the break, of another kind nothing.

    Source: the PNG specification, third edition, 11.3.3. UTF-8 is accepted where it asks for Latin-1, as is written.
    """
    found: dict[str, str] = {}
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        return found
    while len(header := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind not in TEXT_KINDS or length > LONGEST:
            stream.seek(length + 4, 1)
            continue
        data = stream.read(length)
        stream.seek(4, 1)
        keyword, _, rest = data.partition(b"\0")
        try:
            found[keyword.decode("latin-1")] = decoded(TEXT_KINDS[kind](rest))
        except (zlib.error, ValueError):
            continue
    return found


def inflated(data: bytes) -> bytes:
    """Decompressed, to a limit."""
    engine = zlib.decompressobj()
    text = engine.decompress(data, LONGEST)
    if engine.unconsumed_tail:
        raise ValueError(f"text of more than {LONGEST} bytes")
    return text


def international(rest: bytes) -> bytes:
    """The text of an iTXt chunk: after compression flag and method, language, translated keyword."""
    _language, _translated, text = rest[2:].split(b"\0", 2)
    return inflated(text) if rest[0] == 1 else text


def decoded(text: bytes) -> str:
    """UTF-8, or Latin-1 where it is not."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def deflated(rest: bytes) -> bytes:
    """The text of a zTXt chunk: after the compression method."""
    return inflated(rest[1:])


TEXT_KINDS: dict[bytes, Callable[[bytes], bytes]] = {b"tEXt": bytes, b"zTXt": deflated, b"iTXt": international}


def embedded_prompt(chunks: Mapping[str, Any]) -> str:
    """The prompt in a picture's text chunks; empty where there is none, or none that can be read."""
    readers = {
        "parameters": from_parameters,
        "prompt": from_comfyui,
        "invokeai_metadata": from_invokeai,
        "sd-metadata": from_invokeai,
    }
    for name, read in readers.items():
        chunk = chunks.get(name)
        if isinstance(chunk, str) and (text := read(chunk).strip()):
            return text
    return ""


def parsed(chunk: str) -> Any:
    """The JSON value, or None: other programs use the same chunk names for other things."""
    try:
        return json.loads(chunk)
    except (json.JSONDecodeError, RecursionError):
        return None


def from_parameters(chunk: str) -> str:
    """The lines before "Negative prompt:" and the "Steps: ..." line; or the prompt of a JSON object.

    Source: `parse_generation_parameters` of AUTOMATIC1111's infotext_utils.py; stable-diffusion.cpp writes the same.
    """
    value = parsed(chunk)
    if isinstance(value, dict):
        inner = value.get("sui_image_params")
        found = (inner if isinstance(inner, dict) else value).get("prompt")
        return found if isinstance(found, str) else ""
    lines = []
    for line in chunk.strip().splitlines():
        if line.strip().startswith(NEGATIVE) or SETTINGS_LINE.match(line.strip()):
            break
        lines.append(line)
    return "\n".join(lines)


def from_invokeai(chunk: str) -> str:
    """`positive_prompt` (3 and later), or `image.prompt`, a text or a list of weighted texts (2)."""
    value = parsed(chunk)
    if not isinstance(value, dict):
        return ""
    image = value.get("image")
    found = value.get("positive_prompt") or (image.get("prompt") if isinstance(image, dict) else "")
    if isinstance(found, list):
        return ", ".join(str(part["prompt"]) for part in found if isinstance(part, dict) and "prompt" in part)
    return found if isinstance(found, str) else ""


def from_comfyui(chunk: str) -> str:
    """The text that reaches the positive input of a sampler, found by walking the links back."""
    graph = parsed(chunk)
    if not isinstance(graph, dict):
        return ""
    samplers = [node for node in graph.values() if isinstance(node, dict) and "Sampler" in str(node.get("class_type"))]
    for sampler in samplers:
        inputs = inputs_of(sampler)
        start = inputs.get("positive") or inputs.get("guider")
        if start and (text := walk(graph, start, frozenset())):
            return text
    return ""


def inputs_of(node: Any) -> Mapping[str, Any]:
    """A node's inputs; empty where it is no node."""
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def walk(graph: Graph, value: Any, seen: frozenset[str]) -> str:
    """The text behind an input: the value itself, or what the node it links to, [node id, output slot], was given."""
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, list) or len(value) != 2 or str(value[0]) in seen:
        return ""
    name = str(value[0])
    inputs, visited = inputs_of(graph.get(name)), seen | {name}
    # A node with both branches (ControlNetApplyAdvanced) hands the negative one out on its second slot.
    onward = ("negative",) if value[1] == 1 and "negative" in inputs else (*TEXT_INPUTS, *ONWARD_INPUTS)
    for each in onward:
        if each in inputs and (text := walk(graph, inputs[each], visited)):
            return text
    return ""
