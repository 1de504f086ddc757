"""How a self-supervised method learns: views of each batch, the method's loss, and what it does after a step.

    images (B, C, H, W) --distort--> views (V, B, C, S, S) --method--> loss

Where several ranks train one method, each draws for the whole batch and distorts its own images.

Shapes: B images in a batch, V views, C channels, H x W pixels, S pixels of a side of a view.
"""

import time
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from framework.seeds import unsigned
from framework.ssl.distortions.distorter import Distorter, generator_of, part_of
from framework.ssl.method import Losses, Method
from framework.ssl.training.batches import is_views
from framework.ssl.training.config import FreshEncoder
from framework.training.module import Training
from framework.training.ranks import shares

VAL = 0x76616C  # keeps the draws for val images apart from those of training


class SelfSupervised(Training):
    """Trains a method. `latest` are the losses of the last step, with features and projections, without gradient.

    `transform_s` are the seconds that views have taken on the training thread.
    """

    error: ClassVar[str] = "ssl_loss"
    model: Method
    config: FreshEncoder

    def __init__(self, method: Method, config: FreshEncoder, distorter: Distorter, *, channels_last: bool) -> None:
        super().__init__(method, config)
        self.distorter = distorter
        self.channels_last = channels_last
        self.latest: Losses | None = None
        self.transform_s = 0.0
        self.steps_before = 0
        """The steps of a finished encoder that goes on: what the method schedules begins anew after them."""

    def training_step(self, batch: list[Tensor], batch_idx: int) -> dict[str, Tensor]:
        """The loss of one batch, and its parts."""
        start = time.perf_counter()
        views = self.views(batch[0], self.config.seed, self._step(batch_idx))
        self.transform_s += time.perf_counter() - start
        self.latest = losses = self.model.loss(views, *self._steps())
        return {"loss": losses.total, **_measured(losses, len(batch[0]))}

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> dict[str, Tensor]:
        """The loss of one batch of val, of the same views in each epoch."""
        views = self.views(batch[0], unsigned(self.config.seed + VAL), batch_idx)
        losses = self.model.loss(views, *self._steps())
        return _measured(losses, len(batch[0]))

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """A step of the optimiser, and of what follows it: a momentum encoder."""
        super().optimizer_step(*args, **kwargs)
        self.model.after_step()

    def views(self, batch: Tensor, seed: int, step: int) -> Tensor:
        """Views (V, B, C, S, S) of images (B, C, H, W), drawn by seed and step; what workers made as it is."""
        if is_views(batch):
            return self._laid_out(batch.transpose(0, 1))
        share = shares.now()
        drawn = self.distorter.draw(share.total if share else len(batch), generator_of(seed, step))
        if share:
            drawn = part_of(drawn, share.rows, self.distorter.views)
        return self._laid_out(self.distorter(batch, drawn))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The method holds its momentum as a number of the last step, which the next one sets."""
        checkpoint["transform_s"] = self.transform_s

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with what was measured."""
        self.transform_s = checkpoint["transform_s"]

    def _laid_out(self, views: Tensor) -> Tensor:
        if not self.channels_last:
            return views
        count, images = views.shape[:2]
        flat = views.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return flat.view(count, images, *flat.shape[1:])

    def _step(self, batch_idx: int) -> int:
        """The number of a batch in all of the training, from that of a finished encoder on."""
        return self.trainer.current_epoch * self._batches + batch_idx

    def _steps(self) -> tuple[int, int]:
        """The step that is made, and how many there are; of added epochs, those of these epochs alone."""
        before = self.steps_before
        return self.trainer.global_step - before, int(self.trainer.estimated_stepping_batches) - before

    @property
    def _batches(self) -> int:
        batches: Callable[[], int] = self.trainer.train_dataloader.__len__  # type: ignore[union-attr]
        return batches()


def _measured(losses: Losses, images: int) -> dict[str, Tensor]:
    """The loss and its parts, once for each image: means over an epoch weigh images."""
    parts = dict(losses.parts) if len(losses.parts) > 1 else {}
    return {
        name: value.detach().expand(images)
        for name, value in {**parts, SelfSupervised.error: losses.total}.items()
    }
