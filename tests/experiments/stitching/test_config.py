import sys
from subprocess import run

import pytest

from experiments.stitching.config import StitchingConfig
from experiments.stitching.manager import StitchingManager
from framework.data.sampling import STRATEGIES
from framework.errors import ConfigError
from framework.fields import leaf_fields
from framework.mappings.config import Affine, Linear
from tests.experiments.stitching.conftest import model


def test_defaults_stitch_two_seeds():
    config = StitchingConfig()
    assert (config.source.seed, config.target.seed) == (0, 1)
    assert isinstance(config.mapping, Affine)
    assert config.split == "test"


def test_the_mapping_is_selected_by_its_kind():
    config = StitchingConfig.parse({"mapping": {"kind": "linear", "ridges": [0, "1e-3"]}})
    assert config.mapping == Linear(ridges=(0.0, 0.001))
    with pytest.raises(ConfigError, match=r"mapping\.kind"):
        StitchingConfig.parse({"mapping": {"kind": "spline"}})


def test_source_and_target_must_see_the_same_images():
    with pytest.raises(ConfigError, match=r"target\.data: and source\.data differ in split_seed \(0 and 1\)"):
        StitchingConfig.parse({"source": model(data={"split_seed": 1}), "target": model()})
    StitchingConfig.parse({"source": model(data={"download": True}), "target": model()})


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_samples": []},
        {"num_samples": [0]},
        {"num_samples": [10, 10]},
        {"mapping": {"kind": "affine", "ridges": []}},
        {"mapping": {"kind": "affine", "ridges": [-0.1]}},
        {"mapping": {"kind": "affine", "ridges": [0, 0.0]}},
        {"sampling": "hull"},
        {"sampling": "class_list"},
        {"sampling_classes": []},
        {"sampling_classes": [1, 1]},
        {"mapping": {"kind": "orthogonal", "ridges": [0.1]}},
        {"ssim_images": -1},
        {"split": "train"},
    ],
)
def test_values_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ConfigError):
        StitchingConfig.parse(wrong)


def problems(**changes):
    with pytest.raises(ConfigError) as caught:
        StitchingConfig.parse(changes)
    return [str(problem) for problem in caught.value.problems]


def sized(source, target):
    return {
        "source": {"model": {"kind": "vae", "latent_dim": source}},
        "target": {"model": {"kind": "ae", "latent_dim": target}},
    }


@pytest.mark.parametrize(
    ("kind", "sizes", "why"),
    [
        ("permutation", (8, 6), "as many target as source dimensions, not 8 → 6"),
        ("identity", (6, 8), "as many target as source dimensions, not 6 → 8"),
    ],
)
def test_a_mapping_that_cannot_take_the_sizes_is_refused(kind, sizes, why):
    (text,) = problems(**sized(*sizes), mapping=kind)
    assert text.startswith("mapping.kind: is ")
    assert why in text
    assert "use linear or affine" in text
    StitchingConfig.parse({**sized(*sizes), "mapping": "affine"})
    StitchingConfig.parse({**sized(*sizes), "mapping": kind, "source_layer": "encoder.1"})


def test_anchors_are_images_of_the_train_split():
    assert problems(num_samples=[100, 1293, 1294, 5000]) == [
        f"num_samples: is {count}, for which sampling=equally needs {count} candidates; there are 1293"
        for count in (1294, 5000)
    ]


def test_classes_that_the_data_have_not():
    (text,) = problems(sampling_classes=[3, 10, 11])
    assert text == "sampling_classes: names the classes [10, 11], which have no image here; there are 0 to 9"


def test_all_conflicts_of_all_sections_come_together():
    found = problems(
        source={"model": {"kind": "vit", "hidden_dim": 9, "patch_size": 3}, "schedule": "multistep"},
        target={"data": {"normalise": "standard", "split_seed": 3}, "trainer": {"max_epochs": 3, "logger": False}},
        mapping={"kind": "permutation"},
        num_samples=[9000, 9000],
        sampling="class_list",
    )
    assert [text.split(": ")[0] for text in found] == [
        "source.model.hidden_dim",
        "source",
        "source.model.patch_size",
        "target",
        "target.trainer.max_epochs",
        "target.trainer.logger",
        "target.data",
        "num_samples",
        "num_samples",
        "num_samples",
        "sampling",
        "mapping.kind",
    ]


def test_every_strategy_can_be_configured():
    for name in STRATEGIES:
        StitchingConfig.parse({"sampling": name, "sampling_classes": [0, 1]})


def test_hidden_layers_are_required_as_latents_beside_their_models():
    layers = {"source_layer": "encoder.1", "target_layer": "encoder.1"}
    required = list(StitchingManager().requires("run", StitchingConfig.parse(layers)))
    assert [kind for kind, _ in required] == ["model", "model", "latents", "latents"]
    same_model = StitchingConfig.parse({"source": model(), "target": model(), **layers})
    assert [kind for kind, _ in StitchingManager().requires("run", same_model)] == ["model", "latents"]


def test_every_field_says_what_it_means():
    assert [name for name, info in leaf_fields(StitchingConfig) if not info.description] == []


def test_the_device_does_not_change_the_identity_and_the_axes_do():
    config = StitchingConfig()
    assert StitchingConfig(device="cpu").config_id == config.config_id
    assert StitchingConfig(num_samples=(10,)).config_id != config.config_id
    assert StitchingConfig(sampling_seed=1).config_id != config.config_id


def test_planning_needs_neither_torch_nor_numpy():
    code = (
        "import experiments.stitching.manager as m, sys;"
        "m.StitchingManager().requires('run', m.StitchingConfig());"
        "heavy = {'torch', 'numpy', 'pandas', 'wandb', 'pytorch_lightning', 'sklearn'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    run([sys.executable, "-c", code], check=True)


def test_warm_brings_what_a_run_needs_and_starts_no_thread():
    code = (
        "import experiments.stitching.manager as m, sys, threading; m.StitchingManager().warm();"
        "assert {'torch', 'pytorch_lightning', 'experiments.stitching.study'} <= set(sys.modules);"
        "assert threading.active_count() == 1"
    )
    run([sys.executable, "-c", code], check=True)
