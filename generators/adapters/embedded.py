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
"""Bytes of text that are read of one picture, compressed or not; what would need more is passed over."""
DEEPEST = 200
"""Nodes that are walked from a sampler to its text; JSON of one line can nest deeper than Python calls."""

Graph = Mapping[str, Any]


def text_chunks(stream: BinaryIO) -> dict[str, str]:
    """Text by keyword, without decoding pixels; of a broken file what comes before the break, of another kind nothing.

    Source: the PNG specification, third edition, 11.3.3. UTF-8 is accepted where it asks for Latin-1, as is written.
    """
    found: dict[str, str] = {}
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        return found
    left = LONGEST
    while len(header := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind not in TEXT_KINDS or length > left:
            stream.seek(length + 4, 1)
            continue
        data = stream.read(length)
        stream.seek(4, 1)
        keyword, _, rest = data.partition(b"\0")
        try:
            text = TEXT_KINDS[kind](rest, left)
        except TooLongError:
            break  # unpacking it has cost as much as all the text of a picture may
        except (zlib.error, ValueError):
            text = b""
        left -= max(len(data), len(text))
        if text:
            found[keyword.decode("latin-1")] = decoded(text)
    return found


class TooLongError(ValueError):
    """Text that unpacks to more than may be read."""


def inflated(data: bytes, most: int) -> bytes:
    """Decompressed, to a limit."""
    engine = zlib.decompressobj()
    text = engine.decompress(data, most + 1)
    if len(text) > most:
        raise TooLongError(f"text of more than {most} bytes")
    return text


def international(rest: bytes, most: int) -> bytes:
    """The text of an iTXt chunk: after compression flag and method, language, translated keyword."""
    _language, _translated, text = rest[2:].split(b"\0", 2)
    return inflated(text, most) if rest[:1] == b"\1" else text


def decoded(text: bytes) -> str:
    """UTF-8, or Latin-1 where it is not."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def deflated(rest: bytes, most: int) -> bytes:
    """The text of a zTXt chunk: after the compression method."""
    return inflated(rest[1:], most)


TEXT_KINDS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"tEXt": lambda rest, _: rest,
    b"zTXt": deflated,
    b"iTXt": international,
}


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
            # JSON can spell half of a surrogate pair, which is no text and cannot be stored
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return ""


def parsed(chunk: str) -> Any:
    """The JSON value, or None: other programs use the same chunk names for other things."""
    try:
        return json.loads(chunk)
    except (ValueError, RecursionError):  # ValueError: also a number of more than 4300 digits
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
        parts = [part.get("prompt") for part in found if isinstance(part, dict)]
        return ", ".join(part for part in parts if isinstance(part, str))
    return found if isinstance(found, str) else ""


def from_comfyui(chunk: str) -> str:
    """The text that reaches the positive input of a sampler, found by walking the links back."""
    graph = parsed(chunk)
    if not isinstance(graph, dict):
        return ""
    for sampler in filter(is_sampler, graph.values()):
        inputs = inputs_of(sampler)
        start = inputs.get("positive") or inputs.get("guider")
        if start and (text := walk(graph, start, set())):
            return text
    return ""


def is_sampler(node: Any) -> bool:
    """Whether this is a node that makes a picture from conditioning."""
    kind = node.get("class_type") if isinstance(node, dict) else None
    return isinstance(kind, str) and "Sampler" in kind


def inputs_of(node: Any) -> Mapping[str, Any]:
    """A node's inputs; empty where it is no node."""
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def walk(graph: Graph, value: Any, seen: set[tuple[str, bool]], depth: int = 0) -> str:
    """The text behind an input: the value itself, or what the node it links to, [node id, output slot], was given.

    Args:
        seen: nodes and branches that were tried; each is tried once, however many links lead to it.
    """
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str | int) or depth > DEEPEST:
        return ""
    name = str(value[0])
    inputs = inputs_of(graph.get(name))
    # A node with both branches (ControlNetApplyAdvanced) hands the negative one out on its second slot.
    negative = value[1] == 1 and "negative" in inputs
    if (name, negative) in seen:
        return ""
    seen.add((name, negative))
    for each in ("negative",) if negative else (*TEXT_INPUTS, *ONWARD_INPUTS):
        if each in inputs and (text := walk(graph, inputs[each], seen, depth + 1)):
            return text
    return ""
