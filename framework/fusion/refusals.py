"""Modules that are refused before they are traced: wrappers, and layers whose weights are computed from others.

`WRAPPERS` says what to fuse instead. Of parametrisations torch's `weight_norm` is followed (`layer_rules.py`): a
row of its weight is a row of what it holds. What others compute from their numbers is not known.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

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
FOLLOWED = ("_WeightNorm",)


def refuse_untraceable(module: nn.Module) -> None:
    """Refuse wrappers, and weights that are computed, wherever they are in `module`.

    Raises:
        InvalidInput: with each, what it is and what to do.
    """
    problems = list(_wrappers(module)) or list(_computed(module))
    if problems:
        raise InvalidInput(problems, type(module).__name__)


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


def is_parametrized(module: nn.Module) -> bool:
    """Whether a weight of a layer is computed from other tensors."""
    return parametrize.is_parametrized(module)


def _wrappers(module: nn.Module) -> Iterator[Problem]:
    for name, part in module.named_modules():
        wrapper = next((kind.__name__ for kind in type(part).__mro__ if kind.__name__ in WRAPPERS), None)
        if wrapper is not None:
            message = f"is a {wrapper}, which hides the layers inside; give {WRAPPERS[wrapper]} instead"
            yield Problem(name or "the module", message)
            if not name:
                return


def _computed(module: nn.Module) -> Iterator[Problem]:
    for name, part in module.named_modules():
        if isinstance(part, parametrize.ParametrizationList):
            continue
        for tensor, kinds in _parametrizations(part):
            other = [kind for kind in kinds if kind not in FOLLOWED]
            if other:
                advice = f"torch.nn.utils.parametrize.remove_parametrizations(module, {tensor!r})"
                message = f"has a {tensor} that {', '.join(other)} computes; make it plain first: {advice}"
                yield Problem(name or "the module", message)
        for hook in part._forward_pre_hooks.values():
            kind = type(hook)
            if kind.__module__.startswith("torch.nn.utils."):
                message = (
                    f"has a weight that a hook ({kind.__name__}) computes before each call; make it plain first "
                    "(torch.nn.utils.remove_weight_norm, remove_spectral_norm, prune.remove), or use "
                    "torch.nn.utils.parametrizations.weight_norm"
                )
                yield Problem(name or "the module", message)


def _parametrizations(part: nn.Module) -> Iterator[tuple[str, list[str]]]:
    if is_parametrized(part):
        lists = part.get_submodule("parametrizations")
        for tensor, kinds in lists.named_children():
            yield tensor, [type(kind).__name__ for kind in kinds.children()]
