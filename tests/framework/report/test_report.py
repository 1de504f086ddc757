import sys
from subprocess import run
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from pydantic import Field

from framework.config import Config, replicate
from framework.report import Report, by_factors
from framework.report.figures import image_grid
from framework.report.style import COLOURS, new_figure, sequence, styled


class Toy(Config):
    width: int = Field(1, description="Width, in neurons.")
    depth: int = Field(1, description="Depth, in layers.")
    seed: int = replicate(0, description="Seed.")


def test_by_factors_averages_over_seeds_and_takes_finished_runs_only():
    runs = pd.DataFrame(
        {
            "run_id": list("abcde"),
            "name": list("abcde"),
            "state": ["finished"] * 4 + ["failed"],
            "width": [8, 8, 16, 16, 16],
            "depth": 1,
            "seed": [0, 1, 0, 1, 2],
            "acc": [0.5, 0.7, 0.8, 1.0, 0.0],
            "device": "cpu",
        }
    )
    results = SimpleNamespace(
        runs=runs, factors=["width", "seed"], metrics=("acc", "device"), config=Toy, tables={}
    )
    report = by_factors(results)
    assert report.table.columns.tolist() == ["width", "acc_mean", "acc_std", "n"]
    assert report.table["acc_mean"].tolist() == pytest.approx([0.6, 0.9])
    assert report.table["n"].tolist() == [2, 2]


def test_a_report_saves_table_and_figures(tmp_path):
    def draw():
        figure = new_figure()
        figure.subplots().plot([0, 1], [1, 0])
        return figure

    report = Report(pd.DataFrame({"a": [1]}), {"line": draw})
    paths = report.save(tmp_path / "out")
    assert [path.name for path in paths] == ["table.csv", "line.png", "line.pdf"]
    assert all(path.stat().st_size > 0 for path in paths)
    assert pd.read_csv(paths[0])["a"].tolist() == [1]


def test_further_tables_are_saved_beside_the_first(tmp_path):
    report = Report(pd.DataFrame({"a": [1]}), more={"layers": pd.DataFrame({"cost": [0.5]})})
    assert [path.name for path in report.save(tmp_path)] == ["table.csv", "layers.csv"]
    assert pd.read_csv(tmp_path / "layers.csv")["cost"].tolist() == [0.5]
    assert report.notes == ()
    with pytest.raises(ValueError, match="called `table`"):
        Report(pd.DataFrame(), more={"table": pd.DataFrame()})


def test_figures_have_the_width_of_a_column_and_leave_the_settings_alone():
    before = dict(mpl.rcParams)
    with styled():
        assert new_figure().get_size_inches()[0] == pytest.approx(3.4)
        assert mpl.rcParams["font.size"] == 7.5
    assert dict(mpl.rcParams) == before


def test_a_sequence_of_colours_darkens():
    def brightness(colour):
        return np.dot([0.299, 0.587, 0.114], mpl.colors.to_rgb(colour))

    levels = [brightness(colour) for colour in sequence(6)]
    assert levels == sorted(levels, reverse=True)
    assert len(sequence(1)) == 1
    assert len(set(COLOURS)) == len(COLOURS)


def test_an_image_grid_puts_each_image_where_it_belongs():
    rows = [np.full((2, 1, 3, 4), 0.25), np.full((2, 1, 3, 4), 0.5)]
    rows[1][1] = 0.75
    grid = image_grid(rows)
    assert grid.shape == (3 + 1 + 3, 4 + 1 + 4)
    assert (grid[:3, :4] == 0.25).all()
    assert (grid[4:, :4] == 0.5).all()
    assert (grid[4:, 5:] == 0.75).all()
    assert (grid[3] == 1).all()
    assert (grid[:, 4] == 1).all()
    assert image_grid([np.zeros((2, 3, 3, 4))]).shape == (3, 9, 3)
    with pytest.raises(ValueError, match="same shape"):
        image_grid([np.zeros((2, 1, 3, 4)), np.zeros((2, 1, 3, 3))])


def test_the_package_alone_brings_no_pandas():
    code = "import framework.report, framework.metrics, sys; assert not {'pandas', 'numpy'} & set(sys.modules)"
    run([sys.executable, "-c", code], check=True)
