"""Modules that are refused before they are traced: wrappers, and layers whose weights are computed from others.

What stands for a wrapper is in `framework.models.refusals`. Of parametrisations torch's `weight_norm` is followed
(`layer_rules.py`): a row of its weight is a row of what it holds. What others compute from their numbers is not
known.
"""

from collections.abc import Iterator

from torch import nn
from torch.nn.utils import parametrize

from framework.errors import InvalidInput, Problem
from framework.models.refusals import wrappers

FOLLOWED = ("_WeightNorm",)


def refuse_untraceable(module: nn.Module) -> None:
    """Refuse wrappers, and weights that are computed, wherever they are in `module`.

    Raises:
        InvalidInput: with each, what it is and what to do.
    """
    problems = list(wrappers(module)) or list(_computed(module))
    if problems:
        raise InvalidInput(problems, type(module).__name__)


def is_parametrized(module: nn.Module) -> bool:
    """Whether a weight of a layer is computed from other tensors."""
    return parametrize.is_parametrized(module)


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
