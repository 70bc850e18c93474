"""Where a diffusers pipeline lies, how it is loaded safely, what it is made of (hash), and which samplers it takes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from generators.adapters.options import near
from generators.api import GeneratorError
from generators.quiet import without_loading_bars

SAMPLERS = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "dpm++2m": "DPMSolverMultistepScheduler",
}
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
TEXTS = (".json", ".txt", ".model")
"""Endings of configurations, vocabularies and tokenizers: what shapes pictures beside weights."""


def locate(subject: str, variant: str | None) -> Path:
    """The folder of "FOLDER", or of "ID@REVISION" on the hub (downloaded to its cache, unless HF_HUB_OFFLINE is set).

    Raises:
        GeneratorError: neither a folder nor to be had.
    """
    folder = Path(subject).expanduser()
    if subject and folder.is_dir():
        return folder
    name, _, revision = subject.partition("@")
    if folder.exists() or subject.startswith((".", "/", "~")) or name.count("/") > 1 or not name:
        what = "is a file" if folder.is_file() else "does not exist"
        raise GeneratorError(
            f"diffusers: {subject!r} {what}; give a folder with a model_index.json in it, as `save_pretrained`"
            " writes it (single-file checkpoints: load them with `from_single_file` and save them so)"
        )
    from diffusers import DiffusionPipeline
    from huggingface_hub import constants

    try:
        return Path(
            DiffusionPipeline.download(
                name,
                revision=revision or None,
                variant=variant,
                use_safetensors=True,
                local_files_only=constants.HF_HUB_OFFLINE,
            )
        )
    except (OSError, ValueError, RuntimeError) as error:
        tried = "the hub's cache only, as HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else constants.ENDPOINT
        message = str(error).strip().split("\n", 1)[0]
        raise GeneratorError(
            f"diffusers: no folder {name!r} here, and no such pipeline to be had from the hub"
            f" (revision {revision or 'main'}; tried {tried}: {type(error).__name__}: {message}); where there is a"
            f" network, run `hf download {name} --local-dir FOLDER`, then use diffusers:FOLDER"
        ) from None


def load_pipeline(
    folder: Path,
    *,
    dtype: torch.dtype,
    variant: str | None,
    class_name: str | None,
    with_safety: bool,
    controlnet: Path | None = None,
) -> Any:
    """The pipeline in a folder, on the CPU; from safetensors only, without code from the folder.

    Raises:
        GeneratorError: see `checked_parts`; or diffusers cannot load it.
    """
    parts = checked_parts(folder)
    options: dict[str, Any] = {dtype_option(): dtype, "variant": variant, "use_safetensors": True}
    if "safety_checker" in parts and not with_safety:
        options |= {"safety_checker": None, "requires_safety_checker": False}
    try:
        with without_loading_bars():
            if controlnet is not None:
                options["controlnet"] = load_controlnet(controlnet, dtype=dtype, variant=variant)
            return pipeline_class(class_name).from_pretrained(str(folder), local_files_only=True, **options)
    except (OSError, ValueError, RuntimeError, AttributeError, KeyError, TypeError) as error:
        hint = "" if class_name else "; if its class is not known for text2img, name it: ?class=StableDiffusionPipeline"
        raise GeneratorError(f"diffusers: {str(folder)!r} cannot be loaded: {error}{hint}") from error


def load_controlnet(folder: Path, *, dtype: torch.dtype, variant: str | None) -> Any:
    """A ControlNet of Stable Diffusion 1.x, 2.x or XL, from safetensors.

    Raises:
        GeneratorError: no such folder, or not its configuration.
    """
    from diffusers import ControlNetModel

    config = folder / "config.json"
    if not config.is_file():
        raise GeneratorError(f"diffusers: controlnet={folder}: no config.json there; give a folder by save_pretrained")
    if json.loads(config.read_text(encoding="utf-8")).get("_class_name") != "ControlNetModel":
        raise GeneratorError(f"diffusers: controlnet={folder}: {config} is not that of a ControlNetModel")
    options: dict[str, Any] = {dtype_option(): dtype, "variant": variant, "use_safetensors": True}
    return ControlNetModel.from_pretrained(str(folder), local_files_only=True, **options)


def lora_file(given: str) -> Path:
    """The safetensors file of "FILE" or of "FOLDER", which must hold one.

    Raises:
        GeneratorError: none there, or several, or a pickle.
    """
    path = Path(given).expanduser()
    if path.is_file() and path.suffix == ".safetensors":
        return path
    found = sorted(path.glob("*.safetensors"))
    if len(found) == 1:
        return found[0]
    if path.is_file():
        reason = f"is no safetensors file; convert {path.suffix or 'it'} where you trust it"
    elif not path.exists():
        reason = "does not exist; download it first: `hf download ID --local-dir FOLDER`"
    else:
        names = ", ".join(each.name for each in found) or "none"
        reason = f"must hold one safetensors file, found {names}; name the file itself"
    raise GeneratorError(f"diffusers: lora={given} {reason}")


def fuse_lora(pipeline: Any, adapter: Path, scale: float) -> None:
    """Add a low-rank adapter (Hu et al. 2021) to a pipeline's weights, times `scale`.

    Raises:
        GeneratorError: peft is not installed, or the adapter is none for this pipeline.
    """
    if find_spec("peft") is None:
        raise GeneratorError("diffusers: lora needs the package peft: pip install 'sixthfinger[lora]'")
    if not hasattr(pipeline, "load_lora_weights"):
        raise GeneratorError(f"diffusers: {type(pipeline).__name__} takes no LoRA")
    try:
        with without_loading_bars():
            pipeline.load_lora_weights(str(adapter.parent), weight_name=adapter.name, local_files_only=True)
            pipeline.fuse_lora(lora_scale=scale)
            pipeline.unload_lora_weights()
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        message = str(error).strip().split("\n", 1)[0]
        raise GeneratorError(f"diffusers: lora={adapter} does not fit {type(pipeline).__name__}: {message}") from error


def checked_parts(folder: Path) -> dict[str, Any]:
    """The parts that model_index.json names, {name: [library, class]}; no pickles, no code among them.

    Raises:
        GeneratorError: no or broken model_index.json, custom code, or weights that are there only as pickles.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        raise GeneratorError(f"diffusers: no model_index.json in {str(folder)!r}; is it a folder by `save_pretrained`?")
    try:
        listed = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GeneratorError(f"diffusers: {index} is not JSON: {error}") from None
    parts = {k: v for k, v in listed.items() if isinstance(v, list) and len(v) == 2 and isinstance(v[0], str)}
    if isinstance(listed.get("_class_name"), list):
        raise GeneratorError(f"diffusers: {index} asks for code of its own ({listed['_class_name'][0]}.py); refused")
    for name, (library, _) in parts.items():
        if (folder / f"{library}.py").exists() or (folder / name / f"{library}.py").exists():
            raise GeneratorError(f"diffusers: {index}: {name!r} asks for code of its own ({library}.py); refused")
        files = sorted(path.name for path in (folder / name).glob("*"))
        pickles = [file for file in files if file.endswith(PICKLED)]
        if pickles and not any(file.endswith(".safetensors") for file in files):
            raise GeneratorError(
                f"diffusers: {folder / name} has its weights only as a pickle ({pickles[0]}), which can run code when"
                " opened; load it where you trust it and save it with `save_pretrained(..., safe_serialization=True)`"
            )
    return parts


def pipeline_class(name: str | None) -> Any:
    """The pipeline class of that name; the automatic one where none is given."""
    import diffusers

    if name is None:
        return diffusers.AutoPipelineForText2Image
    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        known = [each for each in dir(diffusers) if each.endswith("Pipeline")]
        raise GeneratorError(f"diffusers: no pipeline class {name!r}; {near(name, known)}"[:300])
    return found


def dtype_option() -> str:
    """The name of the precision option, which changed in diffusers 0.42."""
    import diffusers
    from packaging.version import Version

    return "dtype" if Version(diffusers.__version__) >= Version("0.42") else "torch_dtype"


def fresh_scheduler(own: Any, sampler: str | None) -> Any:
    """A scheduler without memory of the last picture: the pipeline's own kind, or another with its noise schedule."""
    import diffusers

    kind = type(own) if sampler is None else getattr(diffusers, SAMPLERS[sampler])
    return kind.from_config(own.config)


def samplers_of(pipeline: Any) -> tuple[str, ...]:
    """What the sampler knob can be: U-Net pipelines can swap their noise schedule, flow-matching ones cannot."""
    from diffusers.schedulers import KarrasDiffusionSchedulers

    swappable = type(pipeline.scheduler).__name__ in KarrasDiffusionSchedulers.__members__
    return tuple(SAMPLERS) if swappable and hasattr(pipeline, "unet") else ()


def fingerprint(folder: Path, *, variant: str | None, choices: Mapping[str, str]) -> str:
    """SHA-256 over the files that are loaded, the choices made, the version of diffusers; not over where it lies."""
    import diffusers

    total = hashlib.sha256(json.dumps({**choices, "diffusers": diffusers.__version__}, sort_keys=True).encode())
    skipped = {"safety_checker"} if choices.get("safety") == "off" else set()
    files = [folder / "model_index.json"]
    for name in sorted(set(checked_parts(folder)) - skipped):
        files += part_files(folder / name, variant)
    total.update(listed(folder, files))
    return total.hexdigest()


def weights_digest(folder: Path, variant: str | None) -> str:
    """SHA-256 over the files of one part."""
    return hashlib.sha256(listed(folder, part_files(folder, variant))).hexdigest()


def listed(folder: Path, files: Iterable[Path]) -> bytes:
    """Each file's name within the folder, and the digest of its content: what the hashes of weights are made over."""
    return "".join(f"{path.relative_to(folder).as_posix()}\x00{file_digest(path)}\n" for path in files).encode()


def part_files(folder: Path, variant: str | None) -> list[Path]:
    """Configurations and weights of one part: the variant's weights where it has them, else those of no variant."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    weights = [path for path in files if path.suffix == ".safetensors"]
    of_variant = [path for path in weights if variant and f".{variant}" in path.name.removesuffix(".safetensors")]
    plain = [path for path in weights if "." not in path.name.removesuffix(".safetensors")]
    return [path for path in files if path.suffix in TEXTS] + (of_variant or plain or weights)


_DIGESTS: dict[tuple[str, int, int], str] = {}
"""(path, size, time of change in ns) -> SHA-256: gigabytes are hashed once a process."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    stat = os.stat(path)
    key = (os.path.realpath(path), stat.st_size, stat.st_mtime_ns)
    if key not in _DIGESTS:
        with path.open("rb") as stream:
            _DIGESTS[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _DIGESTS[key]
