import sys
import warnings
from subprocess import run

import pytest
import torch
from pytorch_lightning import LightningModule
from torch import nn

from framework.data.vision import ImageSet
from framework.errors import ConfigError
from framework.training.batches import batches
from framework.training.evaluation import evaluating
from framework.training.trainer import build_trainer, check_trainer_options, resolve_device, silence

CPU = torch.device("cpu")
IMAGES = ImageSet(torch.arange(10.0).reshape(10, 1, 1, 1), torch.arange(10), torch.arange(10))


def test_a_wrong_option_is_named_with_the_nearest():
    with pytest.raises(ConfigError) as caught:
        check_trainer_options({"gradient_clip_value": 1.0, "acumulate_grad_batches": 2, "precision": 32})
    assert "trainer.gradient_clip_value: is no argument of Lightning's Trainer" in str(caught.value)
    assert "gradient_clip_val`" in str(caught.value)
    assert "accumulate_grad_batches`" in str(caught.value)
    assert "precision" not in str(caught.value)


@pytest.mark.parametrize(("option", "field"), [("max_epochs", "max_epochs"), ("accelerator", "device")])
def test_an_option_with_a_field_of_its_own_is_sent_there(option, field):
    with pytest.raises(ConfigError, match=rf"trainer\.{option}: set {field}"):
        check_trainer_options({option: 3})


def test_a_value_that_lightning_refuses_is_an_error_of_the_config():
    with pytest.raises(ConfigError, match="trainer: "):
        build_trainer(max_epochs=1, device=CPU, callbacks=[], options={"precision": "17-mixed"})


def test_every_other_argument_of_the_trainer_is_taken():
    trainer = build_trainer(
        max_epochs=1, device=CPU, callbacks=[], options={"accumulate_grad_batches": 4, "min_epochs": 1}
    )
    assert trainer.accumulate_grad_batches == 4
    assert trainer.min_epochs == 1


def test_a_slurm_job_around_it_is_not_taken_for_lightnings_own(monkeypatch):
    job = {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "x", "SLURM_JOB_ID": "1", "SLURM_PROCID": "2"}
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    trainer = build_trainer(max_epochs=1, device=CPU, callbacks=[], options={})
    assert trainer.world_size == 1
    assert trainer.is_global_zero


def test_devices():
    assert resolve_device("cpu") == CPU
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device: is 'cuda', which this machine lacks; here: "):
            resolve_device("cuda")


@pytest.mark.parametrize(("count", "sizes"), [(9, [4, 5]), (8, [4, 4]), (5, [5]), (3, [3]), (1, [1])])
def test_no_batch_of_training_has_a_single_image(count, sizes):
    images = ImageSet(IMAGES.images[:count], IMAGES.labels[:count], IMAGES.indices[:count])
    loader = batches(images, 4, 0, 0, CPU)
    assert [len(labels) for _, labels in loader] == sizes
    assert len(loader) == len(sizes)
    assert sum(len(labels) for _, labels in batches(images, 4, None, 0, CPU)) == count


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batches_have_every_image_once_in_an_order_of_the_seed(num_workers):
    loader = batches(IMAGES, 4, 3, num_workers, CPU)
    epochs = [[labels.tolist() for _, labels in loader] for _ in range(2)]
    assert len(loader) == 3
    assert [len(batch) for batch in epochs[0]] == [4, 4, 2]
    assert sorted(label for batch in epochs[0] for label in batch) == list(range(10))
    assert epochs[0] != epochs[1]
    again = [labels.tolist() for _, labels in batches(IMAGES, 4, 3, 0, CPU)]
    assert again == epochs[0]
    for images, labels in batches(IMAGES, 4, None, num_workers, CPU):
        assert images.flatten().tolist() == labels.tolist()


def test_evaluating_restores_the_mode_even_after_an_error():
    module = nn.Dropout()

    def fail():
        assert not module.training
        assert not torch.is_grad_enabled()
        raise KeyError

    for training in (True, False):
        module.train(training)
        with pytest.raises(KeyError), evaluating(module):
            fail()
        assert module.training is training


def test_the_config_needs_no_torch():
    code = "import framework.training.config, sys; assert not {'torch', 'numpy'} & set(sys.modules)"
    run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("device", ["cuda", "mps", "nonsense", None])
def test_a_device_that_is_not_there_is_told_with_those_that_are(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=rf"device: is {device!r}[,;] .*; here: cpu, auto"):
        resolve_device(device)
    assert resolve_device("auto") == CPU


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch, place):
        return self.layer(batch[0].flatten(1)).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_slurm_on_this_machine_is_no_news(monkeypatch):
    """On a login node Lightning would say at each training that srun is there and not used."""
    monkeypatch.setattr("shutil.which", lambda name, *rest, **more: f"/usr/bin/{name}")
    trainer = build_trainer(max_epochs=1, device=CPU, callbacks=[], options={})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with silence():
            trainer.fit(Line(), batches(IMAGES, 5, 0, 0, CPU))
