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
    with pytest.raises(ConfigError, match=r"source\.data .* and target\.data .* differ"):
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
