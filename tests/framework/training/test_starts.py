"""What a training begins with: its own weights, another's, or those of one that goes on."""

import json

import pytest
import torch
import torch.nn.functional as F
from pytorch_lightning import Callback
from safetensors import safe_open
from safetensors.torch import load_file

from experiments.alignment.config import AlignmentConfig
from experiments.alignment.manager import AlignmentManager
from experiments.fusion.manager import FusionManager
from experiments.merging.manager import MergingManager
from experiments.stitching.config import StitchingConfig
from experiments.stitching.manager import StitchingManager
from framework.data import load_splits
from framework.errors import ArtifactError, ConfigError
from framework.models.registry import build
from framework.training.checkpoints import load_model
from framework.training.config import TrainingConfig
from framework.training.optimizer_state import load_optimizer
from framework.training.starts import before
from tests.framework.fakes import FakeRun
from tests.framework.training.conftest import SMALL, train

MLP = {"model": {"kind": "mlp", "hidden": [8]}, "batch_size": 256, "device": "cpu"}
OPTIMIZERS = {
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.01, fused=True),
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.01, momentum=0.9),
}


def config_of(**changes):
    return TrainingConfig.parse({**MLP, "learning_rate": 0.01, "max_epochs": 2} | changes)


def trained(folder, config, store=None, callbacks=()):
    run = FakeRun(folder, store)
    from framework.training.train import train_model

    train_model(config, run, callbacks)
    return run


def weights(run, name="last"):
    return load_file(run.folder / "model" / f"{name}.safetensors")


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def refused(**changes):
    with pytest.raises(ConfigError) as caught:
        config_of(**changes)
    return "\n".join(map(str, caught.value.problems))


def an_epoch(model, optimizer, images, labels, generator):
    """Steps over all images in batches of 256, by hand."""
    for positions in torch.split(torch.randperm(len(images), generator=generator), 256):
        optimizer.zero_grad()
        F.cross_entropy(model(images[positions]), labels[positions], reduction="none").mean().backward()
        optimizer.step()


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A training of two epochs, and its config."""
    config = config_of(checkpoint_every=1)
    return trained(tmp_path_factory.mktemp("first"), config), config


# --- extra_epochs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_extra_epochs_are_those_of_a_loop_that_goes_on(kind, tmp_path):
    config = config_of(optimizer=kind, max_epochs=5, seed=3)
    store = {}
    trained(tmp_path / "first", config, store)
    more = trained(tmp_path / "more", config.model_copy(update={"extra_epochs": 5}), store)

    splits = load_splits(config.data)
    torch.manual_seed(3)
    model = build(config.model, splits.image_shape, splits.num_classes).train()
    optimizer = OPTIMIZERS[kind](model.parameters())
    for seed in (3, 3 + 2**33):
        order = torch.Generator().manual_seed(seed)
        for _ in range(5):
            an_epoch(model, optimizer, splits.train.images, splits.train.labels, order)
    assert_equal(weights(more), model.state_dict())


def test_epochs_steps_and_checkpoints_count_on(first, tmp_path):
    run, config = first
    more = trained(tmp_path / "more", config.model_copy(update={"extra_epochs": 3}), run.store)
    rows = [*run.rows, *more.rows]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["step"] for row in rows] == [6, 12, 18, 24, 30]
    assert 3 <= more.summary["best_epoch"] <= 5
    epochs = [path.stem for path in sorted((more.folder / "model").glob("epoch_*"))]
    assert epochs == ["epoch_0003", "epoch_0004", "epoch_0005"]
    assert_equal(weights(more, "initial"), weights(run))
    assert load_optimizer(more.folder / "model" / "optimizer.safetensors")[1:] == (5, 30)


def test_a_training_that_stopped_early_goes_on_from_where_it_did(tmp_path):
    config = config_of(max_epochs=30, early_stopping=1, learning_rate=1e-30)
    store = {}
    run = trained(tmp_path / "first", config, store)
    more = trained(tmp_path / "more", config.model_copy(update={"extra_epochs": 1}), store)
    assert [row["epoch"] for row in more.rows] == [len(run.rows) + 1]


def test_schedules_begin_anew_without_warm_up(tmp_path):
    config = config_of(schedule="linear", warmup_epochs=1, max_epochs=3)
    store = {}
    first = trained(tmp_path / "first", config, store)
    more = trained(tmp_path / "more", config.model_copy(update={"extra_epochs": 4}), store)
    assert [row["learning_rate"] for row in first.rows] == pytest.approx([0.005, 0.01, 0.005])
    assert [row["learning_rate"] for row in more.rows] == pytest.approx([0.01, 0.0075, 0.005, 0.0025])
    told = "schedule: is multistep, which has milestones of max_epochs"
    assert told in refused(extra_epochs=1, schedule="multistep", milestones=[1])


def test_an_optimiser_that_is_not_there(first, tmp_path):
    run, config = first
    more = config.model_copy(update={"extra_epochs": 1})
    folder = tmp_path / "artifact"
    folder.mkdir()
    for path in run.store["model", config.config_id].iterdir():
        if path.stem != "optimizer":
            (folder / path.name).write_bytes(path.read_bytes())
    store = {("model", config.config_id): folder}
    with pytest.raises(ArtifactError, match=r"holds no optimizer\.safetensors: train it again"):
        trained(tmp_path / "more", more, store)


# --- start: from_other -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["best", "last", "initial", "epoch_0001"])
def test_weights_of_another_training_bit_for_bit(which, first, tmp_path):
    run, config = first
    start = {"kind": "from_other", "model": config.model_dump(), "which": which}
    begun = trained(tmp_path / "begun", config_of(start=start, seed=7, max_epochs=1), run.store)
    assert_equal(weights(begun, "initial"), weights(run, which))

    splits = load_splits(config.data)
    model = build(config.model, splits.image_shape, splits.num_classes).train()
    model.load_state_dict(load_file(run.folder / "model" / f"{which}.safetensors"))
    order = torch.Generator().manual_seed(7)
    an_epoch(model, OPTIMIZERS["adam"](model.parameters()), splits.train.images, splits.train.labels, order)
    assert_equal(weights(begun), model.state_dict())


def test_what_does_not_fit_is_refused():
    start = {"kind": "from_other", "model": {**MLP, "model": {"kind": "mlp", "hidden": [9]}}}
    assert "start.model.model: has other weights than model: hidden ((8,) and (9,))" in refused(start=start)
    start = {"kind": "from_other", "model": {}}
    assert "start.model.model: has other weights than model: mlp and pcktae; make them equal" in refused(
        start=start
    )
    start = {"kind": "from_other", "model": {**MLP, "data": {"name": "mnist"}}}
    assert "start.model.data: has images (1, 28, 28), here they are (1, 8, 8)" in refused(start=start)
    start = {"kind": "from_other", "model": MLP, "which": "worst"}
    assert "start.which: " in refused(start=start)


def test_a_checkpoint_that_is_not_kept_is_refused():
    model = {**MLP, "max_epochs": 20, "checkpoint_every": 5}
    start = {"kind": "from_other", "which": "epoch_0007", "model": model}
    allowed = "allowed: best, last, initial, epoch_0005, epoch_0010, epoch_0015, epoch_0020"
    assert refused(start=start) == (
        f"start.which: is epoch_0007, and start.model.checkpoint_every is 5; {allowed}"
    )
    assert "is epoch_0025" in refused(start={**start, "which": "epoch_0025"})
    assert "checkpoint_every is null" in refused(start={**start, "model": MLP})
    longer = {**start, "which": "epoch_0025", "model": {**model, "extra_epochs": 5}}
    assert config_of(start=longer).start.which == "epoch_0025"
    few = {**model, "checkpoints_kept": "best_and_last"}
    told = "is epoch_0005, and start.model.checkpoints_kept is best_and_last; allowed: best, last"
    assert refused(start={**start, "which": "epoch_0005", "model": few}) == f"start.which: {told}"


def test_a_chain_of_any_depth_ends(tmp_path):
    config = config_of(max_epochs=1)
    for seed in range(1, 5):
        config = config_of(max_epochs=1, seed=seed, start={"kind": "from_other", "model": config.model_dump()})
    chain = [config.model_copy(update={"extra_epochs": 1})]
    while (other := before(chain[-1])) is not None:
        chain.append(other)
    assert [one.seed for one in chain] == [4, 4, 3, 2, 1, 0]
    store = {}
    for number, one in enumerate(reversed(chain)):
        trained(tmp_path / str(number), one, store)
    assert len(store) == 6


def test_configs_of_before_keep_their_identity():
    assert TrainingConfig().config_id == TrainingConfig(extra_epochs=0, checkpoints_kept="best_and_last").config_id
    assert not {"start", "extra_epochs", "checkpoints_kept"} & json.loads(TrainingConfig().canonical_text).keys()
    assert TrainingConfig(extra_epochs=1).config_id != TrainingConfig().config_id


# --- what is required ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manager", [StitchingManager, AlignmentManager, FusionManager, MergingManager])
def test_every_experiment_that_makes_models_makes_what_they_begin_with_first(manager):
    other = config_of(seed=1)
    begun = config_of(start={"kind": "from_other", "model": other.model_dump()}, extra_epochs=2)
    ((kind, goes_on),) = manager().requires("model", begun)
    assert (kind, goes_on.config_id) == ("model", begun.without_extra.config_id)
    ((kind, begins),) = manager().requires("model", goes_on)
    assert (kind, begins.config_id) == ("model", other.config_id)
    assert list(manager().requires("model", other)) == []


def test_a_model_that_is_trained_in_the_run_requires_it_too():
    model = {"max_epochs": 2, "extra_epochs": 1}
    config = AlignmentConfig.parse({"model": model})
    required = [work.config.config_id for work in AlignmentManager().requires("run", config)]
    assert required == [config.reference.config_id, config.model.without_extra.config_id]


def test_weights_of_a_training_are_no_random_encoder():
    few = {"num_samples": [20]}
    with pytest.raises(ConfigError, match="control: is random_encoder, and the source begins with weights"):
        StitchingConfig.parse({"source": {"extra_epochs": 1}, "control": "random_encoder", **few})
    StitchingConfig.parse({"target": {"extra_epochs": 1}, "control": "random_encoder", **few})


# --- checkpoints -----------------------------------------------------------------------------------------------


class Worsens(Callback):
    """Throws the weights away in an epoch, counted from 1."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch + 1 == self.epoch:
            for weight in module.parameters():
                torch.nn.init.normal_(weight, std=10)


def test_best_differs_from_last_where_validation_worsened(tmp_path):
    config = config_of(max_epochs=3, checkpoint_every=1)
    run = trained(tmp_path, config, callbacks=[Worsens(3)])
    assert run.summary["best_epoch"] == 2
    assert_equal(weights(run, "best"), weights(run, "epoch_0002"))
    assert_equal(weights(run, "last"), weights(run, "epoch_0003"))
    best, last = (load_model(run.folder / "model", config, which) for which in ("best", "last"))
    assert any(
        not torch.equal(one, other) for one, other in zip(best.parameters(), last.parameters(), strict=True)
    )


def test_best_and_last_alone_are_kept_where_the_others_are_not_wanted(first, tmp_path):
    run, config = first
    few = trained(tmp_path / "few", config.model_copy(update={"checkpoints_kept": "best_and_last"}))
    there = {path.stem for path in few.store["model", config.config_id].glob("*.safetensors")}
    assert there == {"best", "last", "optimizer", "evaluation"}
    for name in ("best", "last"):
        assert_equal(weights(few, name), weights(run, name))
    told = r"holds no checkpoint 'initial'; there are: best, last \(checkpoints_kept=best_and_last keeps no others"
    with pytest.raises(ArtifactError, match=told):
        load_model(few.folder / "model", config, "initial")


def test_the_file_of_the_optimiser_tells_how_far_it_is(first):
    run, config = first
    with safe_open(run.folder / "model" / "optimizer.safetensors", framework="pt") as file:
        assert file.metadata() == {"done": '{"epochs": 2, "steps": 12}'}
    with pytest.raises(ArtifactError, match="no checkpoint 'optimizer'; there are: best, epoch_0001"):
        load_model(run.folder / "model", config, "optimizer")


def test_autoencoders_go_on_too(tmp_path):
    config = TrainingConfig.parse({"model": SMALL, "max_epochs": 1, "device": "cpu"})
    run = train(tmp_path / "first", config)
    more = trained(tmp_path / "more", config.model_copy(update={"extra_epochs": 1}), run.store)
    assert [row["epoch"] for row in more.rows] == [2]
    assert list(more.images) == ["reconstructions"]
