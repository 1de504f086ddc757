"""A training that was left and gone on with is that of one that nobody has interrupted, bit for bit."""

import itertools
import signal

import pytest
import torch
from pytorch_lightning import Callback
from safetensors.torch import load_file

from framework.data import load_splits
from framework.errors import ArtifactError, ConfigError, Interrupted
from framework.models.registry import build
from framework.tracking import leaving
from framework.training import distil, fine_tune, train_model
from framework.training.callbacks.losses import Losses
from framework.training.config import TrainingConfig
from framework.training.refine_config import RefineConfig
from tests.framework.fakes import FakeRun, Shelf
from tests.framework.training.conftest import SMALL

EPOCHS = 3
KINDS = {
    "autoencoder": {"model": SMALL},
    "vae": {"model": {"kind": "vae", "hidden": (8,), "latent_dim": 2}},
    "classifier": {"model": {"kind": "mlp", "hidden": (8,)}, "augment": "flip_crop"},
    "schedule": {
        "model": SMALL, "schedule": "cosine", "warmup_epochs": 1, "optimizer": {"kind": "sgd"},
        "learning_rate": 0.1, "early_stopping": 2,
    },
    "workers": {"model": SMALL, "num_workers": 1},
    "pictures": {"model": SMALL, "reconstructions_every": 1, "checkpoint_every": 2},
    "one batch": {"model": SMALL, "batch_size": 2000},
    "two of many": {"model": SMALL, "trainer": {"limit_train_batches": 2}},
    "validates in between": {"model": SMALL, "trainer": {"val_check_interval": 2}},
    "accumulates": {"model": SMALL, "trainer": {"accumulate_grad_batches": 2}},
}  # fmt: skip
MOMENTS = {"on_train_batch_start": (1, 5, 6, 7), "on_validation_start": (1, 3), "on_train_epoch_start": (2, 3)}
"""The first epoch has six batches, its last one is followed by validation."""
VOLATILE = ("time/epoch_s",)


class AsksToLeave(Callback):
    """A signal comes in a hook of the training, when it is called for the n-th time."""

    def __init__(self, hook, number):
        self.left = number
        setattr(self, hook, self._called)

    def _called(self, *_):
        self.left -= 1
        if self.left == 0:
            assert leaving.put_off(signal.SIGUSR2)


def config_of(kind):
    return TrainingConfig.parse({"max_epochs": EPOCHS, "device": "cpu", "batch_size": 256} | KINDS[kind])


def outcome(run):
    rows = [{name: value for name, value in row.items() if name not in VOLATILE} for row in run.rows]
    weights = {path.name: load_file(path) for path in sorted((run.folder / "model").glob("*.safetensors"))}
    summary = {name: value for name, value in run.summary.items() if not name.startswith(("time/", "memory/"))}
    return rows, weights, summary


def assert_equal(one, other):
    assert one[0] == other[0]
    assert one[2] == other[2]
    assert one[1].keys() == other[1].keys()
    for name, tensors in one[1].items():
        assert all(torch.equal(tensors[key], other[1][name][key]) for key in tensors), name


def left_again_and_again(folder, config, moments):
    """The run that ends, of those that are asked to leave at these moments (hook, number) one after the other."""
    shelf, left = Shelf(folder / "shelf"), 0
    for number, (hook, count) in enumerate(moments):
        run = FakeRun(folder / f"attempt-{number}", shelf=shelf)
        try:
            train_model(config, run, callbacks=[AsksToLeave(hook, count)])
        except Interrupted:
            run.progress.keep()
            left += 1
        else:
            return run, left
        finally:
            run.progress.close(is_done=False)
    run = FakeRun(folder / "last", shelf=shelf)
    train_model(config, run)
    run.progress.close(is_done=True)
    return run, left


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The outcome of a kind of training that nobody interrupts, made once."""
    known = {}

    def of(kind):
        if kind not in known:
            run = FakeRun(tmp_path_factory.mktemp("whole"))
            train_model(config_of(kind), run)
            known[kind] = outcome(run)
        return known[kind]

    return of


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hook", MOMENTS)
def test_left_once(kind, hook, whole, tmp_path):
    left = 0
    for moment in MOMENTS[hook]:
        run, interrupted = left_again_and_again(tmp_path / str(moment), config_of(kind), [(hook, moment)])
        assert_equal(outcome(run), whole(kind))
        left += interrupted
    assert left, "no moment of all interrupted it"


@pytest.mark.parametrize("kind", KINDS)
def test_left_five_times(kind, whole, tmp_path):
    moments = [
        ("on_train_batch_start", 2), ("on_train_batch_start", 1), ("on_validation_start", 1),
        ("on_train_epoch_start", 1), ("on_train_batch_start", 3),
    ]  # fmt: skip
    run, left = left_again_and_again(tmp_path, config_of(kind), moments)
    assert_equal(outcome(run), whole(kind))
    assert left >= 2


# --- a network that is trained further -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["fine_tune", "distil"])
@pytest.mark.parametrize("moments", [[3], [2, 5], [9], [1, 1, 1]])
def test_refining_goes_on(how, moments, tmp_path, monkeypatch):
    base = TrainingConfig.parse({"model": {"kind": "mlp", "hidden": (8,)}, "device": "cpu"})
    splits = load_splits(base.data)
    torch.manual_seed(0)
    student, teacher = (build(base.model, splits.image_shape, splits.num_classes) for _ in range(2))
    config = RefineConfig.parse({"epochs": 2, "batch_size": 256, "device": "cpu"})

    def refined(stage):
        if how == "fine_tune":
            return fine_tune(student, splits, config, augment="flip_crop", stage=stage)
        return distil(student, teacher, splits, config, stage=stage)

    alone = refined(None)
    shelf, real, left = Shelf(tmp_path / "shelf"), Losses.on_train_batch_end, 0
    for number, moment in enumerate([*moments, None]):
        count = itertools.count(1)

        def asks(losses, *arguments, count=count, moment=moment):
            real(losses, *arguments)
            if next(count) == moment:
                assert leaving.put_off(signal.SIGUSR2)

        monkeypatch.setattr(Losses, "on_train_batch_end", asks)
        run = FakeRun(tmp_path / str(number), shelf=shelf)
        try:
            with run.progress.stage("mean/fine tuned") as stage:
                found = refined(stage)
        except Interrupted:
            left += 1
            run.progress.keep()
        finally:
            run.progress.close(is_done=False)
    assert left == len(moments)
    assert found.rows == alone.rows
    assert all(
        torch.equal(found.model.state_dict()[key], value) for key, value in alone.model.state_dict().items()
    )


# --- what is kept, and when ------------------------------------------------------------------------------------


def test_a_signal_without_a_stage_is_not_put_off():
    assert not leaving.put_off(signal.SIGUSR2)
    with leaving.at_safe_points():
        assert not leaving.put_off(signal.SIGTERM), "which asks for an end, not for a safe one"


def test_a_training_that_is_left_alone_keeps_nothing(tmp_path):
    run = FakeRun(tmp_path / "run", shelf=Shelf(tmp_path / "shelf"))
    train_model(config_of("autoencoder"), run)
    assert run.progress._store.times == 0


def test_a_state_is_kept_every_so_many_seconds(tmp_path, monkeypatch, whole):
    monkeypatch.setenv("SASHIKO_CHECKPOINT_S", "0")
    shelf = Shelf(tmp_path / "shelf")
    run = FakeRun(tmp_path / "killed", shelf=shelf)
    with pytest.raises(ZeroDivisionError):  # as sudden as a kill: nobody keeps anything then
        train_model(config_of("autoencoder"), run, callbacks=[Dies(11)])
    assert shelf.times == 12, "the end of each batch but the last of an epoch, and the beginning of each epoch"
    monkeypatch.delenv("SASHIKO_CHECKPOINT_S")
    again = FakeRun(tmp_path / "again", shelf=shelf)
    train_model(config_of("autoencoder"), again)
    assert_equal(outcome(again), whole("autoencoder"))


class Dies(Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step:
            raise ZeroDivisionError


def test_a_state_that_cannot_be_kept_stops_nothing(tmp_path, monkeypatch, whole, capsys):
    class Full(Shelf):
        def keep(self, folder, *, wait):
            raise OSError(28, "No space left on device")

    monkeypatch.setenv("SASHIKO_CHECKPOINT_S", "0")
    run = FakeRun(tmp_path / "run", shelf=Full(tmp_path / "shelf"))
    train_model(config_of("autoencoder"), run)
    assert_equal(outcome(run), whole("autoencoder"))
    assert "what is half done could not be kept: OSError: [Errno 28] No space left" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["soon", "-1", "nan"])
def test_a_period_that_is_none_is_told(text, tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_CHECKPOINT_S", text)
    with pytest.raises(ConfigError, match=f"SASHIKO_CHECKPOINT_S: is '{text}'; allowed: seconds"):
        train_model(config_of("autoencoder"), FakeRun(tmp_path / "run"))


def test_a_state_that_holds_code_is_not_loaded(tmp_path):
    shelf = Shelf(tmp_path / "shelf")
    run = FakeRun(tmp_path / "one", shelf=shelf)
    with pytest.raises(Interrupted):
        train_model(config_of("autoencoder"), run, callbacks=[AsksToLeave("on_train_batch_start", 2)])
    run.progress.keep()
    torch.save({"evil": itertools.count()}, shelf.folder / "stages" / "0" / "state")
    with pytest.raises(ArtifactError, match="cannot be read"):
        train_model(config_of("autoencoder"), FakeRun(tmp_path / "two", shelf=shelf))
