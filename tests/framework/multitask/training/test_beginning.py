"""Networks of several tasks that go on, or begin with another training's weights."""

import pytest
import torch
from safetensors.torch import load_file

from experiments.multitask.config import MultitaskConfig
from experiments.multitask.manager import MultitaskManager
from framework.errors import ArtifactError, ConfigError
from framework.multitask.data.samples import ORDER, samples_of
from framework.multitask.training.beginning import LEARNS
from framework.multitask.training.networks import load_networks
from framework.multitask.training.train import network_of
from framework.seeds import torch_stream
from tests.framework.fakes import FakeRun

DATA = {"num_train": {"task_0": 20, "task_1": 41}, "num_val": 16, "num_test": 16}
NETWORK = {"kind": "abc_mlp", "width": 12, "depth": 3, "parametrisation": "standard"}
TRAINING = {"max_epochs": 5, "batch_size": 16, "learning_rate": 0.01}


def config(*, training=None, **changes):
    given = {
        "data": DATA, "network": NETWORK, "training": {**TRAINING, **(training or {})}, "log_every": 1,
        "device": "cpu", "figures_every": 0, "prediction_points": 0,
    }  # fmt: skip
    return MultitaskConfig.parse(given | changes)


def worked(folder, own, store):
    run = FakeRun(folder, store)
    MultitaskManager().run(own, run)
    return run


def weights(run, task="task_0"):
    return load_file(run.folder / "networks" / f"{task}.safetensors")


def refused(**changes):
    with pytest.raises(ConfigError) as caught:
        config(**changes)
    return [str(problem) for problem in caught.value.problems]


def epochs(network, optimizer, task, seed, number):
    """Epochs of a single task in batches of 16, by hand."""
    order = torch_stream(seed, ORDER, 0)
    x, y, outputs = task.train.x, task.train.y, list(task.outputs)
    for _ in range(number):
        for positions in torch.split(torch.randperm(len(x), generator=order), 16):
            optimizer.zero_grad()
            (network(x[positions]) - y[positions])[:, outputs].square().sum().backward()
            optimizer.step()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_extra_epochs_are_those_of_a_loop_that_goes_on(tmp_path, optimizer):
    rate = 0.01 if optimizer == "adam" else 0.001
    training = {"optimizer": optimizer, "learning_rate": rate, "momentum": 0.5 if optimizer == "sgd" else 0.0}
    common = {"learn": ["task_0"], "seed": 3, "data": {**DATA, "num_train": 32}}
    own, store = config(training=training, **common), {}
    worked(tmp_path / "first", own, store)
    more = worked(tmp_path / "more", config(training={**training, "extra_epochs": 5}, **common), store)

    network, task = network_of(own, "task_0"), samples_of(own.data, 3)["task_0"]
    steps = (
        torch.optim.Adam(network.parameters(), lr=rate, fused=True)
        if optimizer == "adam"
        else torch.optim.SGD(network.parameters(), lr=rate, momentum=0.5)
    )
    for seed in (3, 3 + 2**33):
        epochs(network, steps, task, seed, 5)
    expected = network.state_dict()
    for name, found in weights(more).items():
        assert torch.allclose(found, expected[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("sharing", ["shared", "per_task"])
def test_epochs_and_steps_count_on(tmp_path, sharing):
    store = {}
    first = worked(tmp_path / "first", config(sharing=sharing), store)
    more = worked(tmp_path / "more", config(sharing=sharing, training={"extra_epochs": 4}), store)
    rows = [*first.rows, *more.rows]
    steps = 4 if sharing == "shared" else 3
    assert [(row["epoch"], row["step"]) for row in rows] == [(n, n * steps) for n in range(1, 10)]


@pytest.mark.parametrize("kind", ["sum", *LEARNS, "cagrad"])
def test_nothing_is_lost_between_the_epochs(tmp_path, kind):
    """With one batch an epoch the order has no effect: 3 + 3 epochs are six, by whichever balancing."""
    whole = {"batch_size": 61, "balancing": kind, "optimizer": "sgd", "learning_rate": 1e-3}
    store = {}
    worked(tmp_path / "first", config(training={**whole, "max_epochs": 3}), store)
    more = worked(tmp_path / "more", config(training={**whole, "max_epochs": 3, "extra_epochs": 3}), store)
    six = worked(tmp_path / "six", config(training={**whole, "max_epochs": 6}), {})
    for name, found in weights(more).items():
        assert torch.allclose(found, weights(six)[name], rtol=1e-3, atol=1e-5), name


def test_schedules_begin_anew(tmp_path):
    store = {}
    training = {"schedule": "linear", "max_epochs": 2}
    first = worked(tmp_path / "first", config(training=training), store)
    more = worked(tmp_path / "more", config(training={**training, "extra_epochs": 4}), store)
    assert [row["learning_rate"] for row in first.rows] == pytest.approx([0.01, 0.005])
    assert [row["learning_rate"] for row in more.rows] == pytest.approx([0.01, 0.0075, 0.005, 0.0025])


def test_what_was_trained_among_others_goes_on_alone(tmp_path):
    manager, store = MultitaskManager(), {}
    configs = [config(seed=seed) for seed in (0, 1)]
    runs = [FakeRun(tmp_path / f"together-{seed}", store) for seed in (0, 1)]
    assert list(manager.run_together(configs, runs)) == [None, None]
    longer = config(seed=1, training={"extra_epochs": 2})
    more = worked(tmp_path / "more", longer, store)
    alone = {}
    worked(tmp_path / "alone", configs[1], alone)
    expected = worked(tmp_path / "expected", longer, alone)
    for name, found in weights(more).items():
        assert torch.allclose(found, weights(expected)[name], atol=1e-4), name


def test_weights_of_another_run_bit_for_bit(tmp_path):
    store = {}
    other = config(seed=4, sharing="per_task")
    first = worked(tmp_path / "first", other, store)
    start = {"kind": "from_other", "networks": other.model_dump()}
    own = config(sharing="per_task", start=start, training={"learning_rate": 1e-30})
    begun = worked(tmp_path / "begun", own, store)
    for task in ("task_0", "task_1"):
        assert all(torch.equal(weights(begun, task)[name], one) for name, one in weights(first, task).items())
    fresh = load_networks(own, begun.folder / "networks")["task_0"].state_dict()
    assert fresh.keys() == weights(begun).keys()


def test_what_is_required():
    manager, other = MultitaskManager(), config(seed=1)
    assert list(manager.requires("run", other)) == []
    own = config(training={"extra_epochs": 2}, start={"kind": "from_other", "networks": other.model_dump()})
    ((kind, longer),) = manager.requires("run", own)
    assert (kind, longer.extra_epochs) == ("networks", 0)
    ((kind, begins),) = manager.requires("networks", longer)
    assert (kind, begins.config_id) == ("networks", other.config_id)
    assert manager.shape_of(other) is not None
    assert manager.shape_of(own) is None, "what goes on is worked alone"
    assert manager.shape_of(longer) is None, "and what begins with other weights"


def test_the_other_run_is_made_as_an_artifact(tmp_path):
    store = {}
    MultitaskManager().make("networks", config(), FakeRun(tmp_path / "made", store))
    assert list(store) == [("networks", config().config_id)]
    with pytest.raises(ArtifactError, match="networks are made from a MultitaskConfig, not 'model'"):
        MultitaskManager().make("model", config(), FakeRun(tmp_path / "not", store))


def test_what_does_not_fit_is_refused():
    def start(**changes):
        return {"kind": "from_other", "networks": config(**changes).model_dump()}

    wide = start(network={**NETWORK, "width": 13})
    assert refused(start=wide) == [
        "start.networks.network: has other weights than network: width (12 and 13); make them equal"
    ]
    assert refused(start=start(sharing="per_task")) == [
        "start.networks.sharing: has other weights than sharing: shared and per_task; make them equal"
    ]
    assert refused(start=start(learn=["task_0"]))[0].startswith("start.networks.learnt: has other weights")
    assert refused(start={**start(), "which": "best"})[0].startswith("start.which: is 'best'")


def test_what_balancing_has_learnt_is_missing(tmp_path):
    own, store = config(training={"balancing": "famo"}), {}
    worked(tmp_path / "first", own, store)
    (store["networks", own.config_id] / "optimizer" / "task_0.json").unlink()
    with pytest.raises(ArtifactError, match=r"holds no task_0\.json: train it again"):
        worked(tmp_path / "more", config(training={"balancing": "famo", "extra_epochs": 1}), store)


def test_points_of_before_keep_their_identity():
    text = MultitaskConfig().canonical_text
    assert "start" not in text
    assert "extra_epochs" not in text
