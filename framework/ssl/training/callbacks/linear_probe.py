"""A linear classifier that learns beside an encoder, on its features without gradient.

Shapes: V views, B images, D features, C classes.
"""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from framework.data.vision import Splits
from framework.ssl.evaluation.scores import score
from framework.ssl.training.module import SelfSupervised
from framework.ssl.training.plain import Plain
from framework.training.callbacks.epoch_log import Measure
from framework.training.callbacks.patience import is_last

STEP_SIZE = 1e-2
UNKNOWN = -1  # the label of an image without one
STREAM = 0x70726F62  # keeps the first weights apart from what else is seeded alike


class LinearProbe(Measure):
    """`probe/val_accuracy`, and `probe/train_cross_entropy` in nats.

    The classifier is a batch normalisation without scale and shift, and a linear layer with Adam of its own. It
    takes a step on the features of all views after each step of the encoder, and moves neither the encoder nor a
    random state. Images without a label (-1) are not learned from. Where several ranks train together it learns
    from the first one's share. It is one of the online kind, always behind the encoder: what is fitted on the
    finished one is `framework.ssl.evaluation.probe`.
    """

    def __init__(
        self, splits: Splits, plain: Plain, width: int, seed: int, every: int, step_size: float = STEP_SIZE
    ) -> None:
        self.splits, self.plain, self.every = splits, plain, every
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed((seed ^ STREAM) % 2**63)
            layers = nn.BatchNorm1d(width, affine=False), nn.Linear(width, splits.num_classes)
        self.probe = nn.Sequential(*layers)
        self.optimizer = torch.optim.Adam(self.probe.parameters(), step_size)
        self._losses: list[Tensor] = []
        self._latest: dict[str, float] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """To where the encoder is, with the state that was loaded."""
        self.probe.to(pl_module.device)
        self.optimizer.load_state_dict(self.optimizer.state_dict())  # which follows the weights

    def on_train_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last epoch."""
        self._losses, self._latest = [], {}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A step on the features of this batch."""
        if not isinstance(pl_module, SelfSupervised) or pl_module.latest is None:
            return
        features_VBD = pl_module.latest.features.float()
        labels = batch[1].to(features_VBD.device).repeat(len(features_VBD))
        known = (labels != UNKNOWN).sum()
        with torch.enable_grad():
            logits = self.probe.train()(features_VBD.flatten(0, 1))
            loss = cross_entropy(logits, labels, ignore_index=UNKNOWN, reduction="sum") / known.clamp(min=1)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self._losses.append(torch.where(known > 0, loss.detach(), torch.nan))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """How good it is on val, where its turn has come."""
        self._latest = {"probe/train_cross_entropy": float(torch.stack(self._losses).double().nanmean())}
        if (trainer.current_epoch + 1) % self.every == 0 or is_last(trainer):
            method: Any = pl_module.get_submodule("model")
            val = self.splits.val
            with torch.no_grad():
                features = self.plain.encoded(method, val.images, pl_module.device).features
                scores_NC = self.probe.eval()(features)
            self._latest["probe/val_accuracy"] = score(scores_NC, val.labels)

    def state_dict(self) -> dict[str, Any]:
        """Weights and optimiser, and what was measured in the epoch so far."""
        return {
            "probe": self.probe.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": [float(loss) for loss in self._losses],
            "latest": self._latest,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them."""
        self.probe.load_state_dict(state_dict["probe"])
        self.optimizer.load_state_dict(state_dict["optimizer"])
        self._losses = [torch.tensor(loss) for loss in state_dict["losses"]]
        self._latest = dict(state_dict["latest"])

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The numbers of this epoch."""
        return self._latest
