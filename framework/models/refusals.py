"""What is given in place of a module, around one, or in place of its numbers, refused in words."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from framework.errors import InvalidInput, Problem

INSIDE = "the module inside, `.module`"
BEFORE = "the module that it was made of (load its state_dict into one)"
WRAPPERS = {
    "DataParallel": INSIDE,
    "DistributedDataParallel": INSIDE,
    "FullyShardedDataParallel": INSIDE,
    "AveragedModel": INSIDE,
    "OptimizedModule": "the module inside, `._orig_mod`",
    "ScriptModule": BEFORE,
    "ScriptFunction": BEFORE,
    "QuantizedModule": "the module before it was quantised",
}
"""Classes, by name, so that none needs to be imported, and what stands for them. Subclasses are met too."""


def refuse_others(given: Mapping[str, Any]) -> None:
    """Refuse what is no module.

    Raises:
        InvalidInput: with each by its key: what it is, and what to give.
    """
    problems = []
    for key, model in given.items():
        if isinstance(model, Mapping):
            message = "is a state dict; give the module that holds it: build one, then load_state_dict(…)"
            problems.append(Problem(key, message))
        elif not isinstance(model, nn.Module):
            problems.append(Problem(key, f"is a {type(model).__name__}; allowed: a torch.nn.Module"))
    if problems:
        raise InvalidInput(problems)


def refuse_wrapped(given: Mapping[str, Any]) -> None:
    """Refuse what is no module, modules that wrap one, and those with parameters that hold no numbers.

    Raises:
        InvalidInput: with each by its key: what it is, and what to give.
    """
    refuse_others(given)
    problems = [
        Problem(key if problem.key == "the module" else f"{key}.{problem.key}", problem.message)
        for key, module in given.items()
        for problem in wrappers(module)
    ]
    problems += [
        Problem(f"{key}.{problem.key}", problem.message)
        for key, module in given.items()
        for problem in numberless(module.named_parameters())
    ]
    if problems:
        raise InvalidInput(problems)


def wrappers(module: nn.Module) -> Iterator[Problem]:
    """What hides layers in `module`, with what to give instead."""
    for name, part in module.named_modules():
        wrapper = next((kind.__name__ for kind in type(part).__mro__ if kind.__name__ in WRAPPERS), None)
        if wrapper is not None:
            message = f"is a {wrapper}, which hides the layers inside; give {WRAPPERS[wrapper]} instead"
            yield Problem(name or "the module", message)
            if not name:
                return


def in_place_of_numbers(tensor: Tensor) -> str | None:
    """What a tensor is that holds no plain array of numbers, and what to give instead; None if it does."""
    if is_lazy(tensor):
        return "has no shape yet; run the module on a batch first"
    if tensor.is_nested:
        return "is a nested tensor; allowed: one of a single shape, as torch.nested.to_padded_tensor(…) gives it"
    if tensor.layout != torch.strided:
        layout = str(tensor.layout).removeprefix("torch.").removeprefix("_")
        return f"is a {layout} tensor; allowed: a dense one, as .to_dense() gives it"
    if tensor.is_quantized:
        kind = str(tensor.dtype).removeprefix("torch.")
        return f"is quantised ({kind}); allowed: floating-point numbers, as .dequantize() gives them"
    # Subclasses of meta tensors hold numbers of their own.
    if tensor.is_meta and type(tensor) in (Tensor, nn.Parameter):
        return "is on the device meta, where a tensor has a shape and no numbers; load its weights on another one"
    return None


def numberless(named: Iterable[tuple[str, Tensor]]) -> Iterator[Problem]:
    """The tensors that hold no plain array of numbers, each by its name."""
    for name, tensor in named:
        told = in_place_of_numbers(tensor)
        if told is not None:
            yield Problem(name, told)


def refuse_no_flags(**given: object) -> None:
    """Refuse what is neither True nor False: a text such as "no" would count as True.

    Raises:
        InvalidInput: it is; all of them are named.
    """
    problems = [
        Problem(name, f"is {value!r}; allowed: True, False")
        for name, value in given.items()
        if not isinstance(value, bool)
    ]
    if problems:
        raise InvalidInput(problems)
