"""The report of sweeps whose numbers are known, and of one that has run."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.communication.answer import OUTCOMES, answers, wide
from experiments.communication.drawing import p_text
from experiments.communication.manager import CommunicationManager
from experiments.communication.report import report
from experiments.communication.summary import by_pair, labelled
from framework.errors import SashikoError
from framework.metrics.mantel import holm, mantel
from framework.report.digest import digest_of
from tests.experiments.communication.conftest import encoders, pair, point

UNITS, MAPS, ALIGNMENTS = ("encoder.2", "encoder.4"), ("affine_relative", "orthogonal"), ("average", "ot")
SIZES = {"16": 5, "32": 4, "64": 4}
SPLITS = ("val", "test")


def rows_of_pair(numbers, level, related):
    """Errors that differ by direction and split, and outcomes that follow those of the first layer or chance."""
    own = level * (1 + 0.2 * numbers.uniform(-1, 1))
    for unit, name, direction, split in itertools.product(UNITS, MAPS, ("there", "back"), SPLITS):
        about = {"unit": unit, "direction": direction, "split": split, "metric": "variance_unexplained"}
        more = {"there": -0.01, "back": 0.01}[direction] * level + (0 if split == "test" else 0.001)
        yield {**about, "method": name, "value": own + more if unit == UNITS[0] else numbers.uniform()}
        yield {**about, "method": f"{name}_shuffled", "value": 1.0}
    made = own if related else level * (1 + 0.2 * numbers.uniform(-1, 1))
    for method, split in itertools.product(("first", "second", *ALIGNMENTS), SPLITS):
        about = {"unit": "network", "direction": "", "split": split, "method": method}
        for metric in ("accuracy", "cross_entropy", *(OUTCOMES[1:] if method in ALIGNMENTS else ())):
            sign = -1 if metric == "accuracy" else 1
            value = 0.5 + sign * made if method in ALIGNMENTS else {"first": 0.9, "second": 0.8}[method]
            yield {**about, "metric": metric, "value": value}


def made(sizes=SIZES, related=True, without=(), seed=0):
    """Results of a sweep in which groups of larger width have smaller errors and barriers."""
    numbers, rows = np.random.default_rng(seed), []
    for number, (width, size) in enumerate(sizes.items()):
        for first, second in itertools.combinations(range(size), 2):
            ends = (f"{width}#{first}", f"{width}#{second}")
            found = list(rows_of_pair(numbers, 0.2 / 2**number, related))
            setting = {"dataset": "digits", "model": f"{width}-{width}", "epochs": "10", "shared_epochs": "none"}
            about = {"run_id": "+".join(ends), "first": ends[0], "second": ends[1], "group": width}
            if ends not in without:
                rows += [{**about, "subject": "classifiers", **setting, **row} for row in found]
    return SimpleNamespace(tables={"communication": pd.DataFrame(rows)})


def one(table, **values):
    (found,) = table[np.logical_and.reduce([table[name] == value for name, value in values.items()])].to_dict(
        "records"
    )
    return found


ABOUT = {"unit": "encoder.2", "map": "orthogonal", "alignment": "ot", "outcome": "barrier_error"}


def test_every_layer_map_alignment_and_outcome_is_tested_in_every_scope():
    table = report(made()).table
    assert set(table["scope"]) == {"16-16", "32-32", "64-64", "within", "pooled", "between"}
    assert len(table) == 6 * 2 * 2 * 2 * 3
    within = one(table, scope="within", **ABOUT)
    assert (within["pairs"], within["models"], within["groups"], within["by_groups"]) == (
        22,
        13,
        3,
        pytest.approx(0),
    )
    assert within["rho"] == pytest.approx(1)
    assert within["p"] < 0.001
    assert one(table, scope="64-64", **ABOUT)["labellings"] == 24
    between = one(table, scope="between", **ABOUT)
    assert (between["rho"], between["groups"], between["p"]) == (1, 3, pytest.approx(2 / 6))


def test_numbers_are_those_of_the_library_on_means_over_both_directions():
    results = made(related=False)
    rows = results.tables["communication"]
    on_test = rows[rows["split"] == "test"]
    keys = ["run_id", "first", "second", "group"]
    error = (
        on_test[(on_test["unit"] == "encoder.2") & (on_test["method"] == "orthogonal")]
        .groupby(keys)["value"]
        .mean()
    )
    barrier = on_test[(on_test["method"] == "ot") & (on_test["metric"] == "barrier_error")].set_index(keys)[
        "value"
    ]
    joined = pd.concat([error.rename("x"), barrier.rename("y")], axis=1).reset_index()
    pairs = list(zip(joined["first"], joined["second"], strict=True))
    table = report(results).table
    for scope in ("within", "pooled"):
        wanted = mantel(joined["x"], joined["y"], pairs, list(joined["group"]), scope=scope, seed=0)
        found = one(table, scope=scope, **ABOUT)
        assert found["rho"] == pytest.approx(wanted.rho)
        assert found["p"] == pytest.approx(
            wanted.p, abs=0.03
        )  # other labellings are drawn: rows come in another order
    of = joined[joined["group"] == "16"]
    found = one(table, scope="16-16", **ABOUT)
    assert found["rho"] == pytest.approx(stats.spearmanr(of["x"], of["y"]).statistic)
    assert found["labellings"] == math.factorial(5)


def test_what_the_groups_alone_make_is_told_as_such():
    made_report = report(made(related=False))
    pooled, within = (one(made_report.table, scope=scope, **ABOUT) for scope in ("pooled", "within"))
    assert pooled["rho"] > 0.8
    assert pooled["by_groups"] == pytest.approx(pooled["rho"], abs=0.1)
    assert abs(within["rho"]) < 0.5
    text = made_report.answer()
    line = text.table.set_index(["layer", "fused by"]).loc[("encoder.2", "ot")]
    cells = line["accuracy: within"], line["accuracy: pooled"]
    accuracy = {**ABOUT, "map": "affine_relative", "outcome": "accuracy"}
    rho = one(made_report.table, scope="pooled", **accuracy)["rho"]
    assert cells[1].startswith(f"{rho:.2f}".replace("-", "−"))
    assert "p = " in cells[0]


def test_p_holm_is_for_all_tests_within_groups_together():
    table = report(made(related=False)).table
    within = table[table["scope"] == "within"]
    assert within["p_holm"].tolist() == pytest.approx(holm(within["p"].tolist()))
    assert table.loc[table["scope"] != "within", "p_holm"].isna().all()
    (note,) = report(made(related=False)).notes
    assert note.startswith("24 correlations were tested within groups: ")


def test_the_answer_fits_the_terminal():
    answer = report(made()).answer()
    lines = [*answer.table.to_string(index=False).splitlines(), *answer.caption]
    assert len(lines) <= answer.LINES
    assert max(map(len, lines)) <= answer.COLUMNS
    assert len(answer.table) == 4


def test_an_answer_with_many_rows_is_cut_and_says_so():
    results = made()
    rows = results.tables["communication"]
    of_first = rows[rows["unit"] == "encoder.2"]
    layers = [of_first.assign(unit=f"layer.{number}") for number in range(8)]
    results.tables["communication"] = pd.concat([*layers, rows[rows["unit"] == "network"]], ignore_index=True)
    answer = report(results).answer()
    assert len(answer.table) + 1 + len(answer.caption) == answer.LINES
    assert answer.caption[0] == "the first of 16 layers and alignments; all of them: --full"


def test_a_sweep_that_is_not_finished_is_told_of_what_there_is():
    results = made(without=[("32#0", "32#1")])
    told = report(results)
    assert one(told.table, scope="32-32", **ABOUT)["models"] == 3
    assert "1 of 4 networks of 32-32 are left out of the correlations" in told.notes[0]
    alone = report(made(sizes={"16": 2}))
    assert "std" in alone.table, "two networks are one pair: means, and nothing to be tested"
    assert "2 of 2 networks of 16-16 are left out" in alone.notes[0]
    assert alone.answer is None
    single = report(made(sizes={"16": 4}))
    assert set(single.table["scope"]) == {"16-16", "within"}
    assert single.answer().table["accuracy: pooled"].tolist() == ["–"] * 4
    with pytest.raises(SashikoError, match="no finished communication run has logged the table"):
        report(SimpleNamespace(tables={}))


def test_means_are_by_group_with_parents_beside_them():
    more = report(made()).more
    parents = one(more["means"], label="16-16", method="parents", metric="accuracy", split="test")
    assert parents["mean"] == pytest.approx(0.85)
    assert (parents["units"], parents["pairs"]) == (5, 10)
    assert set(more["means"]["split"]) == {"val", "test"}
    shuffled = one(more["means"], label="64-64", unit="encoder.4", method="orthogonal_shuffled", split="val")
    assert (shuffled["mean"], shuffled["std"]) == (1, 0)


def test_a_pair_in_both_orders_is_one_pair():
    results = made()
    rows = results.tables["communication"]
    of = rows[rows["run_id"] == "32#0+32#1"]
    again = of.assign(run_id="again", first=of["second"], second=of["first"], value=of["value"] + 0.2)
    results.tables["communication"] = pd.concat([rows, again], ignore_index=True)
    told = report(results)
    assert one(told.table, scope="within", **ABOUT)["pairs"] == 22
    where = {
        "unit": "network",
        "method": "ot",
        "metric": "accuracy",
        "split": "test",
        "first": "32#0",
        "second": "32#1",
    }
    before, after = (one(made_report.more["pairs"], **where)["value"] for made_report in (report(made()), told))
    assert after == pytest.approx(before + 0.1)


@pytest.mark.parametrize("nothing", [math.nan, math.inf])
def test_a_number_that_is_missing_leaves_its_group_out(nothing):
    results = made()
    rows = results.tables["communication"]
    barriers = (rows["group"] == "16") & (rows["metric"] == "barrier_error") & (rows["method"] == "ot")
    rows.loc[rows[barriers].index, "value"] = nothing
    table = report(results).table
    assert one(table, scope="within", **ABOUT)["groups"] == 2
    assert one(table, scope="within", **{**ABOUT, "outcome": "accuracy"})["groups"] == 3


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, ["16-16", "32-32", "64-64"]),
        (
            {"model": "32-32", "shared_epochs": ["none", "0", "1"]},
            ["32-32", "32-32, same start", "32-32, 1 epoch shared"],
        ),
        ({"model": "32-32", "epochs": ["5", "9", "12"]}, [f"32-32, {n} epochs" for n in (5, 9, 12)]),
        ({"model": "32-32"}, ["32-32 (16)", "32-32 (32)", "32-32 (64)"]),
        ({"dataset": ["digits", "mnist", "mnist"]}, ["digits, 16-16", "mnist, 32-32", "mnist, 64-64"]),
    ],
)  # fmt: skip
def test_groups_are_called_by_what_tells_them_apart(changes, labels):
    rows = made().tables["communication"]
    for name, values in changes.items():
        of = dict(zip(("16", "32", "64"), values, strict=True)) if isinstance(values, list) else None
        rows[name] = rows["group"].map(of) if of else values
    assert labelled(rows)["label"].drop_duplicates().tolist() == labels


def test_figures_show_every_pair_and_say_rho_n_and_p():
    made_report = report(made())
    assert list(made_report.figures) == [f"{outcome}_by_error" for outcome in OUTCOMES]
    assert all(digest_of(draw) is not None for draw in made_report.figures.values())
    figure = made_report.figures["barrier_error_by_error"]()
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == 4
    assert all(sum(len(line.get_xdata()) for line in panel.lines) == 10 + 6 + 6 for panel in panels)
    assert (
        panels[0]
        .get_title()
        .startswith("average, layer encoder.2\nwithin ρ = 1.00, p < 0.001; pooled 1.00 (groups")
    )
    assert "22 pairs of 13 classifiers, test split" in figure.get_supxlabel()
    named = list(panels[0].texts)
    assert [text.get_text() for text in named] == ["16-16", "32-32", "64-64"]
    assert not panels[2].texts
    # Nothing is cut, and no name lies on another.
    figure.draw_without_rendering()
    extents = [text.get_window_extent() for text in named]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(extents, 2))
    for extent in (*extents, *(panel.title.get_window_extent() for panel in panels)):
        assert extent.x0 >= 0
        assert extent.x1 <= figure.bbox.x1
    tight = figure.get_tightbbox()
    assert tight.x0 >= 0
    assert tight.x1 <= figure.get_figwidth()


def test_p_is_told_to_two_digits_and_never_as_nothing():
    assert [p_text(p) for p in (0.0421, 0.5, 1e-4, math.nan)] == [
        "p = 0.042",
        "p = 0.5",
        "p < 0.001",
        "p undefined",
    ]


def test_pairs_that_ran_are_reported(bench):
    subjects = [pair(first, second) for first, second in itertools.combinations(range(3), 2)]
    subjects += [encoders(first, second) for first, second in itertools.combinations(range(3), 2)]
    runs = [bench.run(point(subject)) for subject in subjects]
    frame = pd.concat([run.tables["communication"].assign(run_id=run.id) for run in runs], ignore_index=True)
    results = SimpleNamespace(tables={"communication": frame})
    told = CommunicationManager().report(results)
    whole = told.table[told.table["scope"] == "within"]
    assert len(whole) == 2 * 2 * 3 * 3
    assert set(whole["labellings"].where(whole["rho"].notna(), 6)) == {6}
    assert "probes of simclr: own features " in "\n".join(told.answer().caption)
    assert list(told.figures)[-1] == "carried"
    (panel,) = [axes for axes in told.figures["carried"]().axes if axes.get_visible()]
    assert panel.get_title() == "simclr: 3 encoders, 3 pairs"
    assert panel.get_yticklabels()[0].get_text() == "its own encoder's"
    own = one(told.more["means"], subject="encoders", method="target", metric="accuracy", split="test")
    assert panel.texts[0].get_text() == f"{100 * own['mean']:.1f}"
    alone = CommunicationManager().report(
        SimpleNamespace(tables={"communication": frame[frame["subject"] == "encoders"]})
    )
    assert list(alone.figures) == ["carried"]
    assert set(alone.table["subject"]) == {"encoders"}
    assert answers(wide(by_pair(labelled(frame[frame["subject"] == "encoders"])))).empty
