import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.figures import Line, Point, curves, frontier, scatter

POINTS = (Point(3, 2.0, 1.0, 3.0), Point(1, 1.0, 0.5, 1.5), Point(6, 4.0))


def plain(figure):
    """The figure with the page's colour names replaced by a colour that plotly knows."""
    if isinstance(figure, dict):
        return {name: plain(value) for name, value in figure.items()}
    if isinstance(figure, list):
        return [plain(value) for value in figure]
    return "#123456" if isinstance(figure, str) and figure.startswith("var(--") else figure


@pytest.mark.parametrize(
    "figure",
    [
        curves([Line("steps 10", POINTS), Line("steps 25", POINTS[:1], 1)], x_title="guidance"),
        scatter([Line("a", POINTS)], x_title="x", y_title="y", frontier=[(1, 1), (2, 2)]),
    ],
)
def test_plotly_knows_every_word_of_a_figure(figure):
    drawn = go.Figure(plain(figure))
    assert len(drawn.data) >= 2


def test_curve_rises_along_x_and_its_band_closes_over_known_intervals_only():
    band, line = curves([Line("a", POINTS)], x_title="guidance")["data"]
    assert line["x"] == [1, 3, 6]
    assert band["x"] == [1, 3, 3, 1]
    assert band["y"] == [1.5, 3.0, 1.0, 0.5]


def test_a_line_keeps_its_colour_when_others_are_missing():
    figure = curves([Line("b", POINTS, 1)], x_title="x")
    assert figure["data"][-1]["line"]["color"] == "var(--c1)"


def test_labels_are_literal():
    figure = scatter([Line("<a href='javascript:x'>", (Point(1, 1, label="<b>"),))], x_title="<i>", y_title="&")
    [trace] = figure["data"]
    assert trace["name"].startswith("&lt;a")
    assert trace["text"] == ["&lt;b&gt;"]
    assert figure["layout"]["yaxis"]["title"]["text"] == "&amp;"


PLACES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


@given(PLACES)
def test_no_point_beats_one_of_the_frontier_and_every_other_is_beaten(places):
    best = frontier(places, x_better="higher", y_better="lower")

    def beats(a, b):
        return a[0] >= b[0] and a[1] <= b[1] and a != b

    assert not any(beats(other, point) for point in best for other in places)
    assert all(any(beats(point, other) for point in best) for other in set(places) - set(best))


def test_no_frontier_without_a_better_end():
    assert frontier([(1, 1), (2, 2)], x_better="higher", y_better="neither") == []
