from pathlib import Path

import pytest

from experiments import manager_of
from experiments.merging.config import RECIPES, MergingConfig
from framework.definition import read_file
from framework.errors import ArtifactError, ConfigError
from framework.plan import Work, plan, required
from framework.training.config import TrainingConfig
from tests.experiments.merging.conftest import base, merging

SWEEP = Path(__file__).parents[3] / "sweeps" / "merging.yaml"


def test_the_defaults_merge_four_models_of_other_seeds():
    config = MergingConfig()
    assert [one.seed for one in config.fine_tuned] == [0, 1, 2, 3]
    assert {one.base.config_id for one in config.fine_tuned} == {config.base.config_id}
    assert [recipe.name for recipe in config.recipes] == [recipe.name for recipe in RECIPES]
    assert {recipe.method.kind for recipe in RECIPES} > {"ties", "fisher", "regmean", "ot", "weight_matching"}


def test_a_scenario_is_what_sets_the_models_apart():
    noisy = merging(scenario={"kind": "label_noise", "shares": [0.0, 0.5]}, num_models=3).fine_tuned
    assert [one.label_noise for one in noisy] == [0.0, 0.5, 0.0]
    assert [one.augment for one in merging(scenario="augmentation").fine_tuned] == ["none", "flip_crop"] * 2
    tasks = merging(scenario="tasks").fine_tuned
    assert [one.classes for one in tasks][:2] == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)]
    assert {one.classes for one in merging().fine_tuned} == {None}
    assert [one.seed for one in merging(seed=2, num_models=3).fine_tuned] == [6, 7, 8]


def test_what_all_models_have_in_common_is_said_once():
    config = merging(fine_tune={"epochs": 7, "learning_rate": 0.5, "schedule": "cosine", "batch_size": 32})
    (first, *_) = config.fine_tuned
    assert (first.epochs, first.learning_rate, first.schedule, first.batch_size) == (7, 0.5, "cosine", 32)
    refine = first.refine
    assert (refine.epochs, refine.learning_rate, refine.schedule, refine.batch_size) == (7, 0.5, "cosine", 32)
    assert refine.seed == first.seed


def test_a_run_requires_its_checkpoint_and_each_model_and_those_their_checkpoint():
    manager = manager_of("merging")
    config = merging(num_models=3)
    needs = list(manager.requires("run", config))
    assert [need.kind for need in needs] == ["model"] + ["fine_tuned"] * 3
    assert list(manager.requires("fine_tuned", needs[1].config)) == [Work("model", config.base)]
    assert list(manager.requires("model", config.base)) == []
    with pytest.raises(ArtifactError, match="merging makes models and fine-tuned models"):
        manager.make("latents", TrainingConfig(), None)


def test_models_that_do_not_differ_are_one_artifact_across_scenarios():
    """The first model of the seeds, without noise and without augmentation, is fine-tuned once."""
    wanted = [Work("run", merging(scenario=kind)) for kind in ("seeds", "label_noise", "augmentation", "tasks")]
    found = required(manager_of("merging").requires, wanted)
    assert [work.kind for work in found].count("model") == 1
    assert [work.kind for work in found].count("fine_tuned") == 4 + 3 + 2 + 4
    assert found[0].kind == "model"


def test_the_sweep_has_every_scenario_with_three_replicates():
    points = plan(MergingConfig, read_file(SWEEP))
    kinds = [point.config.scenario.kind for point in points]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(
        ("seeds", "label_noise", "augmentation", "tasks"), 3
    )
    assert {point.config.base.seed for point in points} == {0, 1, 2}


@pytest.mark.parametrize("here", [True, False])
def test_fashion_mnist_is_taken_where_it_lies_and_digits_elsewhere(here, tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_DATA", str(tmp_path))
    if here:
        (tmp_path / "FashionMNIST" / "raw").mkdir(parents=True)
        (tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").touch()
    name = "fashion_mnist" if here else "digits"
    config = merging(data="fashion_mnist_or_digits")
    assert (config.base.data.name, config.base.data.normalise, config.data) == (name, "standard", None)
    explicit = merging(base=base(data={"name": name, "normalise": "standard"}))
    assert config.config_id == explicit.config_id
    points = plan(MergingConfig, read_file(SWEEP))
    assert {point.config.base.data.name for point in points} == {name}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipes": [{"name": "a", "method": "soup"}] * 2}, "a stands twice"),
        ({"recipes": [{"name": "ensemble", "method": "soup"}]}, "ensemble is a name that the base"),
        ({"recipes": [{"name": "x", "method": {"kind": "average"}}]}, "average"),
        ({"recipes": [{"name": "x"}]}, r"recipes\.0\.method"),
        (
            {"base": base(model="mlp_autoencoder")},
            r"base\.model\.kind: is mlp_autoencoder, which is no classifier",
        ),
        (
            {"scenario": {"kind": "tasks", "classes": [[0, 1], [9, 10]]}},
            r"scenario\.classes\.1: names 10; the classes of digits are 0 to 9",
        ),
        ({"scenario": {"kind": "tasks", "classes": [[3, 1]]}}, r"scenario\.classes\.0: is \[3, 1\]; allowed"),
        ({"scenario": {"kind": "label_noise", "shares": [1.5]}}, r"scenario\.shares\.0"),
        ({"scenario": {"kind": "seeds", "shares": [0.5]}}, "shares: unknown key"),
        ({"num_inputs": 60}, r"recipes\.6\.method\.num_samples: is 100 in the recipe regmean, and there are 60"),
        ({"num_models": 1}, r"recipes\.7\.method\.kind: is ot, which matches two models or more"),
        ({"fine_tune": {"warmup_epochs": 5, "epochs": 3}}, "fine_tune: warmup_epochs is 5"),
        (
            {"recipes": [{"name": "x", "method": {"kind": "ties", "scales": [0.5, 0.5]}}]},
            r"recipes\.0\.method\.scales: holds 0\.5 more than once",
        ),
    ],
)
def test_what_cannot_be_merged_is_refused_before_anything_starts(changes, message):
    with pytest.raises(ConfigError, match=message):
        merging(**changes)


def test_images_of_a_model_s_own_classes_are_counted():
    tasks = {"kind": "tasks", "classes": [[0], [1, 2, 3]]}
    recipes = [{"name": "regmean", "method": {"kind": "regmean", "num_samples": 130}}]
    with pytest.raises(ConfigError, match="is 130 in the recipe regmean, and there are 129 inputs"):
        merging(scenario=tasks, recipes=recipes)
    merging(recipes=recipes)


def test_one_model_is_merged_by_what_matches_nothing():
    assert len(merging(num_models=1, recipes=[{"name": "soup", "method": "soup"}]).fine_tuned) == 1
