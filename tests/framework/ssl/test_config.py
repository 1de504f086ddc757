import subprocess
import sys

import pytest
from pydantic import Field

from framework.config import Config
from framework.errors import ConfigError
from framework.ssl.config import CONFIGS, STRATEGIES, MethodConfig, SimCLR, projection_width
from framework.ssl.parts import BackboneConfig, Torchvision


class Whole(Config):
    method: MethodConfig = Field(SimCLR(), description="The method.")
    backbone: BackboneConfig = Field(Torchvision(), description="The backbone.")


# hidden widths, output, normalised, output normalised; predictor; stopped gradient, momentum, views, strategy
TABLE = {
    "simclr": ((512,) * 4, 128, True, "affine", None, False, None, 2, "none"),
    "dcl": ((512,) * 4, 128, True, "affine", None, False, None, 2, "none"),
    "moco": ((512,), 128, False, "none", None, True, 0.99, 2, "none"),
    "byol": ((1024,), 256, True, "none", (1024,), True, 0.99, 2, "none"),
    "simsiam": ((2048,), 2048, True, "fixed", (512,), True, None, 2, "none"),
    "fastsiam": ((2048,), 2048, True, "fixed", (512,), True, None, 4, "fastsim"),
    "barlow_twins": ((2048,), 2048, True, "none", None, False, None, 2, "none"),
    "vicreg": ((2048,), 2048, True, "affine", None, False, None, 2, "none"),
}


@pytest.mark.parametrize("kind", TABLE)
def test_defaults_are_those_of_the_table(kind):
    config = CONFIGS[kind]()
    head, predictor = config.projection, config.predictor
    found = (head.hidden, head.output, head.hidden_norm, head.output_norm, predictor and predictor.hidden)
    assert (*found, config.stop_gradient, config.momentum, config.views, config.strategy) == TABLE[kind]


def test_a_bank_of_4096_where_moco_is():
    assert CONFIGS["moco"]().memory_bank_size == 4096
    assert CONFIGS["simclr"]().memory_bank_size == 0


def test_ten_methods_by_one_word_each():
    assert len(CONFIGS) == 10
    for kind, config in CONFIGS.items():
        whole = Whole.parse({"method": kind})
        assert type(whole.method) is config
        assert Whole.parse({"method": {"kind": kind}}).config_id == whole.config_id


def test_a_head_that_is_given_in_part_keeps_the_rest_of_the_methods_own():
    head = Whole.parse({"method": {"kind": "byol", "projection": {"hidden": [64]}}}).method.projection
    assert (head.hidden, head.output) == ((64,), 256)


@pytest.mark.parametrize(("kind", "width"), [("byol", 256), ("simsiam", 2048), ("lejepa", 64)])
def test_a_linear_head_is_as_wide_as_the_methods_own(kind, width):
    assert projection_width(CONFIGS[kind].parse({"projection": "linear"})) == width
    assert projection_width(CONFIGS[kind].parse({"projection": {"kind": "linear", "output": 7}})) == 7


def test_contradictions_are_told_together():
    with pytest.raises(ConfigError) as told:
        Whole.parse({"method": {"kind": "byol", "views": 4, "stop_gradient": False}})
    keys = {problem.key for problem in told.value.problems}
    assert keys == {"method.strategy", "method.stop_gradient"}
    assert "which takes 2 views, not 4; set views=2, or one of fastsim, pair-pair" in str(told.value)
    assert "set stop_gradient=true or momentum=null" in str(told.value)


@pytest.mark.parametrize("kind", ["lejepa", "visreg"])
def test_more_global_views_than_views(kind):
    with pytest.raises(ConfigError, match=r"global_views: is 3, but there are 2 views; allowed: 1 to 2, or null"):
        CONFIGS[kind].parse({"global_views": 3})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"views": 1}, r"views: is 1"),
        ({"views": 11}, r"views: is 11"),
        ({"strategy": "mean"}, r"strategy: is 'mean'; allowed: .*'mean_n'"),
        ({"temprature": 1}, r"temprature: unknown key; did you mean `temperature`\?"),
        ({"temperature": 0}, r"temperature: is 0"),
        ({"momentum": 1.5, "stop_gradient": True}, r"momentum: is 1\.5"),
        ({"memory_bank_size": -1}, r"memory_bank_size: is -1"),
        ({"strategy": "fastsmi"}, r"strategy: is 'fastsmi'; allowed: 'none', .*; did you mean `fastsim`\?"),
        ({"projection": {"kind": "mpl"}}, r"projection\.kind: is 'mpl'; allowed: 'linear', 'mlp'"),
    ],
)
def test_values_that_are_not_allowed(values, told):
    with pytest.raises(ConfigError, match=told):
        SimCLR.parse(values)


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_every_strategy_but_none_takes_two_to_ten_views(strategy):
    for views in (2, 10):
        assert SimCLR.parse({"views": views, "strategy": strategy}).views == views


def test_backbones_by_name():
    assert Whole.parse({"backbone": {"name": "resnet50"}}).backbone == Torchvision(name="resnet50")
    assert Whole.parse({"backbone": "cifar_resnet"}).backbone.kind == "cifar_resnet"


def test_configs_bring_no_torch():
    program = (
        "import framework.ssl, framework.ssl.config, sys; print('torch' in sys.modules, 'lightly' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_importing_the_methods_prints_nothing_and_asks_no_network():
    program = (
        "import socket\n"
        "def refused(*_): raise SystemExit('asked the network')\n"
        "socket.socket.connect = socket.getaddrinfo = refused\n"
        "import framework.ssl.quick, sys\n"
        "assert 'pytorch_lightning' not in sys.modules\n"
        "assert 'requests' not in sys.modules\n"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
