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

project, log_model = sys.argv[1], {"True": True, "all": "all"}[sys.argv[2]]
x = torch.linspace(-1, 1, 32)[:, None]
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 2 * x), batch_size=8)
logger = WandbLogger(project=project, id="line", log_model=log_model)
logger.log_hyperparams({"width": 1})
checkpoints = ModelCheckpoint("checkpoints", monitor="loss", save_top_k=2, every_n_epochs=1)
Trainer(max_epochs=3, logger=logger, callbacks=[checkpoints], log_every_n_steps=1, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu").fit(Line(), loader)
logger.experiment.finish()
"""
READ = """
import json, sys, torch, wandb
run = wandb.Api().run(f"{sys.argv[1]}/line")
versions = run.logged_artifacts()
best = wandb.Api().artifact(f"{sys.argv[1]}/model-line:best")
state = torch.load(best.download() + "/model.ckpt", weights_only=True)["state_dict"]
print("RESULT " + json.dumps({
    "rows": len(list(run.scan_history(keys=["loss"]))), "config": run.config["width"], "state": run.state,
    "versions": sorted(a.name for a in versions), "aliases": sorted(best.aliases), "keys": sorted(state),
}))
"""


@pytest.mark.parametrize(("log_model", "least"), [("True", 1), ("all", 3)])
def test_wandb_logger(lab: Lab, log_model: str, least: int) -> None:
    project = f"lightning-{log_model.lower()}"
    lab.python(TRAIN, project, log_model)
    found = shown(lab.python(READ, project))
    assert (found["rows"], found["config"], found["state"]) == (12, 1, "finished")
    assert found["keys"] == ["layer.bias", "layer.weight"]
    assert {"best", "latest"} & set(found["aliases"])
    models = [name for name in found["versions"] if name.startswith("model-line:v")]
    assert len(models) >= least
