import pytest

from framework.report.panels import one_legend, panel_grid


@pytest.mark.parametrize(("labels", "columns"), [(["a", "b", "c"], 3), (["a label as long as a column"] * 3, 1)])
def test_the_legend_has_as_many_columns_as_the_figure_is_wide_enough_for(labels, columns):
    figure, axes = panel_grid(1, 1)
    for number, label in enumerate(labels):
        axes[0].plot([0, 1], label=f"{label} {number}")
    one_legend(figure, axes, columns=3)
    (legend,) = figure.legends
    assert legend._ncols == columns
    figure.draw_without_rendering()
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
