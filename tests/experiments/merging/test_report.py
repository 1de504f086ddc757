import itertools
from types import SimpleNamespace

import pandas as pd
import pytest

from experiments.merging.config import MergingConfig
from experiments.merging.manager import MergingManager
from experiments.merging.report import report
from framework.errors import SashikoError
from framework.report.digest import digest_of
from framework.tracking.results import factors_of

# Test accuracy of each family in the first run; every further run has 0.01 more. On val the second parent is best.
ACCURACY = {
    "base": 0.80, "parent_1": 0.90, "parent_2": 0.88, "soup": 0.93, "ties": 0.70, "ot": 0.60, "ensemble": 0.94,
}  # fmt: skip
VAL = {"parent_1": 0.85, "parent_2": 0.95}
STAGES = {"base": "base", "parent_1": "parent", "parent_2": "parent", "ot": "fused", "ensemble": "ensemble"}
SCENARIOS = ("seeds", "tasks")


def made(scenarios=SCENARIOS, replicates=3, without=()):
    runs, tables = [], {"models": [], "choices": [], "tasks": []}
    for number, (kind, k) in enumerate(itertools.product(scenarios, range(replicates))):
        run = {"run_id": f"run{number}"}
        config = MergingConfig.model_validate({"scenario": {"kind": kind}, "base": {"seed": k}, "num_models": 2})
        runs.append(run | {"state": "finished"} | factors_of(config))
        for family, accuracy in ACCURACY.items():
            stage = STAGES.get(family, "merged")
            recipe = family if stage in ("merged", "fused") else ""
            about = run | {"family": family, "stage": stage, "recipe": recipe}
            for split in ("train", "val", "test"):
                value = (VAL.get(family, accuracy) if split == "val" else accuracy) + 0.01 * k
                scores = {"accuracy": value, "cross_entropy": 1 - value}
                tables["models"].append(about | {"split": split, "seconds": 2.0} | scores)
                if kind == "tasks":
                    tables["tasks"].append(about | {"split": split, "task": "0 1"} | scores)
        tables["choices"].append(
            run | {"recipe": "ties", "scale": 0.5 + k, "num_kept": None, "kept": None, "val_score": 0.7}
        )
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items() if name not in without}
    frame = pd.DataFrame(runs)
    factors = [name for name in frame if "." in name and frame[name].map(repr).nunique() > 1]
    return SimpleNamespace(runs=frame, tables=frames, factors=factors, config=MergingConfig)


def row_of(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    (found,) = table.to_dict("records")
    return found


def test_means_are_over_runs_and_differences_are_paired_within_them():
    table = report(made()).table
    row = row_of(table, family="soup", scenario="seeds")
    assert (row["dataset"], row["architecture"], row["stage"], row["n"]) == ("digits", "mlp", "merged", 3)
    assert row["accuracy_test_mean"] == pytest.approx(0.94)
    assert row["accuracy_test_std"] == pytest.approx(0.01)
    assert row["pp_over_parents_mean"] == pytest.approx(4.0)
    assert row["pp_over_best_parent_mean"] == pytest.approx(5.0), "the best on val, which on test is the worse one"
    assert row["pp_over_ensemble_mean"] == pytest.approx(-1.0)
    assert row["pp_over_parents_std"] == pytest.approx(0.0, abs=1e-9)
    assert row_of(table, family="best_parent", scenario="tasks")["accuracy_test_mean"] == pytest.approx(0.89)
    assert row_of(table, family="parents", scenario="tasks")["accuracy_test_mean"] == pytest.approx(0.90)


def test_the_table_reads_from_the_base_to_the_ensemble():
    table = report(made()).table
    families = ["base", "parent_1", "parent_2", "parents", "best_parent", "soup", "ties", "ot", "ensemble"]
    assert table["family"].tolist() == families * 2
    assert list(dict.fromkeys(table["scenario"])) == list(SCENARIOS)


def test_the_terminal_has_a_row_a_family_and_a_column_a_scenario():
    shown = report(made()).readable()
    assert list(shown) == ["family", "seeds (%)", "seeds pp", "tasks (%)", "tasks pp"]
    assert shown["family"].tolist() == ["base", "parents", "best_parent", "soup", "ties", "ot", "ensemble"]
    row = shown[shown["family"] == "ties"].iloc[0]
    assert (row["seeds (%)"], row["tasks pp"]) == ("71.00 ± 1.00", "-19.00")
    single = report(made(scenarios=("tasks",), replicates=1)).readable()
    assert single["tasks (%)"].tolist()[:2] == ["80.00", "89.00"]


def test_what_else_is_swept_is_kept_apart():
    results = made(scenarios=("seeds",))
    again = made(scenarios=("seeds",))
    for name, table in again.tables.items():
        again.tables[name] = table.assign(run_id="other_" + table["run_id"]) if len(table) else table
    again.runs["run_id"] = "other_" + again.runs["run_id"]
    again.runs["num_models"] = 5
    results.runs = pd.concat([results.runs, again.runs], ignore_index=True)
    results.tables = {n: pd.concat([t, again.tables[n]], ignore_index=True) for n, t in results.tables.items()}
    results.factors = [*results.factors, "num_models"]
    table = report(results).table
    assert set(table["n"]) == {3}
    assert set(table["num_models"]) == {2, 5}
    assert list(report(results).readable()) == ["family", "2 (%)", "2 pp", "5 (%)", "5 pp"]


def test_tasks_and_choices_are_tables_of_their_own():
    more = report(made()).more
    task = row_of(more["tasks"], family="soup", split="test", task="0 1")
    assert (task["accuracy_mean"], task["n"], task["scenario"]) == (pytest.approx(0.94), 3, "tasks")
    choice = row_of(more["choices"], family="ties", scenario="seeds")
    assert (choice["scale_mean"], choice["scale_std"], choice["n"]) == (1.5, 1.0, 3)
    assert "tasks" not in report(made(scenarios=("seeds",))).more
    assert "choices" not in report(made(without=("choices",))).more


def test_without_models_it_says_so():
    with pytest.raises(SashikoError, match="no finished merging run has logged the table `models`"):
        report(made(without=("models",)))


@pytest.mark.parametrize("scenarios", [("seeds",), SCENARIOS])
def test_the_figure_is_drawn_of_the_runs_and_their_mean(scenarios, tmp_path):
    drawn = report(made(scenarios))
    assert drawn.save(tmp_path, formats=("png",))
    panel = drawn.figures["difference_by_family"]().axes[0]
    assert panel.get_title() == "seeds"
    names = [text.get_text() for text in panel.get_yticklabels()]
    dots = [line.get_xdata() for line in panel.lines if len(line.get_xdata()) == 3]
    assert dots[names.index("soup")] == pytest.approx([4.0, 4.0, 4.0]), "over the mean parent"
    means = [float(values.mean()) for values in dots]
    assert means == sorted(means, reverse=True), "the best is on top"
    table = drawn.figures["accuracy_by_family"]().axes[0]
    assert [text.get_text() for text in table.get_xticklabels()] == [name.replace("_", " ") for name in scenarios]
    assert digest_of(drawn.figures["difference_by_family"]) is not None


def test_the_manager_reports_on_the_results():
    assert MergingManager().report(made()).figures
