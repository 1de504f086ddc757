"""Permutations of hidden units: drawn at random, and put to the test on a module.

Shapes: n units of a basis, B blocks.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from framework.errors import InvalidInput, Problem
from framework.fusion.bases import Basis, Shape
from framework.fusion.plans import Plan, State, transport
from framework.models.graph import in_eval_mode

NOISE = 1.0  # most that is added to numbers that are all the same
SINGLE, DOUBLE = 1e-4, 1e-8  # largest difference of outputs, relative to the largest output


def random_plans(bases: Sequence[Basis], seed: int) -> dict[str, Plan]:
    """A permutation of each basis, by name; blocks move as wholes, alike where bases are tied."""
    generator = torch.Generator().manual_seed(seed)
    outer: dict[int, Tensor] = {}
    plans = {}
    for basis in bases:
        if basis.tie is None:
            plans[basis.name] = Plan(index=torch.randperm(basis.size, generator=generator))
            continue
        order = outer.setdefault(basis.tie, torch.randperm(len(basis.blocks), generator=generator))
        index = torch.empty(basis.size, dtype=torch.int64)
        for there, here in enumerate(order.tolist()):
            units = basis.blocks[here]
            index[basis.blocks[there]] = units[torch.randperm(len(units), generator=generator)]
        plans[basis.name] = Plan(index=index)
    return plans


def permuted(module: nn.Module, bases: Sequence[Basis], plans: dict[str, Plan]) -> nn.Module:
    """A copy of `module` with its hidden units in another order; it computes the same."""
    moved = copy.deepcopy(module)
    moved.load_state_dict(transport(module.state_dict(), bases, plans))
    return moved


def check(module: nn.Module, bases: Sequence[Basis], input_shape: Shape) -> None:
    """Permute at random and compare what comes out.

    Raises:
        InvalidInput: with each basis whose permutation changes the outputs.
    """
    plans = random_plans(bases, seed=0)
    like = next(module.parameters(), torch.empty(0))
    inputs = torch.rand(2, *input_shape, generator=torch.Generator().manual_seed(0)).to(like)
    state = _telling(module.state_dict())
    if _unchanged(module, state, bases, plans, inputs, SINGLE):
        return
    # Rounding can be large in single precision, where weights are; in double precision it decides nothing.
    exact, inputs = copy.deepcopy(module).double(), inputs.double()
    state = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    if _unchanged(exact, state, bases, plans, inputs, DOUBLE):
        return
    wrong = [
        basis.name
        for basis in bases
        if not _unchanged(exact, state, bases, {basis.name: plans[basis.name]}, inputs, DOUBLE)
    ]
    message = "its units cannot be told from the graph: a permutation changes the outputs"
    raise InvalidInput([Problem(name, message) for name in wrong or ["all bases"]], type(module).__name__)


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
    inputs: Tensor,
    tolerance: float,
) -> bool:
    with in_eval_mode(module):
        expected = functional_call(module, dict(state), (inputs,))
        found = functional_call(module, transport(state, bases, plans), (inputs,))
        return _same(found, expected, tolerance)


def _same(found: object, expected: object, tolerance: float) -> bool:
    if isinstance(expected, Tensor) and isinstance(found, Tensor):
        return bool((found - expected).abs().max() <= tolerance * expected.abs().max())
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(_same(found[key], expected[key], tolerance) for key in expected)
    if isinstance(expected, tuple | list) and isinstance(found, tuple | list):
        return all(_same(*pair, tolerance) for pair in zip(found, expected, strict=True))
    return found == expected
