"""Control pictures from a scene's truth, and the suites made of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audit.suites import load
from generators.studio.controls import bones, edge_map, lines_picture, pose_map
from generators.studio.task_suites import GROWN, Held, subject_mask, write

HAND = {
    "wrist": [[64, 110, 1]],
    "joints": [[20 + 22 * finger, 80 - 10 * joint, 1] for finger in range(5) for joint in range(3)],
    "fingertips": [[20 + 22 * finger, 40, 1] for finger in range(5)],
}
FACE = {"eyes": [[50, 50, 1], [78, 50, 1]], "nose": [[64, 66, 1]], "mouth": [[64, 80, 1]], "chin": [[64, 100, 1]]}


def flat(size: int = 16) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth, normals and ids of one wall."""
    normals = np.zeros((size, size, 3))
    normals[..., 2] = 1
    return np.full((size, size), 2.0), normals, np.zeros((size, size), int)


def test_a_wall_has_no_edges():
    assert not edge_map(*flat()).any()


def test_objects_jumps_and_creases_have_edges_and_gentle_slopes_none():
    for change in ("ids", "depth", "normals"):
        depth, normals, ids = flat()
        if change == "ids":
            ids[:, 8:] = 1
        elif change == "depth":
            depth[:, 8:] *= 1.2
        else:
            normals[:, 8:] = [1, 0, 0]
        edges = edge_map(depth, normals, ids)
        assert edges[:, 7].all()
        assert edges.sum() == 16
    depth, normals, ids = flat()
    depth *= 1 + np.arange(16) * 0.02
    assert not edge_map(depth, normals, ids).any()


def test_a_skeleton_has_a_colour_a_finger_and_passes_its_joints():
    picture = pose_map(HAND, 128)
    chains = list(bones(HAND))
    assert [len(chain) for _, chain in chains] == [5] * 5
    assert len({hue for hue, _ in chains}) == 5
    for _, chain in chains:
        assert all(picture[round(y), round(x)].any() for x, y in chain)
    assert picture[5, 5].max() == 0


@pytest.mark.parametrize("fingers", [3, 7])
def test_hands_may_have_other_numbers_of_fingers(fingers):
    joints = [[10 + 15 * k, 80, 1] for k in range(fingers) for _ in range(3)]
    hand = {"wrist": [[64, 110, 1]], "joints": joints, "fingertips": [[10 + 15 * k, 40, 1] for k in range(fingers)]}
    assert len(list(bones(hand))) == fingers
    assert pose_map(hand, 128).any()


def test_faces_have_bones_and_tables_none():
    assert pose_map(FACE, 128)[50, 64].any()
    assert not pose_map({"objects": [[3, 3, 1]]}, 128).any()


def scene(family: str, number: int, *, objects: list[str], points=None, **drawn) -> Held:
    ids = np.ones((128, 128), int)
    ids[40:80, 50:90] = 2
    image = np.full((128, 128, 3), number, np.uint8)
    image[40:80, 50:90] = 255 - number
    edges = np.zeros((128, 128), bool)
    edges[40:80:2, 50:90] = True
    record = {"family": family, "caption": f"{family} {number}", "objects": objects, "points": points or {}}
    return Held(image, {**record, "drawn": drawn}, ids, edges)


def test_a_mask_covers_its_subject_and_a_little_more():
    mask = subject_mask(scene("hands", 1, objects=["wall", "hand"]))[..., 0] == 255
    assert mask[40:80, 50:90].all()
    assert mask.sum() == (40 + 2 * GROWN) ** 2
    everything = subject_mask(scene("textures", 1, objects=["surface", "surface"]))[..., 0] == 255
    assert everything[32:96, 32:96].all()
    assert not everything[0].any()


def test_suites_are_written_and_read_back(tmp_path):
    plate = {"carrier": "number plate", "text": "AB 12"}
    hand = {"digits": 5, "raised": 5, "tone_word": "dark", "side": "left"}
    face = {"occupation": "chef", "presentation": "man", "tone_word": "dark"}
    held = [scene("hands", k, objects=["wall", "hand"], points=HAND, **hand) for k in range(20)]
    held += [scene("portraits", k, objects=["background", "face"], points=FACE, **face) for k in range(20)]
    held += [scene("signs", k, objects=["wall", "board"], **plate) for k in range(20)]
    held += [scene("tabletop", k, objects=["table", "object0"], count=1) for k in range(20)]
    held += [scene("textures", k, objects=["surface", "surface"]) for k in range(20)]
    write(held, tmp_path)
    for name in ("edit", "edges", "skeletons", "upscale"):
        suite = load(str(tmp_path / f"{name}.jsonl"))
        assert all(prompt.inputs for prompt in suite.prompts)
        rows = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert len(rows) == len(suite.prompts)
    [first, *_] = load(str(tmp_path / "upscale.jsonl")).prompts
    assert first.expect == {"text": "AB 12"}
    with pytest.raises(ValueError, match="16 scenes of hands are needed, found 3"):
        write(held[:3], tmp_path)


def test_lines_are_white_on_black():
    lines = np.eye(4, dtype=bool)
    assert np.array_equal(lines_picture(lines)[..., 1], np.eye(4) * 255)
