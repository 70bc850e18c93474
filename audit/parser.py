"""The command line: every command with its flags and their help."""

from __future__ import annotations

import argparse
from typing import NoReturn

from audit.config import ENGINES, ConfigError
from audit.readers import TASKS, flag, floats, ints, names, positive, seconds, whole, windows

EPILOG = """\
examples:
  audit run --suite quick --generator builtin:ldm --guidance 1,3,6 --steps 10,25 --replicates 2 --out runs/ldm
  audit run sweep.toml --limit 8
  audit run --generator images:my_pictures --out runs/mine
  audit list audits
exit codes: 0 done; 1 finished, but some pictures or scores failed; 2 bad input; 130 interrupted, what is done is kept
"""


GATE_HELP = """\
Judge a candidate run against a baseline run of the same suite, pair by pair of prompt and seed. Each primary metric of
the policy has a margin: how much worse is still acceptable. It passes if less harm than that is shown, fails if harm is
shown that may be more, and is inconclusive otherwise, with the number of pictures it would take. Whatever the verdict
would rest on and is missing, broken or changed fails the gate by name.
Exit codes: 0 pass, 1 fail, 3 inconclusive, 2 bad input.
"""
CALIBRATE_HELP = """\
Measure detectors on pictures whose truth is known and write a card for each: sensitivity, specificity, abstention, by
kind of picture, with intervals. audit run --cards DIR uses them. With --images and --truth one detector is measured on
your own pictures; the CSV has the columns file and planted (yes, no), may have prompt, expect (JSON) and truth, and any
other column names a kind of picture that the card tells apart.
"""


MERGE_HELP = """\
Join the parts that audit run --share made, summarise and report them: the same run as one process would have made.
Parts that are missing, doubled, unfinished or of another plan are refused by name. It may be repeated. Files are linked
rather than copied where the disk allows, and the parts may be deleted afterwards.
"""


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
    beside = "put the full pictures into a folder beside the page, and link them"
    report.add_argument("--pictures", action="store_true", help=beside)
    report.add_argument("--png", metavar="DIR", help="write every figure as a PNG file too; needs a Chromium")
    _add_gate(commands.add_parser("gate", help="is a candidate worse than a baseline? for CI", description=GATE_HELP))
    view = commands.add_parser("view", help="browse runs in a browser, and confirm or dispute what detectors found")
    view.add_argument("runs", nargs="+", metavar="RUN", help="run folder")
    view.add_argument("--port", type=flag(whole), metavar="N", help="of 127.0.0.1 (default: a free one)")
    view.add_argument("--reviewer", default="", metavar="NAME", help="whose verdicts these are; asked for otherwise")
    view.add_argument("--no-open", dest="open", action="store_false", help="print the address and open no browser")
    reviews = commands.add_parser("reviews", help="how far reviewers agree, with each other and with the detectors")
    reviews.add_argument("run", metavar="RUN", help="run folder")
    reviews.add_argument("--json", action="store_true", help="every figure")
    own = "write the detectors' cards for these pictures, for audit run --cards DIR"
    reviews.add_argument("--card", metavar="DIR", help=own)
    reviews.add_argument(
        "--domain", default="reviewed", metavar="NAME", help="what the pictures are (default reviewed)"
    )
    commands.add_parser("weights", help="weight files: which are present, their licences, how to get the others")
    export = commands.add_parser("export", help="write plain PNG files and CSV tables")
    export.add_argument("run", metavar="RUN", help="run folder")
    export.add_argument("--to", required=True, metavar="DIR", help="folder to write; must be new or empty")
    export.add_argument(
        "--format", choices=("csv", "parquet", "json"), default="csv", help="of the tables (default csv)"
    )
    export.add_argument("--no-pictures", dest="pictures", action="store_false", help="tables alone")
    card = commands.add_parser("modelcard", help="a Hugging Face model card with the results as its model-index")
    card.add_argument("run", metavar="RUN", help="run folder")
    card.add_argument("--generator", default="", metavar="NAME", help="where the run has several")
    card.add_argument("-o", "--out", metavar="FILE", help="README.md to write, or to update in its marked part alone")
    track = commands.add_parser("track", help="keep a run in MLflow or Weights & Biases")
    track.add_argument("run", metavar="RUN", help="run folder")
    track.add_argument("--to", required=True, choices=("mlflow", "wandb"), help="the tracker")
    track.add_argument("--project", default="", metavar="NAME", help="experiment or project (default sixthfinger)")
    track.add_argument(
        "--uri", default="", metavar="URI", help="an MLflow store, or a W&B server; default: local, offline"
    )
    track.add_argument("--dir", metavar="DIR", help="where offline files go")
    merge = commands.add_parser("merge", help="join the parts of a shared run into one run", description=MERGE_HELP)
    merge.add_argument("parts", nargs="+", metavar="PART", help="the parts, or the one folder that holds them all")
    merge.add_argument("--out", metavar="DIR", help="run folder to write (default: the folder that holds the parts)")
    merge.add_argument("--no-report", dest="report", action="store_false", help="skip the HTML report")
    score = commands.add_parser("score", help="score the pictures of a run (again), without making any")
    score.add_argument("run", metavar="RUN", help="run folder")
    score.add_argument("--audits", type=flag(names), metavar="A,B", help="default: those of the run")
    apart = "processes that score, each with models of its own (default: this one)"
    score.add_argument("--workers", type=flag(positive), metavar="N", help=apart)
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
    calibrate.add_argument("--workers", type=flag(whole), metavar="N", help="processes (default: one a core)")
    calibrate.add_argument("--images", metavar="DIR", help="your own pictures instead of planted ones, with --truth")
    calibrate.add_argument("--truth", metavar="CSV", help="columns file, planted (yes or no); see below")
    calibrate.add_argument("--domain", default="own", metavar="NAME", help="what your pictures are (default own)")


def _add_gate(gate: argparse.ArgumentParser) -> None:
    gate.add_argument("baseline", metavar="BASELINE", help="run folder to compare with")
    gate.add_argument("candidate", nargs="?", metavar="CANDIDATE", help="run folder to judge")
    gate.add_argument(
        "--policy", metavar="FILE", help="conditions, a TOML file (default gate.toml)", default="gate.toml"
    )
    gate.add_argument("--init", action="store_true", help="write the policy, derived from the baseline, and stop")
    gate.add_argument(
        "--self-test",
        action="store_true",
        help="how often this policy fails where nothing differs: the baseline's replicates against each other; with a "
        "CANDIDATE, which must be a rerun of the same generator, its verdict too",
    )
    gate.add_argument(
        "--splits", type=flag(whole), default=200, metavar="N", help="splits of the self-test (default 200)"
    )
    out = "folder for verdict.json, junit.xml and summary.md (default: gate in the candidate's run folder)"
    gate.add_argument("--out", metavar="DIR", help=out)
    gate.add_argument("--baseline-generator", default="", metavar="NAME", help="where the baseline has several")
    gate.add_argument("--candidate-generator", default="", metavar="NAME", help="where the candidate has several")


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
    run.add_argument("--guidance", type=flag(floats), metavar="1,3,6", help="guidance strengths")
    run.add_argument("--steps", type=flag(ints), metavar="10,25", help="numbers of sampling steps")
    run.add_argument("--sampler", type=flag(names), metavar="ddim,euler", help="samplers")
    window = "guide only while the noise's weight lies in between"
    run.add_argument("--guidance-window", type=flag(windows), metavar="0:1,0.3:0.9", help=window)
    rescale = "0..1, how far guidance is kept from widening the prediction (Lin et al. 2023)"
    run.add_argument("--guidance-rescale", type=flag(floats), metavar="0,0.7", help=rescale)
    run.add_argument("--task", choices=TASKS, help="default text2img; the others take the pictures under inputs")
    strength = "for img2img and inpaint: 0..1, how much is made anew"
    run.add_argument("--strength", type=flag(floats), metavar="0.3,0.8", help=strength)
    scale = "for control: how much the control picture counts, 1 as in training"
    run.add_argument("--control-scale", type=flag(floats), metavar="0.5,1", help=scale)
    run.add_argument("--replicates", type=flag(whole), metavar="N", help="pictures per prompt and cell (default 1)")
    run.add_argument("--audits", type=flag(names), metavar="A,B", help="default: every headline audit")
    run.add_argument("--limit", type=flag(whole), metavar="N", help="only N prompts, evenly spaced")
    run.add_argument("--out", metavar="DIR", help="run folder to write, or to go on with")
    run.add_argument("--device", metavar="auto|cpu|cuda", help="default auto")
    run.add_argument("--batch", type=flag(whole), metavar="N", help="pictures per call (default: the generator's own)")
    run.add_argument("--shard", type=flag(whole), metavar="N", help="pictures per file, rounded up to whole batches")
    own = "folder of cards that audit calibrate wrote; they come before those that ship; may be given several times"
    run.add_argument("--cards", action="append", metavar="DIR", help=own)
    share = "make the second of eight parts, which audit merge joins; torchrun and Slurm say it themselves (1/1: all)"
    run.add_argument("--share", metavar="2/8", help=share)
    ray = "local, or ray: spread the run over the Ray cluster of RAY_ADDRESS, else of this machine (default local)"
    limit = "an audit that takes longer for a shard's pictures, or crashes, fails by name and the others go on"
    run.add_argument("--timeout", type=flag(seconds), metavar="SECONDS", help=limit)
    workers = "processes that score beside the one that makes pictures, each with models of its own (default: a thread)"
    run.add_argument("--workers", type=flag(whole), metavar="N", help=workers)
    run.add_argument("--engine", choices=ENGINES, help=ray)
    depot = "for ray: where workers put their shards, such as s3://bucket/big, if nodes do not share the --out folder"
    run.add_argument("--depot", metavar="URL", help=depot)
    run.add_argument("--no-report", dest="report", action="store_false", default=None, help="skip the HTML report")
