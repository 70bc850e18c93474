"""A generator, audits and a suite small enough to reason about; also an installable plugin for the real command.

The picture: one grey from the seed, tinted more by guidance, with `steps` white pixels along its top row.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np

from audit.api import ScoreBatch, ScoreOne, ScoreSet, View, audit
from audit.config import RunConfig
from audit.progress import Watch
from audit.run import Chosen, Outcome, walk
from audit.score import choose
from audit.types import Interval, Prompt, Score, Suite
from generators.api import Pixels, Refusal, Request, Task

# processes that can be killed; they start from one that has imported everything, which keeps starting cheap
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(
    ["tests.fakes", "huggingface_hub.file_download", "PIL.WebPImagePlugin", "audit.summary"]
)
ROOT = Path(__file__).resolve().parent.parent


class FakeGenerator:
    """Counts its calls. Prompts with the word in `fail` raise, those with "refuse" are declined."""

    def __init__(
        self,
        name: str = "fake:",
        *,
        knobs: Sequence[str] = ("guidance", "steps", "sampler"),
        batch: int = 4,
        size: int = 16,
        delay: float = 0.0,
        fail: str = "",
    ) -> None:
        self.name = name
        self.tasks: frozenset[Task] = frozenset({"text2img"})
        self.knobs = frozenset(knobs)
        self.samplers = ("ddim", "euler")
        self.batch = batch
        self.size = size
        self.delay = delay
        self.fail = fail
        self.calls: list[list[Request]] = []

    def fingerprint(self) -> str:
        return f"fake-{self.size}-{'-'.join(sorted(self.knobs))}"

    @property
    def made(self) -> int:
        return sum(len(call) for call in self.calls)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Pixels | Refusal]]:
        self.calls.append(list(requests))
        # the last first: an answer belongs to its index, not to its turn
        for index, request in reversed(list(enumerate(requests))):
            if self.fail and self.fail in request.text:
                raise RuntimeError(f"cannot draw {request.text!r}")
            time.sleep(self.delay)
            if "refuse" in request.text:
                yield index, Refusal("skipped", "declined")
            elif "nonsense" in request.text:
                yield index, np.zeros((4, 4))  # type: ignore[misc]
            else:
                yield index, picture(request, self.size)


def picture(request: Request, size: int) -> Pixels:
    rng = np.random.default_rng(request.seed)
    pixels = np.full((size, size, 3), rng.integers(60, 120), dtype=np.float64)
    pixels += rng.normal(0, 3, size=pixels.shape)
    pixels[..., 0] += 10 * (request.settings.guidance or 0.0)
    pixels[0, : request.settings.steps or 0] = 255
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def load_fake(rest: str, *, device: str) -> FakeGenerator:
    """The plugin: `fake:?delay=0.01&batch=4&fail=word`."""
    options = dict(parse_qsl(rest.removeprefix("?")))
    return FakeGenerator(
        f"fake:{rest}",
        batch=int(options.get("batch", 4)),
        delay=float(options.get("delay", 0)),
        fail=options.get("fail", ""),
    )


@audit("fake.red", version=1, better="higher", unit="grey levels", source="tests")
def red(offset: float = 0.0) -> ScoreOne:
    """How much redder than green the picture is."""

    def score(view: View) -> Score:
        means = view.image.double().mean(dim=(1, 2))
        return Score.of(float(means[0] - means[1]) + offset, green=float(means[1]))

    return score


@audit("fake.dark", version=1, better="neither", unit="share of pictures", source="tests", statistic="rate")
def dark(below: int = 90) -> ScoreOne:
    """Whether the picture is darker than a threshold."""
    return lambda view: Score.of(float(view.image.double().mean() < below))


@audit("fake.features", version=1, better="neither", unit="grey levels", source="tests", kind="batch", headline=False)
def features() -> ScoreBatch:
    """Three means as a vector."""
    return lambda views: [Score.features(tuple(view.image.double().mean(dim=(1, 2)).tolist())) for view in views]


@audit(
    "fake.spread", version=1, better="lower", unit="grey levels", source="tests", kind="set", statistic="spread",
    on="fake.features",
)  # fmt: skip
def spread() -> ScoreSet:
    """Largest distance between two pictures' means."""
    return lambda rows, prompts: Interval(value=float(np.ptp(rows, axis=0).max()), note=f"{len(set(prompts))} prompts")


@audit("fake.word", version=1, better="lower", unit="letters", source="tests")
def word() -> ScoreOne:
    """Length of the expected text; skipped where none is expected."""

    def score(view: View) -> Score:
        if "text" not in view.prompt.expect:
            return Score.skipped("no expected text")
        return Score.of(len(view.prompt.expect["text"]))

    return score


@audit("fake.broken", version=1, better="lower", unit="none", source="tests", kind="batch", headline=False)
def broken(on: str = "cursed") -> ScoreBatch:
    """Raises on prompts with a certain word."""

    def score(views: Sequence[View]) -> list[Score]:
        for view in views:
            if on in view.prompt.text:
                raise ZeroDivisionError("a bug")
        return [Score.of(1.0) for _ in views]

    return score


AUDITS = {each.name: each for each in (broken, dark, features, red, spread, word)}


def suite(*texts: str, expect: Mapping[str, str] | None = None, name: str = "tiny") -> Suite:
    prompts = [
        Prompt(id=f"p{index}", text=text, expect=dict(expect or {})) for index, text in enumerate(texts or ("a", "b"))
    ]
    return Suite(name=name, version="1", prompts=tuple(prompts))


def config(out: Path, **values: object) -> RunConfig:
    given = {"out": str(out), "generators": ("fake:",), "report": False} | values
    return RunConfig(**given)  # type: ignore[arg-type]


def walked(given: RunConfig, prompts: Suite, *generators: FakeGenerator, audits: Sequence[str] = ()) -> Outcome:
    """A run in this process, with fakes handed in directly."""
    choices = choose(audits, given.options, AUDITS)
    with Watch() as watch:
        return walk(given, Chosen(prompts, generators or (FakeGenerator(),), tuple(choices)), watch)


def plugin(folder: Path) -> dict[str, str]:
    """Install the fakes as a package that announces itself by entry points; the environment that finds it."""
    info = folder / "sixthfinger_fakes-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sixthfinger-fakes\nVersion: 0.1\n")
    audits = "".join(f"{each.factory.__name__} = tests.fakes:{each.factory.__name__}\n" for each in AUDITS.values())
    (info / "entry_points.txt").write_text(
        f"[sixthfinger.generators]\nfake = tests.fakes:load_fake\n[sixthfinger.audits]\n{audits}"
    )
    paths = [str(folder), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
