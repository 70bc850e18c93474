"""The doors by which files of strangers come in, each with what is thrown at it and what must hold.

A case ends well if it is accepted or refused in one clear line. An exception of another kind, a case that takes too
long, a write outside its folder, another program started or an address called is a failure.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from audit import cli, references, suites, weights
from audit.config import ConfigError, read_sweep
from audit.policy import PolicyError, read_policy
from audit.suites import SuiteError
from generators.adapters.images import ImagesGenerator
from generators.api import GeneratorError, Refusal, Request
from tests.hostile.fragments import SHAPES, damaged, pictures, png, tables, toml

PATIENCE = 20.0
"""Seconds a case may take; the slowest takes a fiftieth of that on an idle machine."""
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Hang(BaseException):
    """A case that took too long; not an Exception, so that no handler of ours takes it for one of its own."""


@dataclass(frozen=True)
class Target:
    """A door: `cases` are drawn, `enter` takes one into a folder of its own and says "accepted" or the refusal."""

    name: str
    cases: st.SearchStrategy[Any]
    enter: Callable[[Any, Path], str]


@dataclass
class Watchman:
    """Notes what the process does beyond its folder while `within` is set; an audit hook cannot be taken out again."""

    within: Path | None = None
    found: list[str] | None = None

    def __call__(self, event: str, told: tuple[Any, ...]) -> None:
        """Python's audit hook."""
        if self.within is None or self.found is None:
            return
        if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect", "socket.bind"):
            self.found.append(f"{event} {told[:1]}")
        elif event == "open" and isinstance(told[0], str | bytes) and told[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self._written(os.fsdecode(told[0]))
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.symlink", "os.link", "shutil.rmtree"):
            for path in told[:2]:
                if isinstance(path, str | bytes):
                    self._written(os.fsdecode(path))

    def _written(self, path: str) -> None:
        assert self.within is not None
        assert self.found is not None
        whole = Path(os.path.abspath(path))
        if not whole.is_relative_to(self.within) and "__pycache__" not in whole.parts and str(whole) != os.devnull:
            self.found.append(f"wrote {whole}")


WATCHMAN = Watchman()
sys.addaudithook(WATCHMAN)


@contextlib.contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """A time limit, and no step outside the folder.

    Raises:
        Hang: too slow.
        AssertionError: something was done outside.
    """

    def late(*_: object) -> None:
        raise Hang(f"more than {PATIENCE} s")

    before, here = signal.signal(signal.SIGALRM, late), os.getcwd()
    WATCHMAN.within, WATCHMAN.found = folder.resolve(), []
    os.chdir(folder)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        outside, WATCHMAN.within, WATCHMAN.found = WATCHMAN.found, None, None
        os.chdir(here)
    assert not outside, outside


def refusal(error: Exception) -> str:
    """The error's words, which must be some."""
    assert len(str(error)) > 10, repr(error)
    assert not CONTROLS.search(str(error)), repr(error)
    return str(error)


def told(*argv: str, ends: tuple[int, ...] = (0, 1, 2)) -> str:
    """Run a command; how it ended. Refusals are one line, and neither stream may carry control characters."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(argv)
    assert code in ends, code
    for stream in (out, err):
        assert not CONTROLS.search(stream.getvalue()), stream.getvalue()
    if code != cli.BAD_INPUT:
        return "accepted"
    lines = err.getvalue().splitlines()
    assert lines, "nothing was said"
    assert lines[-1].startswith("audit: "), lines
    assert sum(line.startswith("audit: ") for line in lines) == 1, lines
    return lines[-1]


def suite_file(case: tuple[str, bytes], folder: Path) -> str:
    """Read a suite; what was read can be named by its digest, which every run does."""
    ending, raw = case
    path = folder / f"suite{ending}"
    path.write_bytes(raw)
    try:
        found = suites.load(str(path))
    except SuiteError as error:
        return refusal(error)
    assert found.digest
    assert all(prompt.text.strip() and prompt.id for prompt in found.prompts)
    return "accepted"


def policy_file(raw: bytes, folder: Path) -> str:
    """Read a gate's policy."""
    (folder / "gate.toml").write_bytes(raw)
    try:
        assert read_policy(folder / "gate.toml").digest
    except PolicyError as error:
        return refusal(error)
    return "accepted"


def weights_file(raw: bytes, folder: Path) -> str:
    """Read a manifest of weights."""
    (folder / "weights.toml").write_bytes(raw)
    try:
        weights.read_manifest(folder / "weights.toml")
    except weights.ManifestError as error:
        return refusal(error)
    return "accepted"


def picture_folder(raw: bytes, folder: Path) -> str:
    """A folder with one strange picture and one good one: its prompt, its pixels, its place in a suite."""
    (folder / "good.png").write_bytes(png())
    (folder / "strange.png").write_bytes(raw)
    generator = ImagesGenerator.parse(str(folder))
    assert suites.of_images(generator).digest
    asked = [Request(text="", seed=0, name=name) for name in ("good.png", "strange.png")]
    answers = dict(generator.generate(asked))
    assert isinstance(answers[0], np.ndarray)
    return refusal(ValueError(answers[1].reason)) if isinstance(answers[1], Refusal) else "accepted"


def picture_table(case: tuple[str, bytes], folder: Path) -> str:
    """A folder of pictures with a strange table beside them."""
    ending, raw = case
    (folder / "good.png").write_bytes(png())
    (folder / f"told{ending}").write_bytes(raw)
    try:
        generator = ImagesGenerator.parse(f"{folder}?prompts=told{ending}")
    except GeneratorError as error:
        return refusal(error)
    assert suites.of_images(generator).digest
    asked = [Request(text=each.text, seed=0, name=each.name) for each in generator.pictures.values()]
    assert len(dict(generator.generate(asked))) == len(asked)
    return "accepted"


def reference_file(raw: bytes, folder: Path) -> str:
    """Read a reference set."""
    (folder / "reference.npz").write_bytes(raw)
    try:
        references.load(str(folder / "reference.npz"), model="m" * 64)
    except references.BadReferenceError as error:
        return refusal(error)
    return "accepted"


def a_reference() -> bytes:
    """A small reference, as it is written."""
    import tempfile

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.npz"
        references.save(references.build("small", rng.normal(size=(6, 3)), model="m" * 64, text="noise"), path)
        return path.read_bytes()


def sweep_file(raw: bytes, folder: Path) -> str:
    """Read a sweep file as `audit run` does."""
    (folder / "sweep.toml").write_bytes(raw)
    try:
        read_sweep(folder / "sweep.toml")
    except ConfigError as error:
        return refusal(error)
    return "accepted"


POLICY = """
[gate]
alpha = 0.05
power = 0.8
[require]
pairs = 50
prompts = 10
failed = 0.0
skipped = 0.1
same_packages = true
[primary."hands.wrong"]
margin = 0.05
worse = "higher"
cell = "steps=10"
"""
WEIGHTS = """
[[weights]]
name = "x"
used_by = ["clip_score"]
licence = "MIT"
source = "somewhere"
kind = "shipped"
place = "a/b.safetensors"
fetch = "git checkout"
size = 10
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
[[weights]]
name = "y"
used_by = []
licence = "MIT"
source = "elsewhere"
kind = "hub"
place = "a/b:c"
fetch = "hf download a/b c"
"""
SWEEP = """
[run]
suite = "quick"
generator = ["fake:"]
guidance = [1, 3.5]
steps = "10,25"
guidance_window = "0.3:0.9"
replicates = 2
audits = ["fake.red"]
limit = 3
out = "out"
report = false
[audits."fake.red"]
offset = 2.5
"""
LOADERS = (
    Target("suite", tables(), suite_file),
    Target("policy", toml(POLICY), policy_file),
    Target("weights manifest", toml(WEIGHTS), weights_file),
    Target("picture", pictures(), picture_folder),
    Target("table of pictures", tables([SHAPES[-1]]), picture_table),
    Target("reference", st.deferred(lambda: damaged(a_reference())), reference_file),
    Target("sweep", toml(SWEEP), sweep_file),
)
"""Doors of which only the reader is tried, so that thousands of cases take a minute."""
