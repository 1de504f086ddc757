"""What a module takes, batch by batch: one tensor, several in a row, or several by name.

    Tensor                  module(inputs)
    tuple or list           module(*inputs)
    mapping of names        module(**inputs)

The first tensor's first axis counts the inputs, N. Tensors of this length are cut with it; one of another length
(a mask between positions) belongs to every input and is given whole.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem

Inputs = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


def refuse_inputs(inputs: Any) -> None:
    """Refuse what is no tensor, no row of tensors and no mapping of names to them, or holds no input.

    Raises:
        InvalidInput: with what was given.
    """
    names = list(inputs) if isinstance(inputs, Mapping) else []
    held = _held(inputs)
    if not held or not all(isinstance(part, Tensor) for part in held) or any(type(n) is not str for n in names):
        message = "; allowed: a tensor (N, …), a tuple or list of tensors, a mapping of names to tensors"
        kinds = ", ".join(sorted({type(part).__name__ for part in held})) or "nothing"
        raise InvalidInput([Problem("inputs", f"is a {type(inputs).__name__} of {kinds}{message}")])
    if not held[0].ndim or not len(held[0]):
        raise InvalidInput([Problem("inputs", f"has shape {tuple(held[0].shape)}; at least one input is needed")])


def tensors(inputs: Inputs) -> list[Tensor]:
    """The tensors, in the order in which they were given."""
    return list(_held(inputs))


def count(inputs: Inputs) -> int:
    """N, the number of inputs."""
    return len(tensors(inputs)[0])


def mapped(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """The same inputs with every tensor changed."""
    if isinstance(inputs, Tensor):
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


def call(module: nn.Module, inputs: Inputs) -> Any:
    """What `module` gives for them."""
    arguments, words = called(inputs)
    return module(*arguments, **words)


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
    return ", ".join(f"{str(part.dtype).removeprefix('torch.')} {tuple(part.shape)}" for part in tensors(inputs))


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


def _held(inputs: Any) -> Sequence[Any]:
    if isinstance(inputs, Tensor):
        return [inputs]
    if isinstance(inputs, Mapping):
        return list(inputs.values())
    return inputs if isinstance(inputs, tuple | list) else []
