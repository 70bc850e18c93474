"""Jobs -> pictures: whole batches to the generator, one by one where a batch breaks; failures are recorded."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from audit.images import ImageError, checked, digest, encode_webp
from audit.redact import redact
from audit.tables import StoredPicture
from audit.types import Artifact, Job
from generators.api import NEEDS, Generator, Pixels, Refusal, Request


@dataclass(frozen=True)
class Made:
    """What became of a job: the stored form, and the pixels while they are still at hand."""

    stored: StoredPicture
    pixels: Pixels | None = None


@dataclass(frozen=True)
class Answer:
    """A generator's answer to one request, its share of the batch's time, and where it was made."""

    picture: Pixels | Refusal
    seconds: float
    device: str


Inputs = Callable[[str], Pixels]
"""A picture that prompts bring, by its digest."""


def request_of(job: Job, inputs: Inputs) -> Request:
    """Exactly what the generator sees of a job."""
    prompt = job.prompt
    needed = {role: inputs(prompt.inputs[role]) for role in NEEDS.get(job.settings.task, ()) if role in prompt.inputs}
    return Request(
        text=prompt.text,
        negative_text=prompt.negative_text,
        seed=job.seed,
        settings=job.settings,
        name=prompt.id,
        **needed,
    )


def generate(generator: Generator, jobs: Sequence[Job], batch: int, inputs: Inputs) -> list[Made]:
    """One result per job, in order; see `drawn`."""
    return [picture_of(job, answer) for job, answer in zip(jobs, drawn(generator, jobs, batch, inputs), strict=True)]


def drawn(generator: Generator, jobs: Sequence[Job], batch: int, inputs: Inputs) -> list[Answer]:
    """The generator's answers, one per job, in order. The jobs go to it in slices of `batch`.

    A slice that does not fit into memory is halved, and the generator remembers as `fits` how much did.
    """
    inputs = cache(inputs)  # the cells of a sweep share their prompts' pictures
    found: list[Answer] = []
    while len(found) < len(jobs):
        chunk = jobs[len(found) :][: min(batch, getattr(generator, "fits", batch))]
        answers = answered(generator, [request_of(job, inputs) for job in chunk])
        if answers is None:
            setattr(generator, "fits", len(chunk) // 2)  # noqa: B010 - known to this function alone
            continue
        found += answers
    return found


def answered(generator: Generator, requests: Sequence[Request]) -> list[Answer] | None:
    """The batch's answers; None where several requests at once do not fit into memory.

    Where the batch raises anything else, each request is asked again alone; what raises then has failed.
    """
    together: dict[int, Answer] = {}
    too_large = False
    if len(requests) > 1:
        try:
            together = _ask(generator, requests)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the loop below finds the culprit, and what it raises
            too_large = out_of_memory(error)
    if too_large:  # not in the except clause, where the exception still holds the tensors of the frames it came through
        _free()
        return None
    return [together.get(index) or _alone(generator, request) for index, request in enumerate(requests)]


def out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may go through: Python's, CUDA's, MPS's and the CPU allocator's ways of saying so."""
    told = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in told or "can't allocate memory" in told


def picture_of(job: Job, answer: Answer) -> Made:
    """The artifact of an answer; a picture that is no picture counts as failed."""
    device = answer.device
    refusal = answer.picture if isinstance(answer.picture, Refusal) else None
    if refusal is None:
        try:
            pixels = checked(answer.picture)
            artifact = Artifact(
                key=job.key,
                status="ok",
                digest=digest(pixels),
                width=pixels.shape[1],
                height=pixels.shape[0],
                seconds=answer.seconds,
                device=device,
            )
            return Made(StoredPicture(artifact=artifact, image=encode_webp(pixels)), pixels)
        except ImageError as error:
            refusal = Refusal("failed", f"the generator's picture is unusable: {error}")
    gone = Artifact(
        key=job.key, status=refusal.status, seconds=answer.seconds, device=device, error=redact(refusal.reason)
    )
    return Made(StoredPicture(artifact=gone))


def _alone(generator: Generator, request: Request) -> Answer:
    begun, device = time.monotonic(), _device(generator)
    try:
        nothing = Answer(Refusal("failed", "the generator returned nothing for this request"), 0.0, device)
        return _ask(generator, [request]).get(0, nothing)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what a generator raises is the picture's fate, not the run's
        return Answer(Refusal("failed", f"{type(error).__name__}: {error}"), time.monotonic() - begun, device)


def _device(generator: Generator) -> str:
    return str(getattr(generator, "device", "cpu"))


def _free() -> None:
    """Give back what a batch that did not fit has left."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _ask(generator: Generator, requests: Sequence[Request]) -> dict[int, Answer]:
    """Answers by index; an index that was not asked for, or that comes twice, is the generator's bug."""
    begun = time.monotonic()
    got: dict[int, Pixels | Refusal] = {}
    for index, picture in generator.generate(requests):
        if not 0 <= index < len(requests) or index in got:
            raise ValueError(f"the generator answered index {index} of {len(requests)} requests, or answered it twice")
        # a copy, for it is encoded and scored while the generator may already draw over its buffer
        got[index] = np.array(picture) if isinstance(picture, np.ndarray) else picture
    share, device = (time.monotonic() - begun) / max(1, len(got)), _device(generator)
    return {index: Answer(picture, share, device) for index, picture in got.items()}
