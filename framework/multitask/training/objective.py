"""What a network is trained to do: the tasks' errors, and the penalty on its weights.

    L_t = Σ_b Σ_{d ∈ D_t} e(f_d(x_b) - y_bd)      over samples b of task t and the outputs D_t that it sees    (1)
    L_t = mean of the same                        with reduction=mean                                          (2)
    P   = Σ_t α_t Σ_p ‖p‖²_{q_t}                  over the weight tensors p that learn                         (3)

Shapes: K members, B samples of a batch, D outputs, T tasks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from framework.multitask.data.samples import TaskSamples
from framework.multitask.per_task import value
from framework.multitask.training.config import Criterion, Learning, Reduction


class Objective:
    """The losses of the tasks of one network."""

    def __init__(self, tasks: Sequence[TaskSamples], learning: Learning, outputs: int) -> None:
        """`outputs`: D, of the network."""
        names = [task.name for task in tasks]
        self.criteria: list[Criterion] = [value(learning.criterion, name) for name in names]
        reductions: list[Reduction] = [value(learning.reduction, name) for name in names]
        self.means = torch.tensor([reduction == "mean" for reduction in reductions])
        self.seen_TD = torch.zeros(len(tasks), outputs)
        for place, task in enumerate(tasks):
            self.seen_TD[place, list(task.outputs)] = 1
        self.widths_T = self.seen_TD.sum(dim=1)

    def losses(self, predicted_KBD: Tensor, labels_KBD: Tensor, tasks_KB: Tensor) -> Tensor:
        """The loss of each task, (K, T): equations (1) and (2). A task without samples has 0."""
        of_task_KBT = torch.nn.functional.one_hot(tasks_KB, len(self.criteria)).to(predicted_KBD.dtype)
        errors_KBD = self._errors(predicted_KBD - labels_KBD, tasks_KB)
        summed_KB = (errors_KBD * self.seen_TD.to(errors_KBD)[tasks_KB]).sum(dim=2)
        losses_KT = torch.einsum("kb,kbt->kt", summed_KB, of_task_KBT)
        if not bool(self.means.any()):
            return losses_KT
        numbers_KT = of_task_KBT.sum(dim=1) * self.widths_T.to(losses_KT)
        return torch.where(self.means.to(losses_KT.device), losses_KT / numbers_KT.clamp(min=1), losses_KT)

    def total(self, losses_K: Tensor, numbers_K: Tensor, place: int) -> Tensor:
        """The sum of the errors of a batch's samples of the task at `place`, of its loss, (K,)."""
        if not bool(self.means[place]):
            return losses_K
        return losses_K * numbers_K * self.widths_T[place].to(losses_K)

    def _errors(self, differences_KBD: Tensor, tasks_KB: Tensor) -> Tensor:
        kinds = list(dict.fromkeys(self.criteria))
        if len(kinds) == 1:
            return error(kinds[0], differences_KBD)
        of_kind = torch.tensor([kinds.index(kind) for kind in self.criteria], device=tasks_KB.device)[tasks_KB]
        found = error(kinds[0], differences_KBD)
        for number, kind in enumerate(kinds[1:], start=1):
            found = torch.where((of_kind == number)[..., None], error(kind, differences_KBD), found)
        return found


def error(criterion: Criterion, differences: Tensor) -> Tensor:
    """e of each difference."""
    if criterion == "squared_error":
        return differences.square()
    if criterion == "absolute_error":
        return differences.abs()
    return torch.nn.functional.huber_loss(differences, torch.zeros_like(differences), reduction="none")


def penalty(weights: Sequence[Tensor], factors_K: Tensor, order: float) -> Tensor:
    """α Σ_p ‖p‖_q² for each member, (K,), of stacked weights (K, …): equation (3) for one task."""
    norms_PK = torch.stack([torch.linalg.vector_norm(weight.flatten(1), order, dim=1) for weight in weights])
    return factors_K * norms_PK.square().sum(dim=0)
