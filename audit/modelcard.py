"""A generator's numbers for its Hugging Face model card: a `model-index` in the front matter and a marked part of text.

Source: the model-index of https://github.com/huggingface/hub-docs/blob/main/modelcard.md, written and read back by
`huggingface_hub`. Nothing is sent anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import tables
from audit.cards import cards
from audit.frontmatter import FrontMatterError, front_matter, with_part, with_value
from audit.oneline import one_line
from audit.show import number
from audit.store import RunFolder
from audit.types import Estimate, Json, knob_words

AUDITOR = "sixthfinger"
FEW = 30
TASKS = {
    "text2img": "text-to-image",
    "img2img": "image-to-image",
    "inpaint": "image-to-image",
    "control": "text-to-image",
    "upscale": "image-to-image",
}
ARROWS = {"higher": " ↑", "lower": " ↓"}


class ModelCardError(ValueError):
    """A model card that cannot be written; the message says which file or run, and what would help."""


@dataclass(frozen=True)
class Audited:
    """One generator of a run.

    Attributes:
        cells: settings by the cell's name, in plan order.
        audits: the headline audits as the manifest tells of them, by name.
        estimates: of the headline audits, with or without a value.
        pictures: how many were made.
    """

    generator: str
    manifest: Mapping[str, Any]
    cells: Mapping[str, Mapping[str, Json]]
    audits: Mapping[str, Mapping[str, Json]]
    estimates: Sequence[Estimate]
    pictures: int


def write_card(folder: RunFolder, out: Path, generator: str | None = None) -> int:
    """Write the card as a new file, or bring the one that is there up to date; how many numbers its index has of ours.

    Raises:
        ModelCardError: no such generator, nothing summarised, or a file that cannot be edited without losing something.
    """
    told = audited(folder, generator)
    try:
        text = out.read_bytes().decode("utf-8-sig") if out.exists() else None
        card = fresh_card(told) if text is None else updated_card(told, text)
        tables.write_bytes(out.resolve(), card.encode())
    except UnicodeDecodeError as error:
        raise ModelCardError(f"{out} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except FrontMatterError as error:
        raise ModelCardError(f"{out}: {error}") from error
    except OSError as error:
        raise ModelCardError(f"cannot write {out}: {error.strerror}; choose another --out") from error
    return sum(each.value is not None for each in told.estimates)


def audited(folder: RunFolder, generator: str | None = None) -> Audited:
    """What the run says of one generator; of its only one where none is named.

    Raises:
        ModelCardError: no such generator, several to choose from, or no headline audit summarised.
    """
    manifest, jobs, artifacts = folder.manifest(), folder.jobs(), folder.artifacts()
    names = list(dict.fromkeys(jobs["generator"]))
    if generator is None and len(names) > 1:
        raise ModelCardError(f"{folder.path} has several generators; name one with --generator: {', '.join(names)}")
    name = generator if generator is not None else names[0]
    if name not in names:
        raise ModelCardError(f"{folder.path} has no generator {name!r}; it has {', '.join(names)}")
    audits = {each["name"]: each for each in manifest["audits"] if each["headline"]}
    estimates = [each for each in folder.estimates() if each.generator == name and each.audit in audits]
    if all(each.value is None for each in estimates):
        raise ModelCardError(
            f"{folder.path} has no headline number of {name}; audit score {folder.path} makes them, and says why not"
        )
    mine = jobs[jobs["generator"] == name]
    cells = dict(zip(mine["cell"], map(json.loads, mine["settings"]), strict=True))
    made = mine["key"].isin(artifacts["key"][artifacts["status"] == "ok"])
    return Audited(name, manifest, cells, audits, estimates, int(made.sum()))


def fresh_card(told: Audited) -> str:
    """A whole model card that says nothing but what was measured."""
    text = with_value(f"# {escaped(told.generator)}\n\n", "model-index", model_index(told))
    task = _task(next(iter(told.cells.values())))
    return with_part(with_value(text, "pipeline_tag", task), card_text(told))


def updated_card(told: Audited, text: str) -> str:
    """A README with our results and our marked part replaced, or added, and everything else as it was.

    Raises:
        FrontMatterError: it cannot be edited without losing something.
    """
    index = merged(front_matter(text).get("model-index"), model_index(told))
    return with_part(with_value(text, "model-index", index), card_text(told))


def model_index(told: Audited) -> list[dict[str, Json]]:
    """The numbers as a `model-index`: a metric per headline audit and cell that has a value.

    A metric's type is the audit's name, its name has cell and interval in words, its args are the cell's settings;
    the dataset is the suite, its revision the suite's digest.
    """
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    suite = told.manifest["suite"]
    results = [
        EvalResult(
            task_type=_task(told.cells[each.cell]),
            dataset_type=one_line(suite["name"]),
            dataset_name=one_line(f"{suite['name']} {suite['version']}"),
            dataset_revision=suite["digest"],
            dataset_args={"auditor": AUDITOR, "version": one_line(suite["version"]), "prompts": suite["prompts"]},
            metric_type=one_line(each.audit),
            metric_value=each.value,
            metric_name=one_line(_metric_name(each)),
            metric_args=_chosen(told.cells[each.cell]),
        )
        for each in told.estimates
        if each.value is not None
    ]
    index: list[dict[str, Json]] = eval_results_to_model_index(one_line(told.generator), results)
    return index


def merged(existing: Json, ours: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """The index with our earlier results taken out and these put in; an index that names the model keeps its name.

    Raises:
        FrontMatterError: what is there is no model-index.
    """
    if not isinstance(existing, list | None) or any(not isinstance(each, dict) for each in existing or []):
        raise FrontMatterError("its model-index is no list of models; correct it or take it out")
    kept = [{**each, "results": [r for r in each.get("results") or [] if not _ours(r)]} for each in existing or []]
    [mine] = ours
    if not kept:
        return ours
    place = next((i for i, each in enumerate(kept) if each.get("name") == mine["name"]), 0)
    kept[place]["results"] += mine["results"]
    return [each for each in kept if each["results"] or each is kept[place]]


def card_text(told: Audited) -> str:
    """The marked part: tables with intervals and n, what each audit measures, limits, how it was made; Markdown."""
    suite, made = told.manifest["suite"], told.manifest
    parts = [
        "## Audit",
        f"{told.pictures:,} pictures for the {suite['prompts']:,} prompts of the suite {escaped(suite['name'])}, "
        f"audited with Sixth Finger {escaped(made['version'])} on {escaped(made['created'][:10])}. "
        f"Intervals are 95 %; n is the pictures behind a number.",
        *(part for cell in told.cells for part in _cell(told, cell)),
        "### What is measured",
        _table(
            ("audit", "what", "unit", "better", "source"),
            [
                (each["name"], each["doc"].split("\n")[0], each["unit"], each["better"], each["source"])
                for each in told.audits.values()
            ],
        ),
        "### Limits",
        "\n".join(f"- {line}" for line in limits(told)),
        "### How it was made",
        _table(("", ""), _made(told)),
    ]
    if made.get("weights"):
        rows = [(each["name"], each["sha256"], each["licence"]) for each in made["weights"]]
        parts += ["Weights of the generator and of the audits:", _table(("file", "SHA-256", "licence"), rows)]
    return "\n\n".join(parts)


def limits(told: Audited) -> list[str]:
    """What these numbers do not say, a line each; Markdown."""
    doubted = list(dict.fromkeys(each.audit for each in told.estimates if each.card.startswith("not validated")))
    few = list(dict.fromkeys(each.audit for each in told.estimates if each.value is not None and each.n < FEW))
    lines = [
        "The numbers hold for prompts like those of this suite at these settings; an interval says how much they vary "
        "with the prompts, not how they would change with another suite.",
        "Compare them with numbers of the same suite digest, audit version and weights only.",
    ]
    if any(each.corrected is not None for each in told.estimates):
        lines.append(
            "A detector errs. The column “corrected” frees a rate of the errors that the detector's card measured; "
            "its interval includes how well they are known, and it is as good as the card fits these pictures."
        )
    if doubted:
        lines.append(f"Not validated, so their own errors are not known: {escaped(', '.join(doubted))}.")
    if few:
        lines.append(f"Fewer than {FEW} pictures behind a number of {escaped(', '.join(few))}.")
    return [*lines, *_of_detectors(told.estimates), *_absent(told)]


def escaped(text: str) -> str:
    r"""Text as Markdown that shows exactly it: no tag, link, picture, emphasis, mark or table of its own.

    >>> escaped("<b> a|b [x](y) text_exact _x_ #1")
    '&lt;b&gt; a\\|b \\[x\\](y) text_exact \\_x\\_ \\#1'
    """
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = re.sub(r"([\\`*|\[\]#~])", r"\\\1", safe)
    safe = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", safe)
    # bare addresses would become links
    return safe.replace("://", ":&#47;&#47;").replace("www.", "www&#46;").replace("@", "&#64;")


def _cell(told: Audited, cell: str) -> list[str]:
    mine = [each for each in told.estimates if each.cell == cell and each.value is not None]
    freed = ["corrected"] if any(each.corrected is not None for each in mine) else []
    carded = ["detector"] if any(each.card for each in mine) else []
    notes = list(dict.fromkeys(each.note for each in mine if each.note))
    rows = [
        (
            each.audit + ARROWS.get(told.audits[each.audit]["better"], ""),
            number(each.value) + (f" {_raised(notes.index(each.note) + 1)}" if each.note else ""),
            _ends(each.low, each.high),
            *(str(count) for count in (each.n, each.skipped, each.failed)),
            *([_corrected(each)] if freed else []),
            *([each.card or "-"] if carded else []),
        )
        for each in mine
    ]
    heads = ("audit", "value", "95 % interval", "n", "skipped", "failed", *freed, *carded)
    listed = "\n".join(f"- {_raised(place)} {escaped(note)}" for place, note in enumerate(notes, start=1))
    table = _table(heads, rows) if rows else "Nothing could be measured here; the limits below say why."
    return [f"### {escaped(cell)}", table, *([listed] if listed else [])]


def _raised(number_of_note: int) -> str:
    return str(number_of_note).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _of_detectors(estimates: Sequence[Estimate]) -> list[str]:
    """The limits of every detector whose card the run quotes."""
    told = {
        each.audit: card.limits
        for card in cards()
        for each in estimates
        if card.limits and each.audit == card.detector and each.card.startswith(card.worth)
    }
    return [f"{escaped(name)}: {escaped(text)}" for name, text in told.items()]


def _absent(told: Audited) -> list[str]:
    """Where there is no number and why, without the places on this machine that were searched."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in told.estimates:
        if each.value is None:
            reason = each.note.partition(" (looked in ")[0] or "no picture to score"
            reasons.setdefault((each.audit, reason), []).append(each.cell)
    return [
        f"No number of {escaped(audit)}"
        + ("" if len(cells) == len(told.cells) else f" at {escaped(', '.join(cells))}")
        + f": {escaped(reason)}."
        for (audit, reason), cells in reasons.items()
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    return "\n".join([*lines, *("| " + " | ".join(map(escaped, row)) + " |" for row in rows)])


def _made(told: Audited) -> list[tuple[str, str]]:
    manifest, suite = told.manifest, told.manifest["suite"]
    machine = manifest["machine"]
    prints = {each["name"]: each["fingerprint"] for each in manifest["generators"]}
    packages = ", ".join(f"{name} {version}" for name, version in manifest.get("packages", {}).items())
    return [
        ("generator", f"{told.generator}, fingerprint {prints.get(told.generator, 'not recorded')}"),
        ("suite", f"{suite['name']}, version {suite['version']}, digest {suite['digest']}"),
        ("audits with versions", ", ".join(f"{each['name']} {each['version']}" for each in told.audits.values())),
        ("when", manifest["created"]),
        ("machine", ", ".join(str(machine[name]) for name in ("cpu", "gpu", "platform") if machine.get(name))),
        ("software", f"sixthfinger {manifest['version']}, Python {manifest['python']}, {packages}"),
    ]


def _metric_name(estimate: Estimate) -> str:
    known = estimate.low is not None and estimate.high is not None
    ends = f"95 % interval {_ends(estimate.low, estimate.high)}" if known else "no interval"
    return f"{estimate.audit} at {estimate.cell} ({ends}, n {estimate.n})"


def _ends(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{number(low)} to {number(high)}"


def _corrected(estimate: Estimate) -> str:
    if estimate.corrected is None:
        return "-"
    return f"{number(estimate.corrected)} ({_ends(estimate.corrected_low, estimate.corrected_high)})"


def _task(settings: Mapping[str, Json]) -> str:
    return TASKS[settings.get("task", "text2img")]


def _chosen(settings: Mapping[str, Json]) -> dict[str, Json]:
    return {name: knob_words(v) if isinstance(v, list) else v for name, v in settings.items() if v is not None}


def _ours(result: Json) -> bool:
    dataset = result.get("dataset") if isinstance(result, dict) else None
    arguments = dataset.get("args") if isinstance(dataset, dict) else None
    return isinstance(arguments, dict) and arguments.get("auditor") == AUDITOR
