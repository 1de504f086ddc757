"""How well a frozen reference model reads the latents of a model that is still being trained.

Shapes: A anchors, V images of the val split, D latent dimensions of the model, E of the reference.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from framework.data.vision import Splits
from framework.errors import InvalidInput
from framework.mappings.base import Mapping, Method
from framework.metrics.classification import cross_entropy_per_image
from framework.metrics.reconstruction import mse_per_image
from framework.metrics.representation import Representation, distance_per_image
from framework.models.base import Model
from framework.training.callbacks.epoch_log import Measure
from framework.training.callbacks.patience import is_last
from framework.training.evaluation import evaluating

if TYPE_CHECKING:
    from framework.tracking.run import Run

PIECE = 500  # images that are encoded at a time
COLUMNS = ("epoch", "error", "latent_distance", "cka", "singular_max", "singular_min")


class ReferenceMapping(Measure):
    """Every `every` epochs, and after the last: fits a mapping into the reference's latent space and scores it.

    The mapping is fitted on anchors of the train split and scored on the val split, in eval mode. An epoch's row
    gets `mapping/error` (of the reference's decoder on mapped latents: mean squared error per pixel, or
    cross-entropy in nats), `mapping/latent_distance`, `mapping/cka` (debiased: 0 on average for unrelated
    latents, and for them as often below it) and the largest and smallest singular value of the mapping's linear
    part, where it has one. At the end the same stands in the table `reference_mapping`,
    all singular values in `singular_values`, and `log_mappings` gets the folder with a mapping an epoch
    (`epoch_0010/`), to make an artifact of it.

    An epoch in which the latents cannot be mapped (collapsed, for instance) has NaN, and training goes on.

    Args:
        run: Where to log.
        reference: The frozen model; it is never changed.
        splits: The images that both models take.
        anchors_A: Positions of the anchors in the train split, (A,).
        method: How to fit, with one ridge.
        every: Epochs between two fits.
        log_mappings: Called once, with the folder of all mappings.
    """

    def __init__(
        self,
        run: "Run",
        reference: Model,
        splits: Splits,
        anchors_A: Tensor,
        method: Method,
        every: int,
        log_mappings: Callable[[Path], None],
    ) -> None:
        self.run, self.reference, self.splits, self.method = run, reference, splits, method
        self.every, self.log_mappings = every, log_mappings
        self.anchors = splits.train.images[anchors_A]
        self.folder = run.folder / "mappings"
        self.rows: list[dict[str, float]] = []
        self.spectra: list[tuple[int, int, float]] = []
        with evaluating(reference):
            self.z_anchors_AE = _encoded(reference, self.anchors)
            self.z_val_VE = _encoded(reference, splits.val.images)
        self.representation = Representation(self.z_val_VE)
        self._latest: dict[str, float] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Fit and score where its turn has come."""
        epoch = trainer.current_epoch + 1
        self._latest = {}
        if epoch % self.every and not is_last(trainer):
            return
        model = pl_module.get_submodule("model")
        if not isinstance(model, Model):
            raise TypeError(f"the module that is trained holds a {type(model).__name__}, which has no latents")
        try:
            found = self._fitted(model, pl_module.device, epoch)
        except InvalidInput:
            found = dict.fromkeys(COLUMNS[1:], float("nan"))
        self.rows.append({"epoch": epoch, **found})
        self._latest = {f"mapping/{name}": value for name, value in found.items()}

    def state_dict(self) -> dict[str, Any]:
        """The rows and spectra so far."""
        return {"rows": self.rows, "spectra": self.spectra, "latest": self._latest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them."""
        self.rows, self.spectra = list(state_dict["rows"]), [tuple(one) for one in state_dict["spectra"]]
        self._latest = dict(state_dict["latest"])

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The numbers of this epoch's mapping; none in an epoch between two fits."""
        return self._latest

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Log the tables and hand over the mappings."""
        self.run.log_table("reference_mapping", pd.DataFrame(self.rows, columns=list(COLUMNS)))
        if self.spectra:
            self.run.log_table("singular_values", pd.DataFrame(self.spectra, columns=["epoch", "rank", "value"]))
        if self.folder.is_dir():
            self.log_mappings(self.folder)

    def _fitted(self, model: Model, device: torch.device, epoch: int) -> dict[str, float]:
        with evaluating(model):
            z_anchors_AD = _encoded(model, self.anchors, device)
            z_val_VD = _encoded(model, self.splits.val.images, device)
        mapping = self.method.fit(z_anchors_AD, self.z_anchors_AE)
        mapping.save(self.folder / f"epoch_{epoch:04d}")
        with evaluating(mapping):
            mapped_VE = mapping(z_val_VD)
        found = {
            "error": self._error(mapped_VE),
            "latent_distance": float(distance_per_image(mapped_VE, self.z_val_VE).mean()),
            "cka": float(self.representation.compare(mapped_VE)["cka"]),
        }
        return found | self._spectrum(mapping, epoch)

    def _error(self, mapped_VE: Tensor) -> float:
        val, total = self.splits.val, 0.0
        with evaluating(self.reference):
            for start in range(0, len(mapped_VE), PIECE):
                part = slice(start, start + PIECE)
                outputs = self.reference.decode(mapped_VE[part])
                if self.reference.task == "classification":
                    errors = cross_entropy_per_image(outputs, val.labels[part])
                else:
                    errors = mse_per_image(outputs, val.images[part], self.splits.pixel_scale)
                total += float(errors.double().sum())
        return total / len(mapped_VE)

    def _spectrum(self, mapping: Mapping, epoch: int) -> dict[str, float]:
        values = mapping.singular_values()
        if values is None:
            return dict.fromkeys(("singular_max", "singular_min"), float("nan"))
        self.spectra += [(epoch, rank, float(value)) for rank, value in enumerate(values)]
        return {"singular_max": float(values.max()), "singular_min": float(values.min())}


def _encoded(model: Model, images_NCHW: Tensor, device: torch.device | None = None) -> Tensor:
    """Latents on the CPU, (N, D)."""
    return torch.cat([model.encode(piece.to(device)).cpu() for piece in torch.split(images_NCHW, PIECE)])
