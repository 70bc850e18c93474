"""Where the verdicts of `audit/audits/physics.py` should begin, and how well is counted, on scenes of their own.

    python -m audit.train.object_bounds --scenes 100

Prints the angles and the distance that 3 in a hundred consistent scenes reach, to be written into WRONG_TURN,
WRONG_LIGHT and WRONG_PLACE after the finder was trained again. Seeds lie in a range of their own: none is in a
calibration.
"""

from __future__ import annotations

import argparse

import numpy as np

from audit.audits.physics import light, mirror, shadow
from audit.features.objects import finder
from audit.trial import Case
from audit.trials.count import arranged
from audit.trials.physics import turned
from audit.types import Score
from generators.api import Pixels
from generators.studio.drawing import draw

BOUNDS_FROM = 6_000_000_000
SHARES = (0.1, 0.5, 0.9, 0.95, 0.97)


def values(scores: list[Score]) -> np.ndarray:
    """Of the pictures on which something was said."""
    return np.array([score.value for score in scores if score.value is not None])


def scored(audit, pictures: list[Pixels]) -> np.ndarray:  # type: ignore[no-untyped-def]
    """The values of an audit on pictures."""
    return values(audit()([Case(pixels=each, planted=False).view() for each in pictures]))


def bounds(scenes: int) -> None:
    """Print everything; a mirror is drawn for every second scene."""
    seeds = range(BOUNDS_FROM, BOUNDS_FROM + scenes)
    for turn in (0, 15):
        turns = scored(shadow, [turned(seed, turn)[0] for seed in seeds])
        told = ", ".join(f"{share:.0%} {np.quantile(turns, share):.1f}" for share in SHARES)
        print(f"shadows turned by {turn}: {len(turns)} of {scenes}: {told} degrees", flush=True)
    for audit, name, unit in ((light, "wrong_shadow", "degrees"), (mirror, "wrong_reflection", "pixels")):
        for defect in (0.0, 1.0):
            wish, defects = {"mirror": audit is mirror}, {name: defect}
            pictures = [draw("tabletop", wish, seed=seed, defects=defects, size=128).image for seed in seeds[::2]]
            errors = scored(audit, pictures)
            told = ", ".join(f"{share:.0%} {np.quantile(errors, share):.1f}" for share in SHARES)
            print(f"{name} {defect:.0%}: {len(errors)} of {len(pictures)}: {told} {unit}", flush=True)
    find, number, kinds = finder(), 0, 0
    for place, seed in enumerate(seeds):
        drawn = arranged(seed, 1 + place % 6)
        objects = find(drawn.image).objects
        number += len(objects) == 1 + place % 6
        wanted = [(each["shape"], each["colour"]) for each in drawn.drawn["objects"]]
        kinds += sorted((each.shape, each.colour) for each in objects) == sorted(wanted)
    print(f"counted exactly {number / scenes:.3f}, with shapes and colours {kinds / scenes:.3f}", flush=True)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=100)
    bounds(parser.parse_args().scenes)


if __name__ == "__main__":
    main()
