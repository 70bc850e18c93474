"""The prompt that a program wrote into its picture: text chunks in, prompt out. No IO.

Known: AUTOMATIC1111 and stable-diffusion.cpp ("parameters"), SwarmUI and Fooocus (JSON in "parameters"), ComfyUI ("prompt"),
InvokeAI 3 and later ("invokeai_metadata") and 2 ("sd-metadata").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

SETTINGS_LINE = re.compile(r"^Steps: \d+(,|$)")
NEGATIVE = "Negative prompt:"
TEXT_INPUTS = ("text", "text_g", "t5xxl", "prompt", "clip_l", "text_l", "string", "value")
"""Inputs of ComfyUI nodes that hold the prompt, or a link to the node that does; the fullest first."""
ONWARD_INPUTS = ("conditioning", "conditioning_1", "conditioning_to", "positive", "guider")
"""Inputs that lead from a sampler, or from a node that changes the conditioning, towards the text."""

Graph = Mapping[str, Any]


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
    """The text behind an input: the value itself, or what the node that it links to ([node id, output slot]) was given."""
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
