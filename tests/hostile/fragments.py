"""What strangers write: texts, values, files and damage to files, as Hypothesis draws them."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from PIL import Image

DEEP = "[" * 3000
HUGE = "9" * 5000
NASTY = (
    *("", " ", "\x00", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "\u2028", "\x85", "\r\n", "\ud800", "\ufeff", "\ufffe"),
    *("</script><img src=x onerror=alert(1)>", "{{7*7}}", "=cmd|'/C calc'!A0", "@SUM(1)", "-1+1", "+1", "a\tb", "a,b"),
    *("../../secret", "/etc/passwd", "~nobody/x", "a" * 300, "..", ".", "C:\\x", "%00", "?limit=1", "#", '"', "'"),
    *("null", "NaN", "1e999", HUGE, DEEP, "١٢", "²", "\N{FACE WITH TEARS OF JOY}" * 3),
)
COLUMNS = (
    *("text", "prompt", "caption", "id", "negative_text", "tags", "expect", "expect_text", "inputs", "Prompt"),
    *("Category", "Challenge", "include", "exclude", "tag", "entities", "prompt_type", "dataset_id", "item_id"),
    *("question_natural_language", "proposition_id", "dependency", "category_broad", "prompt_id", "category", "length"),
    *("file", "file_name", "image", "path", "prompt_slug"),
)
SHAPES = (
    ("text",),
    ("id", "text", "tags", "expect", "inputs", "expect_text", "negative_text"),
    ("Prompt", "Category", "Challenge"),
    ("prompt", "include", "tag", "exclude"),
    ("prompt", "entities", "prompt_type", "dataset_id"),
    ("item_id", "text", "question_natural_language", "dependency", "proposition_id", "category_broad"),
    ("prompt", "text", "prompt_id", "category", "length"),
    ("file", "prompt", "tags", "expect"),
)
"""Columns that go together: our own and those of the benchmarks that are recognised."""

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=20), st.sampled_from(["a red cube", "two:2, hand:3", "1"]))
scalars = st.one_of(
    texts,
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**63, -(2**70), 10**400, 0.5, float("nan"), float("inf"), 1e308]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(["class", "count", "color", "text", "source", "mask"]), texts), inner,
                        max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip


def encoded(text: str) -> bytes:
    """Bytes of any text, halves of surrogate pairs included."""
    return text.encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The file with a few bytes changed, cut out, doubled or put in; or cut short."""
    raw = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        kind = draw(st.sampled_from(["flip", "flip", "cut", "end", "insert", "double", "zero", "ones"]))
        long = draw(st.sampled_from([1, 2, 4, 8, 64]))
        if kind == "flip" and raw:
            raw[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del raw[at : at + long]
        elif kind == "end":
            del raw[at:]
        elif kind == "insert":
            raw[at:at] = encoded(draw(st.sampled_from(NASTY)))[:long]
        elif kind == "double":
            raw[at:at] = raw[at : at + long]
        else:
            raw[at : at + long] = (b"\x00" if kind == "zero" else b"\xff") * min(long, max(0, len(raw) - at))
    return bytes(raw)


def json_text(value: Any) -> str:
    """JSON, with what Python would not write spelt as a stranger might."""
    return json.dumps(value, ensure_ascii=False)


PLAIN: Mapping[str, Sequence[Any]] = {
    "tags": (["hand", "dark"], "hand; dark", []),
    "expect": ({"text": "OPEN"}, {"count": 3, "object": "cube"}, {}),
    "inputs": ({},),
    "include": ([{"class": "cup", "count": 2}, {"class": "bear", "color": "red"}],),
    "exclude": ([{"class": "cup", "count": 3}],),
    "entities": ("two:2, hand:3",),
    "dependency": ("0", "1, 2"),
    "file": ("good.png", "good.png", "gone.png"),
}
"""What an honest file has in a column; a few words where nothing is said."""


@st.composite
def rows(draw: st.DrawFn, shapes: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Rows of one shape; none, or a few of their values and columns are strange."""
    shape = draw(st.sampled_from(shapes))
    found: list[dict[str, Any]] = []
    for place in range(draw(st.sampled_from([1, 1, 2, 3, 0]))):
        found.append({name: draw(st.sampled_from(PLAIN.get(name, (f"a {name} {place}",)))) for name in shape})
        if "prompt_id" in shape:  # where the strings to write are the text, a list
            found[-1]["text"] = [f"word {place}"]
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 5])) if found else 0):
        row = draw(st.sampled_from(found))
        name = draw(st.sampled_from([*shape, *shape, *COLUMNS]))
        if draw(st.integers(0, 7)):
            row[name] = draw(st.one_of(texts, values))
        else:
            row.pop(name, None)
    return found


def separated(table: Sequence[Mapping[str, Any]], mark: str, quote: bool) -> str:
    """Rows as CSV or TSV; unquoted where a careless program would not."""
    header = list(dict.fromkeys(name for row in table for name in row))
    cells = [header, *([row.get(name, "") for name in header] for row in table)]
    written = [[each if isinstance(each, str) else json_text(each) for each in row] for row in cells]
    if quote:
        written = [['"' + each.replace('"', '""') + '"' for each in row] for row in written]
    return "\n".join(mark.join(row) for row in written)


@st.composite
def tables(draw: st.DrawFn, shapes: Sequence[Sequence[str]] = SHAPES) -> tuple[str, bytes]:
    """(ending, file) of prompts: well-formed with strange values, broken, or noise."""
    ending = draw(st.sampled_from([".jsonl", ".csv", ".tsv", ".json", ".txt", ".ndjson"]))
    table = draw(rows(shapes))
    if ending == ".txt":
        text = "\n".join(draw(st.lists(texts, max_size=4)))
    elif ending in (".csv", ".tsv"):
        text = separated(table, "," if ending == ".csv" else "\t", draw(st.sampled_from([True, True, False])))
    elif ending == ".json":
        text = json_text(draw(st.one_of(st.just(table), values)))
    else:
        text = "\n".join(map(json_text, table))
    raw = encoded(text)
    return ending, draw(st.one_of(st.just(raw), st.just(raw), st.just(raw), damaged(raw), st.binary(max_size=40)))


TOML = (
    *('"quick"', '"fake:"', "1", "0", "-1", "true", "[1, 3]", "[]", '""', "nan", "inf", "1e400", "1" + "0" * 400, HUGE),
    *('"0.3:0.9"', "{a = 1}", "[[1]]", '"\\u0000"', '"\\u001b[31m"', '"lower"', "0.05", "1979-05-27", DEEP, "'../x'"),
    *(
        "[true]",
        '["a", 1]',
        "9223372036854775807",
        '"' + "a" * 300 + '"',
        "0x7f",
        '"auto"',
        '"cuda:99"',
        '["~nobody/x"]',
    ),
)


@st.composite
def toml(draw: st.DrawFn, whole: str) -> bytes:
    """The TOML file with a few of its values, keys or tables changed, or damaged anywhere."""
    lines = whole.strip().split("\n")
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        at = draw(st.integers(0, len(lines) - 1))
        key = lines[at].partition(" = ")[0]
        lines[at] = {
            "value": f"{key} = {draw(st.sampled_from(TOML))}",
            "key": f"x{lines[at]}",
            "table": draw(st.sampled_from(["[x]", "x = 1", "[a.b.c]", '["\\u001b[31m"]', "[[x]]"])),
            "gone": "",
        }[draw(st.sampled_from(["value"] * 5 + ["key", "table", "gone"]))]
    raw = "\n".join(lines).encode()
    return draw(st.one_of(st.just(raw), st.just(raw), st.just(raw), damaged(raw)))


def png(width: int = 4, height: int = 4) -> bytes:
    """A small picture."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 90)).save(out, "PNG")
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its length and checksum."""
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))


nodes = st.fixed_dictionaries(
    {"class_type": st.one_of(st.sampled_from(["KSampler", "CLIPTextEncode"]), values)},
    optional={
        "inputs": st.one_of(
            values,
            st.dictionaries(
                st.sampled_from(["positive", "negative", "text", "text_g", "guider", "conditioning", "value"]),
                st.one_of(st.tuples(st.sampled_from("0123"), st.integers(0, 2)).map(list), values),
                max_size=4,
            ),
        )
    },
)
graphs = st.dictionaries(st.sampled_from("0123"), st.one_of(nodes, values), max_size=4)


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """A PNG with prompts of several programs in it, whole or damaged."""
    whole = png()
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["parameters", "prompt", "invokeai_metadata", "sd-metadata", "Comment", ""]))
        told = draw(st.one_of(texts, values.map(json_text), graphs.map(json_text)))
        said, key = encoded(told), name.encode("latin-1") + b"\0"
        kind = draw(st.sampled_from(["tEXt", "zTXt", "iTXt", "packed iTXt", "any"]))
        data = {
            "tEXt": (b"tEXt", key + said),
            "zTXt": (b"zTXt", key + b"\0" + zlib.compress(said)),
            "iTXt": (b"iTXt", key + b"\0\0\0\0" + said),
            "packed iTXt": (b"iTXt", key + b"\1\0\0\0" + zlib.compress(said)),
            "any": (draw(st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP"])), draw(st.binary())),
        }[kind]
        whole = whole[:33] + chunk(*data) + whole[33:]
    return draw(st.one_of(st.just(whole), damaged(whole)))
