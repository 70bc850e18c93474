"""The walk: suite -> plan -> generate -> store -> score -> summarise, and what went wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

from audit.config import ConfigError, RunConfig
from audit.engines.depot import Depot
from audit.engines.local import behind, local
from audit.engines.work import Clock, Engine, Work, stored_look
from audit.interrupt import until_interrupted
from audit.manifest import about_audit, manifest, stage_seconds
from audit.plan import PlanError, Shard, Source, Sweep, plan, shards
from audit.progress import Watch
from audit.redact import redact
from audit.registry import audits as known_audits
from audit.registry import unknown
from audit.score import Bench, Choice, carded, choose, reusable_scores, weighed
from audit.share import plan_digest
from audit.store import RunFolder, StoreError
from audit.summary import picture_problems, score_problems, summarise_run
from audit.survey import survey, tidy
from audit.types import Suite
from generators.api import Generator, Task


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


def run(config: RunConfig, watch: Watch, engine: Engine = local) -> Outcome:
    """Load what the config names, then walk."""
    return walk(config, load(config), watch, engine)


def load(config: RunConfig) -> Chosen:
    """Suite, generators and audits by name; cheap checks first, so that a slip costs no minutes of loading."""
    import torch

    from audit import suites
    from generators.load import load as load_generator

    choose(config.audits, config.options, known_audits(), cast(Task, config.task))
    sweep_of(config)
    if config.depot:
        Depot(config.depot).check()
    suite = suites.load(config.suite) if config.suite else None
    device = config.share.device(config.device, torch.cuda.device_count()) if config.share else config.device
    generators = tuple(load_generator(spec, device=device) for spec in config.generators)
    suite = suite or own_prompts(generators)
    return Chosen(
        suite if config.limit is None else suites.subset(suite, config.limit),
        generators,
        audits_of(config),
    )


def audits_of(config: RunConfig) -> tuple[Choice, ...]:
    """The audits that a config asks for, with the weights and cards that are here."""
    choices = choose(config.audits, config.options, known_audits(), cast(Task, config.task))
    return tuple(carded(weighed(choices), config.cards))


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


def walk(config: RunConfig, chosen: Chosen, watch: Watch, engine: Engine = local) -> Outcome:
    """Every stage into the run folder, under its lock; what is there already is kept.

    Of a shared run only this process's shards are walked, into its part; `audit.merge` summarises all parts together.
    """
    sources = sources_of(config, chosen.generators)
    jobs = plan(chosen.suite, list(sources.values()), sweep_of(config))
    whole = shards(jobs, list(sources.values()), config.shard)
    cut = config.share.take(whole) if config.share else whole
    folder = RunFolder(config.folder)
    clock = Clock()
    with folder.open_for_writing() as leftovers:
        if leftovers:
            watch.line(f"removed {leftovers} half-written files of an interrupted run")
        record = Record(folder, config, chosen, whole)
        record.write(clock)
        depot = Depot(config.depot) if config.depot else None
        if depot and (fetched := depot.collect(folder)):
            watch.line(f"collected {fetched} files of an earlier sitting from the depot")
        held = survey(folder, cut, watch.line)
        folder.write_inputs(chosen.suite.files)
        folder.write_plan(chosen.suite.prompts, cut)
        work = Work(
            config=config,
            folder=folder,
            shards=cut,
            held=held,
            generators=dict(zip(sources, chosen.generators, strict=True)),
            choices=chosen.choices,
            reusable=reusable_scores(folder, chosen.choices, cut, watch.line),
            watch=watch,
            clock=clock,
            depot=depot,
        )
        engine(work)
        tidy(folder, cut)
        if config.share:
            problems = problems_of(folder, chosen.choices)
        else:
            with clock.stage("summarise"):
                problems = summarise_run(folder, chosen.choices)
        record.write(clock, complete=True)
    return Outcome(folder, problems)


def problems_of(folder: RunFolder, choices: Sequence[Choice]) -> tuple[str, ...]:
    """What failed in a part, a line each; nothing is summarised."""
    scored = [choice.audit.name for choice in choices if choice.audit.kind != "set"]
    return *picture_problems(folder, folder.jobs()), *(line for name in scored for line in score_problems(folder, name))


def rescore(path: str, names: Sequence[str], watch: Watch, workers: int | None = None) -> Outcome:
    """Score the pictures of a run again, where needed, and summarise; makes no picture.

    Args:
        names: audits; empty means those of the run, with their options.
        workers: processes that score, as in `RunConfig`.
    """
    folder = RunFolder(path)
    told = folder.manifest()
    choices = choices_of(told, names)
    with folder.open_for_writing():
        present = [shard for shard in folder.shards() if folder.image_file(shard.number).is_file()]
        reusable = reusable_scores(folder, choices, present, watch.line)
        bench = Bench(choices, reusable, watch.line, told["config"].get("timeout"), workers)
        scored, telling = watch.stage("scores", sum(len(shard.jobs) for shard in present)), Lock()

        def score(shard: Shard) -> None:
            artifacts = folder.read_artifacts(folder.image_file(shard.number))
            bench.score(folder, shard, artifacts, stored_look(folder, shard))
            with telling:
                scored(len(shard.jobs))

        with behind(score, workers or 1) as submit:
            for shard in until_interrupted(present, watch.line):
                submit(shard)
        folder.write_manifest(told | {"audits": [about_audit(each) for each in choices]})
        return Outcome(folder, summarise_run(folder, choices))


def choices_of(told: Mapping[str, Any], names: Sequence[str] = ()) -> list[Choice]:
    """The audits of a run's manifest with their options and cards, or those named; weights are those that are here."""
    options = {each["name"]: each["options"] for each in told["audits"] if each["name"] in known_audits()}
    chosen = weighed(choose(names or [each["name"] for each in told["audits"]], options, known_audits()))
    return carded(chosen, told["config"].get("cards", ()))


class Record:
    """The manifest of a run, over all its sittings: when it was created, and seconds, carry over."""

    def __init__(self, folder: RunFolder, config: RunConfig, chosen: Chosen, whole: Sequence[Shard]) -> None:
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
        share = config.share
        if share:
            self.manifest["part"] = {"number": share.number, "of": share.of, "plan": plan_digest(whole)}

    def write(self, clock: Clock, *, complete: bool = False) -> None:
        """Write the manifest with the seconds so far; a part says whether its shards are all there."""
        told = self.manifest | {"seconds": stage_seconds(self.seconds, clock.seconds)}
        if "part" in told:
            told["part"] |= {"complete": complete}
        self.folder.write_manifest(told)
