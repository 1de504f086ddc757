"""Networks over tables that go on, or begin with another run's weights."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from experiments.tabular.config import TabularConfig
from experiments.tabular.manager import TabularManager
from framework.data.tabular import load_table
from framework.errors import ConfigError
from framework.tabular.network import TableNetwork
from framework.training.starts import before
from tests.framework.fakes import FakeRun

QUICK = {"kind": "mlp", "hidden": [8], "max_epochs": 5, "early_stopping": None, "learning_rate": 0.01}


def config(**changes):
    return TabularConfig.parse({"data": {"name": "iris"}, "model": QUICK, **changes})


def worked(folder, own, store):
    run = FakeRun(folder, store)
    TabularManager().run(own, run)
    return run


def weights(run, name="last"):
    return load_file(run.folder / "model" / f"{name}.safetensors")


def assert_equal(one, other):
    assert all(torch.equal(one[name], other[name]) for name in other if name.startswith("layers"))


def refused(**changes):
    with pytest.raises(ConfigError) as caught:
        config(**changes)
    return [str(problem) for problem in caught.value.problems]


def epochs(network, optimizer, data, seed, number):
    """Epochs in batches of 32, by hand; no batch is of a single row."""
    x, y = torch.from_numpy(data.train.x).float(), torch.from_numpy(data.train.y)
    assert len(x) % 32 != 1
    order = torch.Generator().manual_seed(seed)
    for _ in range(number):
        for positions in torch.split(torch.randperm(len(x), generator=order), 32):
            optimizer.zero_grad()
            F.cross_entropy(network(x[positions]), y[positions], reduction="none").mean().backward()
            optimizer.step()


def test_extra_epochs_are_those_of_a_loop_that_goes_on(tmp_path):
    store = {}
    own = config(seed=3)
    first = worked(tmp_path / "first", own, store)
    longer = config(seed=3, model={**QUICK, "extra_epochs": 4})
    more = worked(tmp_path / "more", longer, store)
    rows = [*first.rows, *more.rows]
    assert [row["epoch"] for row in rows] == list(range(1, 10))
    assert [row["step"] for row in rows] == [3 * n for n in range(1, 10)]
    assert 6 <= more.summary["best_epoch"] <= 9

    data = load_table(own.data, 3)
    torch.manual_seed(3)
    network = TableNetwork(own.model, len(data.features), len(data.classes)).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
    epochs(network, optimizer, data, 3, 5)
    epochs(network, optimizer, data, 3 + 2**33, 4)
    assert_equal(weights(more), network.state_dict())


@pytest.mark.parametrize("which", ["best", "last", "initial"])
def test_weights_of_another_run_bit_for_bit(tmp_path, which):
    store = {}
    other = config(model={**QUICK, "learning_rate": 0.3})
    first = worked(tmp_path / "first", other, store)
    start = {"kind": "from_other", "model": other.model_dump(), "which": which}
    begun = worked(tmp_path / "begun", config(seed=1, start=start), store)
    assert_equal(weights(begun, "initial"), weights(first, which))


def test_numbers_are_standardised_by_the_table_that_is_trained_on(tmp_path):
    store = {}
    table = {"name": "diabetes"}
    other = config(data={**table, "val_fraction": 0.4}, seed=2)
    worked(tmp_path / "first", other, store)
    own = config(data=table, start={"kind": "from_other", "model": other.model_dump()})
    run = worked(tmp_path / "begun", own, store)
    train = load_table(own.data, own.seed).train
    assert float(weights(run)["mean"]) == pytest.approx(np.mean(train.y), rel=1e-6)
    first = load_table(other.data, other.seed).train
    assert np.mean(first.y) != pytest.approx(np.mean(train.y), rel=1e-6)


def test_what_is_required():
    manager = TabularManager()
    assert list(manager.requires("run", config())) == []
    other = config(seed=1)
    own = config(model={**QUICK, "extra_epochs": 2}, start={"kind": "from_other", "model": other.model_dump()})
    ((kind, longer),) = manager.requires("run", own)
    assert (kind, longer.extra_epochs) == ("model", 0)
    ((kind, begins),) = manager.requires("model", longer)
    assert (kind, begins.config_id) == ("model", other.config_id)
    assert before(begins) is None


def test_the_other_run_is_made_as_an_artifact(tmp_path):
    store = {}
    other = config()
    run = FakeRun(tmp_path / "made", store)
    TabularManager().make("model", other, run)
    assert list(store) == [("model", other.config_id)]
    worked(tmp_path / "more", config(model={**QUICK, "extra_epochs": 1}), store)


def test_what_does_not_fit_is_refused(tmp_path):
    start = {"kind": "from_other", "model": {"model": {"kind": "mlp", "hidden": [9]}}}
    assert refused(start=start) == ["start.model.model.hidden: is (9,), and model.hidden is (8,): make them equal"]
    start = {"kind": "from_other", "model": {"model": "dummy"}}
    assert "start.model: has model.kind dummy, which has no weights to take; allowed: linear, mlp" in refused(
        start=start
    )
    start = {"kind": "from_other", "model": {"model": QUICK}}
    assert "start: has model.kind dummy, which has no weights to begin with; allowed: linear, mlp" in refused(
        start=start, model="dummy"
    )
    assert refused(start={**start, "which": "epoch_0001"})[0].startswith("start.which: is 'epoch_0001'")

    store = {}
    other = config(data={"name": "wine"})
    worked(tmp_path / "first", other, store)
    with pytest.raises(ConfigError, match=r"start\.model\.data: has the features alcohol.*here they are sepal"):
        worked(tmp_path / "begun", config(start={"kind": "from_other", "model": other.model_dump()}), store)


def test_points_of_before_keep_their_identity():
    assert "start" not in TabularConfig().canonical_text
    assert "extra_epochs" not in TabularConfig().canonical_text
