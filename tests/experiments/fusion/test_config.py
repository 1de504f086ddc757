import pytest

from experiments import manager_of
from experiments.fusion.config import RECIPES, FusionConfig
from framework.errors import ArtifactError, ConfigError
from framework.training.config import TrainingConfig
from tests.experiments.fusion.conftest import fusion, parent


def test_the_defaults_fuse_two_seeds_of_the_papers_mlp():
    config = FusionConfig()
    assert (config.first.seed, config.second.seed) == (0, 1)
    assert config.first.model.hidden == (400, 200, 100)
    assert not config.first.model.bias
    assert [recipe.name for recipe in config.recipes] == [recipe.name for recipe in RECIPES]


def test_a_run_requires_each_parent_once_and_none_where_files_hold_them():
    manager = manager_of("fusion")
    config = fusion(more=[parent(1), parent(2)])
    assert [required.config.seed for required in manager.requires("run", config)] == [0, 1, 2]
    assert list(manager.requires("run", fusion(parents=["a.pt", "b.pt"], model="mlp"))) == []
    with pytest.raises(ArtifactError, match="fusion makes models"):
        manager.make("latents", TrainingConfig(), None)


@pytest.mark.parametrize("here", [True, False])
def test_mnist_is_taken_where_it_lies_and_digits_elsewhere(here, tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_DATA", str(tmp_path))
    if here:
        (tmp_path / "MNIST" / "raw").mkdir(parents=True)
        (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").touch()
    name = "mnist" if here else "digits"
    config = fusion(data="mnist_or_digits", more=[parent(2)])
    assert [one.data.name for one in config.trained] == [name] * 3
    assert config.data is None
    assert config.first.data.normalise == "standard"
    explicit = [parent(seed, data={"name": name, "normalise": "standard"}) for seed in (0, 1, 2)]
    same = fusion(first=explicit[0], second=explicit[1], more=[explicit[2]])
    assert config.config_id == same.config_id
    assert FusionConfig.parse({"data": "mnist_or_digits"}).second.data.name == name


def test_the_architecture_of_files_is_a_kind_or_a_section():
    by_name = fusion(parents=["a.pt", "b.pt"], model="vgg")
    assert by_name.model.kind == "vgg"
    assert fusion(parents=["a.pt", "b.pt"], model={"kind": "vgg", "width": 0.5}).model.width == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"second": parent(1, data={"normalise": "unit"})}, "parent 2 sees other data"),
        ({"second": parent(1, model={"kind": "vgg"})}, "parent 2 is vgg, the first mlp"),
        (
            {"first": parent(0, model="mlp_autoencoder"), "second": parent(1, model="mlp_autoencoder")},
            r"first\.model\.kind: is mlp_autoencoder, which is no classifier",
        ),
        ({"weights": [0.5, 0.6]}, "2 shares that sum to 1 are needed"),
        ({"weights": [1.0]}, "2 shares that sum to 1 are needed"),
        ({"model": "mlp"}, "model: is for `parents`, which are not given"),
        ({"curve_places": 2}, "is 2; allowed: 0, or 3 and more"),
        ({"parents": ["a.pt"]}, "parents"),
        ({"recipes": [{"name": "ot"}, {"name": "ot"}]}, "ot stands twice"),
        ({"recipes": [{"name": "ensemble"}]}, "is a name that the parents or the ensemble have"),
        ({"recipes": [{"name": "a b"}]}, r"recipes\.0\.name"),
        ({"recipes": [{"name": "ot"}], "metrics": {}}, "measured: names average; the recipes are: ot"),
        ({"recipes": [{"name": "ot"}], "fine_tune": {}}, "refined: names average; the recipes are: ot"),
        ({"recipes": [{"name": "x", "method": {"kind": "otto"}}]}, "otto"),
    ],
)
def test_what_cannot_be_fused_is_refused_before_anything_starts(changes, message):
    with pytest.raises(ConfigError, match=message):
        fusion(**changes)


def problems(**changes):
    with pytest.raises(ConfigError) as caught:
        fusion(**changes)
    return [str(problem) for problem in caught.value.problems]


FEW = "and there are 200 inputs; allowed: 200 or less, or set num_inputs to"


def test_every_recipe_that_needs_more_inputs_is_named_with_what_it_needs():
    assert problems(num_inputs=200) == [
        f"recipes.2.method.num_samples: is 500 in the recipe ot_activations, {FEW} 500",
        f"recipes.4.method.num_samples: is 1000 in the recipe activation_matching, {FEW} 1000",
    ]
    assert [text.split(":")[0] for text in problems(num_inputs=600)] == ["recipes.4.method.num_samples"]
    fusion(num_inputs=1000)


def test_a_train_split_that_is_too_small_is_named_whatever_num_inputs_says():
    small = {"normalise": "standard", "test_fraction": 0.8}
    found = problems(first=parent(0, data=small), second=parent(1, data=small), num_inputs=2000)
    assert [text.split(":")[0][:9] for text in found] == ["recipes.2", "recipes.4"]
    for text in found:
        assert "there are 323 inputs; allowed: 323 or less, of 323 images in the train split of digits" in text


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        ({"kind": "mlp", "hidden": [24, 16]}, {"kind": "mlp", "hidden": [24, 12]}, "hidden"),
        ({"kind": "vgg", "width": 0.125}, {"kind": "vgg", "width": 0.25}, "width"),
        ({"kind": "vit", "num_layers": 1}, {"kind": "vit", "num_layers": 1, "mlp_dim": 8}, "mlp_dim"),
    ],
)
def test_recipes_of_permutations_need_equal_widths_and_are_all_named(first, second, named):
    found = problems(first=parent(0, model=first), second=parent(1, model=second))
    assert [text.split(":")[0] for text in found] == [f"recipes.{number}.method" for number in (0, 3, 4)]
    recipes = ("average", "weight_matching", "activation_matching")
    for text, recipe in zip(found, recipes, strict=True):
        assert f"in the recipe {recipe}, and parent 2 differs from the first in {named};" in text
    by_transport = [{"name": "ot"}, {"name": "gw", "method": "gw"}]
    fusion(first=parent(0, model=first), second=parent(1, model=second), recipes=by_transport)


@pytest.mark.parametrize(
    ("second", "named"),
    [({"kind": "mlp", "hidden": [24]}, "hidden"), ({"kind": "mlp", "hidden": [24, 16], "bias": True}, "bias")],
)
def test_parents_with_other_layers_are_refused_once(second, named):
    (text,) = problems(second=parent(1, model=second))
    assert f"parent 2 differs from the first in {named}" in text


def test_images_that_the_architecture_of_files_cannot_take():
    (text,) = problems(parents=["a.pt", "b.pt"], model={"kind": "vit", "patch_size": 3})
    assert text.startswith("model.patch_size: is 3, which does not divide a side of 8 pixels; allowed: 1, 2, 4, 8")


def test_all_conflicts_of_all_sections_come_together():
    found = problems(
        first=parent(0, warmup_epochs=9),
        second=parent(1, optimizer={"kind": "sgd", "momentum": 0.0, "nesterov": True}, classes=[11, 3]),
        recipes=[
            {"name": "a"},
            {"name": "a", "method": {"kind": "ot", "solver": "assignment", "marginals": "l1"}},
            {"name": "b", "method": {"kind": "activation_matching", "num_samples": 900}},
        ],
        metrics={"sharpness": {"plain": {"low": 3, "high": 2}}},
        num_inputs=300,
        weights=[0.5],
        curve_places=1,
    )
    assert [text.split(": ")[0] for text in found] == [
        "first",
        "second.optimizer.nesterov",
        "second.classes",
        "second.classes",
        "recipes.1.method.solver",
        "metrics.sharpness.plain.low",
        "recipes",
        "measured",
        "weights",
        "recipes.2.method.num_samples",
        "curve_places",
    ]
