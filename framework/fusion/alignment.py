"""Bringing a model into the basis of another.

    align(reference, model, method, …)     the model with its hidden units in the reference's order: the same
                                           function, where the plan is a permutation
    plans(task, config)                    which hidden unit of one is matched with which of the other
    all_plans(tasks, config)               the same of several models to one reference, found together where the
                                           method can

All are for any two modules of one architecture; widths may differ where the method allows it.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from framework.config import Config
from framework.errors import ConfigError, Problem
from framework.fields import did_you_mean, nearest
from framework.fusion.config import CONFIGS, Average
from framework.fusion.copies import holding
from framework.fusion.finders import find
from framework.fusion.plans import Coupled, Plan, State
from framework.fusion.precision import as_given, inputs_for, working
from framework.fusion.refusals import refuse_untraceable
from framework.fusion.structure import Structure
from framework.fusion.task import Task, refuse_values
from framework.fusion.transport import transport
from framework.models.batch import Inputs
from framework.models.refusals import refuse_others


@dataclass(frozen=True)
class Alignment:
    """Plans from a model to a reference, and the structures of both.

    Attributes:
        coupled: Of each basis, by name, the plan and its cost; empty for the plain average.
        model, reference: The structures.
    """

    coupled: Mapping[str, Coupled]
    model: Structure
    reference: Structure

    @property
    def plans(self) -> dict[str, Plan]:
        """The plans by the name of their basis."""
        return {name: coupled.plan for name, coupled in self.coupled.items()}

    def rows(self) -> list[dict[str, Any]]:
        """Of each basis: its name, widths, the cost of its plan per unit of mass, how diagonal it is, and
        whether the solver converged.
        """
        return [
            {
                "basis": basis.name,
                "units": basis.size,
                "target_units": target.size,
                "cost": self.coupled[basis.name].cost,
                "diagonal": self.coupled[basis.name].plan.diagonal(),
                "converged": self.coupled[basis.name].plan.converged,
            }
            for basis, target in zip(self.model.bases, self.reference.bases, strict=True)
            if basis.name in self.coupled
        ]

    def moved(self, reference: nn.Module, model: nn.Module) -> nn.Module:
        """`model` carried along the plans: a new module of the reference's shapes."""
        state = model.state_dict()
        return holding(reference, self.carried(state), state)

    def carried(self, state: State) -> dict[str, Tensor]:
        """The model's `state` carried along the plans; what no plan touches is not copied."""
        return transport(state, self.model.bases, self.plans, self.reference.bases)


def options_of(
    method: str,
    options: Mapping[str, Any],
    configs: Mapping[str, type[Config]] = CONFIGS,
    arguments: Sequence[str] = (),
) -> Config:
    """The config of a method from keyword arguments; `configs` has those of every method by its name.

    `arguments` are the other names that the caller takes: a slip of one of them is told as such.

    Raises:
        ConfigError: there is no such method, or it has no such option or value.
    """
    if not isinstance(method, str):
        message = f"is a {type(method).__name__}; allowed: {', '.join(configs)}"
        raise ConfigError([Problem("method", message)])
    if method not in configs:
        raise ConfigError([Problem("method", f"is {method!r}; {nearest(method, list(configs))}")])
    known = configs[method].model_fields
    slips = {
        name: did_you_mean(name, arguments)
        for name in options
        if name not in known and not did_you_mean(name, list(known))
    }
    problems = [Problem(name, f"unknown argument{told}") for name, told in slips.items() if told]
    if problems:
        raise ConfigError(problems, method)
    return configs[method].parse({"kind": method, **options}, method)


def align(
    reference: nn.Module, model: nn.Module, method: str = "ot", *, inputs: Inputs | None = None, **options: Any
) -> nn.Module:
    """`model` in the basis of `reference`: a new module with the reference's shapes.

    With a permutation (`ot` on equal widths, `weight_matching`, …) it computes what `model` computes.

    Args:
        reference: Its hidden units keep their order.
        model: A module of the same architecture; it is not changed.
        method: A key of `framework.fusion.METHODS`.
        inputs: What the models take, N of it: a tensor (N, …) of any type, several in a tuple, or by name in a
            dict
            (`framework.models.batch`). The models are traced on the first of them; without them images are made
            up.
        options: Of the method (`framework.fusion.config`). Beside them, `labels` (N,) are for
            `sinkhorn_matching`, and `fix_outputs=False` lets the last layer's rows move too.

    Raises:
        InvalidInput: the two differ in architecture, hold NaN, or cannot be traced; inputs are missing.
        ConfigError: an option that the method does not take.
    """
    labels, fix_outputs = options.pop("labels", None), bool(options.pop("fix_outputs", True))
    refuse_others({"reference": reference, "model": model})
    config = options_of(method, options, arguments=("inputs", "method"))
    for module in (reference, model):
        refuse_untraceable(module)
    refuse_values({"reference": reference, "model": model})
    given, reference = reference, working(reference)
    model = working(model, reference)
    task = Task.of(reference, model, inputs_for(reference, inputs), labels, fix_outputs=fix_outputs, finite=True)
    moved = plans(task, config).moved(reference, model)
    return moved if reference is given else as_given(given, moved)


def plans(task: Task, config: Config) -> Alignment:
    """The plans that the method of `config` finds.

    Raises:
        InvalidInput: inputs that the method needs are missing, widths that it cannot match, or no plan was found.
    """
    return all_plans([task], config)[0]


def all_plans(tasks: Sequence[Task], config: Config) -> list[Alignment]:
    """Of each task the plans that the method of `config` finds; the reference is the same in all.

    Layers whose units no permutation may move are told in a warning.

    Raises:
        InvalidInput: as `plans`.
    """
    pinned = tasks[0].target.pinned if tasks and not isinstance(config, Average) else ()
    if pinned:
        warnings.warn(
            f"nothing is matched at {', '.join(pinned)}: the units behind meet an order of their own (a tensor of "
            "constants, the inputs by a sum, an axis of positions), and stay where they are; what is trained "
            "should be a parameter",
            stacklevel=3,
        )
    pairs = zip(find(tasks, config), tasks, strict=True)
    return [Alignment(found, task.structure, task.target) for found, task in pairs]
