"""Two models that are to be matched, checked before anything is computed."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.plans import State
from framework.fusion.refusals import refuse_untraceable
from framework.fusion.structure import Structure, structure_of
from framework.models.batch import Inputs, as_classes, chosen, count
from framework.models.refusals import in_place_of_numbers
from framework.seeds import torch_numbers

FEWEST = 2  # inputs: over one no activation varies


@dataclass(frozen=True)
class Task:
    """A model and the reference that it is brought to.

    Attributes:
        reference, model: The modules.
        target, structure: The structure of each; one object where their widths are equal.
        inputs: What the modules take, N of them (`framework.models.batch`), or nothing.
        labels: Classes (N,) of the inputs, or nothing.
    """

    reference: nn.Module
    model: nn.Module
    target: Structure
    structure: Structure
    inputs: Inputs | None
    labels: Tensor | None

    @classmethod
    def of(
        cls,
        reference: nn.Module,
        model: nn.Module,
        inputs: Inputs | None = None,
        labels: Tensor | None = None,
        *,
        target: Structure | None = None,
        fix_outputs: bool = True,
        finite: bool = False,
    ) -> Self:
        """Check and trace. `target` is the structure of the reference, where it is known; `finite` says that the
        values of both models have been checked.

        Raises:
            InvalidInput: NaN, another architecture or other classes, shared parameters, no shape of inputs, or a
                module that cannot be traced.
        """
        for module in (reference, model):
            refuse_untraceable(module)
        if not finite:
            refuse_values({"reference": reference, "model": model})
        refuse_other_names(reference.state_dict(), model.state_dict())
        if labels is not None and inputs is not None:
            labels = as_classes(labels, count(inputs))
        target = target or structure_of(reference, inputs, fix_outputs=fix_outputs)
        structure = target
        if _shapes(model) != _shapes(reference) or type(model) is not type(reference):
            structure = structure_of(
                model, inputs if inputs is not None else target.probe, fix_outputs=fix_outputs
            )
            refuse_differences(structure, target, model.state_dict(), reference.state_dict())
        return cls(reference, model, target, structure, inputs, labels)

    @property
    def states(self) -> tuple[State, State]:
        """The weights of the model and of the reference."""
        return self.model.state_dict(), self.reference.state_dict()

    def drawn(self, number: int, seed: int) -> Inputs:
        """A seeded draw of so many inputs; all of them, with a warning, where there are fewer.

        Raises:
            InvalidInput: there are none, or a single one.
        """
        if self.inputs is None:
            raise InvalidInput([Problem("inputs", "are needed to see activations on; give inputs=…")])
        held = count(self.inputs)
        if held < FEWEST:
            raise InvalidInput([Problem("inputs", f"are {held}; activations are compared over {FEWEST} or more")])
        if held < number:
            warnings.warn(
                f"activations are compared over {held} inputs, and {number} are asked for (num_samples): the "
                "fewer, the more units are matched by chance",
                stacklevel=2,
            )
        order = torch.randperm(held, generator=torch_numbers(seed))
        return chosen(self.inputs, order[:number])

    def refuse_widths(self) -> None:
        """Refuse models of different widths.

        Raises:
            InvalidInput: with each parameter whose shape differs.
        """
        mine, theirs = self.states
        problems = [
            Problem(
                name,
                f"is {tuple(tensor.shape)}, in the reference {tuple(theirs[name].shape)}; permutations need equal "
                "widths: use method=ot",
            )
            for name, tensor in mine.items()
            if tensor.shape != theirs[name].shape
        ]
        if problems:
            raise InvalidInput(problems)


def refuse_values(modules: Mapping[str, nn.Module]) -> None:
    """Refuse weights that are NaN or infinite, and what holds no plain array of numbers.

    Raises:
        InvalidInput: with each such tensor.
    """
    problems = []
    for who, module in modules.items():
        for name, held in module.state_dict().items():
            told = _unusable(held)
            if told is not None:
                problems.append(Problem(f"{who}.{name}", told))
    if problems:
        raise InvalidInput(problems)


def refuse_other_names(reference: State, model: State) -> None:
    """Refuse models whose parameters have other names.

    Raises:
        InvalidInput: with each name that one of them lacks.
    """
    problems = [Problem(name, "is in the reference alone") for name in reference if name not in model]
    problems += [Problem(name, "is in the model alone") for name in model if name not in reference]
    if problems:
        raise InvalidInput(problems, "the models differ in architecture")


def refuse_differences(structure: Structure, target: Structure, model: State, reference: State) -> None:
    """Refuse models that differ in more than the widths of hidden layers: in inputs, classes or kernels.

    Raises:
        InvalidInput: with each parameter whose shape differs on an axis without hidden units.
    """
    axes = [
        [[(place.name, place.axis, place.role) for place in basis.places] for basis in part.bases]
        for part in (structure, target)
    ]
    if axes[0] != axes[1]:
        raise InvalidInput([Problem("", "the models connect their hidden units in different ways")])
    hidden = {(name, axis % model[name].ndim) for places in axes[0] for name, axis, _ in places}
    problems = [
        Problem(name, f"is {tuple(tensor.shape)}, in the reference {tuple(reference[name].shape)}")
        for name, tensor in model.items()
        if tensor.ndim != reference[name].ndim
        or any(
            mine != theirs and (name, axis) not in hidden
            for axis, (mine, theirs) in enumerate(zip(tensor.shape, reference[name].shape, strict=True))
        )
    ]
    if problems:
        raise InvalidInput(problems, "the models differ in more than the widths of their hidden layers")


def _unusable(held: object) -> str | None:
    """What is wrong with an entry of a state dict; None where nothing is."""
    if not isinstance(held, Tensor):
        kind = type(held).__name__
        return f"is a {kind} beside the tensors, as layers of packed (quantised) weights have; allowed: tensors"
    told = in_place_of_numbers(held)
    if told is None and held.is_floating_point() and not _finite(held):
        return "holds NaN or infinite numbers: this model cannot be fused"
    return told


def _finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite. Then their sum is, unless it overflows, and it needs no second tensor."""
    return math.isfinite(tensor.sum()) or bool(torch.isfinite(tensor).all())


def _shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in module.state_dict().values()]
