"""Do the tasks do what they are asked? Each is held against its known truth, and against shuffled wishes.

    python benchmarks/validity/tasks.py --data DIR --scenes 48

Held-out scenes. Inpainting: known pixels before and after the overlay, against the autoencoder's round trip. Edges and
skeletons: agreement of the picture with its own control and with another's, beside the ceiling that the extractor
reaches on the true scene. Super-resolution: the result brought down again, against what it was made of; and how often
a number plate is read as it was. Writes benchmarks/results/tasks.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from audit.audits.tasks import canny
from audit.features.hands import landmarks
from audit.statistics.agreement import edge_f1, pck
from audit.statistics.means import mean_interval, paired_interval
from audit.types import seed_for
from benchmarks.measure import told, write
from generators import builtin
from generators.api import Generator, Pixels, Request, Settings
from generators.downsample import block_mean
from generators.packing import Packer
from generators.studio.controls import bones, lines_picture, pose_map
from generators.studio.task_suites import PLATE, Held, read, subject_mask
from generators.tasks.upscale import TIMES

STEPS, GUIDANCE = 25, 3.0


def average(values: Sequence[float]) -> dict[str, float | None]:
    return told(mean_interval(np.array(values), [str(i) for i in range(len(values))]))


def gained(before: Sequence[float], after: Sequence[float]) -> dict[str, float | None]:
    return told(paired_interval(np.array(before), np.array(after), [str(i) for i in range(len(before))]))


def ask(scene: Held, task: str, number: int, **inputs: Pixels) -> Request:
    settings = Settings(task=task, steps=STEPS, guidance=GUIDANCE)  # type: ignore[arg-type]
    return Request(text=scene.record["caption"], seed=seed_for(str(number), 0), settings=settings, **inputs)


def draw(generator: Generator, requests: Sequence[Request]) -> list[Pixels]:
    made = dict(generator.generate(requests))
    return [np.asarray(made[i]) for i in range(len(requests))]


def psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Decibels between pictures of 0..255, or between the pixels chosen from them."""
    error = float(np.square(one.astype(np.float64) - other).mean())
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def against_others(scores: Callable[[int, int], float], count: int) -> dict[str, Any]:
    """Scores of picture i with wish i, and with wish i + 1."""
    own = [scores(i, i) for i in range(count)]
    other = [scores(i, (i + 1) % count) for i in range(count)]
    return {"own": average(own), "shuffled": average(other), "own_minus_shuffled": gained(other, own)}


def inpainting(scenes: Sequence[Held]) -> dict[str, Any]:
    """Known pixels, at least 8 from the mask: the decoder looks a little around each."""
    generator = builtin.load("ldm")
    masks = [subject_mask(scene) for scene in scenes]
    requests = [ask(s, "inpaint", i, source=s.image, mask=masks[i]) for i, s in enumerate(scenes)]
    made = draw(generator, requests)
    networks = generator.networks  # type: ignore[attr-defined]
    known = [cv2.dilate(mask[..., 0], np.ones((17, 17), np.uint8)) == 0 for mask in masks]
    with torch.inference_mode():
        packer = Packer(networks.predict, networks.clean, networks.schedule, 16)
        latents = packer.arrive([generator.trip(request, {}) for request in requests])  # type: ignore[attr-defined]
        bare = [networks.decode(latent[None])[0] for latent in latents]
        round_trip = [networks.decode(networks.encode(scene.image)[None])[0] for scene in scenes]
    rows = [i for i, mask in enumerate(known) if mask.sum() > 500]
    after = max(int(np.abs(made[i].astype(int) - scenes[i].image)[masks[i][..., 0] == 0].max()) for i in rows)
    return {
        "n": len(rows),
        "greatest_change_of_a_known_pixel": after,
        "psnr_known_before_overlay": average([psnr(bare[i][known[i]], scenes[i].image[known[i]]) for i in rows]),
        "psnr_known_round_trip": average([psnr(round_trip[i][known[i]], scenes[i].image[known[i]]) for i in rows]),
    }


def edges(scenes: Sequence[Held]) -> dict[str, Any]:
    generator = builtin.load("ldm")
    made = draw(generator, [ask(s, "control", i, control=lines_picture(s.edges)) for i, s in enumerate(scenes)])
    lines = [canny(image) for image in made]
    free = draw(generator, [ask(s, "text2img", i) for i, s in enumerate(scenes)])
    return {
        "n": len(scenes),
        "edge_f1": against_others(lambda i, k: edge_f1(lines[i], scenes[k].edges), len(scenes)),
        "edge_f1_without_control": average([edge_f1(canny(f), s.edges) for f, s in zip(free, scenes, strict=True)]),
        "edge_f1_of_true_scenes": average([edge_f1(canny(s.image), s.edges) for s in scenes]),
    }


def joints(scene: Held) -> NDArray[np.float64]:
    """(21, 2), in MediaPipe's order."""
    chains = [line for _, line in bones(scene.record["points"])]
    return np.array([chains[0][0], *[point for chain in chains for point in chain[1:]]])


def skeletons(scenes: Sequence[Held]) -> dict[str, Any]:
    """Only pictures in which MediaPipe finds a hand are compared; how many those are is said."""
    generator = builtin.load("ldm")
    wishes = [pose_map(scene.record["points"], 128) for scene in scenes]
    made = draw(generator, [ask(s, "control", i, control=wishes[i]) for i, s in enumerate(scenes)])
    found = [landmarks(image) for image in made]
    true = [landmarks(scene.image) for scene in scenes]
    wanted = [joints(scene) for scene in scenes]
    rows = [i for i, points in enumerate(found) if points is not None]
    return {
        "n": len(scenes),
        "found": len(rows),
        "found_in_true_scenes": sum(points is not None for points in true),
        "pck": against_others(lambda i, k: pck(found[rows[i]], wanted[rows[k]]), len(rows)),  # type: ignore[arg-type]
        "pck_of_true_scenes": average([pck(t, w) for t, w in zip(true, wanted, strict=True) if t is not None]),
    }


def super_resolution(scenes: Sequence[Held]) -> dict[str, Any]:
    """`bicubic` is the interpolated small picture, which is blurred but invents nothing."""
    from audit.features.ocr import rapidocr

    small = [block_mean(scene.image, TIMES) for scene in scenes]
    made = draw(builtin.load("upscale"), [ask(s, "upscale", i, source=small[i]) for i, s in enumerate(scenes)])
    again = [block_mean(image, TIMES) for image in made]
    bicubic = [cv2.resize(image, (128, 128), interpolation=cv2.INTER_CUBIC) for image in small]
    plates = [i for i, s in enumerate(scenes) if s.record["drawn"].get("carrier") == PLATE]

    def exact(image: Pixels, i: int) -> float:
        return float(squeezed(rapidocr()(image).text) == squeezed(scenes[i].record["drawn"]["text"]))

    return {
        "n": len(scenes),
        "lr_psnr": against_others(lambda i, k: psnr(again[i], small[k]), len(scenes)),
        "psnr": average([psnr(m, s.image) for m, s in zip(made, scenes, strict=True)]),
        "psnr_bicubic": average([psnr(b, s.image) for b, s in zip(bicubic, scenes, strict=True)]),
        "plates": len(plates),
        "plates_read_exactly": average([exact(made[i], i) for i in plates]),
        "plates_read_exactly_bicubic": average([exact(bicubic[i], i) for i in plates]),
        "plates_read_exactly_in_true_scenes": average([exact(scenes[i].image, i) for i in plates]),
    }


def squeezed(text: str) -> str:
    return "".join(text.upper().split())


def some(
    scenes: Sequence[Held], count: int, *families: str, wanted: Callable[[Held], bool] = lambda _: True
) -> list[Held]:
    return [each for each in scenes if each.family in families and wanted(each)][:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=48, help="of each comparison")
    given = parser.parse_args()
    scenes, count = list(read(given.data)), given.scenes
    raised = some(scenes, count, "hands", wanted=lambda each: each.record["drawn"]["raised"] >= 3)
    plates = some(scenes, count, "signs", wanted=lambda each: each.record["drawn"]["carrier"] == PLATE)
    result = {
        "steps": STEPS,
        "guidance": GUIDANCE,
        "inpaint": inpainting(some(scenes, count, "hands", "portraits", "signs", "tabletop")),
        "edges": edges(some(scenes, count, "hands", "portraits", "tabletop")),
        "skeletons": skeletons(raised),
        "upscale": super_resolution([*plates, *some(scenes, count, "hands", "portraits", "tabletop", "textures")]),
    }
    write("tasks", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
