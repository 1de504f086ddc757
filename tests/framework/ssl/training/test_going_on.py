"""A pretraining that was left and gone on with is that of one that nobody has interrupted, bit for bit."""

import signal

import pytest
import torch
from pytorch_lightning import Callback
from safetensors.torch import load_file

from framework.errors import Interrupted
from framework.ssl.training.pretraining import pretrain
from framework.tracking import leaving
from tests.framework.fakes import FakeRun, Shelf
from tests.framework.ssl.training.conftest import config_of

KINDS = {
    "simclr": {"optimizer": "lars", "warmup_epochs": 1},
    "moco": {"early_stopping": 2, "evaluate_every": 2},
    "byol": {"optimizer": "adamw", "learning_rate": 0.01},
    "lejepa": {"checkpoint_every": 2},
    "resnet": {
        "backbone": {"kind": "cifar_resnet", "width": 0.03125},
        "trainer": {"limit_train_batches": 2},
        "max_epochs": 5,
    },
    "workers": {"num_workers": 1, "distortions": {"place": "workers"}},
}
MOMENTS = [("on_train_batch_start", 2), ("on_train_batch_start", 4), ("on_validation_start", 1),
           ("on_train_epoch_start", 2)]  # fmt: skip


class AsksToLeave(Callback):
    """A signal comes in a hook of the training, when it is called for the n-th time."""

    def __init__(self, hook, number):
        self.left = number
        setattr(self, hook, self._called)

    def _called(self, *_):
        self.left -= 1
        if self.left == 0:
            assert leaving.put_off(signal.SIGUSR2)


def config(kind):
    return config_of(kind if kind in ("simclr", "moco", "byol", "lejepa") else "simclr", **KINDS[kind])


def outcome(run):
    rows = [{name: value for name, value in row.items() if name != "time/epoch_s"} for row in run.rows]
    weights = {path.name: load_file(path) for path in sorted((run.folder / "encoder").glob("*.safetensors"))}
    summary = {name: value for name, value in run.summary.items() if not name.startswith(("time/", "memory/"))}
    return rows, weights, summary


@pytest.mark.parametrize("kind", KINDS)
def test_left_again_and_again(kind, tmp_path):
    alone = FakeRun(tmp_path / "alone")
    pretrain(config(kind), alone)
    shelf, left = Shelf(tmp_path / "shelf"), 0
    for number, moment in enumerate([*MOMENTS, None]):
        run = FakeRun(tmp_path / f"attempt-{number}", shelf=shelf)
        try:
            pretrain(config(kind), run, [AsksToLeave(*moment)] if moment else [])
        except Interrupted:
            run.progress.keep()
            left += 1
        else:
            break
        finally:
            run.progress.close(is_done=False)
    assert left >= 2
    expected, found = outcome(alone), outcome(run)
    assert found[0] == expected[0]
    assert found[2] == expected[2]
    assert found[1].keys() == expected[1].keys()
    for name, tensors in expected[1].items():
        assert tensors.keys() == found[1][name].keys()
        assert all(torch.equal(tensors[key], found[1][name][key]) for key in tensors), name
    assert alone.tables["diagnostics"].equals(run.tables["diagnostics"])
