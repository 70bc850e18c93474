"""Lines and points: right where they are wanted, wrong elsewhere, by known amounts."""

import numpy as np
import pytest

from audit.statistics.agreement import edge_f1, near, pck


def square(offset: int = 0) -> np.ndarray:
    lines = np.zeros((40, 40), bool)
    lines[10 + offset, 10:30] = lines[29 + offset, 10:30] = True
    lines[10 + offset : 30 + offset, 10] = lines[10 + offset : 30 + offset, 29] = True
    return lines


def test_a_drawing_agrees_with_itself_and_with_one_a_little_aside():
    assert edge_f1(square(), square()) == 1
    assert edge_f1(square(2), square()) == 1


def test_the_further_aside_the_worse():
    scores = [edge_f1(square(offset), square()) for offset in (0, 3, 5, 8)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.8 < scores[0]


def test_half_of_the_lines_costs_recall_and_twice_as_many_cost_precision():
    half, clutter = square(), square()
    half[:, :20] = False
    clutter[35:39, 5:35] = True
    assert edge_f1(half, square()) == pytest.approx(2 * 0.55 / 1.55, abs=0.06)
    added = clutter.sum() - square().sum()
    precision = square().sum() / (square().sum() + added)
    assert edge_f1(clutter, square()) == pytest.approx(2 * precision / (precision + 1), abs=0.01)


def test_nothing_agrees_with_nothing_alone():
    nothing = np.zeros((8, 8), bool)
    assert edge_f1(nothing, nothing) == 1
    assert edge_f1(nothing, ~nothing) == edge_f1(~nothing, nothing) == 0


def test_near_reaches_so_many_pixels():
    lines = np.zeros((9, 9), bool)
    lines[4, 4] = True
    assert near(lines, 2).sum() == 25


def test_points_count_while_they_lie_within_reach_of_the_bodys_size():
    wanted = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 50.0]])
    assert pck(wanted, wanted) == 1
    assert pck(wanted + np.array([19, 0]), wanted, reach=0.2) == 1
    assert pck(wanted + np.array([21, 0]), wanted, reach=0.2) == 0
    assert pck(wanted + np.array([[0, 0], [30, 0], [0, 0]]), wanted, reach=0.2) == pytest.approx(2 / 3)
