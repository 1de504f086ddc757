"""Permutations of hidden units: drawn at random, and put to the test on a module.

Shapes: n units of a basis, B blocks.
"""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from framework.errors import InvalidInput, Problem
from framework.fusion.bases import Basis
from framework.fusion.plans import Plan, State
from framework.fusion.rules import described
from framework.fusion.transport import transport
from framework.models.batch import Inputs, called, mapped, running, tensors
from framework.models.graph import Traced, in_eval_mode
from framework.seeds import torch_numbers

NOISE = 1.0  # most that is added to numbers that are all the same
SINGLE, DOUBLE = 1e-4, 1e-8  # largest difference of outputs, relative to the largest output
MISSED = 1e-3  # the chance that a basis that should not move is never moved, and so not found
LARGE = 7  # units, of which one permutation moves some, but for less than that chance
NODES = 1e-6  # the same for the numbers of a node


def random_plans(bases: Sequence[Basis], seed: int) -> dict[str, Plan]:
    """A permutation of each basis, by name; blocks move as wholes, alike where bases are tied."""
    generator = torch_numbers(seed)
    outer: dict[int, Tensor] = {}
    plans = {}
    for basis in bases:
        if basis.tie is None:
            plans[basis.name] = Plan(index=torch.randperm(basis.size, generator=generator))
            continue
        order = outer.setdefault(basis.tie, torch.randperm(len(basis.blocks), generator=generator))
        index = torch.empty(basis.size, dtype=torch.int64)
        for target_block, block in enumerate(order.tolist()):
            units = basis.blocks[block]
            index[basis.blocks[target_block]] = units[torch.randperm(len(units), generator=generator)]
        plans[basis.name] = Plan(index=index)
    return plans


def permuted(module: nn.Module, bases: Sequence[Basis], plans: dict[str, Plan]) -> nn.Module:
    """A copy of `module` with its hidden units in another order; it computes the same."""
    moved = copy.deepcopy(module)
    moved.load_state_dict(transport(module.state_dict(), bases, plans))
    return moved


def check(module: nn.Module, bases: Sequence[Basis], traced: Traced, inputs: Inputs) -> None:
    """Permute at random and compare what comes out for `inputs`.

    Raises:
        InvalidInput: with the first node that does not treat its units alike, and a basis that it is about.
    """
    state = _telling(module.state_dict())
    expected = _outputs(module, state, inputs)
    draws = (random_plans(bases, seed) for seed in range(_draws(bases)))
    moved = ((drawn, _outputs(module, transport(state, bases, drawn), inputs)) for drawn in draws)
    plans = next((drawn for drawn, found in moved if not _same(found, expected, SINGLE)), None)
    if plans is None:
        return
    # Rounding can be large in single precision, where weights are; in double precision it decides nothing.
    exact = copy.deepcopy(module).double()
    inputs = mapped(inputs, lambda part: part.double() if part.is_floating_point() else part)
    state = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    if _unchanged(exact, state, bases, plans, inputs, DOUBLE):
        return
    raise InvalidInput(_told(exact, state, bases, plans, traced, inputs), type(module).__name__)


def _draws(bases: Sequence[Basis]) -> int:
    """How many permutations it takes until every basis, or its blocks, were moved, but for a chance of `MISSED`:
    of n units one in n! leaves all where they are.
    """
    least = min((len(basis.blocks) or basis.size for basis in bases), default=LARGE)
    return 1 if least >= LARGE else math.ceil(math.log(MISSED) / -math.log(math.factorial(least)))


def _told(
    module: nn.Module, state: State, bases: Sequence[Basis], plans: dict[str, Plan], traced: Traced, inputs: Inputs
) -> list[Problem]:
    """The first node that gives other numbers, whatever their order, when units are permuted: there it goes
    wrong.
    """
    moved = transport(state, bases, plans)
    before, after = (_Sorted(module, traced.graph, of).read(inputs) for of in (state, moved))
    nodes = [node for node in traced.graph.nodes if node.name in before and node.op != "output"]
    wrong = next((n for n in nodes if not _same(after.get(n.name), before[n.name], NODES)), None)
    names = [place for place in bases if wrong is not None and _lies_on(place, str(wrong.target))]
    suspects = [*names, *(basis for basis in bases if basis not in names)]
    basis = next(
        (
            basis.name
            for basis in suspects
            if not _unchanged(module, state, bases, {basis.name: plans[basis.name]}, inputs, DOUBLE)
        ),
        "all bases",
    )
    message = "its units cannot be told from the graph: a permutation changes the outputs"
    if wrong is None:
        return [Problem(basis, f"{message}; where is not known, as every node only changes its order")]
    where = f"node {wrong.name} {described(wrong, module)}"
    return [
        Problem(basis, message),
        Problem(
            where, "is the first that depends on the order of its units; use layers of torch.nn for what it does"
        ),
    ]


def _lies_on(basis: Basis, layer: str) -> bool:
    return any(place.name.startswith(f"{layer}.") for place in basis.places)


class _Sorted(fx.Interpreter):
    """The values of each node in the order of their size, in eval mode."""

    def __init__(self, module: nn.Module, graph: fx.Graph, state: State) -> None:
        held = copy.deepcopy(module)
        held.load_state_dict(dict(state))
        super().__init__(held.eval(), graph=graph)
        self.found: dict[str, Tensor] = {}

    def read(self, inputs: Inputs) -> dict[str, Tensor]:
        """By the name of each node that gives one floating tensor."""
        with torch.no_grad():
            self.run(*tensors(inputs))
        return self.found

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if isinstance(value, Tensor) and value.is_floating_point() and n.op != "get_attr":
            self.found[n.name] = value.flatten().sort().values
        return value


def _telling(state: State) -> dict[str, Tensor]:
    """`state` with other numbers where a tensor holds one alone, as new gains, biases and heads do.

    With equal numbers every order looks right. What is added is positive: variances stay so.
    """
    generator = torch.Generator().manual_seed(1)
    return {
        name: tensor + NOISE * torch.rand(tensor.shape, generator=generator).to(tensor)
        if tensor.is_floating_point() and tensor.numel() > 1 and bool(tensor.min() == tensor.max())
        else tensor
        for name, tensor in state.items()
    }


def _unchanged(
    module: nn.Module,
    state: State,
    bases: Sequence[Basis],
    plans: dict[str, Plan],
    inputs: Inputs,
    tolerance: float,
) -> bool:
    moved = transport(state, bases, plans)
    return _same(_outputs(module, moved, inputs), _outputs(module, state, inputs), tolerance)


def _outputs(module: nn.Module, state: State, inputs: Inputs) -> object:
    arguments, words = called(inputs)
    with in_eval_mode(module), running(module, inputs):
        return functional_call(module, dict(state), arguments, words)


def _same(found: object, expected: object, tolerance: float) -> bool:
    if isinstance(expected, Tensor) and isinstance(found, Tensor):
        if not expected.is_floating_point():
            return torch.equal(found, expected)
        shown = expected.isfinite()  # masked places of attention are minus infinity
        apart, largest = (
            value[shown].abs().amax() if shown.any() else 0 for value in (found - expected, expected)
        )
        return torch.equal(found.isfinite(), shown) and bool(apart <= tolerance * largest)
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(_same(found[key], expected[key], tolerance) for key in expected)
    if isinstance(expected, tuple | list) and isinstance(found, tuple | list):
        return all(_same(*pair, tolerance) for pair in zip(found, expected, strict=True))
    return found == expected
