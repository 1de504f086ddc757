import numpy as np
import pytest
from scipy.optimize import minimize

from framework.report.ends import End, label_ends, label_points, spread
from framework.report.style import new_figure


@pytest.mark.parametrize("seed", range(5))
def test_names_move_as_little_as_it_takes(seed):
    """Against a general solver of the same least squares."""
    places = np.sort(np.random.default_rng(seed).uniform(0, 30, 6))
    found = spread(places, 9.0)
    apart = {"type": "ineq", "fun": lambda moved: np.diff(moved) - 9.0}
    best = minimize(lambda moved: ((moved - places) ** 2).sum(), places, constraints=[apart], method="SLSQP")
    assert np.diff(found) == pytest.approx(np.maximum(np.diff(found), 9.0))
    assert ((found - places) ** 2).sum() == pytest.approx(best.fun, rel=1e-5)


def test_what_is_apart_stays():
    places = np.array([0.0, 20.0, 50.0])
    assert spread(places, 9.0) == pytest.approx(places)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_names_stand_at_the_ends_and_do_not_overlap(scale):
    figure = new_figure()
    axes = figure.add_subplot()
    ends = [End(name, 2.0, value, "black") for name, value in (("a", 0.5), ("b", 0.5001), ("c", 5.0))]
    for end in ends:
        axes.plot([1, 2], [1.0, end.y])
    axes.set_yscale(scale)
    label_ends(axes, [*ends, End("gone", 2.0, float("nan"), "black")])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    assert boxes[0].y1 <= boxes[1].y0 + 1
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)
    label_ends(axes, [])


def test_names_of_points_do_not_lie_upon_one_another():
    axes = new_figure().add_subplot()
    axes.plot([0, 1], [0, 1])
    near = [End("first", 0.5, 0.5, "black"), End("hidden", 0.505, 0.5, "black"), End("far", 0.9, 0.9, "black")]
    label_points(axes, [*near, End("gone", float("nan"), 0.5, "black")])
    assert [text.get_text() for text in axes.texts] == ["first", "far"]
