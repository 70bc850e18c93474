"""The walk: suite -> plan -> generate -> store -> score -> summarise, and what went wrong on the way."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import cast

from audit import images
from audit.config import ConfigError, RunConfig
from audit.generate import generate
from audit.manifest import about_audit, manifest, stage_seconds
from audit.plan import PlanError, Shard, Source, Sweep, plan, shards
from audit.progress import Watch
from audit.redact import redact
from audit.registry import audits as known_audits
from audit.registry import unknown
from audit.score import Bench, Choice, Look, carded, choose, reusable_scores, weighed
from audit.store import RunFolder, StoreError
from audit.summary import summarise_run
from audit.survey import Survey, survey, tidy
from audit.types import Artifact, Suite
from generators.api import Generator, Pixels, Task

WAITING_SHARDS = 2  # how far generating may run ahead of scoring, which bounds the memory


@dataclass(frozen=True)
class Chosen:
    """A config with everything it names loaded."""

    suite: Suite
    generators: tuple[Generator, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Outcome:
    """How a run ended. problems: one line for each kind of failure, empty when all went well."""

    folder: RunFolder
    problems: tuple[str, ...]


def run(config: RunConfig, watch: Watch) -> Outcome:
    """Load what the config names, then walk."""
    return walk(config, load(config), watch)


def load(config: RunConfig) -> Chosen:
    """Suite, generators and audits by name; cheap checks first, so that a slip costs no minutes of loading."""
    from audit import suites
    from generators.load import load as load_generator

    choices = choose(config.audits, config.options, known_audits(), cast(Task, config.task))
    sweep_of(config)
    suite = suites.load(config.suite) if config.suite else None
    generators = tuple(load_generator(spec, device=config.device) for spec in config.generators)
    suite = suite or own_prompts(generators)
    return Chosen(
        suite if config.limit is None else suites.subset(suite, config.limit),
        generators,
        tuple(carded(weighed(choices), config.cards)),
    )


def own_prompts(generators: Sequence[Generator]) -> Suite:
    """The prompts of the first generator that brings its own, such as a folder of pictures."""
    from audit import suites

    for each in generators:
        if hasattr(each, "prompts"):
            return suites.of_images(cast(suites.Pictures, each))
    names = ", ".join(redact(each.name) for each in generators)
    raise ConfigError(f"no suite given, and {names} brings no prompts of its own; add --suite quick")


def sweep_of(config: RunConfig) -> Sweep:
    """The sweep of a config, checked."""
    return Sweep(
        guidance=config.guidance,
        steps=config.steps,
        samplers=config.samplers,
        guidance_windows=config.guidance_windows,
        guidance_rescales=config.guidance_rescales,
        replicates=config.replicates,
        task=cast(Task, config.task),
        strengths=config.strengths,
        control_scales=config.control_scales,
    )


def sources_of(config: RunConfig, generators: Sequence[Generator]) -> dict[str, Source]:
    """What the plan needs of each generator, by its name without secrets.

    Raises:
        PlanError: a task that a generator does not do, or a sampler that it does not have and says which it has.
    """
    found: dict[str, Source] = {}
    for each in generators:
        name = redact(each.name)
        if name in found:
            raise PlanError(f"generator {name!r} is named twice; name it once and use replicates for repeats")
        if config.task not in each.tasks:
            raise PlanError(f"{name} does {', '.join(sorted(each.tasks))}, not {config.task}")
        offered = list(getattr(each, "samplers", ()))
        for sampler in config.samplers if "sampler" in each.knobs and offered else ():
            if sampler not in offered:
                raise unknown(f"sampler of {name}", sampler, offered)
        found[name] = Source(
            name=name,
            fingerprint=each.fingerprint(),
            knobs=each.knobs,
            batch=config.batch or each.batch,
            packs=bool(getattr(each, "packs", False)),
        )
    return found


def walk(config: RunConfig, chosen: Chosen, watch: Watch) -> Outcome:
    """Every stage into the run folder, under its lock; what is there already is kept."""
    sources = sources_of(config, chosen.generators)
    jobs = plan(chosen.suite, list(sources.values()), sweep_of(config))
    cut = shards(jobs, list(sources.values()), config.shard)
    folder = RunFolder(config.out)
    clock = Clock()
    with folder.open_for_writing() as leftovers:
        if leftovers:
            watch.line(f"removed {leftovers} half-written files of an interrupted run")
        record = Record(folder, config, chosen)
        record.write(clock)
        held = survey(folder, cut, watch.line)
        folder.write_inputs(chosen.suite.files)
        folder.write_plan(chosen.suite.prompts, cut)
        bench = Bench(chosen.choices, reusable_scores(folder, chosen.choices, cut, watch.line), watch.line)
        made, scored = watch.stage("pictures", len(jobs)), watch.stage("scores", len(jobs))
        generators = dict(zip(sources, chosen.generators, strict=True))

        def score(shard: Shard, artifacts: Sequence[Artifact], look: Look) -> None:
            with clock.stage("score"):
                bench.score(folder, shard, artifacts, look)
            scored(len(shard.jobs))

        with behind(score) as submit:
            for shard in cut:
                with clock.stage("generate"):
                    artifacts, look = pictures(folder, held, generators[shard.jobs[0].generator], shard)
                made(len(shard.jobs))
                submit(shard, artifacts, look)
        tidy(folder, cut)
        with clock.stage("summarise"):
            problems = summarise_run(folder, chosen.choices)
        record.write(clock)
    return Outcome(folder, problems)


def rescore(path: str, names: Sequence[str], watch: Watch) -> Outcome:
    """Score the pictures of a run again, where needed, and summarise; makes no picture.

    Args:
        names: audits; empty means those of the run, with their options.
    """
    folder = RunFolder(path)
    told = folder.manifest()
    options = {each["name"]: each["options"] for each in told["audits"] if each["name"] in known_audits()}
    chosen = weighed(choose(names or [each["name"] for each in told["audits"]], options, known_audits()))
    choices = carded(chosen, told["config"].get("cards", ()))
    with folder.open_for_writing():
        present = [shard for shard in folder.shards() if folder.image_file(shard.number).is_file()]
        bench = Bench(choices, reusable_scores(folder, choices, present, watch.line), watch.line)
        scored = watch.stage("scores", sum(len(shard.jobs) for shard in present))
        for shard in present:
            artifacts = folder.read_artifacts(folder.image_file(shard.number))
            bench.score(folder, shard, artifacts, stored_look(folder, shard))
            scored(len(shard.jobs))
        folder.write_manifest(told | {"audits": [about_audit(each) for each in choices]})
        return Outcome(folder, summarise_run(folder, choices))


def pictures(folder: RunFolder, held: Survey, generator: Generator, shard: Shard) -> tuple[list[Artifact], Look]:
    """The shard's artifacts, made now where they are missing, and a way to see each: from memory where fresh."""
    if held.complete(shard):
        return folder.read_artifacts(folder.image_file(shard.number)), stored_look(folder, shard)
    kept = held.kept(shard)
    missing = [job for job in shard.jobs if job.key not in kept]
    made = dict(zip((job.key for job in missing), generate(generator, missing, shard.batch, folder.input), strict=True))
    stored = [kept[key] if key in kept else made[key].stored for key in shard.keys]
    folder.write_pictures(shard.number, stored)

    def look(key: str) -> Pixels:
        fresh = made[key].pixels if key in made else None
        return images.decode(kept[key].image) if fresh is None else fresh

    return [each.artifact for each in stored], look


def stored_look(folder: RunFolder, shard: Shard) -> Look:
    """Pictures of a committed shard, read when the first is looked at."""
    read = cache(lambda: folder.read_pictures(folder.image_file(shard.number)))

    def look(key: str) -> Pixels:
        [picture] = [each for each in read() if each.artifact.key == key]
        return images.decode(picture.image)

    return look


@contextmanager
def behind(work: Callable[[Shard, Sequence[Artifact], Look], None]) -> Iterator[Callable[..., None]]:
    """A single worker thread behind the loop: order is kept, and its exceptions come out of the next call.

    On the way out everything handed in is finished; on an exception or Ctrl-C only what is being worked on.
    """
    waiting: deque[Future[None]] = deque()
    pool = ThreadPoolExecutor(max_workers=1)

    def submit(shard: Shard, artifacts: Sequence[Artifact], look: Look) -> None:
        while len(waiting) >= WAITING_SHARDS:
            waiting.popleft().result()
        waiting.append(pool.submit(work, shard, artifacts, look))

    try:
        yield submit
        while waiting:
            waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass
class Clock:
    """Wall seconds per stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds inside towards the stage."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun


class Record:
    """The manifest of a run, over all its sittings: when it was created, and seconds, carry over."""

    def __init__(self, folder: RunFolder, config: RunConfig, chosen: Chosen) -> None:
        self.folder = folder
        try:
            earlier = folder.manifest()
        except StoreError:
            earlier = {}
        self.seconds = earlier.get("seconds", {})
        self.manifest = manifest(
            config=config.as_json(),
            suite=chosen.suite,
            generators=chosen.generators,
            choices=chosen.choices,
            created=earlier.get("created", ""),
        )

    def write(self, clock: Clock) -> None:
        """Write the manifest with the seconds so far."""
        self.folder.write_manifest(self.manifest | {"seconds": stage_seconds(self.seconds, clock.seconds)})
