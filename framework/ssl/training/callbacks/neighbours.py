"""How well features of val images lie beside those of train images of their class, while an encoder is trained."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Trainer

from framework.data.vision import Splits
from framework.ssl.evaluation.knn import knn_scores
from framework.ssl.evaluation.scores import score
from framework.ssl.training.plain import Plain
from framework.training.callbacks.epoch_log import Measure
from framework.training.callbacks.patience import is_last
from framework.training.ranks import world


class Neighbours(Measure):
    """`knn/val_accuracy`: the share of val images whose class k train images vote for, by exp(cosine / t).

    Both splits are undistorted, in eval mode; the test split is not looked at. `val` is the share of wrong ones,
    by which the best weights are chosen; None in an epoch without a look. Every rank has it and is told what the
    first one finds.
    """

    def __init__(self, splits: Splits, plain: Plain, every: int, k: int, temperature: float) -> None:
        self.splits, self.plain, self.every = splits, plain, every
        self.k, self.temperature = k, temperature
        self.val: float | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Nobody has looked yet."""
        self.val = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Look, where its turn has come."""
        if (trainer.current_epoch + 1) % self.every and not is_last(trainer):
            return
        found = 1 - self.accuracy(pl_module) if world.is_first() else None
        self.val = world.of_first(found)

    def accuracy(self, pl_module: pl.LightningModule) -> float:
        """The accuracy on val."""
        method: Any = pl_module.get_submodule("model")
        train, val, device = self.splits.train, self.splits.val, pl_module.device
        bank, queries = (self.plain.encoded(method, part.images, device).features for part in (train, val))
        votes_QC = knn_scores(
            queries, bank, train.labels, self.splits.num_classes, k=self.k, temperature=self.temperature
        )
        return score(votes_QC, val.labels)

    def state_dict(self) -> dict[str, Any]:
        """What was found last."""
        return {"val": self.val}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that."""
        self.val = state_dict["val"]

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The accuracy of this epoch; nothing in an epoch without a look."""
        return {} if self.val is None else {"knn/val_accuracy": 1 - self.val}
