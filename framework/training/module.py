"""What learning has in common, whatever the model: the optimiser, and its step size by epoch. Knows no loss."""

from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import nn

from framework.training.optimizer_state import State, go_on_with
from framework.training.optimizers import LARS, SGD, AdamW, Optimisation, rate_factor
from framework.training.starts import Extended


class Training(pl.LightningModule):
    """Trains `model`. A subclass gives the two steps.

    Each step returns what it measures by name, one number an image, (B,), so that the means over an epoch weigh
    images, not batches; the training step returns the `loss` beside. The val error named `error` chooses the best
    epoch.
    """

    error: ClassVar[str]
    resumed: State | None = None
    """The state of the optimiser that goes on, where there is one."""

    def __init__(self, model: nn.Module, config: Optimisation) -> None:
        super().__init__()
        self.model = model
        self.config = config

    @property
    def optimisation(self) -> Optimisation:
        """How the weights are moved: as the config says; of added epochs, with a schedule of their own."""
        return self.config.as_trained if isinstance(self.config, Extended) else self.config

    def configure_optimizers(self) -> Any:
        """The optimiser of the config, with a schedule where its step size does not stay."""
        config = self.optimisation
        # On a GPU Lightning refuses a fused optimiser beside clipping in mixed precision.
        optimizer = build_optimizer(self.model, config, fused=self.device.type == "cpu")
        if self.resumed is not None:
            go_on_with(optimizer, self.resumed)
        if config.schedule == "constant" and not config.warmup_epochs:
            return optimizer
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: rate_factor(config, epoch))
        return [optimizer], [schedule]


def build_optimizer(model: nn.Module, config: Optimisation, *, fused: bool) -> torch.optim.Optimizer:
    """The optimiser of `config` for the parameters of `model`; `fused` says whether Adam runs as one kernel."""
    chosen = config.optimizer
    both: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if isinstance(chosen, SGD):
        return torch.optim.SGD(model.parameters(), momentum=chosen.momentum, nesterov=chosen.nesterov, **both)
    if isinstance(chosen, AdamW):
        return torch.optim.AdamW(model.parameters(), fused=fused, **both)
    if not isinstance(chosen, LARS):
        return torch.optim.Adam(model.parameters(), fused=fused, **both)
    from lightly.utils import lars  # type: ignore[import-untyped]

    parameters = list(model.parameters())
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
        # Without decay this implementation does not scale either.
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    trust = chosen.trust_coefficient
    layerwise: torch.optim.Optimizer = lars.LARS(groups, momentum=chosen.momentum, trust_coefficient=trust, **both)
    return layerwise
