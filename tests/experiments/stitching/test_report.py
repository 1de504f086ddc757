import itertools
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from experiments.stitching.config import StitchingConfig
from experiments.stitching.figures.latents import shown_of
from experiments.stitching.figures.looks import FAMILIES, ORDER, ROLES, SCORES, in_order, look
from experiments.stitching.manager import StitchingManager
from experiments.stitching.report import report
from experiments.stitching.selection import selected, shown
from framework.errors import SashikoError
from framework.mappings import METHODS
from framework.mappings.config import Affine, Linear
from framework.report.digest import digest_of

RIGID = ("identity", "orthogonal")
MODELS = (("pcktae", 0), ("pcktae", 1), ("vae", 0))
PAIRS = tuple(itertools.permutations(MODELS, 2))


class Tables(dict):
    """Frames by name, with the galleries of all runs."""

    galleries: dict = {}

    def arrays(self, name, runs=None):
        assert name == "gallery"
        return ((run, arrays) for run, arrays in self.galleries.items() if runs is None or run in runs)

    def files(self, name):
        """What stands for the file of each run: its rows as bytes."""
        groups = super().__getitem__(name).groupby("run_id", sort=False)
        return [(run_id, SimpleNamespace(read_bytes=rows.to_csv().encode)) for run_id, rows in groups]


def made(
    mappings=("linear", "affine", "identity"), samplings=("equally",), blow_up=1.0, pairs=PAIRS, dims=(8,),
    accuracy=False,
):  # fmt: skip
    rows, classes, galleries = [], [], {}
    for number, ((source, target), kind, sampling, dim) in enumerate(
        itertools.product(pairs, mappings, samplings, dims)
    ):
        for n, ridge in itertools.product((10, 50, 200), (0.0,) if kind in RIGID else (0.0, 0.1)):
            score = 0.02 + 0.1 / n + 0.001 * source[1] + (blow_up if (n, ridge) == (10, 0.0) else 0.0)
            row = {
                "run_id": f"run{number}", "dataset": "digits", "split": "test",
                "source": f"{source[0]}_{source[1]}",
                "target": f"{target[0]}_{target[1]}", "source_kind": source[0], "target_kind": target[0],
                "source_layer": "", "target_layer": "", "latent_dim_source": dim, "latent_dim_target": dim,
                "sampling": sampling, "mapping": kind, "ridge": ridge, "num_samples": n,
            }  # fmt: skip
            key = "accuracy" if accuracy else "mse"
            scores = {
                f"{key}_{role}": 0.02 + 0.001 * seed
                for role, (_, seed) in zip(ROLES, (source, target), strict=True)
            }
            scores[f"{key}_stitched"] = score
            rows.append(row | scores)
            classes += [row | {"class": c} | {k: v * (1 + c) for k, v in scores.items()} for c in range(3)]
        galleries[f"run{number}"] = gallery(number)
    tables = Tables(results=pd.DataFrame(rows), results_class=pd.DataFrame(classes))
    tables.galleries = galleries
    return tables


def gallery(seed):
    rng = np.random.default_rng(seed)
    pictures = {
        k: rng.integers(0, 256, (10, 1, 8, 8), np.uint8) for k in ("images", "source", "stitched", "target")
    }
    maps = {f"error_{role}": rng.random((8, 8)) for role in ("source", "stitched", "target")}
    z = rng.normal(size=(120, 5))
    return pictures | maps | {"z_target": z, "z_mapped": z + 0.1, "labels": rng.integers(0, 3, 120)}


SEEDED = tuple(itertools.permutations((("pcktae", seed) for seed in range(4)), 2))


def with_val(tables, draws=(0, 1), seed=0):
    """Rows of several draws, with scores on val and on test that differ by chance."""
    rng = np.random.default_rng(seed)
    rows = pd.concat([tables["results"].assign(sampling_seed=draw) for draw in draws], ignore_index=True)
    rows["mse_stitched"] += rng.normal(0, 0.003, len(rows))
    rows["mse_stitched_val"] = rows["mse_stitched"] + rng.normal(0, 0.003, len(rows))
    tables["results"] = rows
    return tables


def test_the_table_has_mean_std_and_number_of_pairs_beside_the_parents():
    tables = made()
    table = report(tables).table
    assert len(table) == 2 * (3 * 2 + 3 * 2 + 3)
    assert set(table["architectures"]) == {"same", "another"}
    frame = tables["results"]
    chosen = (frame["mapping"] == "affine") & (frame["num_samples"] == 50) & (frame["ridge"] == 0.1)
    values = frame[chosen & (frame["source_kind"] != frame["target_kind"])]
    row = table.query("mapping == 'affine' and num_samples == 50 and ridge == 0.1 and architectures == 'another'")
    assert row["n"].tolist() == [4]
    assert row["mse_stitched_mean"].iloc[0] == pytest.approx(values["mse_stitched"].mean())
    assert row["mse_stitched_std"].iloc[0] == pytest.approx(np.std(values["mse_stitched"], ddof=1))
    assert row["mse_source"].iloc[0] == pytest.approx(values["mse_source"].mean())
    assert "sampling" not in table


def test_the_terminal_gets_a_row_a_mapping_and_ridge_and_a_column_a_number_of_anchors():
    shown = report(made()).readable()
    assert list(shown) == [
        *(
            "architectures",
            "mapping",
            "ridge",
            "n = 10",
            "n = 50",
            "n = 200",
            "source alone",
            "target alone",
            "n",
        ),
    ]
    assert len(shown) == 2 * (2 + 2 + 1)
    assert shown["mapping"][:5].tolist() == ["identity", "linear", "linear", "affine", "affine"]
    assert "±" in shown["n = 50"][0]
    assert report(made(pairs=PAIRS[:1])).readable()["n = 50"][0] == "0.022"


def test_settings_that_vary_are_columns_and_panels():
    tables = made(samplings=("equally", "random"), dims=(8, 10))
    drawn = report(tables)
    assert {"architectures", "sampling", "latent_dim_target"} <= set(drawn.table)
    assert "latent_dim_source" not in drawn.table
    figure = drawn.figures["error_by_num_samples"]()
    rows = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert len(rows) == len(set(rows)) == 8
    assert "same architecture\ntarget dim 10\nequally" in rows


@pytest.mark.parametrize(("blow_up", "scale"), [(1.0, "log"), (0.0, "linear")])
def test_lines_are_the_tables_means_and_the_parents_are_a_reference(blow_up, scale):
    drawn = report(
        made(blow_up=blow_up, pairs=(PAIRS[1], PAIRS[3]), mappings=("affine", "orthogonal", "identity"))
    )
    if blow_up:
        drawn.figures["error_by_num_samples"].args[0].loc[
            lambda rows: rows["num_samples"] == 10, "mse_stitched"
        ] += 1
    figure = drawn.figures["error_by_num_samples"]()
    assert figure.axes[0].get_yscale() == scale
    assert [panel.get_legend().get_title().get_text() for panel in figure.axes] == [
        "fixed or counted", "rotations", "linear",
    ]  # fmt: skip
    named = [
        {line.get_label(): line for line in panel.lines if line.get_label()[0] != "_"} for panel in figure.axes
    ]
    assert [list(lines) for lines in named] == [
        ["zero-shot", "source alone", "target alone"], ["orthogonal"], ["affine"],
    ]  # fmt: skip
    rows = drawn.table[(drawn.table["ridge"] == 0.1) & (drawn.table["mapping"] == "affine")]
    expected = rows["mse_stitched_mean"].to_numpy() + blow_up * (rows["num_samples"] == 10).to_numpy()
    assert list(named[2]["affine"].get_ydata()) == pytest.approx(list(expected))
    assert named[0]["target alone"].get_ydata()[0] == pytest.approx(rows["mse_target"].iloc[0])


def test_a_colour_is_used_once_in_a_panel():
    tables = made(mappings=tuple(m for m in ORDER if "untrained" not in m), pairs=PAIRS[:2])
    for panel in report(tables).figures["error_by_num_samples"]().axes:
        own = [
            line.get_color()
            for line in panel.lines
            if line.get_label()[0] != "_" and "alone" not in line.get_label()
        ]
        assert len(own) == len(set(own)) <= 6


def test_by_ridge_has_a_panel_a_mapping_that_has_several():
    drawn = report(made(pairs=PAIRS[:3]))
    figure = drawn.figures["error_by_ridge"]()
    assert [axes.get_title() for axes in figure.axes if axes.get_visible()] == ["linear", "affine"]
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    assert list(lines) == ["10 anchors", "50 anchors", "200 anchors"]
    rows = drawn.table[(drawn.table["mapping"] == "affine") & (drawn.table["num_samples"] == 50)]
    means = rows.groupby("ridge")[["mse_stitched_mean", "n"]].apply(
        lambda group: np.average(group["mse_stitched_mean"], weights=group["n"])
    )
    assert list(lines["50 anchors"].get_ydata()) == pytest.approx(list(means))
    assert "error_by_ridge" not in report(made(mappings=RIGID)).figures


def test_a_mapping_with_ridges_of_its_own_hides_no_other():
    """One fitted at λ = 1e-6, as relative ridges are: the others keep their boxes and panels."""
    tables = made()
    rows = tables["results"]
    own = rows[(rows["mapping"] == "affine") & (rows["ridge"] == 0.1)]
    relative = [own.assign(mapping="affine_relative", ridge=ridge, run_id="more") for ridge in (1e-6, 0.1)]
    tables["results"] = pd.concat([rows, *relative], ignore_index=True)
    found = shown(tables["results"], SCORES[0]).groupby("mapping")["ridge"].unique().map(list).to_dict()
    assert found == {"affine": [0.1], "affine_relative": [1e-6], "identity": [0.0], "linear": [0.1]}
    assert report(tables).figures["error_by_num_samples"]()


def test_the_ranking_has_the_best_on_top_with_the_interval_of_what_val_chose():
    tables = with_val(made(pairs=SEEDED))
    (panel,) = report(tables).figures["error_by_mapping"]().axes
    table = selected(tables["results"], [], SCORES[0])
    most = table[table["num_samples"] == 200].sort_values("mse_stitched_mean")
    assert [text.get_text() for text in panel.get_yticklabels()] == [look(m).name for m in most["mapping"]]
    intervals = [list(line.get_xdata()) for line in panel.lines if line.get_linewidth() == 1.8]
    assert intervals == [
        pytest.approx(list(ends)) for ends in zip(most["mse_stitched_low"], most["mse_stitched_high"], strict=True)
    ]
    hollow = [line.get_xdata()[0] for line in panel.lines if line.get_color() == "white" and len(line.get_xdata())]
    fewest = table[table["num_samples"] == 10].set_index("mapping")["mse_stitched_mean"]
    assert hollow == pytest.approx([fewest[m] for m in most["mapping"]])


def test_over_all_ordered_pairs_the_parents_are_one_line():
    figure = report(made(pairs=PAIRS[0:1] + PAIRS[2:3])).figures["error_by_num_samples"]()
    assert "parents alone" in [line.get_label() for line in figure.axes[0].lines]


def test_the_ranking_is_at_the_most_anchors_and_without_val_at_the_least_positive_ridge():
    tables = made()
    figure = report(tables).figures["error_by_mapping"]()
    (another, same) = figure.axes
    assert [axes.get_title() for axes in (another, same)] == [
        "another architecture, 200 anchors", "same architecture, 200 anchors",
    ]  # fmt: skip
    assert {text.get_text() for text in another.get_yticklabels()} == {"zero-shot", "linear", "affine"}
    frame = tables["results"].query("mapping == 'linear' and num_samples == 200 and ridge == 0.1")
    frame = frame[frame["source_kind"] != frame["target_kind"]]
    place = [text.get_text() for text in another.get_yticklabels()].index("linear")
    dots = [
        line.get_xdata()[0] for line in another.lines if line.get_markersize() == 4.5 and line.get_marker() == "o"
    ]
    assert dots[place] == pytest.approx(frame["mse_stitched"].mean())


def test_of_self_supervised_encoders_methods_differ():
    encoders = [(kind, seed) for kind in ("simclr", "vicreg") for seed in (0, 1)]
    drawn = report(made(pairs=tuple(itertools.permutations(encoders, 2))))
    assert "architectures" not in drawn.table
    assert drawn.table.groupby("methods")["n"].unique().map(list).to_dict() == {"another": [8], "same": [4]}
    titles = [axes.get_title() for axes in drawn.figures["error_by_mapping"]().axes]
    assert titles == ["another method, 200 anchors", "same method, 200 anchors"]
    rows = [axes.get_ylabel() for axes in drawn.figures["error_by_num_samples"]().axes]
    assert "same method" in rows
    mixed = report(made(pairs=((encoders[0], ("mlp", 0)), (("mlp", 0), ("mlp", 1))))).table
    assert set(mixed["architectures"]) == {"same", "another"}


def test_tables_by_class_and_kind_print_means_and_the_target_alone():
    tables = made()
    drawn = report(tables)
    axes = drawn.figures["error_by_class"]().axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "zero-shot",
        "linear",
        "affine",
        "target alone",
    ]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2"]
    rows = tables["results_class"].query("mapping == 'affine' and num_samples == 200 and ridge == 0.1")
    cell = rows[rows["class"] == 1]["mse_stitched"].mean()
    printed = [text.get_text() for text in axes.texts]
    assert printed[2 * 3 + 1] == f"{cell:.2g}"
    axes = drawn.figures["error_by_kind"]().axes[0]
    columns = [text.get_text() for text in axes.get_xticklabels()]
    assert columns == ["pcktae\n→ pcktae", "pcktae\n→ vae", "vae\n→ pcktae"]
    assert len(axes.texts) == 4 * 3


@pytest.mark.parametrize("name", ["latents_pca", "latents_tsne", "stitched_images", "error_maps"])
def test_pictures_show_every_mapping_of_one_pair(name, tmp_path):
    figure = report(made()).figures[name]()
    figure.savefig(tmp_path / "picture.png")
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes]
    if name == "stitched_images":
        rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        assert rows == ["images", "source alone", "zero-shot", "linear", "affine", "target alone"]
    else:
        assert [title for title in titles if title in ("zero-shot", "linear", "affine")] == [
            "zero-shot", "linear", "affine",
        ]  # fmt: skip


def test_classifiers_are_judged_by_accuracy_and_have_no_pictures():
    drawn = report(made(accuracy=True))
    assert {"accuracy_by_num_samples", "accuracy_by_mapping", "accuracy_by_class", "latents_pca"} <= set(
        drawn.figures
    )
    assert not {"stitched_images", "error_maps", "error_by_num_samples"} & set(drawn.figures)
    assert "accuracy_stitched_mean" in drawn.table


def test_latents_are_of_one_mapping_a_family_before_a_second_one():
    assert shown_of(ORDER) == ["identity", "relative", "orthogonal", "affine", "kernel", "task_loss"]
    assert shown_of(["affine", "linear", "unknown"]) == ["linear", "affine", "unknown"]


def test_every_mapping_has_a_look_of_its_own():
    variants = {"orthogonal_isotropic", "orthogonal_standardised", "relative_centred"}
    relative = {config(ridges="auto").label for config in (Linear, Affine)}
    controls = {
        StitchingConfig(control=name, mapping=Affine(ridges=ridges)).label
        for name in get_args(StitchingConfig.model_fields["control"].annotation)
        for ridges in ((0.0,), "auto")
    }
    assert {*METHODS, *variants, *relative, *controls} == set(ORDER)
    assert len({(look(m).family, look(m).colour) for m in ORDER}) == len(ORDER)
    assert len({look(members[0]).family_colour for members in FAMILIES.values()}) == len(FAMILIES)
    assert in_order(["zigzag", "mlp", "linear"]) == ["linear", "mlp", "zigzag"]


def test_without_results_it_says_so():
    with pytest.raises(SashikoError, match="no finished stitching run"):
        report(Tables())


def test_the_manager_reads_the_tables_of_the_results():
    drawn = StitchingManager().report(SimpleNamespace(tables=made()))
    assert len(drawn.figures) >= 9


def test_every_figure_is_drawn_anew_only_for_other_data():
    digests = {name: digest_of(draw) for name, draw in report(made()).figures.items()}
    assert None not in digests.values()
    assert {name: digest_of(draw) for name, draw in report(made()).figures.items()} == digests

    def changed(**changes):
        tables = made()
        for name, change in changes.items():
            tables[name] = change(tables[name])
        return {name for name, draw in report(tables).figures.items() if digest_of(draw) != digests[name]}

    assert changed(results_class=lambda rows: rows.assign(mse_stitched=0.5)) == {"error_by_class"}
    assert changed(results=lambda rows: rows.assign(mse_stitched=rows["mse_stitched"] * 2)) == {
        "error_by_num_samples", "error_by_ridge", "error_by_mapping", "error_by_kind",
    }  # fmt: skip
    tables = made()
    first = next(iter(report(tables).figures["latents_pca"].args[1].load()))
    for arrays in tables.galleries.values():
        arrays["z_mapped"] = arrays["z_mapped"] + 1
    assert first in METHODS
    assert {n for n, draw in report(tables).figures.items() if digest_of(draw) != digests[n]} == {
        "latents_pca", "latents_tsne", "stitched_images", "error_maps",
    }  # fmt: skip


def test_a_table_of_classes_is_not_read_before_its_figure_is_drawn():
    class Strict(Tables):
        def __getitem__(self, name):
            assert name == "results", f"{name} is read too early"
            return super().__getitem__(name)

    tables = made()
    strict = Strict(tables)
    strict.galleries = tables.galleries
    drawn = report(strict)
    drawn.readable()
    drawn.answer()
    with pytest.raises(AssertionError, match="results_class is read"):
        drawn.figures["error_by_class"]()
