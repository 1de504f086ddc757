import subprocess
import sys

import pytest

from experiments.ssl.config import SSLConfig
from experiments.ssl.grids import GRIDS
from experiments.ssl.manager import SSLManager
from framework.errors import ArtifactError, ConfigError
from framework.plan import RUN, Work, plan
from framework.plan import required as required_work
from framework.ssl.config import CONFIGS
from tests.experiments.ssl.conftest import point


def points(name):
    return [work.config for work in plan(SSLConfig, GRIDS[name].definition(name, "ssl"))]


def test_what_contradicts_itself_is_told_together():
    given = {
        "neighbours": 2000,
        "top_k": [1, 11],
        "metrics": ["recall"],
        "transfer": {"name": "mnist", "normalise": "standard"},
        "encoder": {"batch_size": 4000},
    }
    with pytest.raises(ConfigError) as caught:
        SSLConfig.parse(given)
    for part in (
        "neighbours: is 2000, and the train split of encoder.data (digits) has 1293 images; allowed: 1 to 1293",
        "top_k: is [1, 11], and encoder.data (digits) has 10 classes",
        "transfer.normalise: is standard, and the encoder learned on unit",
        "metrics: is ['recall']; accuracy is among them",
        "encoder.batch_size: is 4000",
    ):
        assert part in str(caught.value)
    with pytest.raises(ConfigError, match=r"transfer\.name: is digits, the encoder's own data set"):
        SSLConfig.parse({"transfer": {"name": "digits", "split_seed": 3}})


def test_points_that_differ_in_evaluation_share_an_encoder():
    manager = SSLManager()
    one, other = (list(manager.requires(RUN, point(neighbours=k))) for k in (5, 9))
    assert one == other == [Work("encoder", point().encoder)]


def encoder_with(backbone):
    return SSLConfig.parse({"encoder": {"backbone": backbone}})


@pytest.mark.parametrize("backbone", ["cifar_resnet", "mlp", {"kind": "torchvision", "name": "resnet50"}])
def test_backbones_that_there_are_pass(backbone):
    SSLManager().check(encoder_with(backbone))


def test_a_backbone_that_its_library_has_not_is_refused_before_anything_starts(monkeypatch):
    told = r"encoder\.backbone\.name: is 'resnt18', which torchvision has not: did you mean `resnet18`\?"
    with pytest.raises(ConfigError, match=told):
        SSLManager().check(encoder_with({"kind": "torchvision", "name": "resnt18"}))
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match=r"encoder\.backbone\.kind: is timm, which is not installed here"):
        SSLManager().check(encoder_with({"kind": "timm", "name": "resnet18"}))


def test_asking_about_an_own_backbone_imports_nothing_heavy():
    code = (
        "import sys; from experiments.ssl.manager import SSLManager as M; M().check(M.config());"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_an_encoder_begins_with_is_made_first():
    manager = SSLManager()
    config = point(encoder_changes={"extra_epochs": 1}).encoder
    (required,) = manager.requires("encoder", config)
    assert required == Work("encoder", point().encoder)
    begun = point(
        encoder_changes={"start": {"kind": "from_other", "encoder": {"backbone": {"kind": "mlp", "hidden": [16]}}}}
    )
    (required,) = manager.requires("encoder", begun.encoder)
    assert required.kind == "encoder"
    assert required.config == begun.encoder.start.encoder
    chain = {"kind": "from_other", "encoder": {"seed": 1, "start": {"kind": "from_other", "encoder": {"seed": 2}}}}
    config = point(encoder_changes={"backbone": "cifar_resnet", "start": chain})
    needs = required_work(manager.requires, [Work(RUN, config)])
    assert [work.config.seed for work in needs] == [2, 1, 0]
    with pytest.raises(ArtifactError, match="ssl makes encoders from an EncoderConfig, not 'model'"):
        manager.make("model", config, None)


@pytest.mark.parametrize(
    ("name", "field", "values"),
    [
        ("ssl", lambda e: e.method.kind, set(CONFIGS)),
        ("ssl_views", lambda e: e.method.views, {2, 4, 8}),
        ("ssl_fraction", lambda e: e.data.train_fraction, {0.1, 0.25, 0.5, 1.0}),
        ("ssl_fraction", lambda e: e.distortions.fraction, {0.5, 1.0}),
        ("ssl_batch", lambda e: e.batch_size, {16, 64, 256, 512}),
        ("ssl_batch", lambda e: e.step_size, {0.0075, 0.03, 0.12, 0.24}),
        ("ssl_pretrained", lambda e: (e.backbone.weights, e.start.kind),
         {("random", "fresh"), ("random", "from_other"), ("pretrained", "fresh")}),
        ("ssl_stopgrad", lambda e: (e.method.stop_gradient, e.method.predictor is None),
         {(True, False), (True, True), (False, False), (False, True)}),
        ("ssl_cifar", lambda e: e.method.kind, {"simclr", "dcl", "moco", "byol", "simsiam", "fastsiam"}),
    ],
)  # fmt: skip
def test_what_a_sweep_is_about_really_varies(name, field, values):
    found = points(name)
    assert {field(config.encoder) for config in found} == values
    assert len({config.encoder.config_id for config in found}) == len(found)


def test_there_are_enough_encoders_to_rank_diagnostics():
    assert len({config.encoder.config_id for config in points("ssl_diagnostics")}) >= 100
