"""A learner: networks of one shape, what they are trained to do, and how a step is made.

With a shared network there is one learner for all tasks; with one network a task, one for each, which is trained
as if it were alone. A learner holds K members: one, or several that differ in seed, rate, decay and the like.

    step of the plain sum     along ∂/∂w Σ_t (η_t / η) L_t, with η = max_t η_t: each task at its own rate      (1)
    step of a balanced one    along Σ_t w_t ∂L_t/∂w, or ∂/∂w of what a scalarisation makes of the losses       (2)

Shapes: K members, T tasks of the learner, B samples of a batch, I inputs, D outputs.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from framework.multitask.per_task import value
from framework.multitask.training.balancing import OfGradients, OfLosses, weighing_of
from framework.multitask.training.config import Learning, Optimizer, Schedule
from framework.multitask.training.members import Members, inner_products
from framework.multitask.training.objective import Objective, penalty
from framework.multitask.training.optimisers import build_optimizer, set_rates
from framework.training.optimizer_state import Done, State, go_on_with


class Batch(NamedTuple):
    """x (K, B, I), y (K, B, D), and the place of each sample's task among the learner's, (K, B)."""

    x: Tensor
    y: Tensor
    tasks: Tensor


@dataclass
class Rates:
    """η of each member, `step` (K,), and of each task beside it, `relative` (K, T)."""

    step: Tensor
    relative: Tensor


class Learner(nn.Module):
    """K members, trained together on the tasks named in `names`."""

    def __init__(
        self,
        names: Sequence[str],
        members: Members,
        objective: Objective,
        learnings: Sequence[Learning],
        factors: Mapping[str, float],
    ) -> None:
        """`learnings`: of each member; `factors`: of each weight by name, what its rate is multiplied by."""
        super().__init__()
        self.names, self.members, self.objective = tuple(names), members, objective
        self.learnings = tuple(learning.as_trained for learning in learnings)
        self.epochs_before = 0
        """The epochs of a finished training that goes on: schedules begin anew after them."""
        self._resumed: State | None = None
        self.phase_ends: Callable[[str], None] = lambda phase: None
        """Told the name of each phase of a step when it is over: forward, backward, update."""
        self._factors = [factors[name] for name in members.names]
        balances = len(names) > 1 and learnings[0].balancing.kind != "sum"
        self.weighing = weighing_of(learnings[0].balancing, len(names)) if balances else None
        self._alphas_KT, self._orders = self._penalties()
        self._decays_K = self._by_member("weight_decay")

    # --- how far a step goes -------------------------------------------------------------------------------

    def optimizer(self) -> torch.optim.Optimizer:
        """The optimiser of all members."""
        kind: Optimizer = value(self.learnings[0].optimizer, self.names[0])
        momentum = value(self.learnings[0].momentum, self.names[0])
        found = build_optimizer(list(self.members.weights), self._factors, kind, momentum)
        if self._resumed is not None:
            go_on_with(found, self._resumed)
        return found

    def go_on(self, done: Done, balancing: Mapping[str, Any]) -> None:
        """Go on where a finished training of these members has ended; `balancing` is its `state`."""
        self._resumed, self.epochs_before = done.state, done.epochs
        self.load(balancing)

    def rates(self, epoch: int) -> Rates:
        """The rates of an epoch, counted from 0."""
        epoch -= self.epochs_before
        rates_KT = torch.tensor([[_rate(own, name, epoch) for name in self.names] for own in self.learnings])
        step_K = rates_KT.amax(dim=1)
        return Rates(step_K, rates_KT / step_K[:, None])

    def _by_member(self, name: str) -> Tensor:
        return torch.tensor([float(value(getattr(own, name), self.names[0])) for own in self.learnings])

    def _penalties(self) -> tuple[Tensor, list[float]]:
        alphas = [[value(own.penalty, name) for name in self.names] for own in self.learnings]
        return torch.tensor(alphas), [value(self.learnings[0].penalty_order, name) for name in self.names]

    # --- a step --------------------------------------------------------------------------------------------

    def step(self, batch: Batch, optimizer: torch.optim.Optimizer, rates: Rates) -> Tensor:
        """One step on a batch; the losses before it, (K, T), without gradient.

        A batch that has samples of some tasks only is weighed by the plain sum.
        """
        set_rates(optimizer, rates.step, self._decays_K)
        optimizer.zero_grad(set_to_none=True)
        if isinstance(self.weighing, OfGradients) and self._has_all(batch):
            losses_KT = self._by_gradients(batch, self.weighing)
        else:
            losses_KT = self._by_losses(batch, rates)
        self._penalise()
        self.phase_ends("backward")
        optimizer.step()
        if isinstance(self.weighing, OfLosses) and self._has_all(batch):
            self.weighing.step()
            if self.weighing.needs_losses_after:
                with torch.no_grad():
                    self.weighing.update(self.losses(batch)[0])
        self.phase_ends("update")
        return losses_KT.detach()

    def losses(self, batch: Batch) -> Tensor:
        """L_t of each member, (K, T)."""
        return self.objective.losses(self.members(batch.x), batch.y, batch.tasks)

    def _has_all(self, batch: Batch) -> bool:
        return len(torch.unique(batch.tasks)) == len(self.names)

    def _by_losses(self, batch: Batch, rates: Rates) -> Tensor:
        """Equation (1), or a scalarisation."""
        losses_KT = self.losses(batch)
        self.phase_ends("forward")
        if isinstance(self.weighing, OfLosses) and self._has_all(batch):
            torch.autograd.backward(self.weighing(losses_KT[0]))
        else:
            torch.autograd.backward((losses_KT * rates.relative.to(losses_KT)).sum())
        return losses_KT

    def _by_gradients(self, batch: Batch, weighing: OfGradients) -> Tensor:
        """Equation (2), of a single member: each task by itself on its own samples."""
        losses, gradients = [], []
        weights = list(self.members.weights)
        for place in range(len(self.names)):
            rows = batch.tasks[0] == place
            part = Batch(batch.x[:, rows], batch.y[:, rows], batch.tasks[:, rows])
            losses.append(self.losses(part)[:, place])
            self.phase_ends("forward")
            gradients.append(torch.autograd.grad(losses[-1].sum(), weights))
            self.phase_ends("backward")
        chosen_T = weighing(_gramian(gradients))
        first, *further = chosen_T.tolist()
        for weight, gradient, *others in zip(weights, *gradients, strict=True):
            weight.grad = gradient.mul_(first)
            for w, other in zip(further, others, strict=True):
                weight.grad.add_(other, alpha=w)
        return torch.stack(losses, dim=1)

    def _penalise(self) -> None:
        """Add the gradient of the penalty."""
        for place, order in enumerate(self._orders):
            factors_K = self._alphas_KT[:, place]
            if bool(factors_K.any()):
                weights = list(self.members.weights)
                torch.autograd.backward(penalty(weights, factors_K.to(weights[0]), order).sum())

    # --- what is looked at ---------------------------------------------------------------------------------

    def cosines(self, batch: Batch) -> Tensor | None:
        """The mean cosine between the gradients of two tasks, (K,); None for a single task."""
        if len(self.names) < 2 or not self._has_all(batch):
            return None
        weights, losses_KT = list(self.members.weights), self.losses(batch)
        gradients = [
            torch.autograd.grad(losses_KT[:, place].sum(), weights, retain_graph=True)
            for place in range(len(self.names))
        ]
        lengths = [inner_products(one, one).sqrt() for one in gradients]
        found = [
            inner_products(gradients[i], gradients[j]) / (lengths[i] * lengths[j]).clamp(min=1e-30)
            for i in range(len(gradients))
            for j in range(i)
        ]
        return torch.stack(found).mean(dim=0)

    def state(self) -> dict[str, Any]:
        """What is neither weights nor the optimiser's."""
        return {} if self.weighing is None else self.weighing.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        if self.weighing is not None and state:
            self.weighing.load(state)


def _rate(learning: Learning, task: str, epoch: int) -> float:
    schedule: Schedule = value(learning.schedule, task)
    progress = epoch / learning.max_epochs
    factor = {"constant": 1.0, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}[schedule]
    return value(learning.learning_rate, task) * factor


def _gramian(gradients: Sequence[Sequence[Tensor]]) -> Tensor:
    """G (T, T) of the gradients of a single member.

    Weight by weight: what was read for one product is still near for the next.
    """
    count = len(gradients)
    gramian_TT = torch.zeros(count, count)
    for of_tasks in zip(*gradients, strict=True):
        for i in range(count):
            for j in range(i + 1):
                gramian_TT[i, j] += inner_products([of_tasks[i]], [of_tasks[j]])[0].cpu()
    return gramian_TT.tril() + gramian_TT.tril(-1).T
