"""The finder of objects trains on what its scripts draw, goes on where it was cut off, and leaves what loads."""

from __future__ import annotations

import numpy as np
import torch

from audit.features.objects import ObjectFinder
from audit.train import digit_scenes, object_scenes, objects


def test_an_interrupted_training_goes_on_and_leaves_a_finder(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "HELD", 2)
    monkeypatch.setattr(objects, "SAVED", 0.0)
    object_scenes.build(tmp_path / "scenes", count=18)
    for kind in ("hands", "backgrounds"):
        digit_scenes.build(kind, tmp_path / "clutter", count=4, workers=1)
    scenes = objects.gathered(tmp_path / "scenes", tmp_path / "clutter")
    for minutes in (0.02, 0.04):
        objects.train(scenes, tmp_path / "net", minutes=minutes)
        state = torch.load(tmp_path / "net" / "checkpoint.pt", weights_only=True)
        assert state["spent"] >= minutes * 60
        assert state["step"] >= 1
    table = ObjectFinder.load(tmp_path / "net")(np.full((128, 128, 3), 128, np.uint8))
    assert table.kinds.shape == (64, 64)
