"""From a config to its network, and what multiplies the learning rate of each of its parameters.

network = build(config, "task_0", inputs=1, outputs=7)
groups = [{"params": [p], "lr": rate * factors[name]} for name, p in network.named_parameters()]
"""

from itertools import pairwise

from torch import Generator, nn

from framework.config import Config
from framework.errors import ConfigError, Problem
from framework.multitask.networks.config import (
    LISTS,
    AbcMLP,
    AbcStack,
    Stack,
    exponents_of,
    parametrisation_of,
)
from framework.multitask.networks.layer import AbcLayer
from framework.multitask.networks.mlp import AbcMLPNetwork
from framework.multitask.networks.parametrisation import (
    Exponents,
    explicit_exponents,
    family_of,
    layer_scalings,
    preset_exponents,
)
from framework.multitask.networks.stack import CoreSizes, StackNetwork, abc_core, core_sizes, linear_core
from framework.multitask.per_task import given_per_task, value


def build(
    config: AbcMLP | Stack | AbcStack,
    task: str,
    inputs: int,
    outputs: int,
    *,
    generator: Generator | None = None,
) -> nn.Module:
    """The untrained network (N, inputs) → (N, outputs) of one task, or of all that share it.

    Args:
        config: The network.
        task: Whose values are taken where they differ; any name where none does.
        inputs: Numbers of an input.
        outputs: Numbers of an output.
        generator: What the weights are drawn from, on the CPU; None takes torch's own seed, and
            `stack` always does.

    Raises:
        ConfigError: a value that is given per task leaves this one out.
    """
    _refuse_without(config, task)
    if isinstance(config, AbcMLP):
        return _abc_mlp(config, task, inputs, outputs, generator)
    if isinstance(config, AbcStack):
        return _abc_stack(config, task, inputs, outputs, generator)
    cores = [linear_core(sizes, value(config.activation, task)) for sizes in _sizes(config, task, inputs, outputs)]
    return StackNetwork(cores, value(config.bottleneck_activation, task))


def rate_factors(network: nn.Module, optimizer: str) -> dict[str, float]:
    """What multiplies the learning rate of each parameter, by its name: n^-c, and 1 for what is in no abc layer.

    Args:
        network: Any module; its abc layers may lie anywhere in it.
        optimizer: The kind: sgd, adam or adamw.

    Raises:
        InvalidInput: there are abc layers, and no rates for this optimiser.
    """
    factors = dict.fromkeys((name for name, _ in network.named_parameters()), 1.0)
    for path, module in network.named_modules():
        if isinstance(module, AbcLayer):
            family = family_of(optimizer)
            for name, _ in module.named_parameters(recurse=False):
                factors[f"{path}.{name}" if path else name] = getattr(module.scaling, name).rate(family)
    return factors


def _refuse_without(config: Config, task: str) -> None:
    problems = [
        Problem(name, f"has nothing for {task}; it has: {', '.join(mapping)}")
        for name, mapping in given_per_task(config).items()
        if task not in mapping
    ]
    if problems:
        raise ConfigError(problems, "network")


def _exponents(config: AbcMLP | AbcStack, task: str, layers: int) -> tuple[Exponents, ...]:
    chosen = parametrisation_of(config, task)
    if chosen != "explicit":
        return preset_exponents(chosen, layers)
    a, b, c = (exponents_of(config, name, task) or () for name in LISTS)
    return explicit_exponents(a, b, c)


def _abc_mlp(config: AbcMLP, task: str, inputs: int, outputs: int, generator: Generator | None) -> AbcMLPNetwork:
    width, depth = value(config.width, task), value(config.depth, task)
    sizes = [inputs, *[width] * (depth - 1), outputs]
    branches = max(depth - 2, 1) if parametrisation_of(config, task) == "complete_p" else 1
    scalings = layer_scalings(
        _exponents(config, task, depth),
        list(pairwise(sizes)),
        [width] * depth,
        value(config.scale, task),
        branches=branches,
    )
    return AbcMLPNetwork(
        sizes,
        scalings,
        value(config.activation, task),
        bias=value(config.bias, task),
        residual=value(config.residual, task),
        zero_output=value(config.zero_output, task),
        generator=generator,
    )


def _sizes(config: Stack | AbcStack, task: str, inputs: int, outputs: int) -> list[CoreSizes]:
    return core_sizes(
        inputs,
        outputs,
        depth=value(config.depth, task),
        bottleneck=value(config.bottleneck_width, task),
        hidden=value(config.variable_width, task),
        skip=value(config.skip, task),
        linear_skip=value(config.linear_skip, task),
    )


def _abc_stack(
    config: AbcStack, task: str, inputs: int, outputs: int, generator: Generator | None
) -> StackNetwork:
    cores = _sizes(config, task, inputs, outputs)
    hidden = value(config.variable_width, task)
    widths = [n for core in cores for n in (core.inputs, core.hidden)]
    widths[0] = hidden
    scalings = layer_scalings(
        _exponents(config, task, 2 * len(cores)),
        [layer for core in cores for layer in core.layers],
        widths,
        value(config.scale, task),
    )
    made = [
        abc_core(
            core,
            scalings[2 * i : 2 * i + 2],
            value(config.activation, task),
            zero_output=value(config.zero_output, task) and i == len(cores) - 1,
            generator=generator,
        )
        for i, core in enumerate(cores)
    ]
    return StackNetwork(made, value(config.bottleneck_activation, task))
