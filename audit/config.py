"""Configuration, read once: command line over sweep file over defaults -> a frozen RunConfig.

Only this file knows argv and TOML; everything downstream gets plain values.
"""

from __future__ import annotations

import argparse
import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

EPILOG = """\
examples:
  audit run --suite quick --generator builtin:ldm --guidance 1,3,6 --steps 10,25 --replicates 2 --out runs/ldm
  audit run sweep.toml --limit 8
  audit run --generator images:my_pictures --out runs/mine
  audit list audits
exit codes: 0 done; 1 finished, but some pictures or scores failed; 2 bad input; 130 interrupted, what is done is kept
"""


TASKS = ("text2img", "img2img", "inpaint", "control", "upscale")
COMMAND_NAMES = ("run", "list", "report", "weights", "export", "score", "show", "calibrate", "cards")


CALIBRATE_HELP = """\
Measure detectors on pictures whose truth is known and write a card for each: sensitivity, specificity, abstention, by
kind of picture, with intervals. audit run --cards DIR uses them. With --images and --truth one detector is measured on
your own pictures; the CSV has the columns file and planted (yes, no), may have prompt, expect (JSON) and truth, and any
other column names a kind of picture that the card tells apart.
"""


class ConfigError(ValueError):
    """A command line or sweep file that cannot be used; the message says where and what would work."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A run, in full. Every default is written here and nowhere else.

    Attributes:
        suite: a built-in name or a file; empty means the own prompts of an `images:` generator.
        generators: specifications such as "builtin:ldm" or "images:folder".
        guidance, steps, samplers, guidance_windows, guidance_rescales: the sweep; empty leaves the generator's own
            default.
        audits: names; empty means every headline audit.
        options: audit name -> option -> value.
        task: text2img, img2img, inpaint, control or upscale; the pictures it needs are the suite's inputs.
        strengths: swept by img2img and inpaint, 0..1, the share of the steps that is walked.
        control_scales: swept by control, how much the control picture counts.
        limit: use that many of the suite's prompts.
        batch, shard: pictures in a call of the generator, and in a file; None lets the generator decide.
        cards: folders of detectors' cards that come before those that ship.
    """

    out: str
    generators: tuple[str, ...]
    suite: str = ""
    guidance: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    samplers: tuple[str, ...] = ()
    guidance_windows: tuple[tuple[float, float], ...] = ()
    guidance_rescales: tuple[float, ...] = ()
    replicates: int = 1
    task: str = "text2img"
    strengths: tuple[float, ...] = ()
    control_scales: tuple[float, ...] = ()
    audits: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limit: int | None = None
    device: str = "auto"
    batch: int | None = None
    shard: int | None = None
    report: bool = True
    cards: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = _Parser(
        prog="audit",
        description="Evaluate and audit text-to-image generators.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_run(commands.add_parser("run", help="make pictures, score them, report", description=run_help()))
    listing = commands.add_parser("list", help="what can be named: generators, suites, audits")
    listing.add_argument("what", nargs="?", choices=("generators", "suites", "audits"), help="only these")
    report = commands.add_parser("report", help="write the HTML report of one or more runs")
    report.add_argument("runs", nargs="+", metavar="RUN", help="run folder")
    report.add_argument("-o", "--out", metavar="FILE", help="default: report.html in the first run folder")
    commands.add_parser("weights", help="weight files: which are present, their licences, how to get the others")
    export = commands.add_parser("export", help="write plain PNG files and CSV tables")
    export.add_argument("run", metavar="RUN", help="run folder")
    export.add_argument("--to", required=True, metavar="DIR", help="folder to write; must be new or empty")
    score = commands.add_parser("score", help="score the pictures of a run (again), without making any")
    score.add_argument("run", metavar="RUN", help="run folder")
    score.add_argument("--audits", type=_flag(_names), metavar="A,B", help="default: those of the run")
    calibrate = commands.add_parser(
        "calibrate", help="measure detectors on planted defects", description=CALIBRATE_HELP
    )
    _add_calibrate(calibrate)
    cards = commands.add_parser("cards", help="what each detector is worth: sensitivity, specificity, abstention")
    cards.add_argument("--cards", metavar="DIR", help="default: those that ship")
    cards.add_argument("--json", action="store_true", help="a list of cards with every figure")
    show = commands.add_parser("show", help="print the headline table of a run")
    show.add_argument("run", metavar="RUN", help="run folder")
    return top


def _add_calibrate(calibrate: argparse.ArgumentParser) -> None:
    calibrate.add_argument("detectors", nargs="*", metavar="DETECTOR", help="default: all; see audit cards")
    calibrate.add_argument("--out", default="cards", metavar="DIR", help="folder for the cards (default cards)")
    calibrate.add_argument("--quick", action="store_true", help="fewer pictures, wider intervals")
    calibrate.add_argument("--workers", type=_flag(_int), metavar="N", help="processes (default: one a core)")
    calibrate.add_argument("--images", metavar="DIR", help="your own pictures instead of planted ones, with --truth")
    calibrate.add_argument("--truth", metavar="CSV", help="columns file, planted (yes or no); see below")
    calibrate.add_argument("--domain", default="own", metavar="NAME", help="what your pictures are (default own)")


def run_help() -> str:
    """What `audit run --help` says first."""
    return (
        "Make pictures for every prompt x guidance x steps x sampler x replicate, score and summarise them. Run the "
        "same command again to go on after an interruption: only what is missing is computed. Flags override the sweep "
        "file, a TOML file with the flags' names in a [run] table and audit options in [audits.NAME] tables."
    )


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("sweep", nargs="?", metavar="SWEEP.toml", help="sweep file")
    run.add_argument("--suite", metavar="NAME|FILE", help="a built-in suite, or a .jsonl, .csv, .tsv or .txt file")
    run.add_argument("--generator", action="append", metavar="SPEC", help="may be given several times; see audit list")
    run.add_argument("--guidance", type=_flag(_floats), metavar="1,3,6", help="guidance strengths")
    run.add_argument("--steps", type=_flag(_ints), metavar="10,25", help="numbers of sampling steps")
    run.add_argument("--sampler", type=_flag(_names), metavar="ddim,euler", help="samplers")
    window = "guide only while the noise's weight lies in between"
    run.add_argument("--guidance-window", type=_flag(_windows), metavar="0:1,0.3:0.9", help=window)
    rescale = "0..1, how far guidance is kept from widening the prediction (Lin et al. 2023)"
    run.add_argument("--guidance-rescale", type=_flag(_floats), metavar="0,0.7", help=rescale)
    run.add_argument("--task", choices=TASKS, help="default text2img; the others take the pictures under inputs")
    strength = "for img2img and inpaint: 0..1, how much is made anew"
    run.add_argument("--strength", type=_flag(_floats), metavar="0.3,0.8", help=strength)
    scale = "for control: how much the control picture counts, 1 as in training"
    run.add_argument("--control-scale", type=_flag(_floats), metavar="0.5,1", help=scale)
    run.add_argument("--replicates", type=_flag(_int), metavar="N", help="pictures per prompt and cell (default 1)")
    run.add_argument("--audits", type=_flag(_names), metavar="A,B", help="default: every headline audit")
    run.add_argument("--limit", type=_flag(_int), metavar="N", help="only N prompts, evenly spaced")
    run.add_argument("--out", metavar="DIR", help="run folder to write, or to go on with")
    run.add_argument("--device", metavar="auto|cpu|cuda", help="default auto")
    run.add_argument("--batch", type=_flag(_int), metavar="N", help="pictures per call (default: the generator's own)")
    run.add_argument("--shard", type=_flag(_int), metavar="N", help="pictures per file, rounded up to whole batches")
    own = "folder of cards that audit calibrate wrote; they come before those that ship; may be given several times"
    run.add_argument("--cards", action="append", metavar="DIR", help=own)
    run.add_argument("--no-report", dest="report", action="store_false", default=None, help="skip the HTML report")


def run_config(arguments: argparse.Namespace) -> RunConfig:
    """The run that a parsed command line asks for."""
    told: dict[str, Any] = {}
    options: Mapping[str, Mapping[str, Any]] = {}
    if arguments.sweep:
        told, options = read_sweep(Path(arguments.sweep))
    flags = {name: getattr(arguments, name) for name in _READERS if getattr(arguments, name) is not None}
    told |= {
        name: tuple(value) if isinstance(value, list) else value for name, value in flags.items() if value is not None
    }
    for name, example in (("generator", "--generator builtin:ldm"), ("out", "--out runs/x")):
        if not told.get(name):
            raise ConfigError(f"no {name} given; add {example}")
    for name in ("limit", "batch", "shard"):
        if name in told and told[name] < 1:
            raise ConfigError(f"{name} must be 1 or more, got {told[name]}")
    renamed = {_FIELDS.get(name, name): value for name, value in told.items()}
    return RunConfig(**renamed, options=options)


def read_sweep(path: Path) -> tuple[dict[str, Any], Mapping[str, Mapping[str, Any]]]:
    """The [run] table by flag name, and the [audits.NAME] tables.

    Raises:
        ConfigError: no such file, no TOML, an unknown key (with near ones), a value of the wrong type.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the sweep file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    _known(tables, ("run", "audits"), f"{path}: no table named")
    for name in tables:
        if not isinstance(tables[name], dict):
            raise ConfigError(f"{path}: {name!r} must be a table, written [{name}]")
    run, options = tables.get("run", {}), tables.get("audits", {})
    _known(run, tuple(_READERS), f"{path}, [run]: no key named")
    for table in options.values():
        if not isinstance(table, dict) or any(isinstance(value, dict) for value in table.values()):
            raise ConfigError(f'{path}: options go into a table with the audit\'s name in quotes, [audits."text.cer"]')
    read: dict[str, Any] = {}
    for name, value in run.items():
        try:
            read[name] = _READERS[name](value)
        except ValueError as error:
            raise ConfigError(f"{path}, [run] {name} = {value!r}: {error}") from error
    return read, options


def _known(given: Iterable[str], known: Sequence[str], what: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            raise ConfigError(
                f"{what} {name!r}; " + (f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(known)}")
            )


def _flag(read: Callable[[Any], Any]) -> Callable[[str], Any]:
    def typed(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return typed


def _parts(value: object) -> list[object]:
    """The items of a list, of comma-separated text, or of a single value; none at all is an error."""
    parts: list[object] = [each.strip() for each in value.split(",")] if isinstance(value, str) else [value]
    if isinstance(value, list):
        parts = value
    if not parts or "" in parts:
        raise ValueError(f"an empty item in {value!r}; separate items with single commas, such as 1,3,6")
    return parts


def _floats(value: object) -> tuple[float, ...]:
    return tuple(_float(each) for each in _parts(value))


def _windows(value: object) -> tuple[tuple[float, float], ...]:
    return tuple(_window(each) for each in _parts(value))


def _window(value: object) -> tuple[float, float]:
    low, colon, high = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon:
        raise ValueError(f"{value!r} is not a window; give its ends with a colon between, such as 0.3:0.9")
    return _float(low), _float(high)


def _ints(value: object) -> tuple[int, ...]:
    return tuple(_int(each) for each in _parts(value))


def _names(value: object) -> tuple[str, ...]:
    return tuple(_text(each) for each in _parts(value))


def _specs(value: object) -> tuple[str, ...]:
    return tuple(_text(each) for each in (value if isinstance(value, list) else [value]))


def _float(value: object) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    raise ValueError(f"{value!r} is not a number; give numbers separated by commas, such as 1,3,6")


def _int(value: object) -> int:
    number = _float(value)
    if not number.is_integer():
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a text in quotes")
    return value


def _task(value: object) -> str:
    if value not in TASKS:
        raise ValueError(f"no task is called {value!r}; known: {', '.join(TASKS)}")
    return str(value)


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false")
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "suite": _text,
    "generator": _specs,
    "guidance": _floats,
    "steps": _ints,
    "sampler": _names,
    "guidance_window": _windows,
    "guidance_rescale": _floats,
    "task": _task,
    "strength": _floats,
    "control_scale": _floats,
    "replicates": _int,
    "audits": _names,
    "limit": _int,
    "out": _text,
    "device": _text,
    "batch": _int,
    "shard": _int,
    "report": _bool,
    "cards": _specs,
}
_FIELDS = {
    "generator": "generators",
    "sampler": "samplers",
    "guidance_window": "guidance_windows",
    "guidance_rescale": "guidance_rescales",
    "strength": "strengths",
    "control_scale": "control_scales",
}
