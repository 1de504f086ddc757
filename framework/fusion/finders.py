"""The method of each config. A new method is a config in `config.py`, a file of its own, and a line here: in
`FINDERS` if it matches one model to the first, in `JOINT` if it looks at all models at once.
"""

from collections.abc import Callable, Sequence
from typing import Any

from framework.config import Config
from framework.errors import InvalidInput, Problem
from framework.fusion.activation_matching import activation_matching
from framework.fusion.activations import activation_products
from framework.fusion.config import (
    GW,
    OT,
    ActivationMatching,
    Average,
    CycleConsistent,
    SinkhornMatching,
    WeightMatching,
)
from framework.fusion.cycle_consistent import cycle_consistent
from framework.fusion.gromov import gromov
from framework.fusion.plans import Coupled
from framework.fusion.rows import Weights
from framework.fusion.shortcuts import quick_transport_plans
from framework.fusion.sinkhorn_matching import sinkhorn_matching
from framework.fusion.task import Task
from framework.fusion.weight_matching import weight_matching

Found = dict[str, Coupled]


def find(tasks: Sequence[Task], config: Config) -> list[Found]:
    """Of each model that is to be brought to their one reference a plan for every basis, by name; of the plain
    average none.

    Raises:
        InvalidInput: inputs that the method needs are missing, widths that it cannot match, or no plan was found.
    """
    if type(config) in JOINT:
        return JOINT[type(config)](tasks, config)
    return [FINDERS[type(config)](task, config) for task in tasks]


def _average(task: Task, config: Average) -> Found:
    task.refuse_widths()
    return {}


def _ot(task: Task, config: OT) -> Found:
    weights = Weights(*task.states, task.structure.bases, task.target.bases, normalise_rows=config.normalise_rows)
    products = {}
    if config.source == "activations":
        drawn = task.drawn(config.num_samples, config.seed)
        products = activation_products(
            (task.model, task.reference),
            (task.structure, task.target),
            drawn,
            config.activation,
            config.statistic,
        )
    return quick_transport_plans(weights, config, products)


def _gw(task: Task, config: GW) -> Found:
    weights = Weights(*task.states, task.structure.bases, task.target.bases, normalise_rows=config.normalise_rows)
    if config.source == "weights":
        return gromov(weights, config, {}, {})
    drawn = task.drawn(config.num_samples, config.seed)
    within = [
        activation_products((module, module), (part, part), drawn, config.activation, config.statistic)
        for module, part in ((task.model, task.structure), (task.reference, task.target))
    ]
    return gromov(weights, config, *within)


def _weight_matching(task: Task, config: WeightMatching) -> Found:
    task.refuse_widths()
    return weight_matching(*task.states, task.structure.bases, config)


def _cycle_consistent(tasks: Sequence[Task], config: CycleConsistent) -> list[Found]:
    for task in tasks:
        task.refuse_widths()
    states = [tasks[0].reference.state_dict(), *(task.model.state_dict() for task in tasks)]
    return cycle_consistent(states, tasks[0].target.bases, config)


def _activation_matching(task: Task, config: ActivationMatching) -> Found:
    task.refuse_widths()
    return activation_matching(task, config)


def _sinkhorn_matching(task: Task, config: SinkhornMatching) -> Found:
    task.refuse_widths()
    if task.inputs is None:
        raise InvalidInput([Problem("inputs", "sinkhorn_matching learns on a batch of inputs; give inputs=…")])
    return sinkhorn_matching(task.model, task.reference, task.structure.bases, config, task.inputs, task.labels)


FINDERS: dict[type[Config], Callable[[Task, Any], Found]] = {
    Average: _average,
    OT: _ot,
    GW: _gw,
    WeightMatching: _weight_matching,
    ActivationMatching: _activation_matching,
    SinkhornMatching: _sinkhorn_matching,
}
JOINT: dict[type[Config], Callable[[Sequence[Task], Any], list[Found]]] = {CycleConsistent: _cycle_consistent}
