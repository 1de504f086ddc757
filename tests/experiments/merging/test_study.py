import json

import pytest
import torch
from safetensors.torch import load_file

from experiments.merging.fine_tuning import seen
from framework.data.vision import load_splits
from framework.fusion import fuse, merge
from framework.metrics.generalisation import score
from framework.training.checkpoints import load_model
from tests.experiments.compared import compared_by
from tests.experiments.merging.conftest import merging


def of(run, family, split="test", table="models"):
    rows = run.tables[table]
    (row,) = rows[(rows["family"] == family) & (rows["split"] == split)].to_dict("records")
    return row


def models_of(bench, config):
    loaded = [load_model(bench.store["fine_tuned", one.config_id], config.base) for one in config.fine_tuned]
    return load_model(bench.store["model", config.base.config_id], config.base), loaded


def test_every_network_is_a_row_a_split(run_of_tasks):
    run, config = run_of_tasks
    parents = [f"parent_{number}" for number in range(1, 5)]
    table = run.tables["models"]
    assert list(dict.fromkeys(table["family"])) == [
        "base", *parents, *(recipe.name for recipe in config.recipes), "ensemble",
    ]  # fmt: skip
    assert len(table) == 3 * (6 + len(config.recipes))
    assert set(table["stage"]) == {"base", "parent", "merged", "fused", "ensemble"}
    assert list(table) == ["family", "stage", "recipe", "split", "accuracy", "cross_entropy", "seconds"]
    assert table[["accuracy", "cross_entropy", "seconds"]].notna().all().all()
    assert compared_by("merging") in run.summary
    assert run.summary["soup/test_accuracy"] == of(run, "soup")["accuracy"]


def test_numbers_are_those_of_the_library(run_of_tasks, bench):
    run, config = run_of_tasks
    base, models = models_of(bench, config)
    splits = load_splits(config.base.data)
    val = (splits.val.images, splits.val.labels)
    made = {
        "base": base,
        "parent_2": models[1],
        "soup": merge(models, method="soup"),
        "task_arithmetic": merge(models, base, "task_arithmetic", scales=[0.0, 0.25, 0.5], val=val),
        "ties": merge(models, base, "ties", scales=[0.5]),
        "ot": fuse(models, inputs=splits.train.images[:4]),
    }
    for family, network in made.items():
        for split in ("train", "val", "test"):
            found = score(network, getattr(splits, split))
            row = of(run, family, split)
            assert (row["accuracy"], row["cross_entropy"]) == pytest.approx(
                (found.accuracy, found.cross_entropy), rel=1e-4
            ), (family, split)
    logits = sum(model(splits.test.images) for model in models)
    right = (logits.argmax(dim=1) == splits.test.labels).double().mean()
    assert of(run, "ensemble")["accuracy"] == pytest.approx(float(right))


def test_what_was_chosen_was_chosen_on_val(run_of_tasks, bench):
    run, config = run_of_tasks
    choices = run.tables["choices"].set_index("recipe")
    assert set(choices.index) == {"greedy_soup", "task_arithmetic", "ties", "dare+ties"}
    base, models = models_of(bench, config)
    splits = load_splits(config.base.data)
    scored = {
        scale: score(merge(models, base, "task_arithmetic", scales=[scale]), splits.val).accuracy
        for scale in (0.0, 0.25, 0.5)
    }
    assert choices.loc["task_arithmetic", "scale"] == max(scored, key=scored.get)
    assert choices.loc["task_arithmetic", "val_score"] == pytest.approx(max(scored.values()))
    assert choices.loc["task_arithmetic", "val_score"] == pytest.approx(
        of(run, "task_arithmetic", "val")["accuracy"]
    )
    assert choices.loc["greedy_soup", "val_score"] == pytest.approx(of(run, "greedy_soup", "val")["accuracy"])
    assert 1 <= choices.loc["greedy_soup", "num_kept"] <= 4
    alone = max(of(run, f"parent_{number}", "val")["accuracy"] for number in range(1, 5))
    assert choices.loc["greedy_soup", "val_score"] >= alone


def test_accuracy_is_told_by_task_and_a_model_is_good_at_its_own(run_of_tasks):
    run, config = run_of_tasks
    tasks = run.tables["tasks"]
    assert set(tasks["task"]) == {" ".join(map(str, classes)) for classes in config.scenario.classes}
    test = tasks[tasks["split"] == "test"].set_index(["family", "task"])["accuracy"]
    assert test["parent_1", "0 1 2 3 4"] > 0.9
    assert test["parent_1", "0 1 2 3 4"] > test["parent_1", "5 6 7 8 9"]
    splits = load_splits(config.base.data)
    share = float(torch.isin(splits.test.labels, torch.arange(5)).double().mean())
    whole = share * test["soup", "0 1 2 3 4"] + (1 - share) * test["soup", "5 6 7 8 9"]
    assert whole == pytest.approx(of(run, "soup")["accuracy"])


def test_other_scenarios_have_no_tasks_and_other_models(bench):
    config = merging(scenario="label_noise", recipes=[{"name": "soup", "method": "soup"}])
    run = bench.run(config)
    assert set(run.tables) == {"models"}
    clean, _, _, noisy = (of(run, f"parent_{number}", "train") for number in range(1, 5))
    assert noisy["cross_entropy"] > clean["cross_entropy"]


def test_what_is_fine_tuned_begins_with_the_base_and_is_made_once(bench):
    config = merging(recipes=[{"name": "soup", "method": "soup"}], num_models=2)
    bench.run(config)
    made = bench.made
    base, models = models_of(bench, config)
    begun = load_model(bench.store["model", config.base.config_id], config.base, "initial")
    distance = []
    for model in (*models, begun):
        pairs = zip(model.state_dict().values(), base.state_dict().values(), strict=True)
        distance.append(sum(float((mine - theirs).square().sum()) for mine, theirs in pairs))
    assert 0 < max(distance[:2]) < distance[2]
    bench.run(merging(recipes=[{"name": "greedy_soup", "method": "greedy_soup"}], num_models=2))
    assert bench.made == made


def test_a_model_sees_its_classes_and_its_noise_in_train_alone():
    splits = load_splits(merging().base.data)
    one = merging(scenario="tasks").fine_tuned[2].model_copy(update={"label_noise": 0.5})
    found = seen(one, splits)
    assert set(found.train.labels.tolist()) == set(found.val.labels.tolist()) == {0, 2, 4, 6, 8}
    true = dict(zip(splits.train.indices.tolist(), splits.train.labels.tolist(), strict=True))
    wrong = [
        true[i] != label
        for i, label in zip(found.train.indices.tolist(), found.train.labels.tolist(), strict=True)
    ]
    assert sum(wrong) == round(0.5 * len(wrong))
    kept = dict(zip(splits.val.indices.tolist(), splits.val.labels.tolist(), strict=True))
    assert all(
        kept[i] == label for i, label in zip(found.val.indices.tolist(), found.val.labels.tolist(), strict=True)
    )
    assert torch.equal(found.test.labels, splits.test.labels)


def test_weights_are_kept_as_safetensors(run_of_tasks, bench):
    _, config = run_of_tasks
    folder = bench.store["merged", config.config_id]
    base, models = models_of(bench, config)
    kept = load_file(folder / "soup.safetensors")
    soup = merge(models, base, "soup").state_dict()
    assert all(torch.allclose(tensor, soup[name]) for name, tensor in kept.items())
    told = json.loads((folder / "merging.json").read_text())
    assert told["task_arithmetic"]["scale"] in (0.0, 0.25, 0.5)
    assert {file.suffix for file in folder.iterdir()} == {".json", ".safetensors"}
