import itertools
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.fusion.config import FusionConfig
from experiments.fusion.figures.looks import Looks, name_of
from experiments.fusion.manager import FusionManager
from experiments.fusion.report import report
from experiments.fusion.settings import Settings
from framework.errors import SashikoError
from framework.report.digest import digest_of
from framework.tracking.results import factors_of

# Test accuracy of each family in the first run; every further run has 0.01 more.
ACCURACY = {
    "parent_1": 0.90, "parent_2": 0.94, "average/aligned": 0.94, "average": 0.40, "ot/aligned": 0.94, "ot": 0.80,
    "ensemble": 0.95, "ot/fine_tuned": 0.93, "ot/distilled": 0.94,
}  # fmt: skip
GAPS = {"train": 0.03, "val": 0.01, "test": 0.0}
MEASURED = ("parent_1", "parent_2", "ot")
METRICS = {"trace": 200.0, "sharpness_orig": 1e5, "sharpness_orig_bound": 0.02, "constant": 3.0}
MLP, VGG = ("digits", {"kind": "mlp"}), ("fashion_mnist", {"kind": "vgg", "width": 0.125})


def stage_of(family):
    base, _, rest = family.partition("/")
    if rest:
        return rest, base
    if base.startswith("parent"):
        return "parent", ""
    return ("ensemble", "") if base == "ensemble" else ("fused", base)


def config_of(setting, replicate):
    name, model = setting
    of = {"data": {"name": name, "normalise": "standard"}, "model": model}
    first, second = ({**of, "seed": 2 * replicate + side} for side in (0, 1))
    return FusionConfig.model_validate({"first": first, "second": second})


def made(settings=(MLP,), replicates=3, metrics=True, layers=3, spread=0.01, without=()):
    """Results of a sweep whose means are known."""
    runs, tables = [], {name: [] for name in ("models", "layers", "curve", "barriers", "metrics")}
    for number, (setting, k) in enumerate(itertools.product(settings, range(replicates))):
        run = {"run_id": f"run{number}"}
        runs.append(run | {"state": "finished"} | factors_of(config_of(setting, k)))
        for family, accuracy in ACCURACY.items():
            stage, recipe = stage_of(family)
            for split, more in GAPS.items():
                value = accuracy + spread * k + more * (1 + 0.1 * k)
                row = {"family": family, "stage": stage, "recipe": recipe, "split": split, "seconds": 2.0}
                tables["models"].append(run | row | {"accuracy": value, "cross_entropy": 1 - value})
        for recipe in ("average", "ot"):
            for order in range(layers):
                row = {"recipe": recipe, "parent": 2, "basis": f"layers.{order}", "order": order, "units": 8}
                costs = {"target_units": 8, "cost": 2.0 + k, "diagonal": 1.0 if recipe == "average" else 0.1}
                tables["layers"].append(run | row | costs)
            for place, split in itertools.product(np.linspace(0, 1, 5), ("val", "test")):
                accuracy = 0.9 - 4 * place * (1 - place) * (0.5 if recipe == "average" else 0.1) + 0.01 * k
                row = {"recipe": recipe, "place": place, "split": split}
                tables["curve"].append(run | row | {"accuracy": accuracy, "cross_entropy": 1 - accuracy})
            for split, metric in itertools.product(("val", "test"), ("cross_entropy", "error")):
                row = {"recipe": recipe, "split": split, "metric": metric, "barrier": 0.1 * (k + 1)}
                tables["barriers"].append(run | row)
        for family, (metric, value) in itertools.product(MEASURED, METRICS.items()):
            seen = value if metric == "constant" else value * (k + 1)
            row = {"family": family, "space": "parameter", "metric": metric, "split": "train", "value": seen}
            rest = {"unit": "none", "better": "lower", "seed": 0, "cost": "batches=4", "seconds": 1.0}
            tables["metrics"].append(run | row | rest)
    absent = (*without, *(() if metrics else ("metrics",)))
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items() if name not in absent}
    frame = pd.DataFrame(runs)
    factors = [name for name in frame if "." in name and frame[name].map(repr).nunique() > 1]
    return SimpleNamespace(runs=frame, tables=frames, factors=factors, config=FusionConfig)


def row_of(table, **values):
    (found,) = table[np.logical_and.reduce([table[name] == value for name, value in values.items()])].to_dict(
        "records"
    )
    return found


def test_the_table_has_means_over_runs_and_differences_within_them():
    table = report(made()).table
    row = row_of(table, family="ot")
    assert (row["dataset"], row["architecture"], row["stage"], row["n"]) == ("digits", "mlp", "fused", 3)
    assert row["accuracy_test_mean"] == pytest.approx(0.81)
    assert row["accuracy_test_std"] == pytest.approx(0.01)
    assert row["cross_entropy_test_mean"] == pytest.approx(0.19)
    assert row["accuracy_train_mean"] == pytest.approx(0.81 + 0.03 * 1.1)
    assert row["pp_over_parents_mean"] == pytest.approx(-12.0)
    assert row["pp_over_ensemble_mean"] == pytest.approx(-15.0)
    assert row["pp_over_parents_std"] == pytest.approx(0.0, abs=1e-9), "a difference is taken within its run"
    assert row["seconds_mean"] == 2.0
    parents = row_of(table, family="parents")
    assert parents["accuracy_test_mean"] == pytest.approx(0.93)
    assert table["family"].tolist() == [
        "parent_1", "parent_2", "parents", "average", "ot", "average/aligned", "ot/aligned", "ensemble",
        "ot/fine_tuned", "ot/distilled",
    ]  # fmt: skip


def test_numbers_whose_sigma_was_not_bracketed_are_told():
    results = made()
    rows = results.tables["metrics"]
    assert "bracketed" not in report(results).more["metrics"], "runs of before have no such column"
    sharp = rows["metric"] == next(iter(METRICS))
    searched = rows.assign(sigma=0.5, moved=0.9, bracketed=True).astype({"bracketed": object})
    searched.loc[~sharp, ["sigma", "bracketed", "moved"]] = None
    results.tables["metrics"] = searched
    told = report(results)
    assert not [note for note in told.notes if "bracketed" in note]
    assert row_of(told.more["metrics"], family="ot", metric=next(iter(METRICS)))["bracketed"] == 1
    searched.loc[sharp & (searched["run_id"] == searched["run_id"].iloc[0]), "bracketed"] = False
    told = report(results)
    row = row_of(told.more["metrics"], family="ot", metric=next(iter(METRICS)))
    assert row["bracketed"] == pytest.approx(2 / 3)
    assert row["moved"] == pytest.approx(0.9)
    (note,) = [note for note in told.notes if "bracketed" in note]
    assert next(iter(METRICS)) in note


def test_the_terminal_gets_a_row_a_family_in_reading_order_without_aligned_parents():
    shown = report(made()).readable()
    assert list(shown) == ["family", "accuracy (%)", "loss (nats)", "pp over parents", "pp over ensemble", "n"]
    assert shown["family"].tolist() == ["parents", "average", "ot", "ensemble", "ot, fine-tuned", "ot, distilled"]
    assert shown["accuracy (%)"].tolist()[:2] == ["93.00 ± 1.00", "41.00 ± 1.00"]
    assert shown["pp over parents"][0] == "0.00 [0.00, 0.00]"
    single, two = (report(made(replicates=replicates)).readable() for replicates in (1, 2))
    assert single["accuracy (%)"].tolist()[2] == "80.00"
    for few in (single, two):
        assert few["pp over parents"].tolist()[2] == "-12.00 [undefined]", "of two there is no interval"


def test_differences_have_an_interval_over_the_parents_and_not_over_the_runs():
    results = made(replicates=4)
    models = results.tables["models"]
    rng = np.random.default_rng(0)
    by_run = dict(zip(["run0", "run1", "run2", "run3"], rng.normal(0, 0.05, 4), strict=True))
    fused = (models["family"] == "ot") & (models["split"] == "test")
    models.loc[fused, "accuracy"] += models.loc[fused, "run_id"].map(by_run)
    ids = {"run0": "a+b", "run1": "c+d", "run2": "e+f", "run3": "g+h"}
    results.tables["models"] = models.assign(parents=models["run_id"].map(ids))
    row = row_of(report(results).table, family="ot")
    low, high = stats.t.interval(
        0.95, 3, row["pp_over_parents_mean"], 100 * np.std(list(by_run.values()), ddof=1) / 2
    )
    assert (row["pp_over_parents_low"], row["pp_over_parents_high"]) == pytest.approx((low, high))
    # Two groups of runs that share their parents are two numbers, and of two there is no interval.
    results.tables["models"] = models.assign(parents=models["run_id"].map({**ids, "run1": "a+b", "run3": "e+f"}))
    row = row_of(report(results).table, family="ot")
    assert math.isnan(row["pp_over_parents_low"])
    assert math.isnan(row["pp_over_parents_high"])


def test_the_terminals_line_holds_two_settings():
    results = made(settings=(MLP, VGG))
    shown = report(results).readable()
    assert list(shown)[:2] == ["dataset", "family"], "what the data set determines needs no column"
    families = results.tables["models"]["family"]
    results.tables["models"]["family"] = families.replace("ensemble", "an_ensemble_with_very_many_words")
    shown = report(results).readable()
    widths = [max(len(name), shown[name].astype(str).str.len().max()) + 2 for name in shown]
    assert sum(widths) - 2 <= 110
    assert "pp over parents" in shown
    assert "pp over ensemble" not in shown


def test_runs_are_kept_apart_by_what_is_no_seed():
    results = made(settings=(MLP, VGG, ("fashion_mnist", {"kind": "vgg", "width": 0.25})), replicates=2)
    settings = Settings.of(results)
    assert settings.names[:2] == ["dataset", "architecture"]
    assert settings.telling == ["dataset", "width"]
    assert not [name for name in settings.names if "seed" in name or name.startswith("second")]
    table = report(results).table
    assert table[table["family"] == "ot"]["n"].tolist() == [2, 2, 2]
    titles = [title for title, _ in settings.panels(table)]
    assert titles == ["digits", "fashion_mnist, width 0.125", "fashion_mnist, width 0.25"]


def test_what_only_one_parent_varies_keeps_its_name():
    results = made(settings=(MLP, VGG))
    results.runs.loc[results.runs.index[0], "second.max_epochs"] = 99
    results.factors = ["first.max_epochs", "second.max_epochs"]
    settings = Settings.of(results)
    assert settings.names == ["dataset", "architecture", "first.max_epochs", "second.max_epochs"]
    results.runs["parents"] = [("a", "b"), ("c", "d")] * 3
    results.runs["model.kind"] = "vit"
    results.factors = ["parents", "model.kind", "recipes"]
    results.runs["recipes"] = [[{"name": "ot"}], [{"name": "gw"}]] * 3
    settings = Settings.of(results)
    assert settings.names == ["dataset", "architecture", "recipes"], "files stand for seeds"
    assert set(settings.frame["architecture"]) == {"vit"}
    assert settings.frame["recipes"].tolist()[0] == '{"name":"ot"}'


def test_the_seeds_of_further_parents_set_no_runs_apart():
    results = made(replicates=3)
    parents = [{"seed": 10 * number, "model": {"kind": "mlp", "hidden": [8]}} for number in range(3)]
    results.runs["more"] = [[parent] for parent in parents]
    results.factors = [*results.factors, "more"]
    assert "more" not in Settings.of(results).names
    results.runs["more"] = [[parents[0]], [parents[1]], [parents[2], parents[0]]]
    settings = Settings.of(results)
    assert settings.telling == ["more"]
    assert settings.frame["more"].nunique() == 2


def test_further_tables_are_averaged():
    more = report(made()).more
    assert list(more) == ["layers", "curve", "barriers", "metrics", "bounds", "correlations"]
    layer = row_of(more["layers"], recipe="ot", basis="layers.1")
    assert (layer["cost_mean"], layer["diagonal_mean"], layer["n"]) == (3.0, pytest.approx(0.1), 3)
    barrier = row_of(more["barriers"], recipe="average", split="test", metric="error")
    assert (barrier["barrier_mean"], barrier["barrier_std"]) == (pytest.approx(0.2), pytest.approx(0.1))
    assert sum("correlations were tested" in note for note in report(made()).notes) == 1
    trace = row_of(more["metrics"], family="ot", metric="trace")
    assert (trace["value_mean"], trace["n"], trace["unit"], trace["split"]) == (400.0, 3, "none", "train")
    assert more["metrics"]["family"].drop_duplicates().tolist() == list(MEASURED)


def test_measurements_with_several_seeds_are_one_run_and_undefined_ones_do_not_count():
    results = made(replicates=2)
    metrics = results.tables["metrics"]
    again = metrics.assign(seed=1, value=metrics["value"] + 2)
    undefined = metrics.assign(metric="radius", value=None)
    results.tables["metrics"] = pd.concat([metrics, again, undefined], ignore_index=True).astype({"value": object})
    more = report(results).more
    trace = row_of(more["metrics"], family="ot", metric="trace")
    assert (trace["value_mean"], trace["n"]) == (301.0, 2)
    assert "radius" not in set(more["metrics"]["metric"])


def test_a_bound_stands_beside_the_gap_that_it_bounds():
    bounds = report(made()).more["bounds"]
    row = row_of(bounds, family="ot", metric="sharpness_orig_bound")
    assert row["value_mean"] == pytest.approx(0.04)
    assert row["gap_mean"] == pytest.approx(0.033)
    assert row["holds"] == pytest.approx(2 / 3), "0.02 is below the first run's gap of 0.03"
    assert row["says"] == 1.0
    assert set(bounds["metric"]) == {"sharpness_orig_bound"}


def test_correlations_are_with_accuracy_and_gap_and_undefined_where_constant():
    found = report(made(replicates=5)).more["correlations"]
    assert set(found["against"]) == {"test_accuracy", "generalisation_gap"}
    assert set(found["metric"]) == {"trace", "sharpness_orig", "constant"}
    assert found["family"].drop_duplicates().tolist() == list(MEASURED)
    row = row_of(found, family="ot", metric="trace", against="test_accuracy", method="kendall")
    assert (row["coefficient"], row["n"], row["defined"]) == (pytest.approx(1.0), 5, True)
    constant = found[found["metric"] == "constant"]
    assert not constant["defined"].any()
    assert constant["coefficient"].isna().all()


def test_shares_that_differ_in_their_last_digit_do_not_vary():
    results = made()
    models = results.tables["models"]
    train, test = models["split"] == "train", models["split"] == "test"
    models.loc[train, "accuracy"] = models.loc[test, "accuracy"].to_numpy() + 0.03
    found = report(results).more["correlations"]
    assert not found[found["against"] == "generalisation_gap"]["defined"].any()


def test_one_run_has_no_correlations_and_says_why():
    drawn = report(made(replicates=1))
    assert "correlations" not in drawn.more
    assert "correlations" not in drawn.figures
    (note,) = drawn.notes
    assert note == (
        "no correlations: they are over runs with other seeds, of which at least 3 are needed; 1 has finished"
    )
    assert "no correlations for digits:" in report(made(settings=(MLP, VGG), replicates=1)).notes[0]


@pytest.mark.parametrize("absent", ["layers", "curve", "barriers", "metrics"])
def test_what_was_not_logged_is_left_out(absent):
    drawn = report(made(without=(absent,)))
    assert absent not in drawn.more
    assert drawn.table.equals(report(made()).table)


def test_what_was_logged_of_another_kind_only_is_no_figure():
    results = made(replicates=2)
    for name in ("curve", "barriers"):
        results.tables[name] = results.tables[name].query("split == 'val'")
    results.tables["metrics"] = results.tables["metrics"].assign(space="prediction")
    drawn = report(results)
    assert not {"interpolation_accuracy", "barriers", "correlations"} & set(drawn.figures)
    results.tables["metrics"] = results.tables["metrics"].assign(value=None)
    assert "metrics" not in report(results).more


@pytest.mark.parametrize("settings", [(MLP,), (MLP, VGG, ("mnist", {"kind": "mlp"}))])
def test_every_figure_is_drawn(settings, tmp_path):
    drawn = report(made(settings=settings, layers=3 if len(settings) == 1 else 12))
    expected = {
        *(
            "accuracy_by_family",
            "cross_entropy_by_family",
            "interpolation_accuracy",
            "interpolation_cross_entropy",
        ),
        *("plan_cost", "plan_diagonal", "barriers"),
    }
    per_setting = [f"_{name}" for name in ("digits", "fashion_mnist", "mnist")] if len(settings) > 1 else [""]
    expected |= {f"{stem}{name}" for stem in ("metrics_by_family", "correlations") for name in per_setting}
    assert set(drawn.figures) == expected
    paths = drawn.save(tmp_path, formats=("png",))
    assert len(paths) == 1 + len(drawn.more) + len(expected)
    assert all(path.stat().st_size > 0 for path in paths)


def test_figures_are_drawn_of_one_run_and_of_perfect_accuracy(tmp_path):
    results = made(replicates=1)
    results.tables["models"]["accuracy"] = results.tables["models"]["accuracy"].clip(upper=0.9).replace(0.9, 1.0)
    results.tables["barriers"]["barrier"] = 0.0
    results.tables["metrics"]["value"] *= [10.0 ** (k % 9 - 4) for k in range(len(results.tables["metrics"]))]
    assert report(results).save(tmp_path, formats=("png",))


def test_recipes_of_one_plan_are_one_line():
    results = made()
    layers = results.tables["layers"]
    other = layers["recipe"] == "average"
    layers = layers.assign(cost=layers["cost"] * np.where(other, 1.0 + layers["order"], 1.0))
    same = layers[layers["recipe"] == "ot"].assign(recipe="ot+repair")
    results.tables["layers"] = pd.concat([layers[layers["recipe"] != "ot+repair"], same], ignore_index=True)
    models = results.tables["models"]
    of_ot = models[models["family"] == "ot"].assign(family="ot+repair", recipe="ot+repair")
    results.tables["models"] = pd.concat([models[models["family"] != "ot+repair"], of_ot], ignore_index=True)
    labels = [line.get_label() for line in report(results).figures["plan_cost"]().axes[0].lines]
    assert "ot, ot+repair" in labels
    assert len(labels) == len(set(labels)) == 2


def test_points_are_the_runs_and_their_mean():
    figure = report(made()).figures["accuracy_by_family"]()
    (panel,) = figure.axes
    assert panel.get_title() == "digits, mlp"
    names = [text.get_text() for text in panel.get_yticklabels()]
    assert names == ["parents", "average", "ot", "ensemble", "ot, fine-tuned", "ot, distilled"]
    dots = [line for line in panel.lines if len(line.get_xdata()) == 3]
    assert dots[2].get_xdata() == pytest.approx([0.80, 0.81, 0.82])
    means = [line.get_xdata()[0] for line in panel.lines if len(line.get_xdata()) == 1]
    assert means[2] == pytest.approx(0.81)
    assert panel.lines[0].get_xdata()[0] == pytest.approx(0.93), "the parents' mean is a line"


def test_lines_are_the_curves_means():
    figure = report(made()).figures["interpolation_accuracy"]()
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    assert list(lines) == ["average", "ot"]
    assert lines["ot"] == pytest.approx([0.91, 0.835, 0.81, 0.835, 0.91])


def test_colours_are_recipes_and_markers_stages():
    looks = Looks.of(made().tables["models"])
    assert looks.of_family("ot").colour == looks.of_family("ot/distilled").colour == looks.of_recipe("ot").colour
    assert len({looks.of_family(f"ot{stage}").marker for stage in ("", "/fine_tuned", "/distilled")}) == 3
    assert looks.of_family("ensemble").colour != looks.of_family("parent_1").colour
    assert name_of("ot_x/fine_tuned") == "ot_x, fine-tuned"
    assert name_of("parent_2") == "parent 2"


def test_without_models_it_says_so():
    results = made(without=("models",))
    with pytest.raises(SashikoError, match="no finished fusion run has logged the table `models`"):
        report(results)


def test_the_manager_reports_on_the_results():
    assert FusionManager().report(made(replicates=2, metrics=False)).figures


@pytest.mark.parametrize("settings", [(MLP,), (MLP, VGG)])
def test_every_figure_is_drawn_anew_only_for_other_data(settings):
    digests = {name: digest_of(draw) for name, draw in report(made(settings)).figures.items()}
    assert None not in digests.values()
    assert len(set(digests.values())) == len(digests)
    assert {name: digest_of(draw) for name, draw in report(made(settings)).figures.items()} == digests
    changed = {name for name, draw in report(made(settings, spread=0.02)).figures.items()}
    moved = {
        n for n, draw in report(made(settings, spread=0.02)).figures.items() if digest_of(draw) != digests.get(n)
    }
    assert "accuracy_by_family" in moved
    assert "plan_diagonal" in changed - moved, "what it shows did not change"
