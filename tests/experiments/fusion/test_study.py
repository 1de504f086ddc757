import json
from dataclasses import astuple

import pytest
import torch
from safetensors.torch import load_file

from experiments.fusion.scoring import scores
from framework.data.vision import load_splits
from framework.errors import ArtifactError, InvalidInput
from framework.fusion import align, fuse
from framework.models.registry import build
from framework.training.checkpoints import load_model
from tests.experiments.compared import compared_by
from tests.experiments.fusion.conftest import fusion, parent


def of(run, family, split="test"):
    table = run.tables["models"]
    (row,) = table[(table["family"] == family) & (table["split"] == split)].to_dict("records")
    return row


def parents_of(bench, config):
    return [load_model(bench.store["model", one.config_id], one) for one in config.trained]


def test_pages_compare_runs_by_what_they_log(whole_run):
    run, _ = whole_run
    assert compared_by("fusion") in run.summary


def test_every_network_is_a_row_a_split(whole_run):
    run, config = whole_run
    names = [recipe.name for recipe in config.recipes]
    refined = [f"{name}/{stage}" for name in ("average", "ot") for stage in ("fine_tuned", "distilled")]
    families = {"parent_1", "parent_2", "ensemble", *names, *(f"{name}/aligned" for name in names), *refined}
    table = run.tables["models"]
    assert set(table["family"]) == families
    assert len(table) == 3 * len(families)
    assert set(table["stage"]) == {"parent", "aligned", "fused", "ensemble", "fine_tuned", "distilled"}
    assert table[["accuracy", "cross_entropy", "seconds"]].notna().all().all()


def test_numbers_are_those_of_the_library(whole_run, bench):
    run, config = whole_run
    first, second = parents_of(bench, config)
    splits, device = load_splits(config.first.data), torch.device("cpu")
    assert of(run, "parent_2")["accuracy"] == scores(second, splits, device)["test"].accuracy
    fused = scores(fuse([first, second], inputs=splits.train.images[:4]), splits, device)
    for split in ("train", "val", "test"):
        row = of(run, "ot", split)
        assert (row["accuracy"], row["cross_entropy"]) == pytest.approx(astuple(fused[split]))
    logits = (first(splits.test.images) + second(splits.test.images)) / 2
    right = (logits.argmax(dim=1) == splits.test.labels).double().mean()
    assert of(run, "ensemble")["accuracy"] == pytest.approx(float(right))


def test_aligned_rows_are_the_second_parents(whole_run):
    run, config = whole_run
    for recipe in config.recipes:
        for split in ("train", "val", "test"):
            mine, theirs = of(run, f"{recipe.name}/aligned", split), of(run, "parent_2", split)
            assert mine["cross_entropy"] == pytest.approx(theirs["cross_entropy"], abs=1e-5)


def test_layers_tell_cost_and_diagonal_of_every_plan(whole_run):
    run, _ = whole_run
    layers = run.tables["layers"]
    assert set(layers["recipe"]) >= {"ot", "ot_activations", "weight_matching", "activation_matching"}
    rows = layers[layers["recipe"] == "ot"]
    assert list(rows["basis"]) == ["encoder.1", "encoder.3"]
    assert list(rows["units"]) == [24, 16]
    assert rows["diagonal"].between(0, 1).all()
    assert rows["converged"].all()


def test_the_curve_ends_at_the_parents_and_the_barrier_is_its_excess(whole_run):
    run, _ = whole_run
    curve, barriers = run.tables["curve"], run.tables["barriers"]
    for recipe in ("average", "ot"):
        line = curve[(curve["recipe"] == recipe) & (curve["split"] == "test")].sort_values("place")
        assert list(line["place"]) == [0, 0.25, 0.5, 0.75, 1]
        losses = line["cross_entropy"].to_numpy()
        assert losses[0] == pytest.approx(of(run, "parent_1")["cross_entropy"], abs=1e-6)
        assert losses[-1] == pytest.approx(of(run, "parent_2")["cross_entropy"], abs=1e-5)
        assert losses[2] == pytest.approx(of(run, recipe)["cross_entropy"], abs=1e-5)
        straight = losses[0] + line["place"].to_numpy() * (losses[-1] - losses[0])
        row = barriers[
            (barriers["recipe"] == recipe)
            & (barriers["split"] == "test")
            & (barriers["metric"] == "cross_entropy")
        ]
        assert row["barrier"].item() == pytest.approx((losses - straight).max())


def test_metrics_are_of_parents_and_chosen_recipes_and_name_their_split(whole_run):
    run, _ = whole_run
    metrics = run.tables["metrics"]
    assert set(metrics["family"]) == {"parent_1", "parent_2", "average", "ot"}
    assert set(metrics["space"]) == {"input", "parameter", "prediction"}
    measures = {"sharpness_init", "sharpness_mag_orig", "pac_bayes_flatness", "flatness_mag_init", "hessian_trace"}
    assert measures <= set(metrics["metric"])
    of_parameters = metrics[metrics["space"] == "parameter"]
    assert not of_parameters["split"].str.contains("test").any()
    assert set(run.tables["density"]["family"]) == {"parent_1", "parent_2", "average", "ot"}


def test_weights_and_plans_are_kept_as_safetensors(whole_run, bench):
    config = whole_run[1]
    folder = bench.store["fusion", config.config_id]
    told = json.loads((folder / "fusion.json").read_text())
    assert {"parent_1", "parent_1_initial", "parent_2", "average", "ot", "ot.plans", "ot+regression"} <= set(told)
    first, second = parents_of(bench, config)
    initial = load_file(folder / "parent_1_initial.safetensors")
    expected = load_model(bench.store["model", config.first.config_id], config.first, "initial")
    assert all(torch.equal(tensor, initial[name]) for name, tensor in expected.state_dict().items())
    plans = load_file(folder / "ot.plans.safetensors")
    moved = align(first, second)
    assert torch.equal(second.encoder[1].weight[plans["parent_2/encoder.1"]], moved.encoder[1].weight)
    assert {file.suffix for file in folder.iterdir()} == {".json", ".safetensors"}


def test_three_parents_with_shares(bench):
    config = fusion(
        more=[parent(2)], weights=[0.5, 0.25, 0.25], recipes=[{"name": "ot"}], refined=[], curve_places=0
    )
    run = bench.run(config)
    assert {"parent_3", "ot/aligned_2", "ot/aligned_3"} <= set(run.tables["models"]["family"])
    assert set(run.tables["layers"]["parent"]) == {2, 3}
    assert "curve" not in run.tables


def test_parents_of_other_widths_are_fused_by_transport(bench):
    wide = parent(1, model={"kind": "mlp", "hidden": [32, 20]})
    config = fusion(second=wide, recipes=[{"name": "ot"}], refined=[], curve_places=0)
    assert of(bench.run(config), "ot")["accuracy"] > 0.3
    with pytest.raises(InvalidInput, match="permutations need equal widths"):
        bench.run(fusion(second=wide, refined=[], curve_places=0))


@pytest.fixture
def files(tmp_path):
    """State dicts of two parents, as `torch.save` writes them."""
    paths = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        path = tmp_path / f"{seed}.pt"
        torch.save(build(fusion().first.model, (1, 8, 8), 10).state_dict(), path)
        paths.append(str(path))
    return paths


def test_foreign_parents_are_read_from_files(bench, files):
    config = fusion(parents=files, recipes=[{"name": "average", "method": {"kind": "average"}}], refined=[])
    run = bench.run(config)
    assert set(run.tables["models"]["family"]) == {
        "parent_1",
        "parent_2",
        "average",
        "average/aligned",
        "ensemble",
    }
    assert len(run.summary["parent_1/sha256"]) == 64


def test_foreign_parents_that_do_not_fit_are_refused_together_and_nothing_is_written(bench, files):
    broken = torch.load(files[1], weights_only=True)
    names = list(broken)
    broken["extra"] = broken.pop(names[0])
    broken[names[1]] = torch.zeros(3, 3)
    broken[names[2]][0, 0] = float("nan")
    torch.save(broken, files[1])
    run = bench.new_run()
    with pytest.raises(InvalidInput) as caught:
        bench.manager.run(fusion(parents=files), run)
    text = str(caught.value)
    for part in (names[0] + ": is missing", "extra: is no parameter", names[1] + ": has the shape (3, 3)", "NaN"):
        assert part in text
    assert not run.tables
    assert not run.artifacts


def test_a_missing_file_is_told(bench, tmp_path):
    with pytest.raises(ArtifactError, match=r"none\.pt does not exist"):
        bench.run(fusion(parents=[str(tmp_path / "none.pt")] * 2))
