"""What a run says of itself: versions, machine, config, suite, generators, audits, weights. Never a secret."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from audit.redact import redacted
from audit.score import Choice
from audit.store import FORMAT
from audit.types import Json, Suite
from generators.api import Generator

PACKAGES = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "open_clip_torch",
    "safetensors",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "pillow",
    "mitsuba",
    "rapidocr",
    "easyocr",
    "onnxruntime",
    "mediapipe",
)


def versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number; absent ones are left out."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def own_version() -> str:
    """Version of this package; "source" where it runs without being installed."""
    try:
        return metadata.version("sixthfinger")
    except metadata.PackageNotFoundError:
        return "source"


def machine() -> dict[str, Json]:
    """Processor, cores, accelerator, memory, platform."""
    import torch

    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "ram_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "platform": platform.platform(),
    }


def manifest(
    *,
    config: Mapping[str, Json],
    suite: Suite,
    generators: Sequence[Generator],
    choices: Sequence[Choice],
    created: str = "",
) -> dict[str, Json]:
    """The manifest of a run, but for the seconds it took; `created` is kept when a run goes on."""
    told: dict[str, Json] = {
        "format": FORMAT,
        "version": own_version(),
        "created": created or datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": versions(),
        "machine": machine(),
        "config": dict(config),
        "suite": {
            "name": suite.name,
            "version": suite.version,
            "digest": suite.digest,
            "prompts": len(suite.prompts),
        },
        "generators": [about_generator(each) for each in generators],
        "audits": [about_audit(each) for each in choices],
        "weights": weights_of([each.audit.name for each in choices], [each.name for each in generators]),
    }
    return {name: redacted(value) for name, value in told.items()}


def about_generator(generator: Generator) -> dict[str, Json]:
    """A generator's entry; `card`, where it offers one, is its description."""
    entry: dict[str, Json] = {
        "name": generator.name,
        "fingerprint": generator.fingerprint(),
        "knobs": sorted(generator.knobs),
        "tasks": sorted(generator.tasks),
    }
    card = getattr(generator, "card", None)
    return entry | {"card": card} if isinstance(card, str | dict) else entry


def about_audit(choice: Choice) -> dict[str, Json]:
    """An audit's entry, with the options it ran with."""
    each = choice.audit
    return {
        "name": each.name,
        "version": each.version,
        "options": dict(choice.options),
        "better": each.better,
        "unit": each.unit,
        "source": each.source,
        "kind": each.kind,
        "on": each.on,
        "statistic": each.statistic,
        "headline": each.headline,
        "doc": each.doc,
        "card": None if choice.card is None else choice.card.worth,
        "doubt": choice.doubt,
    }


def weights_of(audits: Sequence[str], generators: Sequence[str]) -> list[dict[str, Json]]:
    """The weight files that these audits and generators use and that are present."""
    from audit.weights import weights

    users = {*audits, *generators, *(name.partition("@")[0].partition("?")[0] for name in generators)}
    return [
        {"name": each.name, "sha256": each.sha256, "path": str(each.path or ""), "licence": each.licence}
        for each in weights()
        if each.present and users & set(each.used_by)
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def stage_seconds(earlier: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, float]:
    """Wall seconds per stage, summed over every sitting of a run."""
    return {name: round(float(earlier.get(name, 0.0)) + now.get(name, 0.0), 3) for name in {**earlier, **now}}
