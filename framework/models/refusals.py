"""What is given in place of a module, or around one, refused in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

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
    """Refuse what is no module, and modules that wrap one.

    Raises:
        InvalidInput: with each by its key: what it is, and what to give.
    """
    refuse_others(given)
    problems = [
        Problem(key if problem.key == "the module" else f"{key}.{problem.key}", problem.message)
        for key, module in given.items()
        for problem in wrappers(module)
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
