"""The learning rate of each epoch."""

from pytorch_lightning import Trainer

from framework.training.callbacks.epoch_log import Measure


class LearningRate(Measure):
    """`learning_rate` of the first optimiser's first group, as it was in the epoch's last step."""

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The learning rate, without unit."""
        return {"learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"])}
