import numpy as np
import pytest
from matplotlib.colors import to_rgb

from framework.report.heatmap import heatmap, ranked
from framework.report.style import new_figure


def test_every_number_is_printed_in_a_colour_that_can_be_read():
    values = np.array([[0.0, 0.5, 1.0], [np.nan, 0.2, 0.8]])
    axes = new_figure().add_subplot()
    heatmap(axes, values, values, rows=["a", "b"], columns=["x", "y", "z"], text=lambda value: f"{value:g}")
    assert [text.get_text() for text in axes.texts] == ["0", "0.5", "1", "0.2", "0.8"]
    assert to_rgb(axes.texts[0].get_color()) == (1, 1, 1), "on the darkest"
    assert to_rgb(axes.texts[2].get_color()) == (0, 0, 0), "on the brightest"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_ranks_lie_between_the_worst_and_the_best():
    values = np.array([1.0, 10.0, 100.0, 1000.0, np.nan])
    assert ranked(values, best=1.0, worst=100.0, log=True)[:4] == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert ranked(values, best=100.0, worst=0.0, log=False)[:2] == pytest.approx([0.01, 0.1])
    assert np.isnan(ranked(values, best=1.0, worst=100.0, log=True)[-1])
    assert ranked(values, best=5.0, worst=5.0, log=False)[0] == 1.0
