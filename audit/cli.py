"""The `audit` command: the roof of the program. It may import everything, nothing imports it.

Importing this file is cheap, so that `audit --help` is: each command imports what it needs.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.config import ConfigError, run_config
from audit.parser import parser

if TYPE_CHECKING:
    from audit.engines.work import Engine

INPUT_ERRORS = {
    "audit.calibrate": "CalibrationError",
    "audit.cards": "CardError",
    "audit.compare": "CompareError",
    "audit.engines.depot": "DepotError",
    "audit.engines.work": "EngineError",
    "audit.merge": "MergeError",
    "audit.modelcard": "ModelCardError",
    "audit.plan": "PlanError",
    "audit.policy": "PolicyError",
    "audit.reference_pictures": "BadReferenceError",
    "audit.registry": "UnknownNameError",
    "audit.reviews": "ReviewError",
    "audit.score": "OptionError",
    "audit.share": "ShareError",
    "audit.store": "StoreError",
    "audit.suites": "SuiteError",
    "audit.trackers.entries": "TrackError",
    "audit.weights": "ManifestError",
    "generators.api": "GeneratorError",
    "reports.viewer.serve": "ViewerError",
}
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the result is its exit code.

    0: done. 1: finished, but some pictures or scores failed. 2: bad input, told in one line. 130: interrupted.
    """
    try:
        arguments = parser().parse_args(argv)
        return COMMANDS[arguments.command](arguments)
    except KeyboardInterrupt:
        _say("interrupted; what is done is kept: run the same command again to go on")
        return INTERRUPTED
    except ConfigError as error:
        return _refused(error)
    except ValueError as error:
        if not isinstance(error, _input_errors()):
            raise
        return _refused(error)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left; there is nobody to tell
        return DONE


def _run(arguments: argparse.Namespace) -> int:
    config = run_config(arguments)
    from audit.progress import Watch
    from audit.run import run

    with Watch() as watch:
        if config.share:
            watch.line(f"part {config.share} of the run, into {config.folder}")
        outcome = run(config, watch, _engine(config.engine))
    if config.share:
        print(f"part {config.share} is done; when all are: audit merge {config.out}")
        return _ending(outcome.problems, str(config.folder))
    _headline(config.out)
    if config.report:
        _write_report([Path(config.out)], Path(config.out) / "report.html")
    return _ending(outcome.problems, config.out)


def _engine(name: str) -> Engine:
    from audit.engines.local import local

    if name == "local":
        return local
    try:
        from audit.engines.on_ray import on_ray
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        raise ConfigError("engine ray needs the package Ray: pip install 'sixthfinger[ray]'") from error
    return on_ray


def _merge(arguments: argparse.Namespace) -> int:
    from audit.merge import merge
    from audit.progress import Watch

    out = Path(arguments.out) if arguments.out else None
    with Watch() as watch:
        outcome = merge([Path(each) for each in arguments.parts], out, watch)
    path = outcome.folder.path
    _headline(str(path))
    if arguments.report:
        _write_report([path], path / "report.html")
    return _ending(outcome.problems, str(path))


def _score(arguments: argparse.Namespace) -> int:
    from audit.progress import Watch
    from audit.run import rescore

    with Watch() as watch:
        outcome = rescore(arguments.run, arguments.audits or (), watch, arguments.workers)
    _headline(arguments.run)
    return _ending(outcome.problems, arguments.run)


def _show(arguments: argparse.Namespace) -> int:
    _headline(arguments.run)
    return DONE


def _report(arguments: argparse.Namespace) -> int:
    from audit.store import RunFolder

    runs = [Path(each) for each in arguments.runs]
    for each in runs:
        RunFolder(each).manifest()
    out = Path(arguments.out) if arguments.out else runs[0] / "report.html"
    _write_report(runs, out, pictures=arguments.pictures)
    if arguments.png:
        from reports.png import NoBrowserError, figures_to_png

        try:
            files = figures_to_png(out, Path(arguments.png))
        except NoBrowserError as error:
            raise ConfigError(str(error)) from error
        print(f"{arguments.png}: {len(files)} figures")
    return DONE


def _export(arguments: argparse.Namespace) -> int:
    from audit.export import export, table_file
    from audit.store import RunFolder

    form, pictures = arguments.format, arguments.pictures
    tables = ("prompts", "scores", "estimates", "contrasts")
    count = export(RunFolder(arguments.run), Path(arguments.to), form=form, pictures=pictures)
    print(f"{arguments.to}: {count} pictures, {', '.join(table_file(name, form) for name in tables)}")
    return DONE


def _modelcard(arguments: argparse.Namespace) -> int:
    from audit.modelcard import audited, fresh_card, write_card
    from audit.store import RunFolder

    folder = RunFolder(arguments.run)
    if not arguments.out:
        print(fresh_card(audited(folder, arguments.generator or None)))
        return DONE
    count = write_card(folder, Path(arguments.out), arguments.generator or None)
    print(f"{arguments.out}: {count} results")
    return DONE


def _track(arguments: argparse.Namespace) -> int:
    from audit.store import RunFolder
    from audit.track import PROJECT, track

    directory = Path(arguments.dir) if arguments.dir else None
    told = track(
        RunFolder(arguments.run),
        arguments.to,
        project=arguments.project or PROJECT,
        uri=arguments.uri or None,
        directory=directory,
    )
    print(f"{told.where}: {told.new} new, {told.old} there already. {told.hint}".strip())
    return DONE


def _weights(arguments: argparse.Namespace) -> int:
    from audit.weights import table

    print(table())
    return DONE


def _calibrate(arguments: argparse.Namespace) -> int:
    import os

    from audit.calibrate import CalibrationError, calibrate, card_of, chosen, line_of
    from audit.cards import write
    from audit.truth import own_trial

    out, workers = Path(arguments.out), arguments.workers or os.cpu_count() or 1
    if bool(arguments.images) != bool(arguments.truth):
        raise ConfigError("--images and --truth go together: a folder of pictures, and a CSV with what is true of them")
    if not arguments.images:
        calibrate(chosen(arguments.detectors), out, quick=arguments.quick, workers=workers, tell=print)
        return DONE
    if len(arguments.detectors) != 1:
        raise CalibrationError(
            "name the one detector that --images is for, such as audit calibrate hands.wrong --images …"
        )
    trial = own_trial(arguments.detectors[0], Path(arguments.images), Path(arguments.truth), arguments.domain)
    card = card_of(trial, trial.count)
    if isinstance(card, str):
        raise CalibrationError(card)
    write(card, out)
    print(line_of(card))
    return DONE


def _cards(arguments: argparse.Namespace) -> int:
    from audit.cards import SHIPPED, cards
    from audit.show import card_table, cards_json

    found = cards(Path(arguments.cards) if arguments.cards else SHIPPED)
    print(cards_json(found) if arguments.json else card_table(found))
    return DONE


def _list(arguments: argparse.Namespace) -> int:
    from audit.show import listing

    print(listing(arguments.what))
    return DONE


def _gate(arguments: argparse.Namespace) -> int:
    from audit.compare import Side
    from audit.policy import read_policy
    from audit.store import RunFolder
    from reports.gating import initialise, judge, self_test

    baseline = Side.of(RunFolder(arguments.baseline), arguments.baseline_generator)
    path = Path(arguments.policy)
    if arguments.init:
        print(initialise(baseline, path))
        return DONE
    policy = read_policy(path)
    candidate = Side.of(RunFolder(arguments.candidate), arguments.candidate_generator) if arguments.candidate else None
    out = Path(arguments.out) if arguments.out else (candidate or baseline).folder.path / "gate"
    if arguments.self_test:
        return self_test(baseline, candidate, policy, out, splits=arguments.splits, tell=print)
    if candidate is None:
        raise ConfigError("no candidate given: audit gate BASELINE CANDIDATE; or ask for --init or --self-test")
    return judge(baseline, candidate, policy, out, tell=print)


def _view(arguments: argparse.Namespace) -> int:
    from reports.viewer.serve import view

    runs = [Path(each) for each in arguments.runs]
    view(runs, port=arguments.port, reviewer=arguments.reviewer, open_browser=arguments.open)
    return DONE


def _reviews(arguments: argparse.Namespace) -> int:
    from audit.reviewed import as_json, as_text, write_cards
    from audit.store import RunFolder

    folder = RunFolder(arguments.run)
    print(as_json(folder) if arguments.json else as_text(folder))
    if arguments.card:
        paths, refused = write_cards(folder, Path(arguments.card), arguments.domain)
        for line in [*map(str, paths), *refused]:
            _say(line)
    return DONE


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "merge": _merge,
    "gate": _gate,
    "view": _view,
    "reviews": _reviews,
    "list": _list,
    "report": _report,
    "weights": _weights,
    "export": _export,
    "modelcard": _modelcard,
    "track": _track,
    "score": _score,
    "show": _show,
    "calibrate": _calibrate,
    "cards": _cards,
}


def _headline(path: str) -> None:
    from audit.show import print_headline
    from audit.store import RunFolder

    print_headline(RunFolder(path))


def _write_report(runs: Sequence[Path], out: Path, *, pictures: bool = False) -> None:
    from reports.render import render

    try:
        render(list(runs), out, pictures=pictures)
    except OSError as error:
        raise ConfigError(f"cannot write the report {out}: {error.strerror}") from error
    print(f"report: {out}")


def _ending(problems: Sequence[str], path: str) -> int:
    for problem in problems:
        _say(problem)
    if problems:
        _say(f"finished with failures; the same command tries them again; everything else is in {path}")
    return FAILED if problems else DONE


def _refused(error: Exception) -> int:
    _say(" ".join(str(error).split("\n")))
    return BAD_INPUT


def _say(text: str) -> None:
    from audit.oneline import one_line

    print(f"audit: {one_line(text)}", file=sys.stderr)


def _input_errors() -> tuple[type[ValueError], ...]:
    """What bad input raises, loaded once something was raised; any other error is a bug and keeps its traceback."""
    return tuple(getattr(importlib.import_module(module), name) for module, name in INPUT_ERRORS.items())


if __name__ == "__main__":
    sys.exit(main())
