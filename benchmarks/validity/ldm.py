"""Is the built-in model any good, and does guidance trade as it should?

    python benchmarks/validity/ldm.py --data DIR --prompts 256

Pictures of held-out captions from the shipped model, scored with the studio feature model against held-out scenes;
alignment against shuffled captions; guidance 1 against 6, paired by seed; signs read as they were asked for.
Writes benchmarks/results/ldm.json.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from audit.api import View
from audit.audits.text import cer
from audit.audits.tone import saturation
from audit.features import models
from audit.references import load as load_reference
from audit.statistics.frechet import frechet_interval
from audit.statistics.kid import kid_interval
from audit.statistics.means import mean_interval, paired_interval
from audit.statistics.rates import rate_interval
from audit.types import Prompt, seed_for
from benchmarks.measure import told, write
from generators import builtin
from generators.api import Request, Settings
from generators.train.data import read_scenes


def pictures(spec: str, texts: list[str], guidance: float, steps: int) -> list[torch.Tensor]:
    """uint8 (3, H, W) each; the seed is that of a harness prompt named after the position."""
    settings = Settings(guidance=guidance, steps=steps)
    requests = [Request(text=text, seed=seed_for(str(i), 0), settings=settings) for i, text in enumerate(texts)]
    made = dict(builtin.load(spec).generate(requests))
    return [torch.from_numpy(np.array(np.asarray(made[i]).transpose(2, 0, 1))) for i in range(len(texts))]


def cosines(images: torch.Tensor, texts: torch.Tensor) -> np.ndarray:
    """100 times the cosine of each picture with the text in its row."""
    return (100 * torch.nn.functional.cosine_similarity(images, texts)).double().numpy()


def spelling(images: list[torch.Tensor], texts: list[str]) -> dict[str, Any]:
    """Of signs of up to four letters, and of longer ones: edits a letter, and how many are read as asked."""
    asked = {i: match.group(1) for i, text in enumerate(texts) if (match := re.search(r'"([^"]+)"', text))}
    score, told_of = cer(), {}
    for name, long in (("up_to_four", False), ("longer", True)):
        rows = [i for i, text in asked.items() if (len(text.replace(" ", "")) > 4) == long]
        views = [View(images[i], Prompt(id=str(i), text=texts[i], expect={"text": asked[i]})) for i in rows]
        errors = np.array([each.value for each in score(views)])
        prompts = [str(i) for i in rows]
        told_of[name] = {
            "n": len(rows),
            "cer": told(mean_interval(errors, prompts)),
            "exact": told(rate_interval(errors == 0, prompts)),
        }
    return told_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    chosen = parser.parse_args()

    texts = [words[0] for words in read_scenes(chosen.data, "held_out").captions[: chosen.prompts]]
    prompts = [str(i) for i in range(len(texts))]
    model = models.load("studio")
    reference = load_reference("studio-held-out", model=model.digest)
    wanted = model.text_features(texts)
    shuffled = wanted[np.random.default_rng(0).permutation(len(texts))]

    made = {g: pictures("ldm", texts, g, chosen.steps) for g in (1.0, 3.0, 6.0)}
    rows = {g: model.image_features(images) for g, images in made.items()}
    final = frechet_interval(rows[3.0].double().numpy(), prompts, reference.moments)

    matched, mixed = cosines(rows[3.0], wanted), cosines(rows[3.0], shuffled)
    low, high = cosines(rows[1.0], wanted), cosines(rows[6.0], wanted)
    tone = {
        g: np.array([s.value for s in saturation()([View(image, Prompt(id="", text="")) for image in images])])
        for g, images in made.items()
    }
    result = {
        "prompts": len(texts),
        "steps": chosen.steps,
        "guidance": 3.0,
        "fd_studio": told(final),
        "fd_studio_floor_held_out": reference.floor(len(texts)),
        "fd_studio_floor_split_half": {str(n): value for n, value in reference.floors.items()},
        "kid_studio": told(kid_interval(rows[3.0].double().numpy(), prompts, reference.features)),
        "clip_score": told(mean_interval(matched, prompts)),
        "clip_score_shuffled": told(mean_interval(mixed, prompts)),
        "clip_score_over_shuffled": told(paired_interval(mixed, matched, prompts)),
        "clip_score_guidance_1_to_6": told(paired_interval(low, high, prompts)),
        "saturation_guidance_1_to_6": told(paired_interval(tone[1.0], tone[6.0], prompts)),
        "spelling": spelling(made[3.0], texts),
    }
    write("ldm", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
