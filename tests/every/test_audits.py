"""What every registered audit must do, whoever wrote it. A new file in audit/audits/ meets all of this untouched."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from audit import images
from audit.api import ScoreBatch, ScoreSet, View
from audit.plan import Shard
from audit.registry import audits, find_audit
from audit.score import Bench, OptionError, choose
from audit.scorers import is_missing_weights
from audit.store import RunFolder
from audit.tables import canonical
from audit.types import Artifact, Job, Prompt, Score
from generators.api import Pixels, Settings, Task

GENERATED = Path(os.environ.get("AUDIT_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "generated"
PER_PICTURE = sorted(name for name, each in audits().items() if each.kind != "set")
SETS = sorted(name for name, each in audits().items() if each.kind == "set")
CLOSE = 1e-4
"""Networks add up in another order when a batch has another size; float32 leaves about 1e-6 of that in a score."""

ANY_WIDTH = 24
"""Of features that have nothing to say about a picture without the task they belong to."""


def sign(word: str, size: int = 64) -> Pixels:
    picture = Image.new("RGB", (size, size), (225, 220, 200))
    ImageDraw.Draw(picture).text((6, size // 3), word, font=ImageFont.load_default(18), fill=(30, 30, 60))
    return np.asarray(picture)


def noise(height: int = 64, width: int = 64, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def grey(height: int = 64, width: int = 64) -> Pixels:
    return np.full((height, width, 3), 128, np.uint8)


def view(pixels: Pixels, text: str = 'a sign that says "OPEN"') -> View:
    image = torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))
    expect = {"text": "OPEN", "count": 1, "object": "sign"}
    return View(image=image, prompt=Prompt(id=text or "none", text=text, expect=expect), key="k")


def views() -> list[View]:
    return [view(sign("OPEN")), view(noise()), view(grey(40, 72)), view(sign("SHUT", 96))]


HARD: dict[str, Callable[[], View]] = {
    "grey": lambda: view(grey()),
    "black": lambda: view(np.zeros((64, 64, 3), np.uint8)),
    "a single pixel": lambda: view(noise(1, 1)),
    "tall": lambda: view(noise(300, 3)),
    "wide": lambda: view(noise(2, 300)),
    "no words": lambda: view(sign("OPEN"), ""),
    "words beyond counting": lambda: view(sign("OPEN"), "a sign " * 500),
    "another script": lambda: view(sign("OPEN"), "写着“开”的牌子 🪧"),
    "no expectation": lambda: View(image=view(noise()).image, prompt=Prompt(id="x", text="a cube")),
    "strange expectation": lambda: View(
        image=view(noise()).image, prompt=Prompt(id="x", text="a cube", expect={"text": "", "unheard_of": [None]})
    ),
}


@cache
def scorer(name: str) -> ScoreBatch | Exception:
    try:
        return find_audit(name)()
    except Exception as error:
        if not is_missing_weights(error):
            raise
        return error


def available(name: str) -> ScoreBatch:
    found = scorer(name)
    if isinstance(found, Exception):
        pytest.skip(str(found))
    return found


def assert_alike(found: Sequence[Score], wanted: Sequence[Score]) -> None:
    assert [each.status for each in found] == [each.status for each in wanted]
    for one, other in zip(found, wanted, strict=True):
        if other.value is not None:
            assert one.value == pytest.approx(other.value, rel=CLOSE, abs=CLOSE)
        if other.vector is not None:
            size = float(np.linalg.norm(other.vector)) or 1.0
            assert one.vector == pytest.approx(other.vector, abs=CLOSE * size)


def test_audits_were_found() -> None:
    assert PER_PICTURE
    assert SETS


@pytest.mark.parametrize("name", PER_PICTURE)
def test_no_pictures_no_scores(name: str) -> None:
    assert available(name)([]) == []


@pytest.mark.parametrize("name", PER_PICTURE)
def test_the_order_does_not_matter(name: str) -> None:
    score = available(name)
    assert_alike(score(views()[::-1]), score(views())[::-1])


@pytest.mark.parametrize("name", PER_PICTURE)
def test_the_batch_does_not_matter(name: str) -> None:
    score = available(name)
    assert_alike([score([each])[0] for each in views()], score(views()))


@pytest.mark.parametrize("name", PER_PICTURE)
def test_the_same_question_has_the_same_answer(name: str) -> None:
    score = available(name)
    assert score(views()) == score(views())


@pytest.mark.parametrize("name", PER_PICTURE)
def test_pictures_are_looked_at_and_not_touched(name: str) -> None:
    score, given = available(name), views()
    score(given)
    for mine, fresh in zip(given, views(), strict=True):
        assert torch.equal(mine.image, fresh.image)


@pytest.mark.parametrize("hard", HARD)
@pytest.mark.parametrize("name", PER_PICTURE)
def test_hard_pictures_are_scored_or_skipped_with_a_reason(name: str, hard: str) -> None:
    [score] = available(name)([HARD[hard]()])
    assert score.status in ("ok", "skipped")
    assert score.reason or score.status == "ok"
    canonical(dict(score.evidence))
    assert score.vector is None or all(math.isfinite(each) for each in score.vector)


EVERYTHING = {
    "text": "OPEN",
    "digits": 5,
    "raised": 5,
    "person": True,
    "occupation": "chef",
    "objects": [{"shape": "ball", "colour": "red"}, {"shape": "cube", "colour": "blue"}],
    "relation": "left of",
    "edge_ceiling": 0.9,
    "skeleton_ceiling": 0.9,
}


def brought(path: Path, task: Task) -> View:
    """A real picture, of whose prompt everything may be expected, as what a task made of itself and a mask."""
    made = images.decode(path.read_bytes())
    mask = np.zeros_like(made)
    mask[:, : made.shape[1] // 2] = 255
    small = made[::4, ::4] if task == "upscale" else made
    inputs = {"source": small, "mask": mask, "control": mask}
    roles = {"img2img": ("source",), "inpaint": ("source", "mask"), "control": ("control",), "upscale": ("source",)}
    text = "a red ball left of a blue cube, a hand with 5 fingers raised, a chef"
    prompt = Prompt(id=path.stem, text=text, expect=EVERYTHING, inputs={role: role for role in roles.get(task, ())})
    image = torch.from_numpy(made.transpose(2, 0, 1).copy())
    return View(image=image, prompt=prompt, settings=Settings(task=task), look=inputs.__getitem__)


@pytest.mark.skipif(not GENERATED.is_dir(), reason="AUDIT_SHARED_DATA has no generated pictures")
@pytest.mark.parametrize("name", PER_PICTURE)
def test_pictures_of_real_generators_are_scored_or_skipped_with_a_reason(name: str) -> None:
    score = available(name)
    for path in sorted(GENERATED.glob("*.png"))[::14]:
        for task in find_audit(name).tasks:
            [found] = score([brought(path, task)])
            assert found.status in ("ok", "skipped"), found.reason
            assert found.reason or found.status == "ok"
            canonical(dict(found.evidence))


@pytest.mark.parametrize("name", PER_PICTURE)
def test_evidence_can_be_written_down(name: str) -> None:
    for score in available(name)(views()):
        assert score.status in ("ok", "skipped")
        canonical(dict(score.evidence))


@pytest.mark.parametrize("name", PER_PICTURE)
def test_a_rate_is_made_of_zeros_and_ones(name: str) -> None:
    if find_audit(name).statistic != "rate":
        assert find_audit(name).statistic == "mean"
        return
    assert all(score.value in (None, 0.0, 1.0) for score in available(name)(views()))


@pytest.mark.parametrize("name", audits())
def test_options_have_defaults_and_are_recorded(name: str) -> None:
    each = find_audit(name)
    choice = next(found for found in choose([name], {}, audits()) if found.audit is each)
    canonical(dict(choice.options))
    with pytest.raises(OptionError, match="has no option 'no_such_option'"):
        choose([name], {name: {"no_such_option": 1}}, audits())


@pytest.mark.parametrize("name", PER_PICTURE)
def test_missing_weights_skip_every_picture_and_say_what_would_fetch_them(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = scorer(name)
    if not isinstance(found, Exception):
        pytest.skip("its weights are here")
    prompt = Prompt(id="p", text="a cube")
    job = Job(generator="g", fingerprint="f", prompt=prompt, settings=Settings(), replicate=0)
    bench, folder = Bench(choose([name], {}, audits()), {}, lambda line: None), RunFolder(tmp_path)
    artifact = Artifact(key=job.key, status="ok", digest="0" * 64, width=64, height=64)
    bench.score(folder, Shard(number=0, batch=1, jobs=(job,)), [artifact], lambda key: grey())
    [row] = folder.read_scores(folder.score_file(name, 0))
    assert row.score.status == "skipped"
    assert row.score.reason == str(found)


@cache
def set_scorer(name: str) -> tuple[ScoreSet, int] | Exception:
    """The statistic and how many features its audit of pictures gives."""
    features = scorer(find_audit(name).on)
    if isinstance(features, Exception):
        return features
    try:
        statistic = find_audit(name).set_scorer()
    except Exception as error:
        if not is_missing_weights(error):
            raise
        return error
    [score] = features([view(noise())])
    return statistic, len(score.vector or ()) or ANY_WIDTH


def available_set(name: str) -> tuple[ScoreSet, int]:
    found = set_scorer(name)
    if isinstance(found, Exception):
        pytest.skip(str(found))
    return found


@pytest.mark.parametrize("name", SETS)
def test_a_set_audit_works_on_vectors_that_somebody_makes(name: str) -> None:
    assert find_audit(name).on in PER_PICTURE


@pytest.mark.parametrize("name", SETS)
def test_the_order_of_a_set_does_not_matter(name: str) -> None:
    statistic, width = available_set(name)
    rows = np.random.default_rng(0).normal(size=(60, width))
    prompts = [f"p{n // 2}" for n in range(60)]
    shuffled = np.random.default_rng(1).permutation(60)
    straight = statistic(rows, prompts)
    mixed = statistic(rows[shuffled], [prompts[n] for n in shuffled])
    assert straight.value == (None if mixed.value is None else pytest.approx(mixed.value, rel=1e-6))
    assert straight.value is None or math.isfinite(straight.value)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("name", SETS)
def test_a_small_set_has_a_number_or_a_note(name: str, count: int) -> None:
    statistic, width = available_set(name)
    found = statistic(np.random.default_rng(0).normal(size=(count, width)), [f"p{n}" for n in range(count)])
    assert found.note if found.value is None else math.isfinite(found.value)


@pytest.mark.parametrize("name", SETS)
def test_equal_pictures_do_not_break_a_set(name: str) -> None:
    statistic, width = available_set(name)
    found = statistic(np.ones((20, width)), [f"p{n}" for n in range(20)])
    assert found.note if found.value is None else math.isfinite(found.value)
