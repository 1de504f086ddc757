"""Figures of what is learnt, at an interval: to the run as images, and as PDF files that nothing overwrites.

An image `val/<task>_output_<d>` for each task and output; beside it `figures/<task>_output_<d>_epoch_<e>.pdf` in
the folder of the run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl
from pytorch_lightning import Callback, Trainer

from framework.multitask.data.samples import TaskSamples
from framework.multitask.evaluation.figures import fit_figure
from framework.multitask.training.module import TaskTraining, predictions

if TYPE_CHECKING:
    from framework.tracking.run import Run

FOLDER = "figures"


class FitFigures(Callback):
    """Draws after each `every` epochs and after the last; None draws after the last alone."""

    def __init__(
        self, runs: Sequence["Run"], samples: Sequence[Mapping[str, TaskSamples]], every: int | None
    ) -> None:
        """`samples`: of each member."""
        self._runs, self._samples, self._every = tuple(runs), tuple(samples), every

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Draw, if it is time."""
        epoch = trainer.current_epoch + 1
        due = epoch == trainer.max_epochs or (self._every is not None and epoch % self._every == 0)
        if due and isinstance(pl_module, TaskTraining):
            self._draw(pl_module, epoch)

    def _draw(self, module: TaskTraining, epoch: int) -> None:
        val = {name: task.val.x.to(module.device) for name, task in self._samples[0].items()}
        for name, predicted_KND in predictions(module.all_learners, val).items():
            for number, run in enumerate(self._runs):
                if number in module.diverged:
                    continue
                task = self._samples[number][name]
                for output in task.outputs:
                    title = f"{name}, output {output}, after epoch {epoch}"
                    figure = fit_figure(task, output, predicted_KND[number, :, output].cpu(), title)
                    stem = f"{name}_output_{output}"
                    figure.savefig(_folder(run.folder) / f"{stem}_epoch_{epoch}.pdf")
                    run.log_figure(f"val/{stem}", figure)


def _folder(of_run: Path) -> Path:
    folder = of_run / FOLDER
    folder.mkdir(exist_ok=True)
    return folder
