"""Lightning's own `WandbLogger` against the embedded server: metrics, and checkpoints as artifacts."""

import pytest

from tests.protocol.conftest import Lab, shown

pytestmark = pytest.mark.slow

TRAIN = """
import sys, warnings
warnings.simplefilter("ignore")
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import WandbLogger

class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, _):
        loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
        self.log("loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

x = torch.linspace(-1, 1, 32)[:, None]
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 2 * x), batch_size=8)
found = {}
for name, log_model in {"last": True, "all": "all"}.items():
    logger = WandbLogger(project=project, id=name, log_model=log_model)
    logger.log_hyperparams({"width": 1})
    checkpoints = ModelCheckpoint(f"checkpoints-{name}", monitor="loss", save_top_k=2, every_n_epochs=1)
    Trainer(max_epochs=3, logger=logger, callbacks=[checkpoints], log_every_n_steps=1, enable_progress_bar=False,
            enable_model_summary=False, accelerator="cpu").fit(Line(), loader)
    logger.experiment.finish()
    run = wandb.Api().run(f"{path}/{name}")
    best = wandb.Api().artifact(f"{path}/model-{name}:best")
    state = torch.load(best.download(name) + "/model.ckpt", weights_only=True)["state_dict"]
    found[name] = {
        "rows": len(list(run.scan_history(keys=["loss"]))), "config": run.config["width"], "state": run.state,
        "versions": sorted(item.name for item in run.logged_artifacts()), "aliases": sorted(best.aliases),
        "keys": sorted(state),
    }
tell(found)
"""


def test_checkpoints_become_artifacts(lab: Lab) -> None:
    found = shown(lab.python(TRAIN))
    for run in found.values():
        assert (run["rows"], run["config"], run["state"]) == (12, 1, "finished")
        assert run["keys"] == ["layer.bias", "layer.weight"]
        assert "best" in run["aliases"]
    assert found["last"]["versions"] == ["model-last:v0", "model-last:v1"]
    assert found["all"]["versions"] == ["model-all:v0", "model-all:v1", "model-all:v2"]
