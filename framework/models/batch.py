"""What a module takes, batch by batch: one tensor, several in a row, or several by name.

    Tensor                  module(inputs)
    tuple or list           module(*inputs)
    mapping of names        module(**inputs)

The first tensor's first axis counts the inputs, N. Tensors of this length are cut with it; one of another length
(a mask between positions) belongs to every input and is given whole. Arrays are taken for tensors.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem, SashikoError
from framework.models.refusals import in_place_of_numbers

LONGEST = 200  # characters of what a module says
Inputs = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


def as_inputs(inputs: Any, name: str = "inputs") -> Inputs:
    """What was given, arrays in it as tensors.

    Raises:
        InvalidInput: it is no tensor, no row of tensors and no mapping of names to them, holds no input, or is
            sparse, nested, quantised or without numbers.
    """
    names = list(inputs) if isinstance(inputs, Mapping) else []
    held = _held(inputs)
    if not held or not all(map(_is_numbers, held)) or any(type(own) is not str for own in names):
        kinds = ", ".join(sorted({type(part).__name__ for part in held}))
        message = f"is a {type(inputs).__name__}{f' of {kinds}' if kinds else ''}; allowed: a tensor or array "
        message += "(N, …), a tuple or list of them, a mapping of names to them"
        if isinstance(inputs, Iterable) and not held and not isinstance(inputs, str | bytes):
            message += ". Of a loader give the batches joined: torch.cat([images for images, _ in loader])"
        raise InvalidInput([Problem(name, message)])
    found = mapped(inputs, torch.as_tensor)
    problems = [Problem(name, told) for told in map(in_place_of_numbers, tensors(found)) if told]
    if problems:
        raise InvalidInput(problems)
    first = tensors(found)[0]
    if not first.ndim or not len(first):
        raise InvalidInput([Problem(name, f"has shape {tuple(first.shape)}; at least one input is needed")])
    return found


def as_classes(labels: Any, number: int, name: str = "labels") -> Tensor:
    """Classes (N,) of `number` inputs, an array as a tensor.

    Raises:
        InvalidInput: they are no integers, or not one for each input.
    """
    found = torch.as_tensor(labels) if _is_numbers(labels) else None
    if found is None or found.ndim != 1 or len(found) != number or not _is_integer(found):
        given = f"a {type(labels).__name__}" if found is None else f"{_kind(found)} {tuple(found.shape)}"
        message = f"is {given} for {number} inputs; allowed: a class for each, integers ({number},)"
        raise InvalidInput([Problem(name, message)])
    return found


def refuse_other_classes(labels_N: Tensor, classes: int, name: str = "labels") -> None:
    """Refuse classes of which a model has no logit.

    Raises:
        InvalidInput: with the least and the greatest.
    """
    least, most = int(labels_N.min()), int(labels_N.max())
    if least < 0 or most >= classes:
        message = f"holds classes from {least} to {most}; allowed: 0 to {classes - 1}, of which there are logits"
        raise InvalidInput([Problem(name, message)])


def tensors(inputs: Inputs) -> list[Tensor]:
    """The tensors, in the order in which they were given."""
    return list(_held(inputs))


def count(inputs: Inputs) -> int:
    """N, the number of inputs."""
    return len(tensors(inputs)[0])


def mapped(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """The same inputs with every tensor changed."""
    if isinstance(inputs, Tensor | np.ndarray):
        return change(inputs)
    if isinstance(inputs, Mapping):
        return {name: change(part) for name, part in inputs.items()}
    return tuple(change(part) for part in inputs)


def chosen(inputs: Inputs, rows: Tensor | slice) -> Inputs:
    """The inputs that stand in these rows."""
    number = count(inputs)
    return mapped(inputs, lambda part: part[rows] if part.ndim and len(part) == number else part)


def pieces(inputs: Inputs, size: int) -> Iterator[Inputs]:
    """The inputs, so many at a time."""
    for start in range(0, count(inputs), size):
        yield chosen(inputs, slice(start, start + size))


def joined(batches: Sequence[Inputs]) -> Inputs:
    """Several batches of one form as one; what belongs to every input is taken from the first."""
    first, *others = batches
    if not others:
        return first
    if isinstance(first, Tensor):
        return torch.cat([part for part in batches if isinstance(part, Tensor)])
    own = [axis == 0 for axis in axes(first)]
    parts = [
        torch.cat([part.to(mine) for part in rest]) if counts else mine
        for mine, counts, *rest in zip(tensors(first), own, *map(tensors, batches), strict=True)
    ]
    return dict(zip(first, parts, strict=True)) if isinstance(first, Mapping) else tuple(parts)


def axes(inputs: Inputs) -> list[int | None]:
    """Of each tensor the axis that counts the inputs, 0; None of one that belongs to every input."""
    number = count(inputs)
    return [0 if part.ndim and len(part) == number else None for part in tensors(inputs)]


def call(module: nn.Module, inputs: Inputs) -> Any:
    """What `module` gives for them.

    Raises:
        InvalidInput: they do not run through it.
    """
    arguments, words = called(inputs)
    with running(module, inputs):
        return module(*arguments, **words)


@contextmanager
def running(module: nn.Module, inputs: Inputs, what: str = "") -> Iterator[None]:
    """Within, whatever the module raises is told as inputs that do not run through it; `what` are they in words.

    Raises:
        InvalidInput: with the shapes of the inputs, and what the module says in brief. A lack of memory is no
            fault of the inputs, and is raised as it is.
    """
    try:
        yield
    except (SashikoError, torch.OutOfMemoryError):  # fewer at a time may run
        raise
    except Exception as error:  # whatever the module raises
        message = f"does not run on {what or f'inputs of {shapes(inputs)}'}: {brief(error)}"
        raise InvalidInput([Problem(type(module).__name__, message)]) from error


def brief(error: Exception) -> str:
    """The first line of what an error says; torch goes on with traces, graphs and advice to its developers."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else type(error).__name__
    said = f"{type(error).__name__} {said}" if isinstance(error, KeyError) else said
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def called(inputs: Inputs) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """The arguments, and those by name."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return tuple(tensors(inputs)), {}


def names_of(module: nn.Module, inputs: Inputs) -> list[str]:
    """What `forward` calls each tensor."""
    if isinstance(inputs, Mapping):
        return list(inputs)
    parameters = inspect.signature(type(module).forward).parameters.values()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = [parameter.name for parameter in parameters if parameter.kind in plain][1:]
    return [known[place] if place < len(known) else f"input_{place}" for place in range(len(tensors(inputs)))]


def shapes(inputs: Inputs) -> str:
    """Shapes and types, for messages."""
    return ", ".join(f"{_kind(part)} {tuple(part.shape)}" for part in tensors(inputs))


def in_precision(inputs: Inputs, like: Tensor) -> Inputs:
    """On the device of `like`, and what is floating in its precision; tokens and masks stay what they are."""

    def change(part: Tensor) -> Tensor:
        return part.to(like) if part.is_floating_point() else part.to(like.device)

    return (
        mapped(inputs, change) if like.is_floating_point() else mapped(inputs, lambda part: part.to(like.device))
    )


def made_up(shape: Sequence[int], number: int, like: Tensor, seed: int = 0) -> Tensor:
    """Noise in place of images, (number, *shape)."""
    return torch.rand(number, *shape, generator=torch.Generator().manual_seed(seed)).to(like)


def _is_numbers(part: object) -> bool:
    return isinstance(part, Tensor) or (isinstance(part, np.ndarray) and part.dtype.kind in "biuf")


def _is_integer(values: Tensor) -> bool:
    return not (values.is_floating_point() or values.is_complex() or values.dtype == torch.bool)


def _kind(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")


def _held(inputs: Any) -> Sequence[Any]:
    if isinstance(inputs, Tensor | np.ndarray):
        return [inputs]
    if isinstance(inputs, Mapping):
        return list(inputs.values())
    return inputs if isinstance(inputs, tuple | list) else []
