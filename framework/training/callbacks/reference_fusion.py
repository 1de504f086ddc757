"""What becomes of a model that is still being trained, fused with a finished one.

Shapes: N images.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning import Trainer
from safetensors.torch import save_file
from torch import Tensor, nn

from framework.config import Config
from framework.data.vision import Splits
from framework.fusion.alignment import Alignment, plans
from framework.fusion.fusing import mean_of
from framework.fusion.interpolation import barrier, between
from framework.fusion.structure import structure_of
from framework.fusion.task import Task
from framework.metrics.generalisation import score
from framework.models.classifier import Classifier
from framework.training.callbacks.epoch_log import Measure
from framework.training.callbacks.patience import is_last

if TYPE_CHECKING:
    from framework.tracking.run import Run

PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)  # the one in the middle is where the network is fused
COLUMNS = ("epoch", "basis", "units", "cost", "diagonal")


class ReferenceFusion(Measure):
    """Fuses the model with the reference after the last epoch, and every `every` epochs where that is given.

    An epoch's row gets, on the val split, `fusion/accuracy` and `fusion/cross_entropy` (nats) of the network half
    way, in the reference's basis, and `fusion/barrier`: the largest excess of the cross-entropy over the straight
    line, at five places. At the end the table `fusion_layers` has the cost and the diagonal of each plan, and
    `log_fused` gets the folder with the weights and plans of each such epoch, to make an artifact of it.

    Args:
        run: Where to log.
        reference: The finished model; it is never changed.
        splits: The images that both models take.
        config: How units are matched.
        inputs: Images (N, …) of the train split, for methods that look at activations.
        labels: Their classes (N,).
        log_fused: Called once, with the folder.
        every: Epochs between two fusions; None fuses after the last epoch only.
    """

    def __init__(
        self,
        run: "Run",
        reference: Classifier,
        splits: Splits,
        config: Config,
        inputs: Tensor,
        labels: Tensor,
        log_fused: Callable[[Path], None],
        every: int | None = None,
    ) -> None:
        self.run, self.reference, self.splits, self.config = run, reference, splits, config
        self.inputs, self.labels, self.log_fused, self.every = inputs, labels, log_fused, every
        self.structure = structure_of(reference, inputs)
        self.folder = run.folder / "fused"
        self.rows: list[dict[str, float | str]] = []
        self._latest: dict[str, float] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Fuse and score where its turn has come."""
        epoch = trainer.current_epoch + 1
        self._latest = {}
        due = self.every is not None and epoch % self.every == 0
        if due or is_last(trainer):
            model = copy.deepcopy(pl_module.get_submodule("model")).cpu().eval()
            self._latest = self._fused(model, epoch)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows, "latest": self._latest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them."""
        self.rows, self._latest = list(state_dict["rows"]), dict(state_dict["latest"])

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The numbers of this epoch's fused network; none in an epoch between."""
        return self._latest

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Log the table and hand over the weights."""
        self.run.log_table("fusion_layers", pd.DataFrame(self.rows, columns=list(COLUMNS)))
        if self.folder.is_dir():
            self.log_fused(self.folder)

    def _fused(self, model: nn.Module, epoch: int) -> dict[str, float]:
        task = Task.of(self.reference, model, self.inputs, self.labels, target=self.structure)
        alignment = plans(task, self.config)
        moved = alignment.moved(self.reference, model)
        fused = mean_of([self.reference, moved], [0.5, 0.5])
        self._keep(fused, alignment, epoch)
        for row in alignment.rows():
            self.rows.append({"epoch": epoch, **{name: row[name] for name in COLUMNS[1:]}})
        scores = [score(one, self.splits.val) for _, one in between(self.reference, moved, PLACES)]
        middle = scores[len(PLACES) // 2]
        return {
            "fusion/accuracy": middle.accuracy,
            "fusion/cross_entropy": middle.cross_entropy,
            "fusion/barrier": barrier(PLACES, [found.cross_entropy for found in scores]),
        }

    def _keep(self, fused: nn.Module, alignment: Alignment, epoch: int) -> None:
        self.folder.mkdir(exist_ok=True)
        weights = {name: tensor.contiguous() for name, tensor in fused.state_dict().items()}
        save_file(weights, self.folder / f"epoch_{epoch:04d}.safetensors")
        found = {
            name: plan.index if plan.index is not None else plan.matrix() for name, plan in alignment.plans.items()
        }
        if found:
            save_file(found, self.folder / f"epoch_{epoch:04d}.plans.safetensors")
