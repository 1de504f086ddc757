"""Fine-tuned models that are to be merged, checked before anything is computed, and what is made of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.copies import holding
from framework.fusion.fusing import with_statistics
from framework.fusion.merging.vectors import State, mean, parameters_of
from framework.fusion.precision import as_given, inputs_for, working
from framework.fusion.task import refuse_other_names, refuse_values

Score = Callable[[nn.Module], float]
Batches = Tensor | Sequence[Tensor] | None
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
        inputs: A batch (N, …) for each model, or nothing; `labels` classes (N,) of each.
        score: What tells how good a module is on val; more is better. None where nothing is chosen.
    """

    given: nn.Module
    models: list[nn.Module]
    states: list[dict[str, Tensor]]
    origin: nn.Module | None
    inputs: list[Tensor] | None
    labels: list[Tensor] | None
    score: Score | None

    @classmethod
    def of(
        cls,
        models: Sequence[nn.Module],
        base: nn.Module | None,
        inputs: Batches = None,
        labels: Batches = None,
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
        batches = _one_each("inputs", inputs, len(models))
        classes = _one_each("labels", labels, len(models))
        _refuse_batches(batches, classes)
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
        state = dict(parameters) | self._others(numbers)
        made = holding(self.models[0], state)
        itself = len(numbers) == 1 and all(
            torch.equal(tensor, self.states[numbers[0]][name]) for name, tensor in parameters.items()
        )
        every = None if self.inputs is None else inputs_for(made, torch.cat(list(_apart(self.inputs))))
        if final or (every is not None and len(every) > 1):
            made = with_statistics(made, every, [1.0] if itself else [], stacklevel=TO_CALLER)
        return made if self.models[0] is self.given else as_given(self.given, made)

    def _others(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """All but floating-point parameters: the mean of floating-point buffers, the rest as in the base."""
        source = self.models[0] if self.origin is None else self.origin
        found = {
            name: tensor.detach().clone()
            for name, tensor in [*source.named_parameters(), *source.named_buffers()]
            if not tensor.is_floating_point()
        }
        buffers = [dict(self.models[number].named_buffers()) for number in numbers]
        floating = [{name: tensor for name, tensor in of.items() if tensor.is_floating_point()} for of in buffers]
        return found | mean(floating)

    def drawn(self, number: int, seed: int) -> tuple[list[Tensor], list[Tensor] | None]:
        """A seeded draw of so many inputs for each model, where it lies, and the labels where they are known.

        Raises:
            InvalidInput: there are none, or fewer than asked for.
        """
        if self.inputs is None:
            raise InvalidInput([Problem("inputs", "are needed to run the models on; give inputs=…")])
        fewest = min(len(batch) for batch in self.inputs)
        if fewest < number:
            raise InvalidInput([Problem("num_samples", f"is {number}, and there are {fewest} inputs")])
        found, classes = [], []
        for place, (model, batch) in enumerate(zip(self.models, self.inputs, strict=True)):
            chosen = torch.randperm(len(batch), generator=torch.Generator().manual_seed(seed))[:number]
            drawn = inputs_for(model, batch[chosen.to(batch.device)])
            found += [drawn] if isinstance(drawn, Tensor) else []
            if self.labels is not None:
                classes.append(self.labels[place][chosen.to(self.labels[place].device)])
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


def _apart(batches: Sequence[Tensor]) -> list[Tensor]:
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


def _refuse_other_things(models: Sequence[object], base: object) -> None:
    told = "allowed: a module; load_state_dict puts a state dict into one"
    problems = []
    if isinstance(models, nn.Module) or not len(models):
        shown = type(models).__name__ if isinstance(models, nn.Module) else "empty"
        raise InvalidInput([Problem("models", f"is {shown}; allowed: a list of one module or more")])
    for number, model in enumerate(models):
        if not isinstance(model, nn.Module):
            problems.append(Problem(f"models[{number}]", f"is {type(model).__name__}; {told}"))
    if base is not None and not isinstance(base, nn.Module):
        problems.append(Problem("base", f"is {type(base).__name__}; {told}"))
    if problems:
        raise InvalidInput(problems)


def _one_each(name: str, given: Batches, number: int) -> list[Tensor] | None:
    if given is None:
        return None
    if isinstance(given, Tensor):
        return [given] * number
    if len(given) != number:
        message = f"holds {len(given)} batches for {number} models; allowed: one for each, or one for all"
        raise InvalidInput([Problem(name, message)])
    return list(given)


def _refuse_batches(inputs: list[Tensor] | None, labels: list[Tensor] | None) -> None:
    problems = []
    for number, batch in enumerate(inputs or ()):
        if not len(batch):
            problems.append(Problem(f"inputs[{number}]", "holds no input; allowed: one or more"))
        elif batch.is_floating_point() and not bool(torch.isfinite(batch).all()):
            problems.append(Problem(f"inputs[{number}]", "holds NaN or infinite numbers"))
    for number, (batch, classes) in enumerate(zip(inputs or (), labels or (), strict=False)):
        if classes.shape != batch.shape[:1]:
            message = f"is {tuple(classes.shape)} for {len(batch)} inputs; allowed: a class for each"
            problems.append(Problem(f"labels[{number}]", message))
    if problems:
        raise InvalidInput(list(dict.fromkeys(problems)))
