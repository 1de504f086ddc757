"""Fine-tuned models that are to be merged, checked before anything is computed, and what is made of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.copies import holding
from framework.fusion.fusing import with_statistics
from framework.fusion.merging.vectors import State, mean, parameters_of
from framework.fusion.precision import as_given, inputs_for, working
from framework.fusion.task import refuse_other_names, refuse_values
from framework.models.batch import Inputs, as_classes, as_inputs, chosen, count, joined, tensors
from framework.seeds import torch_numbers

Score = Callable[[nn.Module], float]
Batches = Inputs | Sequence[Inputs] | None
Classes = Tensor | Sequence[Tensor] | None
TO_CALLER = 5
"""Frames from here up to whoever calls `merge` or `combine`, which is to blame for missing inputs."""


@dataclass(frozen=True)
class Merging:
    """Models and the checkpoint that they were fine-tuned from, in the precision in which they are merged.

    Attributes:
        given: The first model as it was given.
        models: All of them.
        states: Their floating-point parameters by name, on the device of the first.
        origin: The base; None where there is none.
        inputs: A batch of N for each model, or nothing; `labels` classes (N,) of each.
        score: What tells how good a module is on val; more is better. None where nothing is chosen.
    """

    given: nn.Module
    models: list[nn.Module]
    states: list[dict[str, Tensor]]
    origin: nn.Module | None
    inputs: list[Inputs] | None
    labels: list[Tensor] | None
    score: Score | None

    @classmethod
    def of(
        cls,
        models: Sequence[nn.Module],
        base: nn.Module | None,
        inputs: Batches = None,
        labels: Classes = None,
        score: Score | None = None,
    ) -> Self:
        """Check everything.

        Raises:
            InvalidInput: no models, something else than modules, NaN, another architecture, or inputs and labels
                that do not belong to the models or to one another.
        """
        _refuse_other_things(models, base)
        named = {f"models[{number}]": model for number, model in enumerate(models)}
        named |= {} if base is None else {"base": base}
        refuse_values(named)
        for name, module in named.items():
            refuse_other_shapes(models[0], module, name)
        ready = [working(model) for model in models]
        first = parameters_of(ready[0])
        states = [
            {name: tensor.to(first[name]) for name, tensor in parameters_of(model).items()} for model in ready
        ]
        batches = _one_each("inputs", inputs, len(models), _finite)
        numbers = [0] * len(models) if batches is None else list(map(count, batches))
        classes = _one_each(
            "labels", labels, len(models), lambda given, place, name: as_classes(given, numbers[place], name)
        )
        origin = None if base is None else working(base)
        return cls(models[0], ready, states, origin, batches, classes, score)

    @property
    def base(self) -> State:
        """The parameters of the base.

        Raises:
            InvalidInput: there is none.
        """
        if self.origin is None:
            message = "is needed to know what fine-tuning changed; give the checkpoint that all models began with"
            raise InvalidInput([Problem("base", message)])
        return parameters_of(self.origin)

    def built(self, parameters: State, numbers: Sequence[int], *, final: bool) -> nn.Module:
        """A module with these parameters, and the buffers and statistics that go with them, as `given` is.

        Args:
            parameters: By name; tensors that no other module holds.
            numbers: The models of which it is made; one alone is that model, whose statistics are right.
            final: Whether to warn where there are too few inputs for statistics.
        """
        itself = self._itself(parameters, numbers)
        state = dict(parameters) | self._others(
            [self.models[number] for number in numbers] if itself is None else [itself]
        )
        made = holding(self.models[0], state)
        every = None if self.inputs is None else inputs_for(made, joined(_apart(self.inputs)))
        if final or (every is not None and count(every) > 1):
            made = with_statistics(made, every, [1.0] if itself is not None else [], stacklevel=TO_CALLER)
        return made if self.models[0] is self.given else as_given(self.given, made)

    def _itself(self, parameters: State, numbers: Sequence[int]) -> nn.Module | None:
        """The model, or the base, whose parameters these are: its statistics are right."""
        alone = [self.models[numbers[0]]] if len(numbers) == 1 else []
        for module in [*alone, *([] if self.origin is None else [self.origin])]:
            own = parameters_of(module)
            if all(torch.equal(tensor, own[name].to(tensor)) for name, tensor in parameters.items()):
                return module
        return None

    def _others(self, of: Sequence[nn.Module]) -> dict[str, Tensor]:
        """All but floating-point parameters: the mean of floating-point buffers, the rest as in the base."""
        source = self.models[0] if self.origin is None else self.origin
        found = {
            name: tensor.detach().clone()
            for name, tensor in [*source.named_parameters(), *source.named_buffers()]
            if not tensor.is_floating_point()
        }
        return found | mean(
            [{name: part for name, part in one.named_buffers() if part.is_floating_point()} for one in of]
        )

    def drawn(self, number: int, seed: int) -> tuple[list[Inputs], list[Tensor] | None]:
        """A seeded draw of so many inputs for each model, where it lies, and the labels where they are known.

        Raises:
            InvalidInput: there are none, or fewer than asked for.
        """
        if self.inputs is None:
            raise InvalidInput([Problem("inputs", "are needed to run the models on; give inputs=…")])
        fewest = min(map(count, self.inputs))
        if fewest < number:
            message = f"is {number}, and there are {fewest} inputs; allowed: {fewest} or less, or give more inputs"
            raise InvalidInput([Problem("num_samples", message)])
        found, classes = [], []
        for place, (model, batch) in enumerate(zip(self.models, self.inputs, strict=True)):
            rows = torch.randperm(count(batch), generator=torch_numbers(seed))[:number]
            found.append(inputs_for(model, chosen(batch, rows)))
            if self.labels is not None:
                classes.append(self.labels[place][rows])
        return found, classes or None

    def scored(self, module: nn.Module) -> float:
        """The score of a module on val.

        Raises:
            InvalidInput: nothing scores, or the score is no number.
        """
        if self.score is None:
            message = "or score are needed to choose on: give val=(inputs, labels) of the val split, or one scale"
            raise InvalidInput([Problem("val", message)])
        value = float(self.score(module))
        if math.isnan(value):
            raise InvalidInput([Problem("score", "is NaN for one of the merged models; allowed: a number")])
        return value


def _apart(batches: Sequence[Inputs]) -> list[Inputs]:
    """Each batch once, though several models are given the same."""
    return list({id(batch): batch for batch in batches}.values())


def refuse_other_shapes(first: nn.Module, other: nn.Module, name: str) -> None:
    """Refuse a module whose parameters and buffers differ from the first one's in name or shape.

    Raises:
        InvalidInput: with each of them.
    """
    mine, theirs = _named(first), _named(other)
    refuse_other_names(mine, theirs)
    problems = [
        Problem(
            f"{name}.{key}",
            f"is {tuple(tensor.shape)}, in models[0] {tuple(mine[key].shape)}; what is merged was fine-tuned from "
            "one checkpoint. For other widths there is framework.fusion.fuse",
        )
        for key, tensor in theirs.items()
        if tensor.shape != mine[key].shape
    ]
    if problems:
        raise InvalidInput(problems, "the models differ in architecture")


def _named(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _refuse_other_things(models: object, base: object) -> None:
    told = "allowed: a module; load_state_dict puts a state dict into one"
    problems = []
    if isinstance(models, nn.Module) or not isinstance(models, Sequence) or not len(models):
        shown = "empty" if isinstance(models, Sequence) and not len(models) else type(models).__name__
        raise InvalidInput([Problem("models", f"is {shown}; allowed: a list of one module or more")])
    for number, model in enumerate(models):
        if not isinstance(model, nn.Module):
            problems.append(Problem(f"models[{number}]", f"is {type(model).__name__}; {told}"))
    if base is not None and not isinstance(base, nn.Module):
        problems.append(Problem("base", f"is {type(base).__name__}; {told}"))
    if problems:
        raise InvalidInput(problems)


def _one_each(name: str, given: Any, number: int, checked: Callable[[Any, int, str], Any]) -> list[Any] | None:
    """A list has something for each model; whatever else is given is for all of them."""
    if given is None:
        return None
    if not isinstance(given, list):
        return [checked(given, 0, name)] * number
    if len(given) != number:
        message = f"holds {len(given)} batches for {number} models; allowed: one for each, or one for all"
        raise InvalidInput([Problem(name, message)])
    found: list[Any] = []
    problems: list[Problem] = []
    for place, own in enumerate(given):
        try:
            found.append(checked(own, place, f"{name}[{place}]"))
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise InvalidInput(problems)
    return found


def _finite(given: Any, _: int, name: str) -> Inputs:
    inputs = as_inputs(given, name)
    if not all(bool(part.isfinite().all()) for part in tensors(inputs)):
        raise InvalidInput([Problem(name, "holds NaN or infinite numbers")])
    return inputs
