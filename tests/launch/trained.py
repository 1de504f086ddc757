"""An experiment whose runs train for some seconds, in a lab; and what its runs said."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.lab import Lab

MANAGER = """
import os, time
from pathlib import Path
from framework.config import Config
from framework.manager import Manager
from framework.tracking import leaving
from framework.training.config import TrainingConfig


class TrainedConfig(Config):
    model: TrainingConfig = TrainingConfig()
    seconds: float = 0.03


class Trained(Manager[TrainedConfig]):
    config = TrainedConfig
    heavy = ("framework.training.train", "sklearn.datasets", "torchvision.datasets")

    def run(self, config, run):
        from pytorch_lightning import Callback
        from framework.training.train import train_model

        class Slow(Callback):
            def on_train_batch_start(self, trainer, module, batch, index):
                place = Path(os.environ["HOME"]) / f"seed-{config.model.seed}.step"
                place.write_text(str(trainer.global_step))
                time.sleep(config.seconds)
                hold = Path(os.environ.get("TRAINED_HOLD", "/dev/null/none"))
                while trainer.global_step == 14 and hold.exists() and not leaving.is_asked():
                    time.sleep(0.05)

        run.log({"before": 1.0})
        train_model(config.model, run, callbacks=[Slow()])
        with (Path(os.environ["HOME"]) / "ended").open("a") as file:
            file.write(f"{run.id}\\n")
        run.log({"after": 2.0})
"""
ANSWERS_S = 100
"""Seconds after which a client that reads some runs hangs."""
MODEL = "{kind: vae, hidden: [8], latent_dim: 2}"
TOLD = """
import json, sys, wandb
runs = wandb.Api().runs("local/lab", filters={"sweep": sys.argv[1]})
volatile = ("_timestamp", "_runtime", "time/", "timing")
print(json.dumps([{
    "id": run.id, "state": run.state, "seed": run.config["model"]["seed"],
    "rows": [{k: v for k, v in row.items() if not k.startswith(volatile)} for row in run.scan_history()],
    "summary": {k: v for k, v in dict(run.summary).items() if k.startswith(("val/", "test/", "train/"))},
} for run in runs]))
"""
KEPT = """
import json, wandb
api = wandb.Api()
kinds = [kind.name for kind in api.artifact_types("local/lab")]
found = list(api.artifact_collections("local/lab", "checkpoint")) if "checkpoint" in kinds else []
print(json.dumps([version.name for one in found for version in one.artifacts()]))
"""


def add_trained(lab: Lab) -> None:
    """Add the experiment.

    Its runs wait in their third epoch for as long as the file `TRAINED_HOLD` is there, where the environment names
    one.
    """
    lab.add_experiment("trained", "manager:Trained", {"manager.py": MANAGER})


def trained_sweep(lab: Lab, name: str, seeds: str, epochs: int = 6, seconds: float = 0.03) -> Path:
    """A sweep of trainings with these seeds, six batches an epoch."""
    path = lab.folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\nproject: lab\nmethod: grid\n"
        'command: ["${env}", "python", "-m", "experiments", "trained"]\n'
        f"parameters:\n  seconds: {{value: {seconds}}}\n  model:\n    parameters:\n"
        f"      seed: {{values: {seeds}}}\n      model: {{value: {MODEL}}}\n"
        f"      max_epochs: {{value: {epochs}}}\n      batch_size: {{value: 256}}\n      device: {{value: cpu}}\n"
    )
    return path


def asked(lab: Lab, code: str, *words: str) -> Any:
    """What the client says, as JSON. One that does not come to an end tells where it stands."""
    told = lab.sashiko("env").stdout.splitlines()
    exports = dict(line.removeprefix("export ").split("=", 1) for line in told if "=" in line)
    watched = f"import faulthandler\nfaulthandler.dump_traceback_later({ANSWERS_S}, exit=True)\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", watched, *words], cwd=lab.folder, env=lab.environment | exports, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    log = lab.folder / ".sashiko" / "server.log"
    server = log.read_text()[-3_000:] if log.is_file() else "no log"
    assert done.returncode == 0, f"{exports}\n{done.stderr}\n--- server\n{server}"
    return json.loads(done.stdout.splitlines()[-1])


def runs_of(lab: Lab, path: str) -> list[dict[str, Any]]:
    """The runs of a sweep: id, state, seed, rows and summary."""
    found: list[dict[str, Any]] = asked(lab, TOLD, path.rsplit("/", 1)[1])
    return found
