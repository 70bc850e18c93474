"""Train the digit counter: rendered hands on any background, in any light, with fingers added and taken away.

    python -m audit.train.digits --data DIR --out DIR/digits --minutes 40 [--real FOLDER --photos FOLDER]

Real photographs help where there are some: hands that all have five digits (`--real`, with labels.csv: file, session)
are labelled by MediaPipe's landmarks, sessions named by `--held-out` excepted; photographs of anything (`--photos`)
serve as backgrounds. An interrupted training goes on where it stopped; the folder it leaves is what
`DigitCounter.load` reads.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from audit import images
from audit.features.digits import CONFIG, COUNTS, SIDE, SPREAD, WEIGHTS, DigitNet, cropped, placement
from audit.train.digit_scenes import MOST, read
from audit.train.finger_surgery import added, moved, removed
from generators.api import Pixels

Hand = Mapping[str, Any]
"""image; mask or None; tips, bases (7, 3); up (7,); digits; wrist, knuckle (2,)."""


class Hands:
    """Endless augmented crops with their part maps and counts."""

    def __init__(self, hands: Mapping[str, NDArray[Any]], backgrounds: list[Pixels], real: list[Hand]) -> None:
        self.hands = hands
        self.backgrounds = backgrounds
        self.real = real

    def batch(self, size: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Crops (B, 3, 128, 128) in 0..1, maps (B, 4, 64, 64), count classes (B,)."""
        rows = [self.row(rng) for _ in range(size)]
        crops = torch.from_numpy(np.stack([each[0] for each in rows]).transpose(0, 3, 1, 2).copy())
        maps = torch.from_numpy(np.stack([each[1] for each in rows]))
        return crops.float() / 255, maps, torch.tensor([COUNTS.index(each[2]) for each in rows])

    def row(self, rng: np.random.Generator) -> tuple[Pixels, NDArray[np.float32], int]:
        """One crop (128, 128, 3), its maps (4, 64, 64) and its number of digits."""
        if self.real and rng.random() < 0.25:
            hand: Hand = self.real[rng.integers(len(self.real))]
        else:
            hand = rendered(self.hands, int(rng.integers(len(self.hands["digits"]))))
        chance = rng.random()
        if chance < 0.3 and hand["digits"] < MOST:
            hand = added(hand, rng) or hand
        elif chance < 0.45 and hand["digits"] > COUNTS[0]:
            hand = removed(hand, rng) or hand
        elif chance < 0.6:
            hand = moved(hand, rng) or hand
        placed = jittered(hand, rng)
        crop = cropped(hand["image"], placed)
        if hand["mask"] is not None and rng.random() < 0.7:
            mask = cv2.warpAffine(hand["mask"], placed, (SIDE, SIDE), flags=cv2.INTER_LINEAR)[..., None] / 255.0
            behind = self.backgrounds[rng.integers(len(self.backgrounds))]
            crop = np.rint(crop * mask + background(behind, rng) * (1 - mask)).astype(np.uint8)
        maps = part_maps(hand, placed)
        if rng.random() < 0.5:
            crop, maps = crop[:, ::-1], maps[:, :, ::-1]
        return disturbed(np.ascontiguousarray(crop), rng), np.ascontiguousarray(maps), int(hand["digits"])


def rendered(hands: Mapping[str, NDArray[Any]], row: int) -> Hand:
    """A rendered hand, with wrist and middle knuckle guessed from its bases as landmarks would give them."""
    digits = int(hands["digits"][row])
    bases = hands["bases"][row]
    return {
        "image": hands["image"][row],
        "mask": hands["mask"][row],
        "tips": hands["tips"][row],
        "bases": bases,
        "up": hands["up"][row],
        "digits": digits,
        "wrist": hands["wrist"][row],
        "knuckle": bases[1:digits, :2].mean(axis=0),
    }


def jittered(hand: Hand, rng: np.random.Generator) -> NDArray[np.float64]:
    """The crop's placement with the landmarks off by as much as they may be."""
    wrist, knuckle = np.asarray(hand["wrist"], np.float64), np.asarray(hand["knuckle"], np.float64)
    palm = float(np.hypot(*(knuckle - wrist)))
    angle = rng.normal(0, 0.15)
    cos, sin = np.cos(angle), np.sin(angle)
    along = np.array([[cos, -sin], [sin, cos]]) @ (knuckle - wrist) * np.exp(rng.normal(0, 0.12))
    start = wrist + rng.normal(0, 0.08, 2) * palm
    return placement(start, start + along)


def part_maps(hand: Hand, placed: NDArray[np.float64]) -> NDArray[np.float32]:
    """Raised tips, folded tips, bases: bumps of height 1; lines from base to tip of raised digits. (4, 64, 64)."""
    cells = SIDE // 2
    digits = int(hand["digits"])
    tips, bases = ((hand[name][:digits, :2] @ placed[:, :2].T + placed[:, 2]) / 2 - 0.5 for name in ("tips", "bases"))
    up = np.asarray(hand["up"][:digits], bool)
    lines = np.zeros((cells, cells), np.float32)
    for base, tip in zip(bases[up], tips[up], strict=True):
        start, end = (tuple(int(each) for each in np.rint(point * 16)) for point in (base, tip))
        cv2.line(lines, start, end, 1.0, 1, cv2.LINE_8, 4)
    lines = np.clip(cv2.GaussianBlur(lines, (0, 0), 0.7) * 1.8, 0, 1)
    return np.stack([bumps(tips[up], cells), bumps(tips[~up], cells), bumps(bases, cells), lines]).astype(np.float32)


def bumps(points: NDArray[np.floating], cells: int) -> NDArray[np.float32]:
    """The greatest of Gaussian bumps of height 1 at the points (n, 2), (cells, cells)."""
    grid = np.arange(cells, dtype=np.float32)
    drawn = np.zeros((cells, cells), np.float32)
    for x, y in points.tolist():
        across, down = (np.exp(-((grid - at) ** 2) / (2 * SPREAD**2)) for at in (x, y))
        np.maximum(drawn, np.outer(down, across), out=drawn)
    return drawn


def background(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """A random piece of a picture, turned and enlarged, (128, 128, 3)."""
    side = min(picture.shape[:2])
    part = int(rng.uniform(0.4, 1.0) * side)
    top, left = (int(rng.integers(length - part + 1)) for length in picture.shape[:2])
    piece = cv2.resize(picture[top : top + part, left : left + part], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.rot90(piece, int(rng.integers(4)))


def disturbed(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """Another light, camera or drawing style: gains, gamma, hue, blur, noise, low resolution, JPEG, cartoon."""
    picture = crop.astype(np.float32) / 255
    if rng.random() < 0.15:
        picture = cartoon(crop, rng).astype(np.float32) / 255
    picture = np.clip(picture, 0, 1) ** rng.uniform(0.7, 1.4)
    picture = picture * rng.uniform(0.7, 1.2) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    if rng.random() < 0.1:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.2:  # a shadow or a lamp from one side
        slope = np.linspace(rng.uniform(0.6, 1.3), rng.uniform(0.6, 1.3), SIDE, dtype=np.float32)
        picture = picture * (slope[None, :, None] if rng.random() < 0.5 else slope[:, None, None])
    if rng.random() < 0.25:
        small = int(rng.integers(40, 110))
        picture = cv2.resize(cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA), (SIDE, SIDE))
    if rng.random() < 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6))
    picture = picture + rng.normal(0, rng.uniform(0, 0.04), picture.shape).astype(np.float32)
    done = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.25:
        done = images.decode(images.encode_jpeg(done, int(rng.integers(25, 90))))
    return np.ascontiguousarray(done)


def cartoon(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """Flat colours with dark outlines."""
    smooth = cv2.bilateralFilter(cv2.medianBlur(crop, 3), 7, 60, 7)
    levels = int(rng.integers(4, 9))
    flat: Pixels = (np.round(smooth / 255.0 * levels) / levels * 255).astype(np.uint8)
    grey = cv2.GaussianBlur(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    flat[cv2.Canny(grey, 30, 80) > 0] = 0 if rng.random() < 0.7 else 40
    return flat


def real_hands(folder: Path, held_out: set[str]) -> list[Hand]:
    """Photographed hands of five digits, labelled by landmarks; pictures in which none are found are left out."""
    import csv

    from audit.features.hands import landmarks

    found: list[Hand] = []
    for row in csv.DictReader((folder / "labels.csv").read_text(encoding="utf-8").splitlines()):
        if row["session"] in held_out:
            continue
        picture = images.decode((folder / row["file"]).read_bytes())
        points = landmarks(picture)
        if points is None:
            continue
        scale = 160 / max(picture.shape[:2])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        points = points * scale
        tips = points[[4, 8, 12, 16, 20]]
        bases = points[[2, 5, 9, 13, 17]]
        reach = np.hypot(*(tips - points[0]).T) / np.hypot(*(points[[2, 6, 10, 14, 18]] - points[0]).T)
        up = np.zeros(MOST, np.uint8)
        up[:5] = reach > np.array([1.35, 1.12, 1.12, 1.12, 1.12])
        seven = [np.pad(each, ((0, 2), (0, 1)), constant_values=1) for each in (tips, bases)]
        found.append(
            {
                "image": small,
                "mask": None,
                "tips": seven[0],
                "bases": seven[1],
                "up": up,
                "digits": 5,
                "wrist": points[0],
                "knuckle": points[9],
            }
        )
    return found


def train(hands: Hands, out: Path, *, minutes: float, batch: int, rate: float) -> None:
    """Go on until the minutes (over all sittings) are over; writes state.pt every two and the folder at the end."""
    network = DigitNet()
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2, fused=True)
    spent, step, state = 0.0, 0, out / "state.pt"
    if state.exists():
        told = torch.load(state, weights_only=True)
        network.load_state_dict(told["network"])
        optimiser.load_state_dict(told["optimiser"])
        spent, step = told["spent"], told["step"]
    rng = np.random.default_rng([7, step])
    begun, saved, seen = time.monotonic(), time.monotonic(), []
    while (now := spent + (time.monotonic() - begun) / 60) < minutes:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 200) * float(0.02 + 0.49 * (1 + np.cos(np.pi * now / minutes)))
        crops, maps, counts = hands.batch(batch, rng)
        drawn, told = network(crops)
        weight = torch.tensor([1.0, 1.0, 1.0, 0.5])[None, :, None, None] * (1 + 8 * maps)
        parts = (F.binary_cross_entropy_with_logits(drawn, maps, reduction="none") * weight).mean()
        # the reader also learns from true maps: what parts mean does not depend on how well they are found
        count = F.cross_entropy(told, counts) + F.cross_entropy(network.counted(maps), counts)
        loss = 10 * parts + 0.4 * count
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        seen.append((parts.item(), count.item(), (told.argmax(1) == counts).float().mean().item()))
        if step % 100 == 0:
            told_words = " ".join(f"{each:.4f}" for each in np.mean(seen, axis=0))
            print(f"{now:.1f} min, step {step}: {told_words}", flush=True)
            seen = []
        if time.monotonic() - saved > 120:
            keep(network, optimiser, state, now, step)
            saved = time.monotonic()
    keep(network, optimiser, state, spent + (time.monotonic() - begun) / 60, step)
    export(network, out, samples=step * batch)


def keep(network: DigitNet, optimiser: torch.optim.Optimizer, path: Path, spent: float, step: int) -> None:
    """Write the state aside and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "spent": spent, "step": step}
    torch.save(told, path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)


def export(network: DigitNet, folder: Path, *, samples: int, low: float = 0.15, high: float = 0.8) -> None:
    """The folder that ships: half-precision weights and their configuration."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: each.half().contiguous() for name, each in network.state_dict().items()}, folder / WEIGHTS)
    channels = [block.first.out_channels for block in network.down]
    reader = [block.conv.out_channels for block in network.read]
    told = {"channels": channels, "reader": reader, "low": low, "high": high, "samples": samples}
    (folder / CONFIG).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="what audit.train.digit_scenes wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--real", type=Path, help="folder of photographed hands with labels.csv")
    parser.add_argument("--held-out", nargs="*", default=[], help="sessions of --real that are not trained on")
    parser.add_argument("--photos", type=Path, help="folder of photographs for backgrounds")
    chosen = parser.parse_args()
    backgrounds: list[Pixels] = list(read(chosen.data, "backgrounds")["image"])
    if chosen.photos:
        paths = sorted(path for path in chosen.photos.rglob("*") if path.suffix in (".jpg", ".png"))
        backgrounds += [images.decode(path.read_bytes()) for path in paths]
    real = real_hands(chosen.real, set(chosen.held_out)) if chosen.real else []
    print(f"{len(backgrounds)} backgrounds, {len(real)} photographed hands", flush=True)
    hands = Hands(read(chosen.data, "hands"), backgrounds, real)
    train(hands, chosen.out, minutes=chosen.minutes, batch=chosen.batch, rate=chosen.rate)


if __name__ == "__main__":
    main()
