"""Matching that is learned: permutations, relaxed by Sinkhorn's iteration, that make the models' middle good.

Each basis has scores X (n, n). Sinkhorn's iteration turns exp(X / temperature) into a doubly stochastic matrix
(Mena et al., "Learning latent permutations with Gumbel-Sinkhorn networks", 2018); going forward, the assignment
that is closest to it takes its place (straight through), so that what is measured is always a true permutation:

    min over X   loss( (1 - t) W_ref + t P(X) W ),   t ~ U(0, 1)                                                (1)

after Peña et al., "Re-basin via implicit Sinkhorn differentiation", 2023, equation 9. It starts from weight
matching. The loss is the cross-entropy with the labels, or, without labels, the squared distance to the mean of
what both models give. Of all permutations seen, the one with the least loss at t = 1/2 over all inputs is kept.
Batch normalisation takes the statistics of the batch: those of the mean of two models are neither's.

Shapes: n units of a basis.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from framework.fusion.bases import Basis
from framework.fusion.config import SinkhornMatching, WeightMatching
from framework.fusion.plans import Coupled, Plan
from framework.fusion.repair import NORMS
from framework.fusion.solvers import assigned
from framework.fusion.transport import transport
from framework.fusion.weight_matching import weight_matching
from framework.models.batch import Inputs, call, called, chosen, count, pieces, refuse_other_classes, running
from framework.models.graph import in_eval_mode
from framework.seeds import torch_numbers

PIECE = 500  # images at a time, where the loss over all of them is taken
CHECKS = 20  # times that it is taken


def sinkhorn_matching(
    model: nn.Module,
    reference: nn.Module,
    bases: Sequence[Basis],
    config: SinkhornMatching,
    inputs: Inputs,
    labels: Tensor | None,
) -> dict[str, Coupled]:
    """A permutation for every free basis, by name, with the loss at the middle as its cost.

    Bases in blocks (heads, groups) keep what weight matching found for them.
    """
    start = weight_matching(model.state_dict(), reference.state_dict(), bases, WeightMatching(seed=config.seed))
    search = _Search(model, reference, bases, config, start)
    generator = torch_numbers(config.seed)
    targets = labels if labels is not None else search.mean_outputs(inputs)
    optimizer = torch.optim.Adam(list(search.scores.values()), lr=config.learning_rate)
    best, least = search.hard(), search.middle(inputs, targets)
    every = max(1, config.steps // CHECKS)
    for step, rows in enumerate(_batches(count(inputs), config, generator), start=1):
        place = float(torch.rand((), generator=generator))
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = search.loss(search.soft(), place, chosen(inputs, rows), targets[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % every == 0 or step == config.steps:
            value = search.middle(inputs, targets)
            if value < least:
                best, least = search.hard(), value
    return {name: Coupled(plan, least) for name, plan in best.items()}


def sinkhorn(scores_nn: Tensor, temperature: float, iterations: int) -> Tensor:
    """The matrix with rows and columns that sum to 1 which exp(scores / temperature) is scaled to, (n, n)."""
    log_nn = scores_nn / temperature
    for _ in range(iterations):
        log_nn = log_nn - log_nn.logsumexp(dim=1, keepdim=True)
        log_nn = log_nn - log_nn.logsumexp(dim=0, keepdim=True)
    return log_nn.exp()


def _batches(number: int, config: SinkhornMatching, generator: torch.Generator) -> Iterator[Tensor]:
    """As many batches of positions as there are steps; a new order whenever all inputs were used."""
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(config.steps):
        if len(order) < min(config.batch_size, number):
            order = torch.randperm(number, generator=generator)
        yield order[: config.batch_size]
        order = order[config.batch_size :]


class _Search:
    def __init__(
        self,
        model: nn.Module,
        reference: nn.Module,
        bases: Sequence[Basis],
        config: SinkhornMatching,
        start: Mapping[str, Coupled],
    ) -> None:
        self.module, self.config, self.bases = reference, config, bases
        self.model_state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
        self.state = {name: tensor.detach() for name, tensor in reference.state_dict().items()}
        self.learned = {name for name, _ in reference.named_parameters()}
        self.model = model
        self.fixed = {basis.name: start[basis.name].plan for basis in bases if basis.blocks}
        self.scores = {
            basis.name: _scores(basis, start[basis.name].plan).requires_grad_()
            for basis in bases
            if not basis.blocks
        }

    def hard(self) -> dict[str, Plan]:
        """The permutations that are closest to what the scores say."""
        return self.fixed | {
            name: Plan(index=assigned(-scores.detach().double())) for name, scores in self.scores.items()
        }

    def soft(self) -> dict[str, Plan]:
        """The same going forward, the doubly stochastic matrices going back."""
        plans = dict(self.fixed)
        for name, scores in self.scores.items():
            soft = sinkhorn(scores, self.config.temperature, self.config.iterations)
            hard = torch.zeros_like(soft)
            hard[assigned(-scores.detach().double()), torch.arange(len(soft))] = 1
            plans[name] = Plan(coupling=hard + soft - soft.detach())
        return plans

    def loss(self, plans: Mapping[str, Plan], place: float, inputs: Inputs, targets: Tensor) -> Tensor:
        """Equation (1) on a batch, `place` of the way from the reference to the model."""
        moved = transport(self.model_state, self.bases, plans)
        between = {
            name: tensor + place * (moved[name] - tensor) if name in self.learned else tensor.clone()
            for name, tensor in self.state.items()
        }
        with _with_statistics_of_the_batch(self.module):
            arguments, words = called(inputs)
            with running(self.module, inputs):
                outputs = functional_call(self.module, between, arguments, words)
        if targets.is_floating_point():
            return F.mse_loss(outputs, targets)
        refuse_other_classes(targets, outputs.shape[1])
        return F.cross_entropy(outputs, targets)

    def middle(self, inputs: Inputs, targets: Tensor) -> float:
        """The loss half way, over all inputs."""
        plans, total = self.hard(), 0.0
        size = math.ceil(count(inputs) / math.ceil(count(inputs) / PIECE))
        with torch.no_grad():
            for given, wanted in zip(pieces(inputs, size), torch.split(targets, size), strict=True):
                total += float(self.loss(plans, 0.5, given, wanted)) * len(wanted)
        return total / count(inputs)

    def mean_outputs(self, inputs: Inputs) -> Tensor:
        """The mean of what both models give, where there are no labels."""
        with in_eval_mode(self.module), in_eval_mode(self.model):
            return torch.cat(
                [(call(self.module, piece) + call(self.model, piece)) / 2 for piece in pieces(inputs, PIECE)]
            )


@contextmanager
def _with_statistics_of_the_batch(module: nn.Module) -> Iterator[None]:
    """Eval mode, but for batch normalisation: the middle will be given statistics of its own."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    for part, _ in modes:
        part.training = isinstance(part, NORMS)
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _scores(basis: Basis, plan: Plan) -> Tensor:
    """Scores whose nearest permutation is `plan`."""
    scores = torch.zeros(basis.size, basis.size)
    if plan.index is not None:
        scores[plan.index, torch.arange(basis.size)] = 1.0
    return scores
