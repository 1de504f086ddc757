"""One line for a model and its data: as in a notebook."""

import importlib
import pkgutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import framework.metrics
from framework.errors import ConfigError, InvalidInput
from framework.metrics import hessian_trace, measure, top_eigenvalue
from framework.metrics.hessian import Hessian
from framework.metrics.spaces_config import HessianConfig, MetricsConfig
from tests.framework.metrics.networks import batches_of as made
from tests.framework.metrics.networks import convolutional, dense, snapshot
from tests.framework.threads import one_thread

__all__ = ["one_thread"]

BATCHES = made((1, 2, 3), (7, 5, 6))
INPUTS, LABELS = (torch.cat(tensors) for tensors in zip(*BATCHES, strict=True))


def test_batches_of_a_loader_are_used_as_they_come():
    model = dense()
    before = snapshot(model)
    with Hessian(model, BATCHES[:2], HessianConfig(), seed=0) as hessian:
        trace, top = hessian.trace(), hessian.top_eigenvalue()
    assert hessian_trace(model, BATCHES, batches=2) == trace
    assert top_eigenvalue(model, iter(BATCHES), batches=2) == top
    assert float(trace) == trace.value
    assert float(top) == top.value
    assert snapshot(model) == before


@pytest.mark.parametrize(
    "data",
    [
        (INPUTS, LABELS),
        (INPUTS.numpy(), LABELS.numpy()),
        DataLoader(TensorDataset(INPUTS, LABELS), batch_size=4),
        TensorDataset(INPUTS, LABELS),
    ],
)
def test_all_forms_of_all_the_data_give_one_trace(data):
    expected = float(hessian_trace(dense(), BATCHES))
    assert float(hessian_trace(dense(), data)) == pytest.approx(expected, rel=1e-9)


def test_batches_are_drawn_with_the_seed_where_there_are_none():
    found = [
        float(hessian_trace(dense(), (INPUTS, LABELS), batches=1, batch_size=5, seed=seed)) for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]


def test_options_are_those_of_the_config():
    exact = top_eigenvalue(dense(), BATCHES, eigenvalue_tolerance=1e-9)
    assert exact.error <= 1e-9 * abs(exact.value)
    with pytest.raises(ConfigError, match="probes"):
        hessian_trace(dense(), BATCHES, probes=3)
    with pytest.raises(InvalidInput, match="batches"):
        hessian_trace(dense(), BATCHES, batches=0)
    with pytest.raises(InvalidInput, match="data: is a int"):
        hessian_trace(dense(), 3)


def test_everything_of_a_model_from_a_loader_or_arrays():
    inputs, labels = (torch.cat(tensors) for tensors in zip(*made((1, 8, 8), (40, 40)), strict=True))
    loader = DataLoader(TensorDataset(inputs.float(), labels), batch_size=20)
    config = MetricsConfig.parse(dict.fromkeys(("lipschitz", "sharpness", "pac_bayes")))
    model = convolutional().float()
    rows = pd.DataFrame(measure(model, loader, config)).set_index("metric")
    wanted = ["hessian_top_eigenvalue", "hessian_trace", "train_accuracy", "train_cross_entropy"]
    assert rows.index.tolist() == wanted
    assert rows.loc["train_accuracy", "cost"] == "images=80"
    arrays = inputs.numpy().astype(np.float32), labels.numpy()
    assert [row.value for row in measure(model, arrays, config)] == rows["value"].tolist()
    both = pd.DataFrame(measure(model, arrays, config, test=(inputs[:30], labels[:30]))).set_index("metric")
    assert {"accuracy", "generalisation_gap"} <= set(both.index)
    assert both.loc["accuracy", "cost"] == "images=30"
    few = pd.DataFrame(measure(model, loader, config, batches=1)).set_index("metric")
    assert few.loc["train_accuracy", "cost"] == "images=20"


def test_the_default_config_measures_every_space():
    model = dense().float()
    found = {row.space for row in measure(model, (INPUTS.float(), LABELS), test=(INPUTS.float(), LABELS))}
    assert found == {"input", "parameter", "prediction"}


def test_importing_a_module_of_the_package_takes_no_name_away():
    for module in pkgutil.iter_modules(framework.metrics.__path__):
        importlib.import_module(f"framework.metrics.{module.name}")
        assert module.name not in framework.metrics.HOMES
    for name in framework.metrics.HOMES:
        assert callable(getattr(framework.metrics, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        framework.metrics.nothing  # noqa: B018


def test_a_representation_does_not_depend_on_the_other_measures():
    code = "import framework.metrics.representation, sys\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    others = ("svcca", "pwcca", "rsa", "procrustes", "mutual_knn", "table")
    assert not {f"framework.metrics.similarity.{name}" for name in others} & set(loaded)


def test_the_package_alone_brings_no_torch():
    imports = "import framework.metrics, framework.metrics.spaces_config, sys"
    code = f"{imports}\nassert not {{'torch', 'numpy'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_inputs_that_the_model_does_not_run_on_are_told():
    with pytest.raises(InvalidInput, match=r"Sequential: does not run on inputs of shape \(1, 9\): "):
        hessian_trace(dense(), (torch.randn(8, 9), torch.zeros(8, dtype=torch.long)))


def test_nothing_is_measured_where_some_split_does_not_run():
    wrong, other = (torch.randn(8, 9), torch.zeros(8, dtype=torch.long)), (INPUTS, torch.full_like(LABELS, 99))
    for only in ({}, {"lipschitz": None, "hessian": None}, {"lipschitz": None, "sharpness": None}):
        for data, test in ((wrong, None), ((INPUTS, LABELS), wrong)):
            with pytest.raises(InvalidInput, match=r"does not run on inputs of shape \(1, 9\)"):
                measure(dense(), data, only, test=test)
        with pytest.raises(InvalidInput, match="99"):
            measure(dense(), (INPUTS, LABELS), only, test=other)


def test_the_config_of_measures_may_be_its_fields():
    only = {"lipschitz": None, "hessian": None, "sharpness": None, "pac_bayes": None}
    found, expected = (measure(dense(), (INPUTS, LABELS), config) for config in (only, MetricsConfig.parse(only)))
    assert [row.metric for row in found] == [row.metric for row in expected] != []
    with pytest.raises(ConfigError, match="hesian: unknown key; did you mean `hessian`"):
        measure(dense(), (INPUTS, LABELS), {"hesian": None})


def test_a_star_brings_what_is_documented():
    brought = {}
    exec("from framework.metrics import *; from framework.mappings import *", brought)
    assert {"cka", "hessian_trace", "measure", "METHODS", "load_mapping"} <= brought.keys()
