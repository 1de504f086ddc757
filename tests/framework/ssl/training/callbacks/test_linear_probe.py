"""The probe against one that is trained by itself, on the features that the encoder had in each step."""

import pytest
import torch
from pytorch_lightning import Callback
from torch import nn

from framework.data.vision import load_pixels
from framework.ssl.training.artifact import load_encoder
from framework.ssl.training.callbacks.linear_probe import STEP_SIZE, STREAM
from tests.framework.ssl.training.conftest import config_of, trained


class Keeps(Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.seen.append((module.latest.features.clone(), batch[1]))


def test_against_a_probe_by_itself(tmp_path):
    config, keeps = config_of(max_epochs=2), Keeps()
    run = trained(tmp_path / "run", config, callbacks=[keeps])
    torch.manual_seed(config.seed ^ STREAM)
    norm, linear = nn.BatchNorm1d(16, affine=False), nn.Linear(16, 10)
    optimiser = torch.optim.Adam(linear.parameters(), STEP_SIZE)
    losses = []
    for features, labels in keeps.seen:
        rows = torch.cat(list(features))
        loss = nn.functional.cross_entropy(linear(norm(rows)), torch.cat([labels, labels]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert run.rows[1]["probe/train_cross_entropy"] == pytest.approx(sum(losses[5:]) / 5)
    val, method = load_pixels(config.data).val, load_encoder(run.folder / "encoder", config, "last")
    with torch.no_grad():
        found = linear(norm.eval()(method.encode(val.images))).argmax(1)
    accuracy = (found == val.labels).double().mean()
    assert run.rows[1]["probe/val_accuracy"] == pytest.approx(float(accuracy))


def test_it_learns(tmp_path):
    run = trained(tmp_path / "run", config_of(max_epochs=6))
    found = [row["probe/val_accuracy"] for row in run.rows]
    assert found[-1] > max(0.3, found[0])
