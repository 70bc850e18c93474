"""Whole commands at files of strangers: a suite through a run, and a damaged run folder through each of its readers."""

from __future__ import annotations

import io
import json
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

import generators.load
from audit import registry
from audit.types import Score
from generators.api import Settings
from tests.fakes import plugin
from tests.hostile.fragments import damaged, json_text, scalars, tables, values
from tests.hostile.targets import Target, told
from tests.reports.fake_run import picture, prompts
from tests.reports.found_run import write_found

COMMANDS = ("show", "export", "report", "gate", "reviews", "modelcard")
"""What reads a run folder; `view` reads through the same table as `report`."""


@dataclass(frozen=True)
class Damage:
    """A file of the run, what it holds now, and the command that meets it."""

    file: str
    raw: bytes
    command: str


@cache
def a_run() -> Path:
    """A small finished run, kept until the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="hostile-run-")) / "run"
    box = [[1, 1], [5, 1], [5, 4], [1, 4]]
    say = {
        "hands.wrong": lambda job: Score.of(job.seed % 2, digits=[6], expected_digits=5, marks={"tip": [[2, 2]]}),
        "text.exact": lambda job: Score.of(
            job.seed % 2, read="0PEN", expected="OPEN", lines=[{"text": "0PEN", "confidence": 0.9, "box": box}]
        ),
        "tone.clipped": lambda job: Score.of(job.seed % 97 / 97),
    }
    two = [Settings(guidance=1.0), Settings(guidance=3.0)]
    return write_found(folder, say, prompts()[4:10], settings=two, draw=lambda job: picture(job, 8))


@cache
def fakes() -> None:
    """The fakes as an installed package of this process. The platform is asked for here since that starts `uname`."""
    platform.platform()
    folder = Path(tempfile.mkdtemp(prefix="hostile-plugin-"))
    plugin(folder)
    sys.path.insert(0, str(folder))
    for cached in (registry.audits, generators.load.plugins):
        cached.cache_clear()


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value with one node, at any depth, replaced, renamed or taken out."""
    if not isinstance(value, dict | list) or not value or not draw(st.integers(0, 5)):
        return draw(values)
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(changed(value[at])), *value[at + 1 :]]
    name = draw(st.sampled_from(sorted(value)))
    if not draw(st.integers(0, 5)):
        return {key: each for key, each in value.items() if key != name}
    return value | {name: draw(changed(value[name]))}


@st.composite
def another_table(draw: st.DrawFn, raw: bytes) -> bytes:
    """A sound Parquet file with a column that is gone, of another type, or holds something strange."""
    table = pq.read_table(io.BytesIO(raw))
    name = draw(st.sampled_from(table.column_names))
    at = table.column_names.index(name)
    kind = draw(st.sampled_from(["gone", "null", "type", "cell", "cell", "rows", "twice"]))
    if kind == "gone":
        table = table.drop_columns([name])
    elif kind == "rows":
        table = table.slice(0, draw(st.integers(0, len(table))))
    elif kind == "twice":
        table = pa.concat_tables([table, table.slice(0, 1)])
    else:
        column = table[name]
        cells = column.to_pylist()
        if kind == "null":
            made = pa.nulls(len(table), column.type)
        elif kind == "type":
            made = pa.array([draw(st.sampled_from([1, -1]))] * len(table))
        else:
            cells[:1] = [draw(scalars)] * len(cells[:1])
            try:
                made = pa.array(cells, column.type)
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                made = pa.nulls(len(table), column.type)
        table = table.set_column(at, name, made)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """One file of the run, changed in a way that fits its kind."""
    run = a_run()
    files = sorted(
        path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file() and path.name != "lock"
    )
    some = [name for name in files if "/" not in name]
    name = draw(st.sampled_from([*some, *some, *files]))
    raw = (run / name).read_bytes()
    if not draw(st.integers(0, 3)):
        made = draw(damaged(raw))
    elif name == "manifest.json":
        made = json_text(draw(changed(json.loads(raw)))).encode("utf-8", "surrogatepass")
    elif name == "prompts.jsonl":
        lines = raw.decode().strip("\n").split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        lines[at] = json_text(draw(changed(json.loads(lines[at]))))
        made = "\n".join(lines).encode("utf-8", "surrogatepass")
    elif name.endswith(".parquet"):
        made = draw(another_table(raw))
    else:
        made = draw(damaged(raw))
    return Damage(name, made, draw(st.sampled_from(COMMANDS)))


def run_folder(case: Damage, folder: Path) -> str:
    """One command at the damaged run; what it writes stays in the folder."""
    shutil.copytree(a_run(), folder / "run")
    (folder / "run" / case.file).write_bytes(case.raw)
    if case.command == "gate":
        shutil.copytree(a_run(), folder / "base")
        (folder / "gate.toml").write_text('[require]\npairs = 1\nprompts = 1\n[primary."tone.clipped"]\nmargin = 0.1\n')
        return told("gate", "base", "run", "--policy", "gate.toml", "--out", "verdict", ends=(0, 1, 2, 3))
    more = {"export": ("--to", "out", "--no-pictures"), "report": ("--out", "report.html")}
    return told(case.command, "run", *more.get(case.command, ()))


def whole_run(case: tuple[str, bytes], folder: Path) -> str:
    """A suite through `audit run` with a generator and audits that take no time, and its report."""
    ending, raw = case
    (folder / f"suite{ending}").write_bytes(raw)
    argv = ("--suite", f"suite{ending}", "--generator", "fake:", "--out", "out", "--limit", "2")
    return told("run", *argv, "--audits", "fake.red,fake.word,fake.dark")


COMMANDED = (Target("run folder", damages(), run_folder), Target("audit run", tables(), whole_run))
"""Doors behind which a whole command runs; hundreds of cases a minute."""
