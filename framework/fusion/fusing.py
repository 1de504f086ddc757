"""Several models as one, in the basis of the first.

fuse(first, second, …)           align every model to the first, then average the weights
fuse(models, "cycle_consistent") align all of them to one another at once, then the same

W = Σ_k weight_k · W_k carried along the plan from model k to model 1                                       (1)
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, overload

from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.alignment import Alignment, all_plans, options_of
from framework.fusion.copies import holding
from framework.fusion.precision import as_given, inputs_for, working
from framework.fusion.refusals import refuse_untraceable
from framework.fusion.regression import regress
from framework.fusion.repair import has_statistics, reset_statistics
from framework.fusion.repair import repair as repaired
from framework.fusion.structure import Structure, structure_of
from framework.fusion.task import Task, refuse_values
from framework.models.batch import Inputs, count
from framework.models.refusals import refuse_no_flags, refuse_others
from framework.values import is_number

SUM_WITHIN = 1e-6
ARGUMENTS = ("inputs", "labels", "weights", "merge", "repair", "return_alignment", "fix_outputs", "method")
FEW = 32
"""Inputs below which statistics are told to be poor."""


class Fusion(NamedTuple):
    """A fused model, and how it came about.

    Attributes:
        model: The fused module.
        aligned: The models in the basis of the first, in their order; the first is itself.
        alignments: Of every further model its plans to the first (`plans`), with their costs (`rows()`).
    """

    model: nn.Module
    aligned: list[nn.Module]
    alignments: list[Alignment]


@overload
def fuse(
    models: nn.Module | Sequence[nn.Module],
    *more: nn.Module | str,
    method: str | None = None,
    return_alignment: Literal[False] = False,
    **options: Any,
) -> nn.Module: ...
@overload
def fuse(
    models: nn.Module | Sequence[nn.Module],
    *more: nn.Module | str,
    method: str | None = None,
    return_alignment: Literal[True],
    **options: Any,
) -> Fusion: ...
def fuse(
    models: nn.Module | Sequence[nn.Module],
    *more: nn.Module | str,
    method: str | None = None,
    inputs: Inputs | None = None,
    labels: Tensor | None = None,
    weights: Sequence[float] | None = None,
    merge: Literal["mean", "regression"] = "mean",
    repair: bool = False,
    return_alignment: bool = False,
    **options: Any,
) -> nn.Module | Fusion:
    """One module from several of one architecture, in the basis and with the widths of the first.

    Args:
        models: Two or more, one after the other or as a sequence; they are not changed.
        more: Further models; the last may be the method.
        method: A key of `framework.fusion.METHODS`, `ot` if none is given; `average` matches nothing.
        inputs: What the models take, N of it: a tensor (N, …) of any type, several in a tuple, or by name in a
            dict (`framework.models.batch`). The models are traced on the first of them; methods and options that
            look at activations use them all. Without them images are made up.
        labels: Classes (N,) of the inputs, for `sinkhorn_matching`.
        weights: The share of each model, summing to 1; None gives each the same.
        merge: The mean of the aligned weights, or that mean refitted layer by layer on `inputs` (`regression.py`).
        repair: Whether to rescale the fused model's units to the statistics of its parents on `inputs`.
            Batch normalisation gets running statistics of its own wherever there are `inputs`.
        return_alignment: Whether to give a `Fusion`: the aligned models and the plans beside the fused one.
        options: Of the method (`framework.fusion.config`), such as `source="activations"` or `solver="sinkhorn"`;
            `fix_outputs=False` lets the last layer's rows move too.

    Raises:
        InvalidInput: fewer than two models, what is no module, another architecture or other classes, NaN, shared
            parameters, weights that do not sum to 1, missing inputs, or a module that cannot be traced.
        ConfigError: an option that the method does not take.
    """
    fix_outputs = options.pop("fix_outputs", True)
    refuse_no_flags(fix_outputs=fix_outputs, repair=repair, return_alignment=return_alignment)
    models, method = _modules(models, more, method)
    config = options_of(method, options, arguments=ARGUMENTS)
    shares = shares_of(models, weights)
    for model in models:
        refuse_untraceable(model)
    refuse_values({f"models[{number}]": model for number, model in enumerate(models)})
    given, reference = models[0], working(models[0])
    models = [reference, *(working(model, reference) for model in models[1:])]
    inputs = inputs_for(reference, inputs)
    structure = structure_of(reference, inputs, fix_outputs=fix_outputs)
    tasks = [Task.of(reference, model, inputs, labels, target=structure, finite=True) for model in models[1:]]
    found = all_plans(tasks, config)
    if merge == "mean" and not repair:
        fused = with_statistics(_mean_along(found, models, shares), inputs, shares)
    else:
        parents = [reference, *_moved(found, models)]
        fused = merged(parents, shares, structure, inputs, merge=merge, repair=repair)
    made = fused if reference is given else as_given(given, fused)
    if not return_alignment:
        return made
    aligned = [moved if reference is given else as_given(given, moved) for moved in _moved(found, models)]
    return Fusion(made, [given, *aligned], found)


def _mean_along(found: Sequence[Alignment], models: Sequence[nn.Module], shares: Sequence[float]) -> nn.Module:
    """Equation (1) without a module for each aligned model: weights are all that is needed of the parents."""
    own = [model.state_dict() for model in models]
    moved = [alignment.carried(state) for alignment, state in zip(found, own[1:], strict=True)]
    return holding(models[0], mean_of_states([own[0], *moved], shares), *own)


def _moved(found: Sequence[Alignment], models: Sequence[nn.Module]) -> list[nn.Module]:
    """All models but the first, each in the basis of the first."""
    return [alignment.moved(models[0], model) for alignment, model in zip(found, models[1:], strict=True)]


def _modules(
    models: nn.Module | Sequence[nn.Module], more: Sequence[nn.Module | str], method: str | None
) -> tuple[list[nn.Module], str]:
    """The models and the method, however they were given.

    Raises:
        InvalidInput: what is no module, or a method that is given twice.
    """
    given: list[Any] = [*models] if isinstance(models, list | tuple) else [models]
    given += more
    if len(given) > 1 and isinstance(given[-1], str):
        last = given.pop()
        if method is not None and method != last:
            raise InvalidInput([Problem("method", f"is given twice: {last!r} and {method!r}")])
        method = last
    refuse_others({f"models[{number}]": model for number, model in enumerate(given)})
    return given, method or "ot"


def with_statistics(
    fused: nn.Module, inputs: Inputs | None, shares: Sequence[float] = (), *, stacklevel: int = 3
) -> nn.Module:
    """`fused` itself with running statistics of its own: the mean of its parents' is that of no model.

    Where one parent has a share of 1 it is that parent, whose statistics are right. Where there are few inputs or
    none a warning tells what to do, as of the caller `stacklevel` frames up.
    """
    if 1.0 in shares or not has_statistics(fused):
        return fused
    number = 0 if inputs is None else count(inputs)
    if number < FEW:
        warnings.warn(
            f"there are {number} inputs to take the fused model's statistics of batch normalisation from; with "
            "the mean of its parents' it mostly guesses. Give inputs=… (a few hundred of the train split), or "
            "call framework.fusion.reset_statistics(model, inputs)",
            stacklevel=stacklevel,
        )
    return fused if inputs is None or number < 2 else reset_statistics(fused, inputs)


def merged(
    parents: Sequence[nn.Module],
    shares: Sequence[float],
    structure: Structure,
    inputs: Inputs | None,
    *,
    merge: str = "mean",
    repair: bool = False,
) -> nn.Module:
    """One module from parents that are in one basis.

    Raises:
        InvalidInput: inputs that are needed are missing, or there is no such way to merge.
    """
    if merge not in ("mean", "regression"):
        raise InvalidInput([Problem("merge", f"is {merge!r}; allowed: mean, regression")])
    fused = mean_of(parents, shares)
    if merge == "mean" and not repair:
        return with_statistics(fused, inputs, shares)
    if inputs is None:
        message = f"are needed to see activations on (merge={merge}, repair={repair}); give inputs=…"
        raise InvalidInput([Problem("inputs", message)])
    if merge == "regression":
        fused = regress(fused, parents, structure, inputs, shares)
    return repaired(fused, parents, structure, inputs, shares) if repair else fused


def shares_of(models: Sequence[nn.Module], weights: Sequence[float] | None) -> list[float]:
    """The share of each model.

    Raises:
        InvalidInput: fewer than two models; weights that are too few, negative, or do not sum to 1.
    """
    if len(models) < 2:
        raise InvalidInput([Problem("models", f"holds {len(models)}; at least two are fused")])
    if weights is not None and not (isinstance(weights, list | tuple) and all(map(is_number, weights))):
        message = f"is {weights!r}; allowed: a list of {len(models)} numbers that sum to 1"
        raise InvalidInput([Problem("weights", message)])
    shares = list(weights) if weights is not None else [1 / len(models)] * len(models)
    if len(shares) != len(models):
        raise InvalidInput([Problem("weights", f"has {len(shares)} numbers for {len(models)} models")])
    if not (min(shares) >= 0 and abs(sum(shares) - 1) <= SUM_WITHIN):  # NaN too
        message = f"is {shares}, which sums to {sum(shares):g}; shares must be 0 or more and sum to 1"
        raise InvalidInput([Problem("weights", message)])
    return shares


def mean_of(models: Sequence[nn.Module], shares: Sequence[float]) -> nn.Module:
    """Equation (1) for models in one basis: a new module. Counters and the like are the first model's."""
    states = [model.state_dict() for model in models]
    return holding(models[0], mean_of_states(states, shares), *states)


def mean_of_states(states: Sequence[Mapping[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """The weighted mean of tensors by name; a share of 1 gives its tensors bit for bit."""
    if 1.0 in shares:
        return dict(states[list(shares).index(1.0)])
    mean = {}
    for name, first in states[0].items():
        mean[name] = first
        if first.is_floating_point():
            mean[name] = first * shares[0]
            for share, state in zip(shares[1:], states[1:], strict=True):
                mean[name].add_(state[name].to(first), alpha=share)
    return mean
