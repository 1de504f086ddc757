import pytest

from framework.report.forest import Row, forest
from framework.report.style import new_figure


def test_a_row_has_its_mean_its_interval_what_was_before_and_its_single_values():
    axes = new_figure().add_subplot()
    forest(
        axes, [Row("best", 1.0, 0.5, 1.5, "red", before=3.0, spread=(0.9, 1.1)), Row("alone", 2.0, *NAN, "blue")]
    )
    assert [text.get_text() for text in axes.get_yticklabels()] == ["best", "alone"]
    drawn = [[float(x) for x in line.get_xdata()] for line in axes.lines]
    assert drawn == [[0.9, 1.1], [3.0, 1.0], [3.0], [0.5, 1.5], [1.0], [2.0]]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first is on top"


def test_what_did_not_change_has_no_dot_before():
    axes = new_figure().add_subplot()
    forest(axes, [Row("same", 1.0, *NAN, "red", before=1.0)])
    assert len(axes.lines) == 1
    assert axes.lines[0].get_ydata()[0] == pytest.approx(0)


NAN = (float("nan"), float("nan"))
