import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from experiments.stitching.manager import StitchingManager
from experiments.stitching.report import report
from framework.errors import SashikoError


def results(samplings=("equally",), blow_up=1.0, pairs=((0, 1), (1, 0), (1, 2))):
    rows = []
    for (source, target), kind, n, ridge, sampling in itertools.product(
        pairs, ("linear", "affine"), (10, 50, 200), (0.0, 0.1), samplings
    ):
        mse = 0.02 + 0.1 / n + 0.001 * source + (blow_up if (n, ridge) == (10, 0.0) else 0.0)
        rows.append(
            {
                "dataset": "digits",
                "split": "test",
                "source": f"m{source}",
                "target": f"m{target}",
                "latent_dim_source": 8,
                "latent_dim_target": 8,
                "sampling": sampling,
                "mapping": kind,
                "ridge": ridge,
                "num_samples": n,
                "mse_stitched": mse,
                "mse_source": 0.02 + 0.001 * source,
                "mse_target": 0.02 + 0.001 * target,
            }
        )
    return pd.DataFrame(rows)


def test_the_table_has_mean_std_and_number_of_pairs_beside_the_parents():
    frame = results()
    table = report({"results": frame}).table
    assert len(table) == 2 * 3 * 2
    assert (table["n"] == 3).all()
    row = table[(table["mapping"] == "affine") & (table["num_samples"] == 50) & (table["ridge"] == 0.1)].iloc[0]
    values = frame[(frame["mapping"] == "affine") & (frame["num_samples"] == 50) & (frame["ridge"] == 0.1)]
    assert row["mse_stitched_mean"] == pytest.approx(values["mse_stitched"].mean())
    assert row["mse_stitched_std"] == pytest.approx(np.std(values["mse_stitched"], ddof=1))
    assert row["mse_source"] == pytest.approx(values["mse_source"].mean())
    assert "sampling" not in table
    assert "±" in report({"results": frame}).readable()["mse_stitched"][0]


def test_a_setting_that_varies_is_a_column_and_a_panel():
    made = report({"results": results(("equally", "random"))})
    assert set(made.table["sampling"]) == {"equally", "random"}
    figure = made.figures["error_by_num_samples"]()
    titles = {axes.get_title() for axes in figure.axes}
    assert titles == {"λ = 0, equally", "λ = 0.1, equally", "λ = 0, random", "λ = 0.1, random"}


@pytest.mark.parametrize(
    ("name", "title", "column", "value"),
    [("error_by_num_samples", "λ = 0.1", "ridge", 0.1), ("error_by_ridge", "50 anchors", "num_samples", 50)],
)
@pytest.mark.parametrize(("blow_up", "scale"), [(1.0, "log"), (0.0, "linear")])
def test_figures_have_a_line_a_mapping_and_the_parents(name, title, column, value, blow_up, scale, tmp_path):
    made = report({"results": results(blow_up=blow_up)})
    figure = made.figures[name]()
    assert figure.get_size_inches()[0] == pytest.approx(3.4)
    assert figure.axes[0].get_yscale() == scale
    panel = next(axes for axes in figure.axes if axes.get_title() == title)
    table = made.table[made.table[column] == value]
    drawn = {line.get_label(): list(line.get_ydata()) for line in panel.lines}
    assert set(drawn) == {"affine", "linear", "source alone", "target alone"}
    for mapping in ("affine", "linear"):
        assert drawn[mapping] == pytest.approx(list(table[table["mapping"] == mapping]["mse_stitched_mean"]))
    assert drawn["source alone"][0] == pytest.approx(table["mse_source"].iloc[0])
    assert drawn["target alone"][0] == pytest.approx(table["mse_target"].iloc[0])
    figure.savefig(tmp_path / "figure.png")


def test_over_all_ordered_pairs_the_parents_are_one_line():
    figure = report({"results": results(pairs=((0, 1), (1, 0)))}).figures["error_by_ridge"]()
    assert "parents alone" in [line.get_label() for line in figure.axes[0].lines]


def test_of_many_values_four_panels_are_shown():
    frame = pd.concat([results().assign(num_samples=lambda f, k=k: f["num_samples"] * k) for k in (1, 3, 7)])
    made = report({"results": frame}).figures["error_by_ridge"]()
    titles = [axes.get_title() for axes in made.axes if axes.get_visible()]
    assert len(titles) == 4
    assert titles[0] == "10 anchors"
    assert titles[-1] == "1400 anchors"


def test_one_pair_has_no_deviation():
    made = report({"results": results(pairs=((0, 1),))})
    assert made.table["mse_stitched_std"].isna().all()
    assert "±" not in made.readable()["mse_stitched"][0]
    made.figures["error_by_num_samples"]()


def test_without_results_it_says_so():
    with pytest.raises(SashikoError, match="no finished stitching run"):
        report({})


def test_the_manager_reads_the_tables_of_the_results():
    made = StitchingManager().report(SimpleNamespace(tables={"results": results()}))
    assert set(made.figures) == {"error_by_num_samples", "error_by_ridge"}
