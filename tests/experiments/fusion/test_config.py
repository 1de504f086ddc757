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
        ({"model": "mlp"}, "model is for `parents`, which are not given"),
        ({"curve_places": 2}, "is 2; allowed: 0, or 3 and more"),
        ({"parents": ["a.pt"]}, "parents"),
        ({"recipes": [{"name": "ot"}, {"name": "ot"}]}, "ot stands twice"),
        ({"recipes": [{"name": "ensemble"}]}, "is a name that the parents or the ensemble have"),
        ({"recipes": [{"name": "a b"}]}, r"recipes\.0\.name"),
        ({"recipes": [{"name": "ot"}], "metrics": {}}, "measured names average; the recipes are: ot"),
        ({"recipes": [{"name": "ot"}], "fine_tune": {}}, "refined names average; the recipes are: ot"),
        ({"recipes": [{"name": "x", "method": {"kind": "otto"}}]}, "otto"),
    ],
)
def test_what_cannot_be_fused_is_refused_before_anything_starts(changes, message):
    with pytest.raises(ConfigError, match=message):
        fusion(**changes)
