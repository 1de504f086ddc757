"""The Lightning module of several tasks: learners side by side, each step made by hand.

Shapes: K members, T tasks, N samples of val, D outputs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from framework.errors import TrainingDiverged
from framework.multitask.data.samples import TaskSamples
from framework.multitask.training.learner import Batch, Learner, Rates

STATES = "learners"


class TaskTraining(pl.LightningModule):
    """Trains the learners. After each step `errors` has, by task, the sum over the batch of each sample's error
    before it, and `numbers` how many samples of the task there were, (K,) each.

    A loss that is no number ends the training of a single member; of several, that member alone is lost, which
    `diverged` tells at the end.
    """

    def __init__(self, learners: Sequence[Learner]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.learners = nn.ModuleList(learners)
        self.members = learners[0].members.count
        self.diverged: dict[int, str] = {}
        self.errors: dict[str, Tensor] = {}
        self.numbers: dict[str, Tensor] = {}
        self.cosines: Tensor | None = None
        self.looks_at_cosines = False
        """Whether the first batch of the epoch is looked at once more, for the cosine between tasks' gradients."""
        self._rates: list[Rates] = []
        self._rates_of = -1

    @property
    def all_learners(self) -> list[Learner]:
        """The learners."""
        return [learner for learner in self.learners if isinstance(learner, Learner)]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One optimiser a learner."""
        return [learner.optimizer() for learner in self.all_learners]

    def training_step(self, batch: Sequence[Batch | None], batch_idx: int) -> None:
        """A step of every learner that has a batch.

        Raises:
            TrainingDiverged: the loss of every member is NaN or infinite.
        """
        rates = self._rates_now()
        optimizers = self.optimizers(use_pl_optimizer=False)
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        self.errors, self.numbers = {}, {}
        for learner, part, optimizer, own in zip(self.all_learners, batch, optimizers, rates, strict=True):
            if part is None:
                continue
            if batch_idx == 0 and self.looks_at_cosines and len(learner.names) > 1:
                self.cosines = learner.cosines(part)
            losses_KT = learner.step(part, optimizer, own)
            for place, name in enumerate(learner.names):
                numbers_K = (part.tasks == place).sum(dim=1)
                self.errors[name] = learner.objective.total(losses_KT[:, place], numbers_K, place)
                self.numbers[name] = numbers_K
            self._watch(learner, losses_KT)

    def _rates_now(self) -> list[Rates]:
        if self._rates_of != self.current_epoch:
            self._rates = [learner.rates(self.current_epoch) for learner in self.all_learners]
            self._rates_of = self.current_epoch
        return self._rates

    def _watch(self, learner: Learner, losses_KT: Tensor) -> None:
        wrong_KT = ~torch.isfinite(losses_KT)
        if not bool(wrong_KT.any()):
            return
        for member in wrong_KT.any(dim=1).nonzero()[:, 0].tolist():
            if member not in self.diverged:
                self.diverged[member] = self._told(learner, member, losses_KT[member], wrong_KT[member])
        if len(self.diverged) == self.members:
            raise TrainingDiverged(self.diverged[min(self.diverged)])

    def _told(self, learner: Learner, member: int, losses_T: Tensor, wrong_T: Tensor) -> str:
        name = learner.names[int(wrong_T.nonzero()[0, 0])]
        kind = "nan" if bool(torch.isnan(losses_T).any()) else "infinite"
        rate = float(learner.rates(self.current_epoch).step[member])
        step = self.trainer.fit_loop.total_batch_idx
        return (
            f"{kind} loss of {name} at step {step} (epoch {self.current_epoch + 1}), at learning rate {rate:g}: "
            "lower training.learning_rate"
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What balancing has learnt."""
        checkpoint[STATES] = [learner.state() for learner in self.all_learners]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from there."""
        for learner, state in zip(self.all_learners, checkpoint[STATES], strict=True):
            learner.load(state)


def predictions(learners: Sequence[Learner], samples: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The outputs of the network of each task at its x (N, I), by task: (K, N, D), without gradient."""
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for learner in learners:
            known: list[tuple[Tensor, Tensor]] = []
            for name in learner.names:
                x_NI = samples[name]
                same = next((y for x, y in known if x.shape == x_NI.shape and torch.equal(x, x_NI)), None)
                if same is None:
                    same = learner.members(x_NI.expand(learner.members.count, *x_NI.shape))
                    known.append((x_NI, same))
                found[name] = same
    return found


def losses_of(module: TaskTraining, samples: Mapping[str, TaskSamples]) -> dict[str, Tensor]:
    """The mean over a task's val split of a sample's squared error, summed over its outputs, by task: (K,)."""
    device = module.device
    found = predictions(module.all_learners, {name: own.val.x.to(device) for name, own in samples.items()})
    result = {}
    for name, predicted_KND in found.items():
        outputs = list(samples[name].outputs)
        difference = predicted_KND[:, :, outputs] - samples[name].val.y.to(device)[:, outputs]
        result[name] = difference.square().sum(dim=2).mean(dim=1)
    return result
