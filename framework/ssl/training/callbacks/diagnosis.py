"""What can be told of an encoder without labels, while it is trained."""

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning import Trainer

from framework.data.vision import Splits
from framework.ssl.training.config import FreshEncoder
from framework.ssl.training.diagnoses import chosen, diagnose, views_for
from framework.ssl.training.plain import distorter_of
from framework.training.callbacks.epoch_log import Measure
from framework.training.callbacks.patience import is_last

if TYPE_CHECKING:
    from framework.tracking.run import Run

SHOWN = ("spread", "rankme", "alpha_req", "lidar", "std_batch")
"""What the row of an epoch has; the table has all."""


class Diagnosis(Measure):
    """Every `every` epochs, and after the last, all diagnostics of views of the same val images.

    The row of an epoch gets those in `SHOWN` of features and projections; the table `diagnostics` has a row for
    each epoch, with all of them. Its `projections/spread` is that of distorted views, each by itself;
    `collapse/spread` (`collapse.py`) is that of images as they are.
    """

    def __init__(self, run: "Run", config: FreshEncoder, splits: Splits, every: int) -> None:
        self.run, self.every = run, every
        images = chosen(splits.val.images, config.diagnostics_images, config.data.split_seed)
        self.views = views_for(images, distorter_of(config, splits), config.data.split_seed)
        self.rows: list[dict[str, float]] = []
        self._latest: dict[str, float] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Diagnose, where its turn has come."""
        epoch = trainer.current_epoch + 1
        self._latest = {}
        if epoch % self.every and not is_last(trainer):
            return
        method: Any = pl_module.get_submodule("model")
        found = diagnose(method, self.views)
        self.rows.append({"epoch": epoch, **found})
        shown = (f"{place}/{name}" for place in ("features", "projections") for name in SHOWN)
        self._latest = {f"diagnostics/{name}": found[name] for name in shown if name in found}

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Log the table."""
        self.run.log_table("diagnostics", pd.DataFrame(self.rows))

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows, "latest": self._latest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them."""
        self.rows, self._latest = list(state_dict["rows"]), dict(state_dict["latest"])

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """Those of this epoch that are shown."""
        return self._latest
